"""Values of Optuna's distributions: whether one lies inside, and which one lies at a quantile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value lies in a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        # `1 == True`: a bool is no number here, and a number no bool.
        if isinstance(value, np.ndarray | list | dict):
            return False
        return any(value == c and _is_bool(value) == _is_bool(c) for c in distribution.choices)
    if _is_bool(value) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    if not math.isfinite(value):
        return False
    if isinstance(distribution, IntDistribution) and value != int(value):
        return False
    return distribution._contains(float(value))


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _exp(x: np.ndarray) -> np.ndarray:
    """The C library's: NumPy's own rounds by the instructions a processor has."""
    return np.array([math.exp(v) for v in x.tolist()], dtype=np.float64)


def values_at(distribution: BaseDistribution, u: np.ndarray) -> list[Any]:
    """Quantiles of the distribution as Python scalars; u: shape (n,), in [0, 1)."""
    if isinstance(distribution, CategoricalDistribution):
        index = (u * len(distribution.choices)).astype(int)
        return [distribution.choices[i] for i in index]
    if isinstance(distribution, IntDistribution):
        low, high, step = distribution.low, distribution.high, distribution.step
        if distribution.log:
            # Each integer owns the cell half a unit around it, as in Optuna's own sampling.
            a, b = math.log(low - 0.5), math.log(high + 0.5)
            x = np.clip(np.rint(_exp(a + u * (b - a))), low, high)
        else:
            x = low + step * np.floor(u * ((high - low) // step + 1))
        return [int(v) for v in x]
    assert isinstance(distribution, FloatDistribution)
    low_f, high_f = distribution.low, distribution.high
    if distribution.step is not None:
        k = np.floor(u * (round((high_f - low_f) / distribution.step) + 1))
        return [float(min(low_f + distribution.step * i, high_f)) for i in k]
    if distribution.log:
        x = _exp(math.log(low_f) + u * (math.log(high_f) - math.log(low_f)))
    else:
        x = low_f + u * (high_f - low_f)
    return [float(v) for v in np.clip(x, low_f, high_f)]
