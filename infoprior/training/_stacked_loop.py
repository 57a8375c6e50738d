"""Networks of one batch size, trained as one stack."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from infoprior._progress import Stage
from infoprior.spaces._mlp import MLP
from infoprior.training._data import Parts, batches
from infoprior.training._engines.stacked import Stack, stack_order
from infoprior.training._loop import Row, row_order


def train_stacked(
    networks: Sequence[MLP],
    parts: Parts,
    settings: Sequence[Mapping[str, Any]],
    *,
    seeds: Sequence[int],
    epochs: int,
    record: Collection[int],
    snapshots: Collection[int] = (),
    snapshot: Callable[[int, int], None] | None = None,
    stage: Stage | None = None,
) -> list[list[Row]]:
    """Train networks where they stand, and give their curves at the recorded epochs.

    Args:
        networks: on the device of `parts`; trained in place.
        settings: learning_rate, weight_decay and batch_size of each; the last is the same for all.
        seeds: draw the order of each network's rows.
        record: epochs at which the networks are evaluated.
        snapshots: epochs at which `snapshot` is called.
        snapshot: called with a network's number and the epoch; then the network is up to date.
        stage: is told of each epoch that is done, of all networks.
    """
    order = stack_order(networks)
    n, device = len(parts.train_y), parts.x.device
    generators = [row_order(seeds[i]) for i in order]
    bounds = batches(n, settings[0]["batch_size"])
    curves: list[list[Row]] = [[] for _ in networks]
    with torch.inference_mode():
        stack = Stack([networks[i] for i in order], [settings[i] for i in order], str(device))
        for epoch in range(1, epochs + 1):
            index = torch.from_numpy(np.stack([g.permutation(n) for g in generators])).to(device)
            stack.start_epoch(parts.train_x[index], parts.train_y[index])
            for start, stop in bounds:
                stack.step_gradients(start, stop)
                stack.step()
            if stage is not None:
                stage.advance(len(networks))
            if epoch not in record and epoch not in snapshots:
                continue
            stack.write_back()
            lost = stack.lost()
            for i, gone in zip(order, lost, strict=True):
                if epoch in record:
                    row = parts.diverged() if gone else parts.evaluate(networks[i].eval())
                    curves[i].append({"epoch": epoch, **row})
                if snapshot is not None and epoch in snapshots:
                    snapshot(i, epoch)
            if all(lost) and not snapshots:
                break
        stack.write_back()
    for network, curve in zip(networks, curves, strict=True):
        # Lost all of them: the rest of the epochs would change nothing.
        curve += [{"epoch": e, **parts.diverged()} for e in sorted(record)[len(curve) :]]
        network.eval()
    return curves
