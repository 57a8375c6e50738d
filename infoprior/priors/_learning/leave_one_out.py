"""Kernels around past studies' best trials, and what they would have been worth.

How wide kernels are, how near a study has to be and how large the uniform share is are chosen by
holding out studies: each one's best trials are predicted from the *other* studies, which is the
use that a prior is put to. Within a study nothing could be learned of that, since its best trials
were found together and lie together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._mixture.axes import Axis, CategoricalAxis, GridAxis
from .._mixture.kernels import LARGEST_WIDTH, NumericKernels
from .._values import Array
from .similarity import kernel, scales

FLOORS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
FLOOR_OF_FEW = 0.2  # where no study can be held out: how well they transfer is not known
NARROWEST, NARROWEST_OF_FEW = 0.02, 0.1  # of bandwidths
FLAT = math.inf
_COMMON = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
_SINGLE = (0.5, 0.7, 1.4, 2.0)


@dataclass(frozen=True)
class Points:
    """The studies' best trials as arrays.

    `positions`: name -> (n,), NaN where a trial has no such parameter; `study`: (n,), the index of
    each one's study; `weights`: (n,), summing to one within each study; `reliability`: (s,), the
    studies' weights.
    """

    axes: Mapping[str, Axis]
    positions: Mapping[str, Array]
    study: NDArray[np.int64]
    weights: Array
    reliability: Array

    def joint(self, study_weights: Array) -> Array:
        """Every point's weight under weights of the studies, summing to one, shape (n,)."""
        total = study_weights[self.study] * self.weights
        return total / total.sum()

    def subset(self, index: NDArray[np.int64], studies: NDArray[np.int64]) -> Points:
        """Some points of some studies, weights within each study summing to one again."""
        order = {int(s): i for i, s in enumerate(studies)}
        study = np.array([order[int(s)] for s in self.study[index]], dtype=np.int64)
        weights = self.weights[index]
        weights = weights / np.bincount(study, weights, len(studies))[study]
        positions = {name: p[index] for name, p in self.positions.items()}
        return Points(self.axes, positions, study, weights, self.reliability[studies])


def spreads(points: Points, joint: Array) -> dict[str, float]:
    """How far the points scatter, name -> number relative to the uniform distribution's 1.

    The weighted standard deviation of unit coordinates over the uniform one's, √(1/12); for a
    categorical parameter the weighted Gini impurity over the uniform one's. 1 where nothing is
    known.
    """
    result = {}
    for name, axis in points.axes.items():
        known = ~np.isnan(points.positions[name])
        w, p = joint[known], points.positions[name][known]
        if not w.sum() > 0.0:
            result[name] = 1.0
            continue
        w = w / w.sum()
        if isinstance(axis, CategoricalAxis):
            frequencies = np.bincount(p.astype(int), w, axis.n_values)
            most = 1.0 - 1.0 / axis.n_values
            result[name] = float((1.0 - frequencies @ frequencies) / most) if most else 1.0
        else:
            u = axis.center(p)
            mean = float(w @ u)
            result[name] = min(math.sqrt(12.0 * float(w @ (u - mean) ** 2)), 1.0)
    return result


def scott_bandwidths(
    points: Points, joint: Array, multipliers: Mapping[str, float], narrowest: float
) -> dict[str, float]:
    """name -> bandwidth by Scott's rule, FLAT where the multiplier is.

    A numeric kernel's is its standard deviation in unit coordinates. A categorical one's is
    relative, from 0 to 1: the share of its largest, see `kernels_around_points`.

    Scott's rule is spread · n^(−1/(4 + d)) (Scott 1992, Multivariate density estimation, eq. 6.42),
    with Kish's effective number of points; for categorical parameters its square's rate
    n^(−2/(4 + d)) (Li and Racine 2003, Nonparametric estimation of distributions with categorical
    and continuous data, theorem 3.1).

    Args:
        points: n points of the past.
        joint: their weights, shape (n,), summing to one.
        multipliers: name -> what the rule's bandwidth is multiplied by.
        narrowest: the least bandwidth.
    """
    n = 1.0 / float(joint @ joint)
    rate = n ** (-1.0 / (4.0 + len(points.axes)))
    result = {}
    for name, spread in spreads(points, joint).items():
        if math.isinf(multipliers[name]) or points.axes[name].n_values == 1:
            result[name] = FLAT
        elif isinstance(points.axes[name], CategoricalAxis):
            b = multipliers[name] * max(spread, 0.1) * rate**2
            result[name] = FLAT if b >= 1.0 else max(b, narrowest)
        else:
            b = multipliers[name] * spread * math.sqrt(1.0 / 12.0) * rate
            result[name] = min(max(b, narrowest), LARGEST_WIDTH)
    return result


def kernels_around_points(
    axis: Axis, positions: Array, bandwidth: float
) -> tuple[Array, Array] | Array:
    """`make_mixture`'s kernels around positions, flat where they are NaN or the bandwidth is FLAT.

    A categorical kernel is Aitchison and Aitken's, as in `points`. Its bandwidth λ runs from 0 to
    (c − 1)/c for c choices, at which it is uniform; here it is given relative to that, as
    r = λ · c/(c − 1). In these terms the kernel is (1 − r) · [x = x_i] + r/c.

    Args:
        axis: of one parameter.
        positions: shape (n,).
        bandwidth: a numeric kernel's standard deviation in unit coordinates, or r.

    Returns:
        (centers, widths), each of shape (n,), or probabilities of shape (n, choices).
    """
    known = ~np.isnan(positions)
    at = np.where(known, positions, 0.0)
    if isinstance(axis, CategoricalAxis):
        relative = np.where(known, min(bandwidth, 1.0), 1.0)[:, None]
        chosen = np.arange(axis.n_values) == at[:, None]
        return (1.0 - relative) * chosen + relative / axis.n_values
    centers = np.where(known, axis.center(at), 0.5)
    return centers, np.where(known, min(bandwidth, LARGEST_WIDTH), LARGEST_WIDTH)


def log_kernels(axis: Axis, positions: Array, bandwidth: float) -> Array:
    """log kernel − log uniform of every point (rows) under every point's kernel, shape (n, n).

    0 where either has no such parameter.
    """
    n = len(positions)
    if bandwidth >= LARGEST_WIDTH:
        return np.zeros((n, n))
    known = ~np.isnan(positions)
    values, inverse = np.unique(positions[known], return_inverse=True)
    inverse = inverse.reshape(-1)
    made = kernels_around_points(axis, values, bandwidth)
    if isinstance(axis, CategoricalAxis):
        assert isinstance(made, np.ndarray)
        table = np.log(made[:, values.astype(int)] * axis.n_values).T
    else:
        assert isinstance(made, tuple)
        stacked = NumericKernels(axis, *made)
        if isinstance(axis, GridAxis):
            mass = stacked.log_mass(*axis.edges(values))
            table = mass - axis.log_uniform(values)[:, None]
        else:
            table = stacked.log_ratio(values)
    result = np.zeros((n, n))
    result[np.ix_(known, known)] = table[np.ix_(inverse, inverse)]
    return result


class LeaveOneStudyOut:
    """What choices are worth: each study's best trials under the prior of all other studies."""

    def __init__(
        self, points: Points, between: Array | None = None, scale: float | None = None
    ) -> None:
        self.points = points
        s = len(points.reliability)
        self.between = np.zeros((s, s)) if between is None else between.copy()
        np.fill_diagonal(self.between, np.inf)  # a study does not predict itself
        self.scale = FLAT if scale is None else scale
        self._scale_is_given = scale is not None
        self.multipliers = dict.fromkeys(points.axes, 1.0)
        self.floor = FLOOR_OF_FEW
        self._joint = points.joint(points.reliability)
        self._study_weights = points.reliability / points.reliability.sum()

    def _matrix(self, name: str, multipliers: Mapping[str, float]) -> Array:
        width = scott_bandwidths(self.points, self._joint, multipliers, NARROWEST)[name]
        return log_kernels(self.points.axes[name], self.points.positions[name], width)

    def _scores(self, total: Array, scale: float) -> tuple[Array, float]:
        """(mean log ratio of each study's best under the others, at the best floor; that floor)."""
        p = self.points
        near = p.reliability * kernel(self.between, scale)
        near = near / near.sum(axis=1, keepdims=True)
        log_near = np.where(near > 0.0, np.log(np.where(near > 0.0, near, 1.0)), -np.inf)
        x = total + log_near[p.study][:, p.study] + np.log(p.weights)
        peak = x.max(axis=1)
        ratio = np.exp(x - peak[:, None]).sum(axis=1)
        mixed = np.exp(np.minimum(np.log(ratio) + peak, 700.0))
        best: Array | None = None
        chosen = FLOORS[0]
        for floor in FLOORS:
            each = np.log(floor + (1.0 - floor) * mixed)
            scores = np.bincount(p.study, p.weights * each, len(p.reliability)).astype(np.float64)
            if best is None or self._study_weights @ scores > self._study_weights @ best:
                best, chosen = scores, floor
        assert best is not None
        return best, chosen

    def _gain(self, new: Array, old: Array) -> tuple[float, float]:
        """(mean gain over the studies, its standard error)."""
        d = new - old
        mean = float(self._study_weights @ d)
        effective = 1.0 / float(self._study_weights @ self._study_weights)
        error = math.sqrt(float(self._study_weights @ (d - mean) ** 2) / max(effective - 1.0, 1.0))
        return mean, error

    def choose(self) -> float:
        """Choose multipliers, scale and floor; the mean held-out log ratio, in nats.

        First one multiplier for all bandwidths, then each in turn, then the metafeatures' scale. A
        choice that makes the prior sharper has to be better by one standard error over studies; a
        parameter is made flat wherever that costs nothing.
        """
        names = [*self.points.axes]
        best: tuple[Array, float] | None = None
        total = np.zeros((len(self.points.study),) * 2)
        for c in (FLAT, *reversed(_COMMON)):
            tried = dict.fromkeys(names, c)
            candidate = np.sum([self._matrix(n, tried) for n in names], axis=0)
            scores, floor = self._scores(candidate, self.scale)
            if best is None or self._study_weights @ scores > self._study_weights @ best[0]:
                best, self.multipliers, total = (scores, floor), tried, candidate
        assert best is not None
        for _ in range(2):
            for name in names:
                best, total = self._refine(name, best, total)
            best = self._rescale(best, total)
        self.floor = best[1]
        return float(self._study_weights @ best[0])

    def _refine(
        self, name: str, best: tuple[Array, float], total: Array
    ) -> tuple[tuple[Array, float], Array]:
        """Another bandwidth for one parameter, where that is better."""
        now = self.multipliers[name]
        rest = total - self._matrix(name, self.multipliers)
        sharper = (2.0, 1.0, 0.5) if math.isinf(now) else (FLAT, *(now * s for s in _SINGLE))
        for c in sharper:
            tried = {**self.multipliers, name: c}
            candidate = rest + self._matrix(name, tried)
            scores = self._scores(candidate, self.scale)
            mean, error = self._gain(scores[0], best[0])
            if mean >= 0.0 if math.isinf(c) else mean > error:
                best, total, self.multipliers = scores, candidate, tried
        return best, total

    def _rescale(self, best: tuple[Array, float], total: Array) -> tuple[Array, float]:
        """Another scale of the metafeatures' kernel, where that is better."""
        if self._scale_is_given:
            return best
        for scale in reversed(scales(self.between)):
            scores = self._scores(total, scale)
            mean, error = self._gain(scores[0], best[0])
            if mean > error:
                best, self.scale = scores, scale
        return best
