"""On real tasks a network loses no accuracy by evolving, against training it and random surgery."""

from __future__ import annotations

import numpy as np
import pytest

from infoprior.search.evolution import Evolution, evolve
from infoprior.spaces._mlp import MLP
from infoprior.tasks import load_task

MARGIN = 0.01
"""What the mean test accuracy over the seeds may be below a control's: one point. Between seeds it
varies by about as much."""
BUDGET, EPOCHS, SEEDS = 2.0, 27, range(3)


def measured(evolution: Evolution) -> float:
    """On test rows, at the end of a step, where validation is best: of the network it gives."""
    ends = evolution.curve[evolution.curve["epoch"].isin(evolution.structure["epoch"])]
    return float(ends.loc[ends["validation_loss"].idxmin(), "test_accuracy"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sklearn/digits", "sklearn/breast_cancer"])
def test_evolution_costs_no_accuracy(name: str) -> None:
    """A network of 2 x 128 units; both controls, and as many epochs and as large a budget."""
    task = load_task(name)
    accuracy: dict[str, list[float]] = {}
    changes = 0
    for seed in SEEDS:
        network = MLP(task.n_features, task.n_classes, (128, 128), "gelu", seed=seed)

        def run(
            budget: float, network: MLP = network, seed: int = seed, **options: object
        ) -> Evolution:
            return evolve(
                network, task, budget=budget, epochs=EPOCHS, learning_rate=3e-3, seed=seed,
                progress=False, **options,
            )  # type: ignore[arg-type]  # fmt: skip

        evolved = run(budget=BUDGET)
        assert evolved.cost <= BUDGET
        happened = evolved.events["event"].isin(["prune", "widen", "deepen", "mutate"])
        changes += int(happened.sum())
        same_epochs, nothing = evolved.epochs / EPOCHS, evolved.events.iloc[:0]
        runs = {
            "evolved": evolved,
            "random surgery": run(budget=same_epochs, strategy="random", schedule=evolved.events),
            "as many epochs": run(budget=same_epochs, strategy="random", schedule=nothing),
            "the same budget": run(budget=BUDGET, strategy="random", schedule=nothing),
        }
        assert runs["as many epochs"].epochs == evolved.epochs
        for arm, each in runs.items():
            accuracy.setdefault(arm, []).append(measured(each))
    assert changes >= 3 * len(SEEDS)
    means = {arm: float(np.mean(values)) for arm, values in accuracy.items()}
    assert means["evolved"] > 0.95
    for arm, mean in means.items():
        assert means["evolved"] >= mean - MARGIN, arm
