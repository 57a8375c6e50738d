"""The strategies: what each does with a budget, and which network it has in hand at the end.

A budget is in full trainings: 27 epochs of one network. Each strategy gives, for every budget, the
test accuracy of the network that its own rule would return; the rules read validation rows only.
No setting of any of them was tuned on the tasks of the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from infoprior.priors import Prior
from infoprior.spaces import SearchSpace
from infoprior.tasks import Task

Rows = list[dict[str, Any]]
"""One for each budget: budget; cost (what was spent of it), test_accuracy and params of the network
in hand, a dict or its JSON; test_accuracy and params are None where there is no network yet."""


def no_network(budget: float) -> dict[str, Any]:
    """The row of a budget that a strategy cannot begin with."""
    return {"budget": budget, "cost": 0.0, "test_accuracy": None, "params": None}


def seed_of(seed: int, i: int) -> int:
    """The seed of the i-th network of a search."""
    return int(np.random.SeedSequence([seed, i, 2]).generate_state(1)[0])


def full_trainings(
    task: Task,
    points: Sequence[Mapping[str, Any]],
    space: SearchSpace,
    seed: int,
    budgets: Sequence[float],
    epochs: int,
) -> Rows:
    """Train point after point to the end; the best validation accuracy is kept."""
    from infoprior.training import train_many

    networks = [(point, seed_of(seed, i)) for i, point in enumerate(points)]
    trained = train_many(
        task, networks, space=space, epochs=epochs, record=(epochs,), progress=False
    )
    ends = [one.curve[-1] for one in trained]
    rows = []
    for budget in budgets:
        if budget < 1:
            rows.append(no_network(budget))
            continue
        n = int(budget)
        best = max(range(n), key=lambda i: ends[i]["validation_accuracy"])
        rows.append(
            {
                "budget": budget, "cost": float(n), "params": dict(points[best]),
                "test_accuracy": float(ends[best]["test_accuracy"]),
            }
        )  # fmt: skip
    return rows


def random_search(
    task: Task, space: SearchSpace, seed: int, budgets: Sequence[float], epochs: int
) -> Rows:
    """Full trainings of points drawn from the whole space (Bergstra & Bengio, JMLR 2012)."""
    points = space.sample(int(max(budgets)), np.random.default_rng([seed, 3]))
    return full_trainings(task, points, space, seed, budgets, epochs)


def default_again(
    task: Task,
    space: SearchSpace,
    point: Mapping[str, Any],
    seed: int,
    budgets: Sequence[float],
    epochs: int,
) -> Rows:
    """No search: the same point trained with several seeds."""
    return full_trainings(task, [point] * int(max(budgets)), space, seed, budgets, epochs)


def hyperband(
    task: Task,
    space: SearchSpace,
    prior: Prior | None,
    seed: int,
    budgets: Sequence[float],
    epochs: int,
    start_cost: float,
) -> Rows:
    """Promoting Hyperband as `hyperband_study` makes it; what the prior costs is charged."""
    import optuna

    from infoprior.evaluation import live_study, regret_curve

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if max(budgets) * epochs - start_cost * epochs < 1:
        return [no_network(budget) for budget in budgets]
    trials = live_study(
        task, prior, space=space, seed=seed, budget_epochs=int(max(budgets) * epochs),
        max_epochs=epochs, start_cost=start_cost,
    )  # fmt: skip
    rows = []
    for row in regret_curve(trials, list(budgets)).to_dict("records"):
        if row["incumbent"] < 0:
            rows.append(no_network(row["budget"]))
            continue
        spent = trials[trials["cost"] <= row["budget"] + 1e-9]
        incumbent = trials.set_index("trial").loc[row["incumbent"]]
        rows.append(
            {
                "budget": row["budget"], "cost": float(spent["cost"].iloc[-1]),
                "test_accuracy": float(row["test_accuracy"]), "params": incumbent["params"],
            }
        )  # fmt: skip
    return rows
