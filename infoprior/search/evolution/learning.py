"""Epochs of a network that evolves: each is a function of the seed and its number."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from infoprior.search.evolution.dynamics import divergence
from infoprior.search.evolution.individual import Individual
from infoprior.search.evolution.operation import make_adamw, read_moments
from infoprior.search.evolution.settings import Memory
from infoprior.spaces._dropout import MaskDraws, SeededDropout
from infoprior.training._data import TaskTensors, batches
from infoprior.training._engines.settings import TrainingSettings


def train_epochs(
    individual: Individual,
    data: TaskTensors,
    training: TrainingSettings,
    *,
    seed: int,
    first: int,
    n: int,
    memory: Memory | None = None,
) -> list[dict[str, Any]]:
    """Train in place by AdamW on the cross-entropy, from the moments that there are.

    Args:
        individual: its network and moments are changed.
        data: rows of the task.
        training: learning rate, weight decay, batch size.
        seed: with an epoch's number draws the order of rows and the dropout masks.
        first: number of the first epoch, from 1 on.
        n: how many.
        memory: an earlier task's answers, kept by a term of the loss.

    Returns:
        one row of the learning curve for each epoch.
    """
    network = individual.network
    optimizer = make_adamw(
        network, individual.moments,
        learning_rate=training.learning_rate, weight_decay=training.weight_decay,
    )  # fmt: skip
    bounds = batches(len(data.train_y), training.batch_size)
    kept = None
    if memory is not None and memory.gamma > 0.0:
        with torch.no_grad():
            kept = memory.network.eval()(memory.x)
    curve = []
    for epoch in range(first, first + n):
        rng = np.random.default_rng([seed, 1, epoch])
        rows = torch.from_numpy(rng.permutation(len(data.train_y)))
        x, y = data.train_x[rows], data.train_y[rows]
        network.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**62)))
            _reseed(network, seed, epoch)
            for start, end in bounds:
                loss = functional.cross_entropy(network(x[start:end]), y[start:end])
                if memory is not None and kept is not None:
                    some = torch.from_numpy(rng.integers(len(memory.x), size=end - start))
                    again = divergence(kept[some], network(memory.x[some]))
                    loss = loss + memory.gamma * again
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
        network.eval()
        row = data.evaluate(network)
        curve.append({"epoch": epoch, **row})
    optimizer.zero_grad(set_to_none=True)
    individual.moments = read_moments(network, optimizer)
    return curve


def _reseed(network: nn.Module, seed: int, epoch: int) -> None:
    """Dropout masks of this epoch, whatever was drawn before."""
    own = int(np.random.SeedSequence([seed, 3, epoch]).generate_state(1)[0])
    layers = [module for module in network.modules() if isinstance(module, SeededDropout)]
    for i, module in enumerate(layers):
        module.draws = MaskDraws(own, i)
