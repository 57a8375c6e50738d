"""Compiled arithmetic of multilayer perceptrons: whole epochs without a return to Python.

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

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infoprior.training._engines.activations import activate, exp
from infoprior.training._engines.jit import (
    ONE,
    ZERO,
    Labels,
    Matrix,
    Vector,
    add_row,
    column_sums,
    entry,
    f32,
    matrix,
    part,
)
from infoprior.training._engines.layout import BATCH, GRADIENT_ARRAYS, LAYER_NORM, PLAIN, Layer
from infoprior.training._engines.normalization import (
    normalization_gradient,
    normalize_batch,
    normalize_layer,
    scale_gradients,
    scale_units,
)

BETA_1, BETA_2, ADAM_EPS = f32(0.9), f32(0.999), f32(1e-8)


class Front(NamedTuple):
    """What is beside a network of linear layers trained on hard labels."""

    smoothing: np.float32  # of the labels
    n_scaled: int  # columns that a `FeatureScale` has a factor for, the first parameters; 0: none
    scale_rate: float  # their learning rate, as a multiple
    unscaled: Vector  # (n_out n_in,): room for the first layer's weight while it is scaled


class Network(NamedTuple):
    """A network's arrays, as drawn in `layout`."""

    parameters: Vector  # (n_parameters,)
    layers: np.recarray  # (n_layers,) of `layout.LAYER`; the output layer is the last
    running: Vector  # (n_running,): running statistics of all batch normalizations
    workspace: Vector  # (size,)
    capacity: int  # rows that the workspace has room for


@part
def product(x: Matrix, weight: Matrix, out: Matrix) -> None:
    """out = x weight^T."""
    np.dot(x, weight.T, out)


@part
def drop(h: Vector, derivative: Vector, layer: Layer, first_draw: int) -> None:
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


@part
def hidden(network: Network, layer: Layer, x: Matrix, first_row: int, training: bool) -> Matrix:
    """A hidden layer's output, (n, n_out); what the backward pass needs is in the workspace."""
    parameters, work = network.parameters, network.workspace
    n, n_in, width = x.shape[0], layer.n_in, layer.n_out
    at, size = layer.workspace_at, network.capacity * width
    h = matrix(work, at, n, width)
    derivative = work[at + size : at + size + n * width]
    bias = parameters[layer.bias_at : layer.bias_at + width]
    product(x, matrix(parameters, layer.weight_at, width, n_in), h)
    if layer.normalization == BATCH:
        # The normalization takes the bias out again.
        normalized = matrix(work, at + 2 * size, n, width)
        inverse_std = work[at + 3 * size :]
        running = network.running[layer.running_at :]
        normalize_batch(h, normalized, inverse_std, running, bias, training)
    else:
        add_row(h, bias)
    if layer.normalization == LAYER_NORM:
        normalized = matrix(work, at + 2 * size, n, width)
        normalize_layer(h, normalized, work[at + 3 * size :])
    if layer.normalization != PLAIN:
        normalized = matrix(work, at + 2 * size, n, width)
        gain = parameters[layer.gain_at : layer.gain_at + width]
        shift = parameters[layer.shift_at : layer.shift_at + width]
        scale_units(normalized, gain, shift, h)
    flat = work[at : at + n * width]
    activate(layer.activation, flat, derivative)
    if training and layer.keep_probability < ONE:
        drop(flat, derivative, layer, layer.first_draw + first_row * width)
    if layer.residual:
        for i in range(n):
            for j in range(width):
                h[i, j] += x[i, j]
    return h


@part
def output(network: Network, layer: Layer, x: Matrix, out: Matrix) -> None:
    """Logits, (n, n_classes), of the last hidden layer's output x."""
    parameters, width = network.parameters, layer.n_out
    product(x, matrix(parameters, layer.weight_at, width, layer.n_in), out)
    add_row(out, parameters[layer.bias_at : layer.bias_at + width])


@entry
def logits(network: Network, x: Matrix, out: Matrix) -> None:
    """In evaluation mode: logits of x, (n, n_features), into `out`, (n, n_classes)."""
    layers, capacity = network.layers, network.capacity
    for start in range(0, len(x), capacity):
        h = x[start : min(start + capacity, len(x))]
        stop = start + len(h)
        for i in range(len(layers) - 1):
            h = hidden(network, layers[i], h, 0, False)
        output(network, layers[-1], h, out[start:stop])


@part
def cross_entropy_gradient(grad: Matrix, y: Labels, front: Front | None) -> None:
    """Logits, (n, n_classes), become the gradient of the mean cross-entropy in them."""
    n, k = grad.shape
    for i in range(n):
        top = grad[i, 0]
        for j in range(1, k):
            top = max(top, grad[i, j])
        total = ZERO
        for j in range(k):
            grad[i, j] = exp(grad[i, j] - top)
            total += grad[i, j]
        factor = ONE / (total * f32(n))
        for j in range(k):
            grad[i, j] *= factor
        if front is None:
            grad[i, y[i]] -= ONE / f32(n)
        else:
            everywhere = front.smoothing / f32(k * n)
            for j in range(k):
                grad[i, j] -= everywhere
            grad[i, y[i]] -= (ONE - front.smoothing) / f32(n)


@part
def linear_gradients(
    grad: Matrix, x: Matrix, gradients: Vector, layer: Layer, has_bias: bool
) -> None:
    """Gradients of weight and bias; of a bias that does not count they stay 0."""
    width = layer.n_out
    np.dot(grad.T, x, matrix(gradients, layer.weight_at, width, layer.n_in))
    if has_bias:
        column_sums(grad, gradients[layer.bias_at : layer.bias_at + width])


@part
def gradients_of(
    network: Network, gradients: Vector, x: Matrix, y: Labels, start: int, stop: int,
    front: Front | None,
) -> None:  # fmt: skip
    """Gradients of the mean cross-entropy of rows start:stop of an epoch's x and y."""
    parameters, layers = network.parameters, network.layers
    work, capacity = network.workspace, network.capacity
    n, deepest = stop - start, len(layers) - 1
    h = x[start:stop]
    for i in range(deepest):
        h = hidden(network, layers[i], h, start, True)
    last = layers[deepest]
    at, size = last.workspace_at, capacity * layers.n_out.max()
    grad = matrix(work, at, n, last.n_out)
    output(network, last, h, grad)
    cross_entropy_gradient(grad, y[start:stop], front)
    linear_gradients(grad, h, gradients, last, True)
    spare = 1  # of the three arrays, used in turn
    grad_out = matrix(work, at + size, n, last.n_in)
    np.dot(grad, matrix(parameters, last.weight_at, last.n_out, last.n_in), grad_out)
    for i in range(deepest - 1, -1, -1):
        layer = layers[i]
        width, mine = layer.n_out, layer.workspace_at
        derivative = matrix(work, mine + capacity * width, n, width)
        grad = matrix(work, at + (spare + 1) % GRADIENT_ARRAYS * size, n, width)
        for r in range(n):
            for j in range(width):
                grad[r, j] = grad_out[r, j] * derivative[r, j]
        if layer.normalization != PLAIN:
            normalized = matrix(work, mine + 2 * capacity * width, n, width)
            scale_gradients(grad, normalized, gradients, layer)
            gain = parameters[layer.gain_at : layer.gain_at + width]
            inverse_std = work[mine + 3 * capacity * width :]
            over_rows = layer.normalization == BATCH
            normalization_gradient(grad, normalized, inverse_std, gain, over_rows)
        if i == 0:
            linear_gradients(grad, x[start:stop], gradients, layer, layer.normalization != BATCH)
            break
        below = layers[i - 1]
        h = matrix(work, below.workspace_at, n, below.n_out)
        linear_gradients(grad, h, gradients, layer, layer.normalization != BATCH)
        spare = (spare + 2) % GRADIENT_ARRAYS
        grad_in = matrix(work, at + spare * size, n, layer.n_in)
        np.dot(grad, matrix(parameters, layer.weight_at, width, layer.n_in), grad_in)
        if layer.residual:
            for r in range(n):
                for j in range(width):
                    grad_in[r, j] += grad_out[r, j]
        grad_out = grad_in


@part
def scale_weight(weight: Matrix, factor: Vector, unscaled: Matrix) -> None:
    """weight, (n_out, n_in), times its columns' factors, (n_in,): then x need not be scaled."""
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            unscaled[i, j] = weight[i, j]
            weight[i, j] *= factor[j]


@part
def unscale_weight(
    weight: Matrix, factor: Vector, unscaled: Matrix, d_weight: Matrix, d_factor: Vector
) -> None:
    """The weight as it was; gradients in what was multiplied become those in weight and factors."""
    d_factor[:] = ZERO
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            weight[i, j] = unscaled[i, j]
            d_factor[j] += d_weight[i, j] * unscaled[i, j]
            d_weight[i, j] *= factor[j]


@part
def gradients_behind(
    network: Network, gradients: Vector, x: Matrix, y: Labels, start: int, stop: int, front: Front
) -> None:
    """`gradients_of` with what is in front."""
    layer, n = network.layers[0], front.n_scaled  # without a scale, n = 0: nothing to multiply
    factor, d_factor = network.parameters[:n], gradients[:n]
    weight = matrix(network.parameters, layer.weight_at, layer.n_out, n)
    unscaled = matrix(front.unscaled, 0, layer.n_out, n)
    scale_weight(weight, factor, unscaled)
    gradients_of(network, gradients, x, y, start, stop, front)
    d_weight = matrix(gradients, layer.weight_at, layer.n_out, n)
    unscale_weight(weight, factor, unscaled, d_weight, d_factor)


@part
def adamw(
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


@entry
def train_epoch(
    network: Network, gradients: Vector, exp_avg: Vector, exp_avg_sq: Vector, steps: int,
    learning_rate: float, weight_decay: float, x: Matrix, y: Labels, bounds: NDArray[np.int64],
    front: Front | None,
) -> None:  # fmt: skip
    """One pass over x, (n, n_features), and y, (n,): a step of AdamW for each batch.

    Args:
        steps: made before this epoch.
        bounds: (n_batches, 2): first and last (exclusive) row of each batch.
    """
    for b in range(len(bounds)):
        if front is None:
            gradients_of(network, gradients, x, y, bounds[b, 0], bounds[b, 1], None)
            adamw(
                network.parameters, gradients, exp_avg, exp_avg_sq, steps + b + 1, learning_rate,
                weight_decay,
            )  # fmt: skip
        else:
            gradients_behind(network, gradients, x, y, bounds[b, 0], bounds[b, 1], front)
            n = front.n_scaled
            adamw(
                network.parameters[:n], gradients[:n], exp_avg[:n], exp_avg_sq[:n], steps + b + 1,
                front.scale_rate * learning_rate, 0.0,
            )  # fmt: skip
            adamw(
                network.parameters[n:], gradients[n:], exp_avg[n:], exp_avg_sq[n:], steps + b + 1,
                learning_rate, weight_decay,
            )  # fmt: skip
