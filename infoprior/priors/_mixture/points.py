"""Mixtures of points: one kernel around each, or one with the moments of all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._errors import PriorError
from .._values import Array, dicts, numbers, positive_fraction, short
from .axes import Axis, CategoricalAxis
from .kernels import SMALLEST_WIDTH
from .locate import Located, Params, check_names, locate_inside
from .mixture import MAX_COMPONENTS, Mixture, make_mixture

_SMALLEST_SPREAD = 0.02  # of the moments' kernel, where the points coincide


def around_points(
    axes: Mapping[str, Axis],
    points: Sequence[Params],
    weights: ArrayLike | None,
    bandwidth: float | Mapping[str, float],
    floor: float,
) -> Mixture:
    """One component around each point; see `Prior.from_points`."""
    if isinstance(bandwidth, Mapping):
        check_names(axes, bandwidth, "bandwidth")
    points = dicts("points", points)
    normalized = normalized_weights(len(points), weights)
    points = [p for p, w in zip(points, normalized, strict=True) if w > 0.0]
    kernels = _kernels_around(locate_inside(axes, points), bandwidth)
    return make_mixture(axes, kernels, normalized[normalized > 0.0], floor)


def moments_of_points(
    axes: Mapping[str, Axis], points: Sequence[Params], weights: ArrayLike | None, floor: float
) -> Mixture:
    """One component with the moments of the weighted points; see `Prior.gaussian`."""
    points = dicts("points", points)
    normalized = normalized_weights(len(points), weights)
    kernels = _moments(locate_inside(axes, points), normalized)
    return make_mixture(axes, kernels, [1.0], floor)


def normalized_weights(n: int, weights: ArrayLike | None) -> Array:
    """The weights of n points, summing to one, shape (n,) float64; equal ones by default.

    Raises:
        PriorError: no points or more than there may be components, or weights that are not n
            finite numbers of 0 or more, one of them positive.
    """
    if not 0 < n <= MAX_COMPONENTS:
        raise PriorError(f"points: needs 1 to {MAX_COMPONENTS} points, got {n}.")
    weight = np.ones(n) if weights is None else numbers("weights", weights)
    if weight.shape != (n,) or not np.all(np.isfinite(weight)) or np.any(weight < 0.0):
        raise PriorError(f"weights: needs {n} finite, non-negative numbers.")
    if not weight.max() > 0.0:
        raise PriorError("weights: all are zero.")
    weight = weight / weight.max()  # first, so that huge or tiny weights do not overflow
    return weight / weight.sum()


def _kernels_around(located: Located, bandwidth: float | Mapping[str, float]) -> dict[str, Any]:
    """`make_mixture`'s kernels, one component on each point.

    Args:
        located: name -> (axis, positions of shape (n,)).
        bandwidth: in (0, 1], of all parameters or name -> each one's: a numeric kernel's standard
            deviation in unit coordinates, and λ of a categorical one, `aitchison_aitken`.

    Raises:
        PriorError: a bandwidth is out of its range, naming it.
    """
    kernels: dict[str, Any] = {}
    for name, (axis, positions) in located.items():
        b = bandwidth[name] if isinstance(bandwidth, Mapping) else bandwidth
        b = positive_fraction(f"bandwidth: {short(name)}", b)
        if isinstance(axis, CategoricalAxis):
            kernels[name] = aitchison_aitken(positions, axis.n_values, b)
        else:
            widths = np.full(len(positions), max(b, SMALLEST_WIDTH))
            kernels[name] = axis.center(positions), widths
    return kernels


def aitchison_aitken(positions: Array, c: int, bandwidth: float) -> Array:
    """Categorical kernels around choices: 1 − λ at the choice and λ/(c − 1) at each other one.

    Aitchison and Aitken (Multivariate binary discrimination by the kernel method, Biometrika 63,
    1976). The bandwidth λ, the probability of another choice, is (c − 1)/c at most, at which the
    kernel is uniform: more would make the point's own choice the unlikeliest.

    Args:
        positions: the choices' indices, shape (n,).
        c: how many choices there are.
        bandwidth: λ; one above the largest counts as that.

    Returns:
        Probabilities, shape (n, c), float64.
    """
    b = min(bandwidth, (c - 1) / c)
    chosen = np.arange(c) == positions[:, None]
    return np.where(chosen, 1.0 - b, b / max(c - 1, 1))


def _moments(located: Located, weights: Array) -> dict[str, Any]:
    """`make_mixture`'s kernels, one component with the weighted points' mean and spread."""
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
