"""Batch and layer normalization, forward and backward, compiled.

Ioffe & Szegedy, "Batch Normalization", ICML 2015, algorithm 1; Ba, Kiros & Hinton, "Layer
Normalization", 2016, equation 4; with PyTorch's constants. Arguments are called as in `kernels`:

    h                (n, n_out)       what is normalized
    normalized       (n, n_out)       h less its mean, times `inverse_std`
    inverse_std      (n_out,), (n,)   1 / standard deviation: of units (batch), of rows (layer norm)
    gain, shift, bias  (n_out,)       the layer's parameters of these names
    running          (2 n_out,)       running means, then variances, of the layer's units
    grad             (n, n_out)       gradient in the output, made that in h
    gradients        (n_parameters,)  of all of the network's parameters
"""

from __future__ import annotations

import numpy as np
from numba import njit

from infoprior.training._engines.jit import ONE, ZERO, Matrix, Vector, column_sums, f32, part
from infoprior.training._engines.layout import Layer

EPS = f32(1e-5)
MOMENTUM = f32(0.1)


# No sums in any order here: which one the compiler takes depends on the code around it, and
# published rows on which one it is.
@njit(fastmath={"contract"}, error_model="numpy", nogil=True, forceinline=True)
def move_statistics(running: Vector, mean: Vector, var: Vector, bias: Vector, n: int) -> None:
    """Running statistics move towards a batch's mean and var, (n_out,), in a fixed order of sums.

    The batch's mean is that of x weight^T, without the bias, which counts here.
    """
    width = len(mean)
    unbiased = f32(n) / f32(max(n - 1, 1))
    for j in range(width):
        running[j] += MOMENTUM * ((mean[j] - running[j]) + bias[j])
        running[width + j] += MOMENTUM * (var[j] * unbiased - running[width + j])


@part
def normalize_batch(
    h: Matrix, normalized: Matrix, inverse_std: Vector, running: Vector, bias: Vector,
    training: bool,
) -> None:  # fmt: skip
    """Batch normalization, less gain and shift, of h into `normalized`; moves `running`."""
    n, width = h.shape
    mean, var = np.zeros(width, f32), np.zeros(width, f32)
    if training:
        column_sums(h, mean)
        mean /= f32(n)
        for i in range(n):
            for j in range(width):
                c = h[i, j] - mean[j]
                var[j] += c * c
        var /= f32(n)
        move_statistics(running, mean, var, bias, n)
    else:
        for j in range(width):
            mean[j] = running[j] - bias[j]
            var[j] = running[width + j]
    for j in range(width):
        inverse_std[j] = ONE / np.sqrt(var[j] + EPS)
    for i in range(n):
        for j in range(width):
            normalized[i, j] = (h[i, j] - mean[j]) * inverse_std[j]


@part
def normalize_layer(h: Matrix, normalized: Matrix, inverse_std: Vector) -> None:
    """Layer normalization, less gain and shift, of h into `normalized`."""
    n, width = h.shape
    for i in range(n):
        mean = ZERO
        for j in range(width):
            mean += h[i, j]
        mean /= f32(width)
        var = ZERO
        for j in range(width):
            c = h[i, j] - mean
            normalized[i, j] = c
            var += c * c
        inverse_std[i] = ONE / np.sqrt(var / f32(width) + EPS)
        for j in range(width):
            normalized[i, j] *= inverse_std[i]


@part
def scale_units(normalized: Matrix, gain: Vector, shift: Vector, out: Matrix) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = normalized[i, j] * gain[j] + shift[j]


@part
def normalization_gradient(
    grad: Matrix, normalized: Matrix, inverse_std: Vector, gain: Vector, over_rows: bool
) -> None:
    """grad, in what gain and shift gave, becomes that in what was normalized (batch: over rows)."""
    n, width = grad.shape
    if over_rows:
        mean, along = np.zeros(width, f32), np.zeros(width, f32)
        for i in range(n):
            for j in range(width):
                mean[j] += grad[i, j]
                along[j] += grad[i, j] * normalized[i, j]
        mean /= f32(n)
        along /= f32(n)
        for i in range(n):
            for j in range(width):
                inner = grad[i, j] - mean[j] - normalized[i, j] * along[j]
                grad[i, j] = gain[j] * inverse_std[j] * inner
        return
    for i in range(n):
        mean_, along_ = ZERO, ZERO
        for j in range(width):
            grad[i, j] *= gain[j]
            mean_ += grad[i, j]
            along_ += grad[i, j] * normalized[i, j]
        mean_ /= f32(width)
        along_ /= f32(width)
        for j in range(width):
            grad[i, j] = (grad[i, j] - mean_ - normalized[i, j] * along_) * inverse_std[i]


@part
def scale_gradients(grad: Matrix, normalized: Matrix, gradients: Vector, layer: Layer) -> None:
    """Gradients of gain and shift."""
    n, width = grad.shape
    gain = gradients[layer.gain_at : layer.gain_at + width]
    gain[:] = ZERO
    for i in range(n):
        for j in range(width):
            gain[j] += grad[i, j] * normalized[i, j]
    column_sums(grad, gradients[layer.shift_at : layer.shift_at + width])
