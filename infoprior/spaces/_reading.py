"""Activations: the outputs of a network's layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """The network evaluates inside the block; after it every module is in the mode it was in."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@default_settings()
@torch.no_grad()
def read_layers(network: nn.Module, names: Sequence[str], x: Tensor) -> dict[str, Tensor]:
    """Pass inputs through a network's layers, one after the other, in evaluation mode.

    Args:
        network: left in the mode it was in.
        names: of its layers, in order.
        x: inputs of the first one, shape (n, ...), of the network's dtype and on its device.

    Returns:
        layer name -> T, shape (n, ...), of the network's dtype.
    """
    with evaluation_mode(network):
        read: dict[str, Tensor] = {}
        for name in names:
            x = network._modules[name](x)  # type: ignore[misc]
            read[name] = x
        return read
