"""The strategies that change one network instead of trying many: evolution and DARTS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from optuna.distributions import FloatDistribution, IntDistribution

from infoprior.spaces import SearchSpace, get_space
from infoprior.tasks import Task
from infoprior.training import RUNGS
from pipeline.comparison.searches import Rows, no_network

DARTS_SPACE = "darts-mlp"
BEHIND_ENCODER = "mlp"
"""The space of what stands behind the encoders of `tabular`."""
DESIGN = 32
"""Points over which the multiply-adds of a space's networks are averaged."""
DARTS_SHARE = 0.5
"""Of a budget, that trains the derived cell under several settings; the rest searches."""


def evolution(
    task: Task,
    space: SearchSpace,
    point: Mapping[str, Any],
    seed: int,
    budgets: Sequence[float],
    epochs: int,
) -> dict[str, Rows]:
    """`evolve` from the static default, and the control at its schedule: random surgery.

    One run with the largest budget gives all of them: a run does the same steps with any budget.
    What is in hand is the network of the least validation loss at the end of a step. Surgery knows
    no encoder of inputs: where the space has some, the default's is kept (`behind_encoder`).
    """
    from infoprior.search.evolution import evolve

    unit = _mean_multiply_adds(task, space)
    if space.encodes_inputs:
        task, space, point = behind_encoder(task, space, point)
    settings: dict[str, Any] = {
        "space": space, "budget": float(max(budgets)), "epochs": epochs, "seed": seed,
        "unit": unit, "progress": False,
    }  # fmt: skip
    by_information = evolve(point, task, **settings)
    at_random = evolve(point, task, strategy="random", schedule=by_information.events, **settings)
    return {
        "evolution": _in_hand(by_information, budgets),
        "evolution, random surgery": _in_hand(at_random, budgets),
    }


def behind_encoder(
    task: Task, space: SearchSpace, point: Mapping[str, Any]
) -> tuple[Task, SearchSpace, dict[str, Any]]:
    """The task as the network behind a point's encoder reads it, and that network in `mlp`.

    Its scale of inputs, smoothed labels and schedule, which `mlp` does not have, are left out.

    Args:
        task: of a table.
        space: whose networks begin with an encoder.
        point: of it; numbers beyond the bounds of `mlp` become these.

    Returns:
        the task with encoded columns, the space, the point.
    """
    behind = get_space(BEHIND_ENCODER)
    encoder = space.fit_inputs(point, task.split("train")[0])
    with torch.no_grad():
        X = encoder(torch.from_numpy(task.X)).numpy()
    names = tuple(f"{space.name}_{i}" for i in range(X.shape[1]))
    kept: dict[str, Any] = {}
    for name, distribution in behind.items():
        kept[name] = point[name]
        if isinstance(distribution, IntDistribution | FloatDistribution):
            kept[name] = min(max(point[name], distribution.low), distribution.high)
    return replace(task, X=X, feature_names=names), behind, kept


def _mean_multiply_adds(task: Task, space: SearchSpace) -> float:
    """Of the space's networks on a task: an evolution pays for what it makes larger than that."""
    from infoprior.search.evolution import network_multiply_adds

    x, rows = torch.from_numpy(task.X[:2]), task.split("train")[0]

    def build(point: Mapping[str, Any]) -> Any:
        encoder = space.fit_inputs(point, rows) if space.encodes_inputs else None
        return space.build(point, task.shape, task.n_classes, inputs=encoder)

    networks = (build(point) for point in space.design(DESIGN))
    return float(np.mean([network_multiply_adds(network, x) for network in networks]))


def _in_hand(run: Any, budgets: Sequence[float]) -> Rows:
    cost = run.structure.groupby("epoch", sort=True)["cost"].first()
    ends = run.curve[run.curve["epoch"].isin(cost.index)]
    spent = cost.to_numpy()
    widths = run.structure.sort_values("layer_index").groupby("epoch")["width"].apply(list)
    rows = []
    for budget in budgets:
        there = ends[spent <= budget + 1e-9]
        if there.empty:
            rows.append(no_network(budget))
            continue
        best = there.loc[there["validation_loss"].idxmin()]
        rows.append(
            {
                "budget": budget, "cost": float(spent[len(there) - 1]),
                "test_accuracy": float(best["test_accuracy"]),
                "params": {"widths": widths.loc[best["epoch"]]},
            }
        )  # fmt: skip
    return rows


def darts(task: Task, order: int, seed: int, budgets: Sequence[float], epochs: int) -> Rows:
    """A search and a training of the derived cell for every budget anew.

    Half of a budget, at least one full training, trains the cell under so many of the settings of
    `infoprior.search.darts`, of which the best validation accuracy is kept; the rest searches. With
    a budget that leaves nothing to search with the cell is that of an alpha drawn at random.
    """
    return [_darts(task, order, seed, budget, epochs) for budget in budgets]


def _darts(task: Task, order: int, seed: int, budget: float, epochs: int) -> dict[str, Any]:
    from infoprior.search.darts import TRAINING_SETTINGS
    from infoprior.training import train_many

    if budget < 1:
        return no_network(budget)
    space = get_space(DARTS_SPACE)
    n = max(1, min(int(budget * DARTS_SHARE), len(TRAINING_SETTINGS)))
    params, cost = _derived(task, space, order, seed, budget - n, epochs)
    points = [{**params, **setting} for setting in TRAINING_SETTINGS[:n]]
    trained = train_many(
        task, [(point, seed) for point in points], space=space, epochs=epochs, record=(epochs,),
        progress=False,
    )  # fmt: skip
    ends = pd.DataFrame([one.curve[-1] for one in trained])
    best = int(ends["validation_accuracy"].to_numpy().argmax())
    return {
        "budget": budget, "cost": n + cost, "params": points[best],
        "test_accuracy": float(ends["test_accuracy"][best]),
    }  # fmt: skip


def _derived(
    task: Task, space: Any, order: int, seed: int, budget: float, epochs: int
) -> tuple[dict[str, Any], float]:
    """The cell of a search, and what it cost in full trainings of so many epochs."""
    from infoprior.search.darts import derive, search_cost, search_darts

    unit = epochs / RUNGS[-1]  # the searches count in full trainings of 27 epochs
    if budget * unit < search_cost(task, space, order=order, epochs=1):
        alpha = np.random.default_rng([seed, 4]).normal(
            size=(len(space.cell.edges), len(space.cell.operations))
        )
        return derive(space, alpha), 0.0
    search = search_darts(
        task, space, order=order, budget=budget * unit, seed=seed, eigenvalues=False,
        progress=False,
    )  # fmt: skip
    return search.params, search.cost / unit
