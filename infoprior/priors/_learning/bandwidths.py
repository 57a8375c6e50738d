"""Kernels around past studies' best trials, as wide as a rule says, and their densities.

The rule is Scott's, times a number for each parameter that `leave_one_out` chooses.
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

NARROWEST, NARROWEST_OF_FEW = 0.02, 0.1  # of bandwidths
FLAT = math.inf  # the bandwidth of a kernel that says nothing


@dataclass(frozen=True)
class Points:
    """The best n trials of s studies as arrays.

    Attributes:
        axes: name -> axis.
        positions: name -> positions on that axis, shape (n,), NaN where a trial has no such
            parameter.
        study: index of each trial's study, shape (n,), sorted.
        weights: of the trials, shape (n,), summing to one within each study.
        reliability: of the studies, shape (s,): their weights.
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
    """How far the points scatter, name -> a number from 0 to the uniform distribution's 1.

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
    """log kernel − log uniform, in nats, of every point (rows) under every point's kernel.

    Args:
        axis: of one parameter.
        positions: shape (n,); NaN where a point has no such parameter.
        bandwidth: as `kernels_around_points` takes it.

    Returns:
        Shape (n, n); 0 where either point has no such parameter.
    """
    n = len(positions)
    if bandwidth >= LARGEST_WIDTH:
        return np.zeros((n, n))
    known = ~np.isnan(positions)
    values, inverse = np.unique(positions[known], return_inverse=True)
    inverse = inverse.reshape(-1)
    around = kernels_around_points(axis, values, bandwidth)
    if isinstance(axis, CategoricalAxis):
        assert isinstance(around, np.ndarray)
        table = np.log(around[:, values.astype(int)] * axis.n_values).T
    else:
        assert isinstance(around, tuple)
        kernels = NumericKernels(axis, *around)
        if isinstance(axis, GridAxis):
            mass = kernels.log_mass(*axis.edges(values))
            table = mass - axis.log_uniform(values)[:, None]
        else:
            table = kernels.log_ratio(values)
    result = np.zeros((n, n))
    result[np.ix_(known, known)] = table[np.ix_(inverse, inverse)]
    return result
