"""Compiled arithmetic of multilayer perceptrons: whole epochs without a return to Python.

All of it in one file: what numba keeps of a function does not see changes of another file. The
constants of `layout` stand in the compiled code, so a change there needs one here (of this line, if
nothing else): layout 1.

Arguments have the same name, shape and role in all functions; n is the number of rows of a batch:

    network          the network, see `Network`
    layer            one layer of it, a record of `layout.LAYER`
    gradients        (n_parameters,)  gradient of a batch's mean cross-entropy in each parameter
    exp_avg          (n_parameters,)  Adam's first moment: running mean of the gradients
    exp_avg_sq       (n_parameters,)  Adam's second moment: running mean of their squares
    x                (n, n_in)        what goes into a layer, or rows of the training data
    y                (n,), int64      labels of the rows of x
    h                (n, n_out)       what a layer gives, in the making: the forward pass writes it
    out              (n, n_out)       where a result is written
    grad             (n, n_out)       gradient in h, made that in x layer by layer: backward pass
    derivative       (n, n_out)       of the layer's output in what goes into its activation
    normalized       (n, n_out)       h less its mean, times `inverse_std`
    inverse_std      (n_out,), (n,)   1 / standard deviation: of units (batch), of rows (layer norm)
    gain, shift, bias  (n_out,)       the layer's parameters of these names
    running          (2 n_out,)       running means, then variances, of the layer's units
    first_row        int              number of the first row of x in its epoch
    training         bool             whether to drop units and to move the running statistics
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from infoprior.training._engines.layout import (
    BATCH,
    GELU,
    GRADIENT_ARRAYS,
    LAYER_NORM,
    PLAIN,
    RELU,
    TANH,
    Layer,
)

F = TypeVar("F", bound=Callable[..., object])
Vector = NDArray[np.float32]
Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]
f32 = np.float32
ONE, ZERO, HALF = f32(1.0), f32(0.0), f32(0.5)
EPS = f32(1e-5)
MOMENTUM = f32(0.1)
BETA_1, BETA_2, ADAM_EPS = f32(0.9), f32(0.999), f32(1e-8)

# Sums may be taken in any order, but NaN stays NaN: that is how a diverged network is known. No
# reciprocals ("arcp"): a processor's estimate of 1 / sqrt(x) is its maker's own.
OPTIONS: dict[str, object] = {
    "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy", "nogil": True,
}  # fmt: skip
inlined = njit(**OPTIONS, inline="always")


class Network(NamedTuple):
    """A network's arrays, as drawn in `layout`."""

    parameters: Vector  # (n_parameters,)
    layers: np.recarray  # (n_layers,) of `layout.LAYER`; the output layer is the last
    running: Vector  # (n_running,): running statistics of all batch normalizations
    workspace: Vector  # (size,)
    capacity: int  # rows that the workspace has room for


def jit(function: F) -> F:
    """Compiled when it is first called, and kept on disk where there is a folder for it.

    What others call, names that start with "_", becomes part of its callers: a process that
    compiles would otherwise call the functions as they stand alone, one that loads what is kept
    would call those within the callers, and their sums are taken in other orders.
    """
    options = OPTIONS | {"forceinline": function.__name__.startswith("_")}
    try:
        return njit(**options, cache=True)(function)
    except RuntimeError:  # no folder can be written to: compiled again by every process
        return njit(**options)(function)


@inlined
def _exp(x: f32) -> f32:
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


@jit
def _relu(h: Vector, derivative: Vector) -> None:
    for i in range(h.size):
        derivative[i] = ONE if h[i] > ZERO else ZERO
        h[i] = ZERO if h[i] <= ZERO else h[i]  # NaN stays


@jit
def _tanh(h: Vector, derivative: Vector) -> None:
    for i in range(h.size):
        t = ONE - f32(2.0) / (_exp(f32(2.0) * h[i]) + ONE)
        h[i] = t
        derivative[i] = ONE - t * t


@jit
def _gelu(h: Vector, derivative: Vector) -> None:
    # Phi by Abramowitz & Stegun, "Handbook of Mathematical Functions", 7.1.26: within 8e-8.
    for i in range(h.size):
        x = h[i]
        bell = _exp(-HALF * x * x)
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


@jit
def _silu(h: Vector, derivative: Vector) -> None:
    for i in range(h.size):
        x = h[i]
        s = ONE / (ONE + _exp(-x))
        h[i] = x * s
        derivative[i] = s * (ONE + x * (ONE - s))


@jit
def _activate(kind: int, h: Vector, derivative: Vector) -> None:
    """Activation in place and its derivative; `kind` is the layer's, both arrays are flat."""
    if kind == RELU:
        _relu(h, derivative)
    elif kind == TANH:
        _tanh(h, derivative)
    elif kind == GELU:
        _gelu(h, derivative)
    else:
        _silu(h, derivative)


@jit
def _product(x: Matrix, weight: Matrix, out: Matrix) -> None:
    """out = x weight^T."""
    np.dot(x, weight.T, out)


@jit
def _add_row(h: Matrix, row: Vector) -> None:
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            h[i, j] += row[j]


@jit
def _column_sums(grad: Matrix, out: Vector) -> None:
    out[:] = ZERO
    for i in range(grad.shape[0]):
        for j in range(grad.shape[1]):
            out[j] += grad[i, j]


# No sums in any order here: which one the compiler takes depends on the code around it, and
# published rows on which one it is.
@njit(fastmath={"contract"}, error_model="numpy", nogil=True, forceinline=True)
def _move_statistics(running: Vector, mean: Vector, var: Vector, bias: Vector, n: int) -> None:
    """Running statistics move towards a batch's mean and var, (n_out,), in a fixed order of sums.

    The batch's mean is that of x weight^T, without the bias, which counts here.
    """
    width = len(mean)
    unbiased = f32(n) / f32(max(n - 1, 1))
    for j in range(width):
        running[j] += MOMENTUM * ((mean[j] - running[j]) + bias[j])
        running[width + j] += MOMENTUM * (var[j] * unbiased - running[width + j])


@jit
def _normalize_batch(
    h: Matrix, normalized: Matrix, inverse_std: Vector, running: Vector, bias: Vector,
    training: bool,
) -> None:  # fmt: skip
    """Batch normalization, less gain and shift, of h into `normalized`; moves `running`."""
    n, width = h.shape
    mean, var = np.zeros(width, f32), np.zeros(width, f32)
    if training:
        _column_sums(h, mean)
        mean /= f32(n)
        for i in range(n):
            for j in range(width):
                c = h[i, j] - mean[j]
                var[j] += c * c
        var /= f32(n)
        _move_statistics(running, mean, var, bias, n)
    else:
        for j in range(width):
            mean[j] = running[j] - bias[j]
            var[j] = running[width + j]
    for j in range(width):
        inverse_std[j] = ONE / np.sqrt(var[j] + EPS)
    for i in range(n):
        for j in range(width):
            normalized[i, j] = (h[i, j] - mean[j]) * inverse_std[j]


@jit
def _normalize_layer(h: Matrix, normalized: Matrix, inverse_std: Vector) -> None:
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


@jit
def _scale_units(normalized: Matrix, gain: Vector, shift: Vector, out: Matrix) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = normalized[i, j] * gain[j] + shift[j]


@jit
def _drop(h: Vector, derivative: Vector, layer: Layer, first_draw: int) -> None:
    """What `MaskDraws.masks` does, of the draws from `first_draw` on; both arrays are flat."""
    key, below = np.uint32(layer.dropout_key), np.uint32(layer.keep_below)
    step, mix_1, mix_2 = np.uint32(layer.weyl_step), np.uint32(layer.mix_1), np.uint32(layer.mix_2)
    factor = ONE / layer.keep_probability
    begin = np.uint32(first_draw)
    for i in range(h.size):
        bits = np.uint32((begin + np.uint32(i)) * step + key)
        bits = np.uint32((bits ^ (bits >> np.uint32(16))) * mix_1)
        bits = np.uint32((bits ^ (bits >> np.uint32(15))) * mix_2)
        bits = bits ^ (bits >> np.uint32(16))
        f = factor if bits < below else ZERO
        h[i] *= f
        derivative[i] *= f


@jit
def _matrix(flat: Vector, at: int, n: int, width: int) -> Matrix:
    """The numbers of a flat array from `at` on as (n, width)."""
    return flat[at : at + n * width].reshape(n, width)


@jit
def _hidden(network: Network, layer: Layer, x: Matrix, first_row: int, training: bool) -> Matrix:
    """A hidden layer's output, (n, n_out); what the backward pass needs is in the workspace."""
    parameters, work = network.parameters, network.workspace
    n, n_in, width = x.shape[0], layer.n_in, layer.n_out
    at, size = layer.workspace_at, network.capacity * width
    h = _matrix(work, at, n, width)
    derivative = work[at + size : at + size + n * width]
    bias = parameters[layer.bias_at : layer.bias_at + width]
    _product(x, _matrix(parameters, layer.weight_at, width, n_in), h)
    if layer.normalization == BATCH:
        # The normalization takes the bias out again.
        normalized = _matrix(work, at + 2 * size, n, width)
        inverse_std = work[at + 3 * size :]
        running = network.running[layer.running_at :]
        _normalize_batch(h, normalized, inverse_std, running, bias, training)
    else:
        _add_row(h, bias)
    if layer.normalization == LAYER_NORM:
        normalized = _matrix(work, at + 2 * size, n, width)
        _normalize_layer(h, normalized, work[at + 3 * size :])
    if layer.normalization != PLAIN:
        normalized = _matrix(work, at + 2 * size, n, width)
        gain = parameters[layer.gain_at : layer.gain_at + width]
        shift = parameters[layer.shift_at : layer.shift_at + width]
        _scale_units(normalized, gain, shift, h)
    flat = work[at : at + n * width]
    _activate(layer.activation, flat, derivative)
    if training and layer.keep_probability < ONE:
        _drop(flat, derivative, layer, layer.first_draw + first_row * width)
    if layer.residual:
        for i in range(n):
            for j in range(width):
                h[i, j] += x[i, j]
    return h


@jit
def _output(network: Network, layer: Layer, x: Matrix, out: Matrix) -> None:
    """Logits, (n, n_classes), of the last hidden layer's output x."""
    parameters, width = network.parameters, layer.n_out
    _product(x, _matrix(parameters, layer.weight_at, width, layer.n_in), out)
    _add_row(out, parameters[layer.bias_at : layer.bias_at + width])


@jit
def logits(network: Network, x: Matrix, out: Matrix) -> None:
    """In evaluation mode: logits of x, (n, n_features), into `out`, (n, n_classes)."""
    layers, capacity = network.layers, network.capacity
    for start in range(0, len(x), capacity):
        h = x[start : min(start + capacity, len(x))]
        stop = start + len(h)
        for i in range(len(layers) - 1):
            h = _hidden(network, layers[i], h, 0, False)
        _output(network, layers[-1], h, out[start:stop])


@jit
def _cross_entropy_gradient(grad: Matrix, y: Labels) -> None:
    """Logits, (n, n_classes), become the gradient of the mean cross-entropy in them."""
    n, k = grad.shape
    for i in range(n):
        top = grad[i, 0]
        for j in range(1, k):
            top = max(top, grad[i, j])
        total = ZERO
        for j in range(k):
            grad[i, j] = _exp(grad[i, j] - top)
            total += grad[i, j]
        factor = ONE / (total * f32(n))
        for j in range(k):
            grad[i, j] *= factor
        grad[i, y[i]] -= ONE / f32(n)


@jit
def _normalization_gradient(
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


@jit
def _linear_gradients(
    grad: Matrix, x: Matrix, gradients: Vector, layer: Layer, has_bias: bool
) -> None:
    """Gradients of weight and bias; of a bias that does not count they stay 0."""
    width = layer.n_out
    np.dot(grad.T, x, _matrix(gradients, layer.weight_at, width, layer.n_in))
    if has_bias:
        _column_sums(grad, gradients[layer.bias_at : layer.bias_at + width])


@jit
def _scale_gradients(grad: Matrix, normalized: Matrix, gradients: Vector, layer: Layer) -> None:
    """Gradients of gain and shift."""
    n, width = grad.shape
    gain = gradients[layer.gain_at : layer.gain_at + width]
    gain[:] = ZERO
    for i in range(n):
        for j in range(width):
            gain[j] += grad[i, j] * normalized[i, j]
    _column_sums(grad, gradients[layer.shift_at : layer.shift_at + width])


@jit
def _gradients(
    network: Network, gradients: Vector, x: Matrix, y: Labels, start: int, stop: int
) -> None:
    """Gradients of the mean cross-entropy of rows start:stop of an epoch's x and y."""
    parameters, layers = network.parameters, network.layers
    work, capacity = network.workspace, network.capacity
    n, deepest = stop - start, len(layers) - 1
    h = x[start:stop]
    for i in range(deepest):
        h = _hidden(network, layers[i], h, start, True)
    last = layers[deepest]
    at, size = last.workspace_at, capacity * layers.n_out.max()
    grad = _matrix(work, at, n, last.n_out)
    _output(network, last, h, grad)
    _cross_entropy_gradient(grad, y[start:stop])
    _linear_gradients(grad, h, gradients, last, True)
    spare = 1  # of the three arrays, used in turn
    grad_out = _matrix(work, at + size, n, last.n_in)
    np.dot(grad, _matrix(parameters, last.weight_at, last.n_out, last.n_in), grad_out)
    for i in range(deepest - 1, -1, -1):
        layer = layers[i]
        width, mine = layer.n_out, layer.workspace_at
        derivative = _matrix(work, mine + capacity * width, n, width)
        grad = _matrix(work, at + (spare + 1) % GRADIENT_ARRAYS * size, n, width)
        for r in range(n):
            for j in range(width):
                grad[r, j] = grad_out[r, j] * derivative[r, j]
        if layer.normalization != PLAIN:
            normalized = _matrix(work, mine + 2 * capacity * width, n, width)
            _scale_gradients(grad, normalized, gradients, layer)
            gain = parameters[layer.gain_at : layer.gain_at + width]
            inverse_std = work[mine + 3 * capacity * width :]
            over_rows = layer.normalization == BATCH
            _normalization_gradient(grad, normalized, inverse_std, gain, over_rows)
        if i == 0:
            _linear_gradients(grad, x[start:stop], gradients, layer, layer.normalization != BATCH)
            break
        below = layers[i - 1]
        h = _matrix(work, below.workspace_at, n, below.n_out)
        _linear_gradients(grad, h, gradients, layer, layer.normalization != BATCH)
        spare = (spare + 2) % GRADIENT_ARRAYS
        grad_in = _matrix(work, at + spare * size, n, layer.n_in)
        np.dot(grad, _matrix(parameters, layer.weight_at, width, layer.n_in), grad_in)
        if layer.residual:
            for r in range(n):
                for j in range(width):
                    grad_in[r, j] += grad_out[r, j]
        grad_out = grad_in


@jit
def write_gradients(network: Network, gradients: Vector, x: Matrix, y: Labels) -> None:
    """What a step begins with, alone: gradients of one batch's mean cross-entropy."""
    _gradients(network, gradients, x, y, 0, len(y))


@jit
def _adamw(
    parameters: Vector, gradients: Vector, exp_avg: Vector, exp_avg_sq: Vector, step: int,
    learning_rate: float, weight_decay: float,
) -> None:  # fmt: skip
    """AdamW's step of this number, from 1 (Loshchilov & Hutter, ICLR 2019, algorithm 2)."""
    keep = f32(1.0 - learning_rate * weight_decay)
    size = f32(learning_rate / (1.0 - 0.9**step))
    root = f32(1.0 / np.sqrt(1.0 - 0.999**step))
    for i in range(parameters.size):
        g = gradients[i]
        exp_avg[i] += (ONE - BETA_1) * (g - exp_avg[i])
        exp_avg_sq[i] = BETA_2 * exp_avg_sq[i] + (ONE - BETA_2) * g * g
        denominator = np.sqrt(exp_avg_sq[i]) * root + ADAM_EPS
        parameters[i] = parameters[i] * keep - size * exp_avg[i] / denominator


@jit
def train_epoch(
    network: Network, gradients: Vector, exp_avg: Vector, exp_avg_sq: Vector, steps: int,
    learning_rate: float, weight_decay: float, x: Matrix, y: Labels, bounds: NDArray[np.int64],
) -> None:  # fmt: skip
    """One pass over x, (n, n_features), and y, (n,): a step of AdamW for each batch.

    Args:
        steps: made before this epoch.
        bounds: (n_batches, 2): first and last (exclusive) row of each batch.
    """
    for b in range(len(bounds)):
        _gradients(network, gradients, x, y, bounds[b, 0], bounds[b, 1])
        _adamw(
            network.parameters, gradients, exp_avg, exp_avg_sq, steps + b + 1, learning_rate,
            weight_decay,
        )  # fmt: skip
