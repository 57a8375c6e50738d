"""Gradients of any network, by autograd: for spaces other than multilayer perceptrons."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FlatAutograd:
    """What `FlatMLP` is to an `MLP`, for any module that gives logits.

    Args:
        network: its parameters move into the flat vector.

    Attributes:
        values, gradients: shape (n_parameters,), float32.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        parameters = list(network.parameters())
        self.values = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradients = torch.zeros_like(self.values)
        start = 0
        for parameter in parameters:
            part = slice(start, start + parameter.numel())
            parameter.data = self.values[part].view_as(parameter)
            parameter.grad = self.gradients[part].view_as(parameter)
            start += parameter.numel()

    def start_epoch(self, x: Tensor, y: Tensor) -> None:
        """Take the rows of an epoch in their order: x of shape (n, ...), y int64 of shape (n,)."""
        self.x, self.y = x, y
        self.network.train()

    def step_gradients(self, start: int, stop: int) -> None:
        """Write the gradient of the mean cross-entropy of rows start:stop into `gradients`."""
        self.gradients.zero_()
        logits = self.network(self.x[start:stop])
        functional.cross_entropy(logits, self.y[start:stop]).backward()
