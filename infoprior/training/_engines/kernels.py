"""Compiled arithmetic of multilayer perceptrons: whole epochs without a return to Python.

Everything is float32. A network's parameters are one flat vector; what its layers are stands in
an int64 array `layers` of one row a hidden layer and one for the output, with the columns below,
and in a float32 array `keeps`, the chance to keep a unit (1: no dropout).

All of it in one file: what numba keeps of a function does not see changes of another file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

N_IN, N_OUT, ACTIVATION, NORM, RESIDUAL, WEIGHT, BIAS, GAIN, SHIFT, STATS, AT = range(11)
KEY, DRAWN, BELOW, STEP, MIX_1, MIX_2 = range(11, 17)
COLUMNS = 17
"""Columns of `layers`: widths, kinds (below), whether the input is added, places of parameters, of
running statistics and of the layer's arrays in a workspace; what dropout is drawn from, constants
of `infoprior.spaces._dropout` included: compiled code that is kept would not see them change."""

RELU, TANH, GELU, SILU = range(4)
PLAIN, BATCH, LAYER = range(3)
ARRAYS = 3
"""A layer's arrays in a workspace, each (rows, n_out): output, slope, normalized; the scales of the
normalization, max(rows, n_out), follow."""

f32 = np.float32
ONE, ZERO, HALF = f32(1.0), f32(0.0), f32(0.5)
EPS = f32(1e-5)
MOMENTUM = f32(0.1)
BETA_1, BETA_2, ADAM_EPS = f32(0.9), f32(0.999), f32(1e-8)

# Sums may be taken in any order, but NaN stays NaN: that is how a diverged network is known. No
# reciprocals ("arcp"): a processor's estimate of 1 / sqrt(x) is its maker's own.
OPTIONS: Any = {
    "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy", "nogil": True,
}  # fmt: skip
inlined: Any = njit(**OPTIONS, inline="always")


def jit(function: Any) -> Any:
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
def _exp(x: Any) -> Any:
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
def _relu(h: Any, slope: Any) -> None:
    for i in range(h.size):
        slope[i] = ONE if h[i] > ZERO else ZERO
        h[i] = ZERO if h[i] <= ZERO else h[i]  # NaN stays


@jit
def _tanh(h: Any, slope: Any) -> None:
    for i in range(h.size):
        t = ONE - f32(2.0) / (_exp(f32(2.0) * h[i]) + ONE)
        h[i] = t
        slope[i] = ONE - t * t


@jit
def _gelu(h: Any, slope: Any) -> None:
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
        slope[i] = phi + x * bell * f32(0.39894228)


@jit
def _silu(h: Any, slope: Any) -> None:
    for i in range(h.size):
        x = h[i]
        s = ONE / (ONE + _exp(-x))
        h[i] = x * s
        slope[i] = s * (ONE + x * (ONE - s))


@jit
def _activate(kind: Any, h: Any, slope: Any) -> None:
    if kind == RELU:
        _relu(h, slope)
    elif kind == TANH:
        _tanh(h, slope)
    elif kind == GELU:
        _gelu(h, slope)
    else:
        _silu(h, slope)


@jit
def _product(x: Any, w: Any, out: Any) -> None:
    """out = x w^T."""
    np.dot(x, w.T, out)


@jit
def _add_row(h: Any, row: Any) -> None:
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            h[i, j] += row[j]


@jit
def _column_sums(d: Any, out: Any) -> None:
    out[:] = ZERO
    for i in range(d.shape[0]):
        for j in range(d.shape[1]):
            out[j] += d[i, j]


# No sums in any order here: which one the compiler takes hangs on the code around it, and published
# rows on which one it is.
@njit(fastmath={"contract"}, error_model="numpy", nogil=True, forceinline=True)
def _move_statistics(stats: Any, mean: Any, var: Any, bias: Any, n: Any) -> None:
    """Running means and variances move towards a batch's, in an order of sums that is fixed."""
    width = len(mean)
    unbiased = f32(n) / f32(max(n - 1, 1))
    for j in range(width):
        stats[j] += MOMENTUM * ((mean[j] - stats[j]) + bias[j])
        stats[width + j] += MOMENTUM * (var[j] * unbiased - stats[width + j])


@jit
def _normalize_rows(h: Any, normal: Any, scale: Any, stats: Any, bias: Any, training: Any) -> None:
    """Batch normalization, less gain and shift, of h into `normal`; keeps running statistics."""
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
        _move_statistics(stats, mean, var, bias, n)
    else:
        for j in range(width):
            mean[j] = stats[j] - bias[j]
            var[j] = stats[width + j]
    for j in range(width):
        scale[j] = ONE / np.sqrt(var[j] + EPS)
    for i in range(n):
        for j in range(width):
            normal[i, j] = (h[i, j] - mean[j]) * scale[j]


@jit
def _normalize_units(h: Any, normal: Any, scale: Any) -> None:
    """Layer normalization, less gain and shift, of h into `normal`."""
    n, width = h.shape
    for i in range(n):
        mean = ZERO
        for j in range(width):
            mean += h[i, j]
        mean /= f32(width)
        var = ZERO
        for j in range(width):
            c = h[i, j] - mean
            normal[i, j] = c
            var += c * c
        scale[i] = ONE / np.sqrt(var / f32(width) + EPS)
        for j in range(width):
            normal[i, j] *= scale[i]


@jit
def _scale_units(normal: Any, gain: Any, shift: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = normal[i, j] * gain[j] + shift[j]


@jit
def _drop(h: Any, slope: Any, layer: Any, first: Any, keep: Any) -> None:
    """What `MaskDraws.masks` does, of the draws from `first` on."""
    key, below, step = np.uint32(layer[KEY]), np.uint32(layer[BELOW]), np.uint32(layer[STEP])
    mix_1, mix_2 = np.uint32(layer[MIX_1]), np.uint32(layer[MIX_2])
    factor = ONE / keep
    begin = np.uint32(first)
    for i in range(h.size):
        bits = np.uint32((begin + np.uint32(i)) * step + key)
        bits = np.uint32((bits ^ (bits >> np.uint32(16))) * mix_1)
        bits = np.uint32((bits ^ (bits >> np.uint32(15))) * mix_2)
        bits = bits ^ (bits >> np.uint32(16))
        f = factor if bits < below else ZERO
        h[i] *= f
        slope[i] *= f


@jit
def _matrix(flat: Any, at: Any, n: Any, width: Any) -> Any:
    return flat[at : at + n * width].reshape(n, width)


@jit
def _hidden(
    values: Any, layer: Any, keep: Any, x: Any, first: Any, stats: Any, work: Any, rows: Any,
    training: Any,
) -> Any:  # fmt: skip
    """A hidden layer's output for x, rows `first` and on; what the way back needs stays there."""
    n, n_in, width = x.shape[0], layer[N_IN], layer[N_OUT]
    at, size = layer[AT], rows * width
    h = _matrix(work, at, n, width)
    slope = work[at + size : at + size + n * width]
    bias = values[layer[BIAS] : layer[BIAS] + width]
    _product(x, _matrix(values, layer[WEIGHT], width, n_in), h)
    if layer[NORM] == BATCH:
        # The normalization takes the bias out again.
        normal = _matrix(work, at + 2 * size, n, width)
        scale = work[at + 3 * size :]
        _normalize_rows(h, normal, scale, stats[layer[STATS] :], bias, training)
    else:
        _add_row(h, bias)
    if layer[NORM] == LAYER:
        normal = _matrix(work, at + 2 * size, n, width)
        _normalize_units(h, normal, work[at + 3 * size :])
    if layer[NORM] != PLAIN:
        normal = _matrix(work, at + 2 * size, n, width)
        gain = values[layer[GAIN] : layer[GAIN] + width]
        shift = values[layer[SHIFT] : layer[SHIFT] + width]
        _scale_units(normal, gain, shift, h)
    flat = work[at : at + n * width]
    _activate(layer[ACTIVATION], flat, slope)
    if training and keep < ONE:
        _drop(flat, slope, layer, layer[DRAWN] + first * width, keep)
    if layer[RESIDUAL]:
        for i in range(n):
            for j in range(width):
                h[i, j] += x[i, j]
    return h


@jit
def _output(values: Any, layer: Any, h: Any, out: Any) -> None:
    width = layer[N_OUT]
    _product(h, _matrix(values, layer[WEIGHT], width, layer[N_IN]), out)
    _add_row(out, values[layer[BIAS] : layer[BIAS] + width])


@jit
def logits(
    values: Any, layers: Any, keeps: Any, stats: Any, work: Any, rows: Any, x: Any, out: Any
) -> None:
    """In evaluation mode: logits of x, shape (n, n_features), into `out`, shape (n, n_classes)."""
    for start in range(0, len(x), rows):
        h = x[start : min(start + rows, len(x))]
        stop = start + len(h)
        for i in range(len(layers) - 1):
            h = _hidden(values, layers[i], keeps[i], h, 0, stats, work, rows, False)
        _output(values, layers[-1], h, out[start:stop])


@jit
def _softmax_slope(d: Any, y: Any) -> None:
    """Logits become the gradient of the mean cross-entropy in them."""
    n, k = d.shape
    for i in range(n):
        top = d[i, 0]
        for j in range(1, k):
            top = max(top, d[i, j])
        total = ZERO
        for j in range(k):
            d[i, j] = _exp(d[i, j] - top)
            total += d[i, j]
        factor = ONE / (total * f32(n))
        for j in range(k):
            d[i, j] *= factor
        d[i, y[i]] -= ONE / f32(n)


@jit
def _norm_slope(d: Any, normal: Any, scale: Any, gain: Any, over_rows: Any) -> None:
    """d, the gradient of what the layer's gain and shift gave, becomes that of what went in."""
    n, width = d.shape
    if over_rows:
        mean, along = np.zeros(width, f32), np.zeros(width, f32)
        for i in range(n):
            for j in range(width):
                mean[j] += d[i, j]
                along[j] += d[i, j] * normal[i, j]
        mean /= f32(n)
        along /= f32(n)
        for i in range(n):
            for j in range(width):
                inner = d[i, j] - mean[j] - normal[i, j] * along[j]
                d[i, j] = gain[j] * scale[j] * inner
        return
    for i in range(n):
        mean_, along_ = ZERO, ZERO
        for j in range(width):
            d[i, j] *= gain[j]
            mean_ += d[i, j]
            along_ += d[i, j] * normal[i, j]
        mean_ /= f32(width)
        along_ /= f32(width)
        for j in range(width):
            d[i, j] = (d[i, j] - mean_ - normal[i, j] * along_) * scale[i]


@jit
def _affine_slopes(d: Any, x: Any, gradients: Any, layer: Any, bias_matters: Any) -> None:
    width = layer[N_OUT]
    np.dot(d.T, x, _matrix(gradients, layer[WEIGHT], width, layer[N_IN]))
    if bias_matters:
        _column_sums(d, gradients[layer[BIAS] : layer[BIAS] + width])


@jit
def _norm_parameters(d: Any, normal: Any, gradients: Any, layer: Any) -> None:
    n, width = d.shape
    gain = gradients[layer[GAIN] : layer[GAIN] + width]
    gain[:] = ZERO
    for i in range(n):
        for j in range(width):
            gain[j] += d[i, j] * normal[i, j]
    _column_sums(d, gradients[layer[SHIFT] : layer[SHIFT] + width])


@jit
def _gradients(
    values: Any, gradients: Any, layers: Any, keeps: Any, stats: Any, work: Any, rows: Any,
    x: Any, y: Any, start: Any, stop: Any,
) -> None:  # fmt: skip
    """Gradients of the mean cross-entropy of rows start:stop of an epoch."""
    n, deepest = stop - start, len(layers) - 1
    h = x[start:stop]
    for i in range(deepest):
        h = _hidden(values, layers[i], keeps[i], h, start, stats, work, rows, True)
    last = layers[deepest]
    at, size = last[AT], rows * layers[:, N_OUT].max()
    d = _matrix(work, at, n, last[N_OUT])
    _output(values, last, h, d)
    _softmax_slope(d, y[start:stop])
    _affine_slopes(d, h, gradients, last, True)
    spare = 1  # the workspace ends in three such arrays, used in turn
    d_out = _matrix(work, at + size, n, last[N_IN])
    np.dot(d, _matrix(values, last[WEIGHT], last[N_OUT], last[N_IN]), d_out)
    for i in range(deepest - 1, -1, -1):
        layer = layers[i]
        width, mine = layer[N_OUT], layer[AT]
        slope = _matrix(work, mine + rows * width, n, width)
        d = _matrix(work, at + (spare + 1) % 3 * size, n, width)
        for r in range(n):
            for j in range(width):
                d[r, j] = d_out[r, j] * slope[r, j]
        if layer[NORM] != PLAIN:
            normal = _matrix(work, mine + 2 * rows * width, n, width)
            _norm_parameters(d, normal, gradients, layer)
            gain = values[layer[GAIN] : layer[GAIN] + width]
            _norm_slope(d, normal, work[mine + 3 * rows * width :], gain, layer[NORM] == BATCH)
        if i == 0:
            _affine_slopes(d, x[start:stop], gradients, layer, layer[NORM] != BATCH)
            break
        below = layers[i - 1]
        h = _matrix(work, below[AT], n, below[N_OUT])
        _affine_slopes(d, h, gradients, layer, layer[NORM] != BATCH)
        spare = (spare + 2) % 3
        d_in = _matrix(work, at + spare * size, n, layer[N_IN])
        np.dot(d, _matrix(values, layer[WEIGHT], width, layer[N_IN]), d_in)
        if layer[RESIDUAL]:
            for r in range(n):
                for j in range(width):
                    d_in[r, j] += d_out[r, j]
        d_out = d_in


@jit
def write_gradients(
    values: Any, gradients: Any, layers: Any, keeps: Any, stats: Any, work: Any, rows: Any,
    x: Any, y: Any, start: Any, stop: Any,
) -> None:  # fmt: skip
    """What a step begins with, alone (see `_gradients`)."""
    _gradients(values, gradients, layers, keeps, stats, work, rows, x, y, start, stop)


@jit
def _adamw(
    values: Any, gradients: Any, first: Any, second: Any, steps: Any, rate: Any, decay: Any
) -> None:
    """AdamW's step number `steps` (Loshchilov & Hutter, ICLR 2019, algorithm 2)."""
    keep = f32(1.0 - rate * decay)
    size = f32(rate / (1.0 - 0.9**steps))
    root = f32(1.0 / np.sqrt(1.0 - 0.999**steps))
    for i in range(values.size):
        g = gradients[i]
        first[i] += (ONE - BETA_1) * (g - first[i])
        second[i] = BETA_2 * second[i] + (ONE - BETA_2) * g * g
        values[i] = values[i] * keep - size * first[i] / (np.sqrt(second[i]) * root + ADAM_EPS)


@jit
def train_epoch(
    values: Any, gradients: Any, first: Any, second: Any, steps: Any, rate: Any, decay: Any,
    layers: Any, keeps: Any, stats: Any, work: Any, rows: Any, x: Any, y: Any, bounds: Any,
) -> None:  # fmt: skip
    """One pass over x, shape (n, n_features), and y, shape (n,), in batches `bounds`, (b, 2).

    Args:
        steps: made before; one is added a batch.
    """
    for b in range(len(bounds)):
        _gradients(
            values, gradients, layers, keeps, stats, work, rows, x, y, bounds[b, 0], bounds[b, 1]
        )
        _adamw(values, gradients, first, second, steps + b + 1, rate, decay)
