"""The threshold below which a layer says too little, and how hard a task is (sections 3.2, 5.3)."""

from __future__ import annotations

import math

from infoprior._arguments import real_number, whole_number
from infoprior.search.evolution.errors import EvolutionError

FLOOR = 0.1
"""The least threshold (section 5.3)."""


def task_complexity(dataset_size: int, n_classes: int, input_dim: int, depth: int) -> float:
    """(log10(n) / 6 + log2(classes) / 10 + log10(inputs) / 5 + depth / 100) / 4 (section 3.2).

    About 1 for a million rows, 1,024 classes, 100,000 inputs and 100 layers; no bound keeps it
    below. A regression counts as one class.

    Args:
        dataset_size: rows, from 1 on.
        n_classes: from 1 on.
        input_dim: numbers in a row, from 1 on.
        depth: layers of the network.

    Raises:
        EvolutionError: a value is no such number.
    """
    n = whole_number(dataset_size, "dataset_size", 1, EvolutionError)
    classes = whole_number(n_classes, "n_classes", 1, EvolutionError)
    inputs = whole_number(input_dim, "input_dim", 1, EvolutionError)
    depth = whole_number(depth, "depth", 0, EvolutionError)
    return 0.25 * (
        math.log10(n) / 6 + math.log2(classes) / 10 + math.log10(inputs) / 5 + depth / 100
    )


def adaptive_threshold(
    epoch: float,
    complexity: float,
    *,
    tau_0: float = 0.5,
    gamma: float = 0.05,
    delta: float = 0.2,
    floor: float = FLOOR,
) -> float:
    """max(tau_0 exp(-gamma epoch) (1 + delta complexity), floor) (sections 3.2 and 5.3).

    The document gives it no unit and compares it with importances, which are nats. Here it is a
    share of H(O), so that a task with many classes isn't pruned less for its many nats.

    Args:
        epoch: of the training, from 0 on.
        complexity: see `task_complexity`.
        tau_0: at the start of a task of complexity 0.
        gamma: decay for each epoch; the floor is reached after ln(tau_0 / floor) / gamma of them,
            32 by default.
        delta: weight of the complexity.
        floor: least value.

    Raises:
        EvolutionError: a value is no finite number from 0 on.
    """
    values = {
        "epoch": epoch, "complexity": complexity, "tau_0": tau_0, "gamma": gamma, "delta": delta,
        "floor": floor,
    }  # fmt: skip
    for name, value in values.items():
        real_number(value, name, 0.0, error=EvolutionError)
    return max(tau_0 * math.exp(-gamma * epoch) * (1.0 + delta * complexity), floor)
