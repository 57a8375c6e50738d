"""What layers are given and what they give, and weights that are refitted to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior.search.evolution.chain import CONVOLUTION, Layer
from infoprior.search.evolution.reading import forward

RIDGE = 1e-6
"""Added to the covariance's diagonal, as a share of its mean: copies of a unit make it singular."""

MOST_ROWS = 8192
"""Rows of a reader's inputs that are used, at most; a convolution has one for every pixel."""

MOST_COLUMNS = 4096
"""Inputs of a layer beyond which its matrix of covariances is not made: flattened maps have more,
and its inverse would take minutes."""


def observe(
    network: nn.Module, readers: Iterable[Layer], x: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What layers are given and what they give in evaluation mode, by path: (rows, columns)."""
    given: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def hook(path: str) -> Callable[..., None]:
        def read(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            given[path], outputs[path] = _rows(module, inputs[0], output)

        return read

    handles = [
        network.get_submodule(reader.path).register_forward_hook(hook(reader.path))
        for reader in readers
    ]
    try:
        forward(network, x)
    finally:
        for handle in handles:
            handle.remove()
    return given, outputs


def _rows(module: nn.Module, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and outputs of a layer as rows, float64: of a convolution one for every pixel."""
    if isinstance(module, CONVOLUTION):
        left, right, top, bottom = (int(side) for side in module._reversed_padding_repeated_twice)
        padded = functional.pad(x, (left, right, top, bottom))
        patches = functional.unfold(
            padded, module.kernel_size, dilation=module.dilation, stride=module.stride
        )  # type: ignore[arg-type]
        x = patches.transpose(1, 2).flatten(0, 1)
        output = output.flatten(2).transpose(1, 2).flatten(0, 1)
    step = -(-len(x) // MOST_ROWS)
    return x[::step].double(), output[::step].double()


def refit(module: nn.Module, h: Tensor, target: Tensor) -> None:
    """Least squares for a layer's weights and bias, drawn to those that it has by a ridge.

    Args:
        module: changed in place.
        h: rows that it is given, shape (n, d), float64.
        target: what it is to give, shape (n, out), float64.
    """
    weight, bias = module.weight, module.bias
    assert isinstance(weight, Tensor)
    now = weight.detach().double().flatten(1)
    mean = h.mean(0) if bias is not None else torch.zeros(h.shape[1], dtype=h.dtype)
    wanted = target - (target.mean(0) if bias is not None else 0.0)
    centred = h - mean
    missing = wanted - centred @ now.T
    if centred.shape[1] <= MOST_COLUMNS:
        gram = centred.T @ centred
        gram.diagonal().add_(RIDGE * float(gram.diagonal().mean()) + 1e-30)
        change = torch.linalg.solve(gram, centred.T @ missing).T
    else:  # the same by a matrix of rows
        gram = centred @ centred.T
        gram.diagonal().add_(RIDGE * float(gram.trace()) / centred.shape[1] + 1e-30)
        change = torch.linalg.solve(gram, missing).T @ centred
    new = now + change
    weight.copy_(new.reshape(weight.shape))
    if bias is not None:
        assert isinstance(bias, Tensor)
        bias.copy_(target.mean(0) - mean @ new.T)


@torch.no_grad()
def output_change(before: nn.Module, after: nn.Module, x: Tensor) -> float:
    """Root mean square of the difference of two networks' outputs, relative to the first's spread.

    Args:
        before: maps x to outputs, shape (n, k).
        after: the same.
        x: rows, shape (n, ...).
    """
    old, new = forward(before, x).double(), forward(after, x).double()
    spread = (old - old.mean(0)).square().mean().sqrt()
    return float((new - old).square().mean().sqrt() / spread.clamp_min(1e-12))
