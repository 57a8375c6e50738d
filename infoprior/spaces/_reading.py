"""What the layers of a network put out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def read_layers(network: nn.Module, names: Sequence[str], x: Tensor) -> dict[str, Tensor]:
    """Pass inputs through a network's layers, one after the other, in evaluation mode.

    Args:
        network: left in the mode it was in.
        names: of its layers, in order.
        x: inputs of the first one, shape (n, ...).

    Returns:
        layer name -> T, shape (n, ...), float32.
    """
    was_training = network.training
    network.eval()
    try:
        read: dict[str, Tensor] = {}
        for name in names:
            x = network._modules[name](x)  # type: ignore[misc]
            read[name] = x
        return read
    finally:
        network.train(was_training)
