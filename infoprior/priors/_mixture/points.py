"""Kernels from points: one around each, or one with the moments of all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._errors import PriorError
from .._values import numbers, share, short
from .axes import Axis, CategoricalAxis
from .kernels import SMALLEST_WIDTH
from .truncated_normal import Array

Located = Mapping[str, tuple[Axis, Array]]  # name -> (axis, positions of shape (n,))

_SMALLEST_SPREAD = 0.02  # of the moments' kernel, where the points coincide


def shares(points: Sequence[Any], weights: ArrayLike | None, limit: int) -> Array:
    """The points' weights, normalised, shape (n,); equal ones by default."""
    n = len(points)
    if not 0 < n <= limit:
        raise PriorError(f"points: needs 1 to {limit} points, got {n}.")
    weight = np.ones(n) if weights is None else numbers("weights", weights)
    if weight.shape != (n,) or not np.all(np.isfinite(weight)) or np.any(weight < 0.0):
        raise PriorError(f"weights: needs {n} finite, non-negative numbers.")
    if not weight.max() > 0.0:
        raise PriorError("weights: all are zero.")
    weight = weight / weight.max()  # first, so that huge or tiny weights do not overflow
    return weight / weight.sum()


def around(located: Located, bandwidth: float | Mapping[str, float]) -> dict[str, Any]:
    """`Prior`'s kernels, one component on each point."""
    kernels: dict[str, Any] = {}
    for name, (axis, positions) in located.items():
        b = bandwidth[name] if isinstance(bandwidth, Mapping) else bandwidth
        b = share(f"bandwidth: {short(name)}", b)
        if isinstance(axis, CategoricalAxis):
            n = axis.n_values
            b = min(b, (n - 1) / n)  # more would make the point's choice the unlikeliest
            chosen = np.arange(n) == positions[:, None]
            kernels[name] = np.where(chosen, 1.0 - b, b / max(n - 1, 1))
        else:
            widths = np.full(len(positions), max(b, SMALLEST_WIDTH))
            kernels[name] = axis.center(positions), widths
    return kernels


def moments(located: Located, weights: Array) -> dict[str, Any]:
    """`Prior`'s kernels, one component with the weighted points' mean and spread."""
    kernels: dict[str, Any] = {}
    for name, (axis, positions) in located.items():
        if isinstance(axis, CategoricalAxis):
            counts = np.bincount(positions.astype(int), weights, axis.n_values)
            kernels[name] = (counts / counts.sum())[None]
        else:
            u = axis.center(positions)
            mean = float(np.clip(np.dot(weights, u), 0.0, 1.0))
            spread = math.sqrt(float(np.dot(weights, (u - mean) ** 2)))
            kernels[name] = [mean], [max(spread, _SMALLEST_SPREAD)]
    return kernels
