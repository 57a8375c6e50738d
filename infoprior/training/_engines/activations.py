"""Activations and their derivatives, compiled.

Each takes h, what goes into the activation, and puts the activation in its place; `derivative`, of
the same shape, is written. Both are flat arrays.
"""

from __future__ import annotations

import numpy as np

from infoprior.training._engines.jit import HALF, ONE, ZERO, Vector, f32, inlined, part
from infoprior.training._engines.layout import GELU, RELU, TANH


@inlined
def exp(x: f32) -> f32:
    """e^x to about three units in the last place; as at -87 below that, as at 88 above."""
    x = min(max(x, f32(-87.0)), f32(88.0)) if x == x else x
    k = np.floor(x * f32(1.44269504) + HALF) if x == x else ZERO
    r = x - k * f32(0.693359375) + k * f32(2.12194440e-4)
    p = f32(1.3888889e-3)
    p = p * r + f32(8.3333333e-3)
    p = p * r + f32(4.1666668e-2)
    p = p * r + f32(1.6666667e-1)
    p = p * r + HALF
    p = p * r + ONE
    p = p * r + ONE
    # 2^k has the bits of k + 127 as its exponent.
    return p * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)


@part
def relu(h: Vector, derivative: Vector) -> None:
    for i in range(h.size):
        derivative[i] = ONE if h[i] > ZERO else ZERO
        h[i] = ZERO if h[i] <= ZERO else h[i]  # NaN stays


@part
def tanh(h: Vector, derivative: Vector) -> None:
    for i in range(h.size):
        t = ONE - f32(2.0) / (exp(f32(2.0) * h[i]) + ONE)
        h[i] = t
        derivative[i] = ONE - t * t


@part
def gelu(h: Vector, derivative: Vector) -> None:
    # Phi by Abramowitz & Stegun, "Handbook of Mathematical Functions", 7.1.26: within 8e-8.
    for i in range(h.size):
        x = h[i]
        bell = exp(-HALF * x * x)
        t = ONE / (ONE + f32(0.3275911 * 0.70710678) * abs(x))
        p = f32(1.061405429)
        p = p * t - f32(1.453152027)
        p = p * t + f32(1.421413741)
        p = p * t - f32(0.284496736)
        p = p * t + f32(0.254829592)
        tail = HALF * p * t * bell
        phi = ONE - tail if x > ZERO else tail
        h[i] = x * phi
        derivative[i] = phi + x * bell * f32(0.39894228)


@part
def silu(h: Vector, derivative: Vector) -> None:
    for i in range(h.size):
        x = h[i]
        s = ONE / (ONE + exp(-x))
        h[i] = x * s
        derivative[i] = s * (ONE + x * (ONE - s))


@part
def activate(kind: int, h: Vector, derivative: Vector) -> None:
    """Activation in place and its derivative; `kind` is the layer's, both arrays are flat."""
    if kind == RELU:
        relu(h, derivative)
    elif kind == TANH:
        tanh(h, derivative)
    elif kind == GELU:
        gelu(h, derivative)
    else:
        silu(h, derivative)
