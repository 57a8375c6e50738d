"""Past studies with a planted optimum."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from infoprior.priors import Prior

# The first four matter, the last three do not.
SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 1.0),
    "depth": IntDistribution(1, 12),
    "optimizer": CategoricalDistribution(("sgd", "adam", "lamb")),
    "noise": FloatDistribution(0.0, 1.0),
    "width": IntDistribution(1, 300, log=True),
    "flag": CategoricalDistribution((True, False)),
}
RELEVANT = ("lr", "dropout", "depth")


def unit(params: Mapping[str, Any]) -> np.ndarray:
    """The relevant numbers on the unit cube."""
    lr = math.log(params["lr"] / 1e-5) / math.log(1e4)
    return np.array([lr, params["dropout"], (params["depth"] - 0.5) / 12])


def point(center: Sequence[float], **other: Any) -> dict[str, Any]:
    """The parameters at a point of the unit cube."""
    lr, dropout, depth = (float(np.clip(c, 0.0, 1.0)) for c in center)
    rest = {"optimizer": "adam", "noise": 0.5, "width": 30, "flag": True, **other}
    layers = int(np.clip(round(depth * 12 + 0.5), 1, 12))
    return {"lr": 1e-5 * 1e4**lr, "dropout": dropout, "depth": layers, **rest}


def loss_at(center: Sequence[float], rng: np.random.Generator) -> Callable[..., float]:
    def loss(params: Mapping[str, Any]) -> float:
        far = float(np.sum((unit(params) - center) ** 2))
        return far + 0.1 * (params["optimizer"] != "adam") + rng.normal(0, 0.01)

    return loss


def centers(n: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Optima of n related tasks, shape (n, 3)."""
    return np.clip(rng.normal([0.6, 0.3, 0.7], spread, (n, 3)), 0.0, 1.0)


def random_study(
    center: Sequence[float], n: int, rng: np.random.Generator, name: str | None = None
) -> optuna.Study:
    """n random trials of a task."""
    loss = loss_at(center, rng)
    points = Prior.uniform(SPACE).sample(n, rng)
    return study_of([(p, loss(p)) for p in points], SPACE, name=name)


def study_of(
    trials: Sequence[tuple[dict[str, Any], Any]],
    space: Mapping[str, BaseDistribution],
    *,
    name: str | None = None,
    direction: str = "minimize",
    storage: Any = None,
) -> optuna.Study:
    """A study of complete trials with these parameters and values."""
    study = optuna.create_study(study_name=name, direction=direction, storage=storage)
    for params, value in trials:
        live = {n: d for n, d in space.items() if n in params}
        study.add_trial(create_trial(params=params, distributions=live, value=value))
    return study


def add(
    study: optuna.Study,
    state: TrialState,
    x: float,
    values: Sequence[float] | None = None,
    steps: Mapping[int, float] | None = None,
) -> None:
    """A trial of one parameter, x in [0, 1]."""
    study.add_trial(
        create_trial(
            state=state,
            values=values,
            params={"x": x},
            distributions={"x": FloatDistribution(0.0, 1.0)},
            intermediate_values=dict(steps or {}),
        )
    )


def weight_at(prior: Prior, x: float, name: str = "x") -> float:
    """The weight of the components centred on a value of a float from 0 to 1."""
    parts = prior.to_dict()["components"]
    return sum(c["weight"] for c in parts if abs(c["kernels"][name]["center"] - x) < 1e-9)


X = {"x": FloatDistribution(0.0, 1.0)}


def line(values: dict[float, Any], **kwargs: Any) -> optuna.Study:
    """A study of one parameter, from x to its value."""
    return study_of([({"x": x}, v) for x, v in values.items()], X, **kwargs)
