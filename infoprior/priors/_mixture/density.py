"""The log density of a mixture at points given by name, in nats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .._values import Array, dicts
from .locate import Located, Params, locate_points
from .mixture import Mixture


def log_ratio(mixture: Mixture, params: Params | Sequence[Params]) -> float | Array:
    """log p(x) − log u(x); see `Prior.log_ratio`."""
    located, inside = _located(mixture, params)
    return _answer(params, mixture.log_ratio(located, len(inside)), inside)


def log_prob(mixture: Mixture, params: Params | Sequence[Params]) -> float | Array:
    """log p(x); see `Prior.log_prob`."""
    located, inside = _located(mixture, params)
    logs = mixture.log_ratio(located, len(inside))
    for axis, positions in located.values():
        logs = logs + axis.log_uniform(positions)
    return _answer(params, logs, inside)


def _located(
    mixture: Mixture, params: Params | Sequence[Params]
) -> tuple[Located, NDArray[np.bool_]]:
    points = [params] if isinstance(params, Mapping) else dicts("params", params)
    return locate_points(mixture.axes, points)


def _answer(
    params: Params | Sequence[Params], logs: Array, inside: NDArray[np.bool_]
) -> float | Array:
    """A float for one point, an array for a list of them; -inf outside."""
    logs = np.where(inside, logs, -np.inf)
    return float(logs[0]) if isinstance(params, Mapping) else logs
