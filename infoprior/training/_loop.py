"""One network, trained by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from infoprior._progress import Stage
from infoprior.spaces._mlp import MLP
from infoprior.training._data import Parts, batches

Row = dict[str, Any]


class Trainer(Protocol):
    """A network and its optimiser."""

    values: Tensor

    def epoch(self, x: Tensor, y: Tensor, bounds: list[tuple[int, int]]) -> None:
        """A step for each batch, first and last (exclusive) row, of x and y."""

    def logits(self, x: Tensor) -> Tensor:
        """In evaluation mode, shape (n, n_classes)."""


def trainer(network: nn.Module, settings: Mapping[str, Any], compiled: bool) -> Trainer:
    """A network with AdamW: compiled, or by autograd."""
    options = settings["learning_rate"], settings["weight_decay"]
    if compiled:
        from infoprior.training._engines.compiled import CompiledMLP

        return CompiledMLP(network, *options, settings["batch_size"])  # type: ignore[arg-type]
    from infoprior.training._engines.autograd import FlatAutograd

    return FlatAutograd(network, *options)


def compilable(network: nn.Module, device: str = "cpu") -> bool:
    """Whether the training of a network can be compiled: multilayer perceptrons on the CPU."""
    if type(network) is not MLP or not device.startswith("cpu"):
        return False
    from infoprior.training._engines.compiled import can_compile

    return can_compile(network)


def train_single(
    network: nn.Module,
    parts: Parts,
    settings: Mapping[str, Any],
    *,
    seed: int,
    epochs: int,
    record: Collection[int],
    compiled: bool,
    report: Callable[[int, Row], None] | None = None,
    snapshots: Collection[int] = (),
    snapshot: Callable[[int], None] | None = None,
    stage: Stage | None = None,
) -> list[Row]:
    """Train a network where it stands, and give its curve at the recorded epochs.

    Args:
        network: on the device of `parts`; trained in place.
        settings: learning_rate, weight_decay and batch_size.
        seed: draws the order of rows.
        record: epochs at which the network is evaluated.
        compiled: see `compilable`.
        report: called with each recorded epoch and its row, until the network has diverged.
        snapshots: epochs after which `snapshot` is called, with the epoch.
        stage: is told of each epoch that is done.
    """
    own = trainer(network, settings, compiled)
    order = row_order(seed)
    bounds = batches(len(parts.train_y), settings["batch_size"])
    curve: list[Row] = []
    lost = False
    for epoch in range(1, epochs + 1):
        if not lost:
            rows = torch.from_numpy(order.permutation(len(parts.train_y))).to(parts.x.device)
            own.epoch(parts.train_x[rows], parts.train_y[rows], bounds)
            lost = is_lost(own.values)
        if epoch in record:
            row = parts.diverged() if lost else parts.evaluate(own.logits)
            curve.append({"epoch": epoch, **row})
            if report is not None and not (lost and len(curve) > 1 and curve[-2]["diverged"]):
                report(epoch, curve[-1])
        if snapshot is not None and epoch in snapshots:
            snapshot(epoch)
        if stage is not None:
            stage.advance()
    _own_storage(network)
    network.eval()
    return curve


def _own_storage(network: nn.Module) -> None:
    """Parameters and buffers stop being parts of one vector: then any file format takes them."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()


def row_order(seed: int) -> np.random.Generator:
    """Shuffles the rows of every epoch; of its own, so that dropout doesn't change their order."""
    return np.random.default_rng([seed, 1])


def is_lost(values: torch.Tensor) -> bool:
    """Whether a parameter is NaN: then it stays so, and with it every logit."""
    return bool(values.isnan().any())
