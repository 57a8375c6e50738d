"""The training of networks of one batch size as one stack."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from torch import nn

from infoprior._progress import Stage
from infoprior.spaces._mlp import MLP
from infoprior.training._curves import CurveRow
from infoprior.training._data import TaskTensors, batches
from infoprior.training._engines.settings import TrainingSettings
from infoprior.training._engines.stacked import NetworkStack, stack_order
from infoprior.training._loop import row_order


def can_stack(network: nn.Module) -> bool:
    """Whether stacks know all of a network."""
    return type(network) is MLP and network.scale is None


def train_stacked(
    networks: Sequence[MLP],
    data: TaskTensors,
    settings: Sequence[TrainingSettings],
    *,
    seeds: Sequence[int],
    epochs: int,
    record: Collection[int],
    snapshots: Collection[int] = (),
    snapshot: Callable[[int, int], None] | None = None,
    stage: Stage | None = None,
) -> list[list[CurveRow]]:
    """Train networks in place, and give their learning curves at the recorded epochs.

    Args:
        networks: on the device of `data`.
        data: rows of the task.
        settings: of each network; the batch size is the same for all.
        seeds: draw the order of each network's rows.
        epochs: passes over the training rows.
        record: epochs at which the networks are evaluated.
        snapshots: epochs after which `snapshot` is called.
        snapshot: called with a network's number and the epoch; then the network is up to date.
        stage: is told of each epoch that is done, of all networks.

    Returns:
        of each network, one row per recorded epoch.
    """
    order = stack_order(networks)
    n, device = len(data.train_y), data.x.device
    generators = [row_order(seeds[i]) for i in order]
    bounds = batches(n, settings[0].batch_size)
    curves: list[list[CurveRow]] = [[] for _ in networks]
    with torch.inference_mode():
        stack = NetworkStack(
            [networks[i] for i in order], [settings[i] for i in order], str(device)
        )
        for epoch in range(1, epochs + 1):
            index = torch.from_numpy(np.stack([g.permutation(n) for g in generators])).to(device)
            stack.start_epoch(data.train_x[index], data.train_y[index])
            for start, stop in bounds:
                stack.step_gradients(start, stop)
                stack.step()
            if stage is not None:
                stage.advance(len(networks))
            if epoch not in record and epoch not in snapshots:
                continue
            stack.write_back()
            diverged = stack.diverged()
            for i, has_diverged in zip(order, diverged, strict=True):
                if epoch in record:
                    row = data.diverged_row() if has_diverged else data.evaluate(networks[i].eval())
                    curves[i].append({"epoch": epoch, **row})
                if snapshot is not None and epoch in snapshots:
                    snapshot(i, epoch)
            if all(diverged) and not snapshots:
                break
        stack.write_back()
    for network, curve in zip(networks, curves, strict=True):
        # All of them have diverged: the rest of the epochs would change nothing.
        curve += [{"epoch": e, **data.diverged_row()} for e in sorted(record)[len(curve) :]]
        network.eval()
    return curves
