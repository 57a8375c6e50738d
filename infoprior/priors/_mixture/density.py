"""The log density of a mixture at points given by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._values import Array
from .locate import Params, locate_points
from .mixture import Mixture


def log_ratios(mixture: Mixture, points: Sequence[Params]) -> Array:
    """log p(x) − log u(x) in nats, shape (n,); -inf for points outside.

    Raises:
        PriorError: where names are missing or unknown, or a value has the wrong type.
    """
    located, inside = locate_points(mixture.axes, points)
    return np.where(inside, mixture.log_ratio(located, len(points)), -np.inf)


def log_probs(mixture: Mixture, points: Sequence[Params]) -> Array:
    """log p(x) in nats, shape (n,); a density per unit of each float; -inf for points outside.

    Raises:
        PriorError: where names are missing or unknown, or a value has the wrong type.
    """
    located, inside = locate_points(mixture.axes, points)
    result = mixture.log_ratio(located, len(points))
    for axis, positions in located.values():
        result = result + axis.log_uniform(positions)
    return np.where(inside, result, -np.inf)
