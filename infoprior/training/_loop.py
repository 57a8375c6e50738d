"""The training of one network: epochs, evaluations, snapshots."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from infoprior._progress import Stage
from infoprior.spaces._encoded import EncodedNetwork
from infoprior.spaces._mlp import MLP
from infoprior.training._curves import CurveRow
from infoprior.training._data import TaskTensors, batches
from infoprior.training._engines.settings import TrainingSettings


class Trainer(Protocol):
    """A network and its optimiser.

    Attributes:
        parameters: shape (n_parameters,).
        learning_rate: of the epochs to come.
    """

    parameters: Tensor
    learning_rate: float

    def epoch(self, x: Tensor, y: Tensor, bounds: list[tuple[int, int]]) -> None:
        """A step for each batch.

        Args:
            x: rows in the order of the epoch, shape (n, ...).
            y: their classes, shape (n,), int64.
            bounds: first and last (exclusive) row of each batch.
        """

    def logits(self, x: Tensor) -> Tensor:
        """Logits in evaluation mode, shape (n, n_classes), of x, shape (n, ...)."""


def trainer(network: nn.Module, settings: TrainingSettings, compiled: bool) -> Trainer:
    """A network with AdamW: compiled, or by autograd."""
    if compiled:
        from infoprior.training._engines.compiled import CompiledMLP

        return CompiledMLP(
            network,  # type: ignore[arg-type]
            settings.learning_rate,
            settings.weight_decay,
            settings.batch_size,
            settings.label_smoothing,
        )
    from infoprior.training._engines.autograd import FlatAutograd

    return FlatAutograd(
        network, settings.learning_rate, settings.weight_decay, settings.entropy_weight,
        settings.label_smoothing,
    )  # fmt: skip


def compilable(network: nn.Module, device: str = "cpu") -> bool:
    """Whether a network's training on the cross-entropy can be compiled: an MLP's, on the CPU."""
    network = learned_part(network)
    if type(network) is not MLP or not device.startswith("cpu"):
        return False
    from infoprior.training._engines.compiled import can_compile

    return can_compile(network)


def learned_part(network: nn.Module) -> nn.Module:
    """What is trained: a network without the encoder of its inputs, which is fitted before."""
    return network.network if isinstance(network, EncodedNetwork) else network


def train_single(
    network: nn.Module,
    data: TaskTensors,
    settings: TrainingSettings,
    *,
    seed: int,
    epochs: int,
    schedule_epochs: int,
    record: Collection[int],
    compiled: bool,
    report: Callable[[int, CurveRow], None] | None = None,
    snapshots: Collection[int] = (),
    snapshot: Callable[[int], None] | None = None,
    stage: Stage | None = None,
) -> list[CurveRow]:
    """Train a network in place, and give its learning curve at the recorded epochs.

    Args:
        network: on the device of `data`.
        data: rows of the task.
        settings: of AdamW and the batches.
        seed: draws the order of rows.
        epochs: passes over the training rows.
        schedule_epochs: that the schedule of the learning rate runs over.
        record: epochs at which the network is evaluated.
        compiled: see `compilable`.
        report: called with each recorded epoch and its row, until the network has diverged.
        snapshots: epochs after which `snapshot` is called, with the epoch.
        snapshot: see `snapshots`.
        stage: is told of each epoch that is done.

    Returns:
        one row per recorded epoch.
    """
    if isinstance(network, EncodedNetwork):
        data = data.encoded(network.inputs)
    own = trainer(learned_part(network), settings, compiled)
    order = row_order(seed)
    bounds = batches(len(data.train_y), settings.batch_size)
    curve: list[CurveRow] = []
    diverged = False
    for epoch in range(1, epochs + 1):
        if not diverged:
            rows = torch.from_numpy(order.permutation(len(data.train_y))).to(data.x.device)
            own.learning_rate = settings.rate(epoch, schedule_epochs)
            own.epoch(data.train_x[rows], data.train_y[rows], bounds)
            diverged = is_diverged(own.parameters)
        if epoch in record:
            row = data.diverged_row() if diverged else data.evaluate(own.logits)
            curve.append({"epoch": epoch, **row})
            if report is not None and not (diverged and len(curve) > 1 and curve[-2]["diverged"]):
                report(epoch, curve[-1])
        if snapshot is not None and epoch in snapshots:
            snapshot(epoch)
        if stage is not None:
            stage.advance()
    _own_storage(network)
    network.eval()
    return curve


def _own_storage(network: nn.Module) -> None:
    """Parameters and buffers stop being views of one vector: then every file format takes them."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()


def row_order(seed: int) -> np.random.Generator:
    """Shuffles the rows of every epoch; a generator of its own, so that dropout leaves it alone."""
    return np.random.default_rng([seed, 1])


def is_diverged(parameters: Tensor) -> bool:
    """Whether one of the parameters, (n,), is NaN: then it stays NaN, and so is every logit."""
    return bool(parameters.isnan().any())
