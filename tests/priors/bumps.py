"""A prior of two tight bumps, and an objective over its space."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.priors import Prior

SPACE: dict[str, Any] = {
    "depth": IntDistribution(1, 5),
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "shape": CategoricalDistribution(["funnel", "constant"]),
}
# Two tight bumps: a joint draw never mixes them.
BUMPS = [
    {"depth": 1, "rate": 3e-4, "shape": "funnel"},
    {"depth": 5, "rate": 3e-2, "shape": "constant"},
]
TIGHT = Prior.from_points(SPACE, BUMPS, bandwidth=0.02, floor=1e-9)


def objective(trial: optuna.Trial) -> float:
    depth = trial.suggest_int("depth", 1, 5)
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    shape = trial.suggest_categorical("shape", ["funnel", "constant"])
    return depth + rate + (shape == "funnel")


def run(
    sampler: optuna.samplers.BaseSampler, n: int, function: Any = objective, **more: Any
) -> Any:
    study = optuna.create_study(sampler=sampler)
    study.optimize(function, n_trials=n, **more)
    return study


def is_bump(params: dict[str, Any]) -> bool:
    low, high = params["depth"] == 1, params["depth"] == 5
    return (low and params["rate"] < 1e-3 and params["shape"] == "funnel") or (
        high and params["rate"] > 1e-2 and params["shape"] == "constant"
    )
