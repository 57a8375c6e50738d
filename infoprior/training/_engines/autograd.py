"""Any network, trained by autograd: for other spaces than multilayer perceptrons, other losses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior.spaces._cnn import ConvBlock
from infoprior.spaces._mlp import Block, FeatureScale
from infoprior.training._engines.adamw import FlatAdamW


class FlatAutograd:
    """A module whose parameters and gradients are views of two flat vectors, with AdamW.

    Args:
        network: any module that gives logits; its parameters move into the flat vector.
        learning_rate: of AdamW, until the attribute of that name is set to another.
        weight_decay: of AdamW.
        entropy_weight: of the entropy of the predicted classes in the loss.
        label_smoothing: share of each label that all classes have alike.

    Attributes:
        parameters: shape (n_parameters,), of the network's dtype.
        gradients: of the last batch, shape (n_parameters,).
    """

    def __init__(
        self,
        network: nn.Module,
        learning_rate: float,
        weight_decay: float,
        entropy_weight: float = 0.0,
        label_smoothing: float = 0.0,
    ) -> None:
        self.network, self.learning_rate = network, learning_rate
        self.entropy_weight, self.label_smoothing = entropy_weight, label_smoothing
        parameters = list(network.parameters())
        self.parameters = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradients = torch.zeros_like(self.parameters)
        start = 0
        for parameter in parameters:
            part = slice(start, start + parameter.numel())
            parameter.data = self.parameters[part].view_as(parameter)
            parameter.grad = self.gradients[part].view_as(parameter)
            start += parameter.numel()
        self.idle = idle_biases(network)
        # (optimiser of a run of the flat vectors, how many times the learning rate it takes)
        self.optimizers = [
            (FlatAdamW(self.parameters[run], self.gradients[run], learning_rate, decay), times)
            for run, times, decay in _runs(network, weight_decay)
        ]

    def epoch(self, x: Tensor, y: Tensor, bounds: Sequence[tuple[int, int]]) -> None:
        """A step for each batch.

        Args:
            x: rows in the order of the epoch, shape (n, ...).
            y: their classes, shape (n,), int64.
            bounds: first and last (exclusive) row of each batch.
        """
        self.network.train()
        for start, stop in bounds:
            self.write_gradients(x[start:stop], y[start:stop])
            self.step()

    def step(self) -> None:
        """One update by the current gradients."""
        for optimizer, times in self.optimizers:
            optimizer.learning_rate = self.learning_rate * times
            optimizer.step()

    def write_gradients(self, x: Tensor, y: Tensor) -> None:
        """Write the gradient of the loss of one batch into `gradients`.

        Args:
            x: shape (n, ...).
            y: classes, shape (n,), int64.
        """
        self.gradients.zero_()
        self.loss(self.network(x), y).backward()
        for bias in self.idle:
            bias.grad.zero_()  # type: ignore[union-attr]

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """The mean cross-entropy, in nats, and the weighted mean entropy, in bits, of a batch.

        Args:
            logits: shape (n, n_classes).
            y: classes, shape (n,), int64.
        """
        loss = functional.cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        if self.entropy_weight:
            loss = loss + self.entropy_weight * predictive_entropy(logits).mean()
        return loss

    @torch.inference_mode()
    def logits(self, x: Tensor) -> Tensor:
        """Logits in evaluation mode, shape (n, n_classes), of x, shape (n, ...)."""
        return self.network.eval()(x)  # type: ignore[no-any-return]


def predictive_entropy(logits: Tensor) -> Tensor:
    """Entropy of the predicted classes, −Σ p log₂ p of p = softmax(logits).

    Of two classes it is the binary entropy of σ(z), where z is the difference of the logits: the
    functional of `infoprior.search.entropy_gradient`.

    Args:
        logits: shape (n, n_classes).

    Returns:
        shape (n,), in bits.
    """
    log_p = functional.log_softmax(logits, 1)
    return -(log_p.exp() * log_p).sum(1) / math.log(2.0)


def _runs(network: nn.Module, weight_decay: float) -> list[tuple[slice, float, float]]:
    """Runs of a network's flat parameters, the learning rate of each as a multiple, its decay."""
    scales = {id(m.factor) for m in network.modules() if type(m) is FeatureScale}
    runs: list[tuple[slice, float, float]] = []
    start = 0
    for parameter in network.parameters():
        scale = id(parameter) in scales
        kind = (FeatureScale.RATE, 0.0) if scale else (1.0, weight_decay)
        stop = start + parameter.numel()
        if runs and runs[-1][1:] == kind:
            runs[-1] = (slice(runs[-1][0].start, stop), *kind)
        else:
            runs.append((slice(start, stop), *kind))
        start = stop
    return runs


def idle_biases(network: nn.Module) -> list[nn.Parameter]:
    """Biases of this project's blocks that the batch normalization behind them cancels.

    Their gradient is zero. AdamW would blow up rounding errors in its place to whole steps: a
    random walk.

    Args:
        network: any module.
    """
    blocks = [m for m in network.modules() if type(m) in (Block, ConvBlock)]
    return [
        (block.linear if isinstance(block, Block) else block.convolution).bias  # type: ignore[union-attr,misc]
        for block in blocks
        if isinstance(block.normalization, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
