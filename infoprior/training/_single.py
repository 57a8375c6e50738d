"""One network, trained by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from infoprior.spaces._mlp import MLP
from infoprior.training._autograd import FlatAutograd
from infoprior.training._gradients import FlatMLP
from infoprior.training._optimizer import FlatAdamW
from infoprior.training._parts import Parts, batches

Row = dict[str, Any]


def train_single(
    network: nn.Module,
    parts: Parts,
    settings: Mapping[str, Any],
    *,
    seed: int,
    epochs: int,
    record: Collection[int],
    report: Callable[[int, Row], None] | None = None,
    snapshots: Collection[int] = (),
    snapshot: Callable[[int], None] | None = None,
) -> list[Row]:
    """Train a network where it stands, and give its curve at the recorded epochs.

    Args:
        network: on the device of `parts`; trained in place.
        settings: learning_rate, weight_decay and batch_size.
        seed: draws the order of rows.
        record: epochs at which the network is evaluated.
        report: called with each recorded epoch and its row, until the network has diverged.
        snapshots: epochs after which `snapshot` is called, with the epoch.
    """
    flat = FlatMLP(network) if isinstance(network, MLP) else FlatAutograd(network)
    optimizer = FlatAdamW(
        flat.values, flat.gradients, settings["learning_rate"], settings["weight_decay"]
    )
    order = row_order(seed)
    bounds = batches(len(parts.train_y), settings["batch_size"])
    curve: list[Row] = []
    lost = False
    for epoch in range(1, epochs + 1):
        if not lost:
            with torch.inference_mode(isinstance(flat, FlatMLP)):
                _epoch(flat, optimizer, parts, bounds, order)
            lost = is_lost(flat.values)
        if epoch in record:
            row = parts.diverged() if lost else parts.evaluate(network)
            curve.append({"epoch": epoch, **row})
            if report is not None and not (lost and len(curve) > 1 and curve[-2]["diverged"]):
                report(epoch, curve[-1])
        if snapshot is not None and epoch in snapshots:
            snapshot(epoch)
    network.eval()
    return curve


def row_order(seed: int) -> np.random.Generator:
    """Shuffles the rows of every epoch; of its own, so that dropout doesn't change their order."""
    return np.random.default_rng([seed, 1])


def is_lost(values: torch.Tensor) -> bool:
    """Whether a parameter is NaN: then it stays so, and with it every logit."""
    return bool(values.isnan().any())


def _epoch(
    flat: FlatMLP | FlatAutograd,
    optimizer: FlatAdamW,
    parts: Parts,
    bounds: list[tuple[int, int]],
    order: np.random.Generator,
) -> None:
    """One pass over the training rows, in a new order."""
    rows = torch.from_numpy(order.permutation(len(parts.train_y))).to(parts.x.device)
    flat.start_epoch(parts.train_x[rows], parts.train_y[rows])
    for start, stop in bounds:
        flat.step_gradients(start, stop)
        optimizer.step()
