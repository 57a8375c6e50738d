"""A density over what is expected to be good: kernels around the points of most improvement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._mixture.axes import Axis, CategoricalAxis, GridAxis
from .._mixture.kernels import LARGEST_WIDTH
from .._mixture.mixture import Mixture, make_mixture
from .._values import Array
from .past import PastStudies
from .posterior import Evidence, Posterior

FLOOR = 0.05  # the uniform share
COMPONENTS = 8
SHARPNESS = 6.0  # weights are the expected improvements to this power
_STARTS, _MOVES, _ROUNDS = 8, 96, 2  # of the local search: best points, moves of a round, rounds
_STEP = 0.1  # of a moved number, in unit coordinates
_WIDTH = 0.03  # of a number's kernel, in unit coordinates
_WITHIN_CELL = 0.25  # of an int's, in cells
_OTHER = 0.02  # the probability of another choice


def adapted_mixture(past: PastStudies, evidence: Evidence, tried: set[bytes]) -> Mixture:
    """The mixture after the present study's trials, one at least.

    Points are looked for among those that were good in the past, some others, and, by a local
    search, near the best of these and of the study's own trials. Whatever is random in it is a
    function of the number of trials.

    Args:
        past: the past studies.
        evidence: of the present one.
        tried: `key`s of points that are not to be proposed again.
    """
    posterior = Posterior(past, evidence)
    vectors, pool_mean, pool_factor = past.pool_values
    mean, deviation = posterior.predict(vectors, pool_mean, pool_factor)
    points, gain = past.pool, posterior.improvement(mean, deviation)
    rng = np.random.default_rng(len(evidence))
    own = evidence.positions[np.argsort(-posterior.at_trials, kind="stable")[: _STARTS // 2]]
    for _ in range(_ROUNDS):
        best = points[np.argsort(-gain, kind="stable")[: _STARTS // 2]]
        moved = _moved(past.axes, np.concatenate([own, best]), rng)
        mean, deviation = posterior.at(moved)
        points = np.concatenate([points, moved])
        gain = np.concatenate([gain, posterior.improvement(mean, deviation)])
    order = np.argsort(-gain, kind="stable")
    seen, chosen = set(tried), list[int]()
    for index in order.tolist():
        if (row := key(past, points[index])) not in seen:
            seen.add(row)
            chosen.append(index)
            if len(chosen) == COMPONENTS:
                break
    chosen = chosen or order[:1].tolist()  # every point that is known was tried
    weights = gain[chosen] / max(float(gain[chosen].max()), 1e-300)
    weights = np.maximum(weights, 1e-3) ** SHARPNESS
    return _around(past.axes, points[chosen], weights / weights.sum())


def key(past: PastStudies, positions: Array) -> bytes:
    """The same for the same positions, shape (d,), NaN among them; of floats for near ones."""
    return np.where(np.isnan(positions), -1.0, np.rint(positions * past.resolution)).tobytes()


def _moved(axes: Mapping[str, Axis], starts: Array, rng: np.random.Generator) -> Array:
    """Points beside the starts, one or two of whose parameters differ, shape (_MOVES, d)."""
    d = starts.shape[1]
    moved = starts[np.arange(_MOVES) % len(starts)].copy()
    changed = np.zeros((_MOVES, d), dtype=np.bool_)
    changed[np.arange(_MOVES), rng.integers(d, size=_MOVES)] = True
    second = rng.integers(d, size=_MOVES)
    changed[np.arange(_MOVES), second] |= rng.random(_MOVES) < 0.5
    for j, axis in enumerate(axes.values()):
        normal, uniform = rng.standard_normal(_MOVES), rng.random(_MOVES)
        rows = np.flatnonzero(changed[:, j] & ~np.isnan(moved[:, j]))
        if not len(rows) or axis.n_values == 1:
            continue
        if isinstance(axis, CategoricalAxis):
            other = np.floor(uniform[rows] * (axis.n_values - 1))
            moved[rows, j] = other + (other >= moved[rows, j])
            continue
        u = axis.center(moved[rows, j])
        step = _STEP * normal[rows]
        if isinstance(axis, GridAxis):  # a cell at least
            step = np.sign(step) * np.maximum(np.abs(step), 1.0 / axis.n_values)
        moved[rows, j] = axis.from_unit(np.clip(u + step, 0.0, 1.0))
    return moved


def _around(axes: Mapping[str, Axis], points: Array, weights: Array) -> Mixture:
    """Narrow kernels around points, flat where a parameter is missing."""
    kernels: dict[str, Any] = {}
    for j, (name, axis) in enumerate(axes.items()):
        known = ~np.isnan(points[:, j])
        at = np.where(known, points[:, j], 0.0)
        if isinstance(axis, CategoricalAxis):
            other = np.where(known, _OTHER, 1.0)[:, None] / axis.n_values
            chosen = np.arange(axis.n_values) == at[:, None]
            kernels[name] = np.where(known, 1.0 - _OTHER, 0.0)[:, None] * chosen + other
            continue
        width = np.full(len(at), _WIDTH)
        if isinstance(axis, GridAxis):
            lower, upper = axis.edges(at)
            width = np.clip(_WITHIN_CELL * (upper - lower), 2e-3, _WIDTH)
        center = np.where(known, axis.center(at), 0.5)
        kernels[name] = center, np.where(known, width, LARGEST_WIDTH)
    return make_mixture(axes, kernels, weights, FLOOR)
