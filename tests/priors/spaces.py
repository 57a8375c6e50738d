"""Spaces and priors the tests share."""

from __future__ import annotations

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from infoprior.priors import Prior

EVERY_KIND: dict[str, BaseDistribution] = {
    "float": FloatDistribution(-1.0, 3.0),
    "log_float": FloatDistribution(1e-4, 1e-1, log=True),
    "stepped_float": FloatDistribution(0.0, 1.0, step=0.1),
    "int": IntDistribution(1, 5),
    "log_int": IntDistribution(1, 300, log=True),
    "stepped_int": IntDistribution(10, 120, step=5),
    "categorical": CategoricalDistribution(("relu", 2, None, True, 0.5)),
    "one_float": FloatDistribution(0.3, 0.3),
    "one_log_float": FloatDistribution(0.3, 0.3, log=True),
    "one_int": IntDistribution(7, 7),
    "one_choice": CategoricalDistribution(("only",)),
}


def prior_over(
    space: dict[str, BaseDistribution], n: int = 7, seed: int = 0, floor: float = 0.1
) -> Prior:
    """A lumpy prior: n weighted points of the space."""
    rng = np.random.default_rng(seed)
    points = Prior.uniform(space).sample(n, rng)
    return Prior.from_points(space, points, rng.random(n), bandwidth=0.12, floor=floor)
