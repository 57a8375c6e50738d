"""Past studies as functions over their space: each one's results, smoothed, on shared features.

Every study's normalised results are a Gaussian process's; all share the kernel, and a mean, which
is learned from them. They are kept as weights of the same few basis functions (Nyström features;
Williams and Seeger, Using the Nyström method to speed up kernel machines, NIPS 2001, with the
diagonal correction of Snelson and Ghahramani, Sparse Gaussian processes using pseudo-inputs, NIPS
2005). So what is kept does not grow with the studies' trials, and mean and covariance over studies
are those of the weights, as in Wang et al., Pre-trained Gaussian processes for Bayesian
optimization, JMLR 25, 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .._mixture.axes import Axis
from .._values import Array
from .features import Features, matern, spread

_JITTER = 1e-6
_BASIS = 256  # basis functions
_CHOSEN_FROM = 3000  # trials
_STUDIES, _TRIALS = 24, 96  # that relevances are learned from
_CELLS = 32.0  # of a float's range: two trials in one count as the same
_ROUNDS = 3  # of the mean and the studies in turn
_FACTORS = 32  # the most directions in which studies differ that are kept
_POOL_PAST, _POOL_UNIFORM = 384, 128  # points at which a search looks for good ones
_DIGITS = 6  # of what is kept: a file holds exactly what was fitted
_RELEVANCES = 0.02, 8.0
_NOISES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


class History(NamedTuple):
    """One past study: positions of its n trials, shape (n, d), their normal scores, shape (n,)."""

    name: str
    positions: Array
    scores: Array


@dataclass(frozen=True, eq=False)
class PastStudies:
    """What is kept of s past studies.

    Attributes:
        axes: name -> axis, d of them.
        names: of the studies, s.
        study_weights: how much each counts before a search, shape (s,), summing to one.
        relevances: inverse length scales, shape (d,).
        noise: of the scores, over the variance of a study's function.
        basis: positions of the basis points, shape (b, d); NaN where a parameter is missing.
        coefficients: of each study's function in the basis, shape (s, b).
        pool: positions of points that were good in the past, and of some others, shape (p, d).
    """

    axes: Mapping[str, Axis]
    names: tuple[str, ...]
    study_weights: Array
    relevances: Array
    noise: float
    basis: Array
    coefficients: Array
    pool: Array

    @cached_property
    def features(self) -> Features:
        """Positions -> vectors."""
        return Features(self.axes, self.relevances)

    @cached_property
    def resolution(self) -> Array:
        """What positions are multiplied by and rounded to tell points apart, shape (d,)."""
        return np.array([1.0 if axis.discrete else _CELLS for axis in self.axes.values()])

    @cached_property
    def _whitening(self) -> tuple[Array, Array]:
        z = self.features(self.basis)
        return z, _inverse_root(z)

    def functions(self, vectors: Array) -> Array:
        """Basis functions at vectors of shape (n, columns), shape (n, b)."""
        z, root = self._whitening
        return matern(vectors, z) @ root

    @cached_property
    def mean(self) -> Array:
        """The mean function's coefficients, shape (b,)."""
        return self.study_weights @ self.coefficients

    @cached_property
    def factor(self) -> Array:
        """A square root of the studies' covariance, shape (b, r)."""
        apart = np.sqrt(self.study_weights)[:, None] * (self.coefficients - self.mean)
        _, sizes, directions = np.linalg.svd(apart, full_matrices=False)
        kept = min(_FACTORS, int((sizes > 1e-9).sum()))
        return (sizes[:kept, None] * directions[:kept]).T

    @cached_property
    def _mean_and_factor(self) -> Array:
        """Both as weights of kernels with the basis points, shape (b, 1 + r)."""
        return self._whitening[1] @ np.column_stack([self.mean, self.factor])

    def values(self, vectors: Array) -> tuple[Array, Array]:
        """The mean (n,) and the factor (n, r) at vectors of shape (n, columns)."""
        both = matern(vectors, self._whitening[0]) @ self._mean_and_factor
        return both[:, 0], both[:, 1:]

    @cached_property
    def pool_values(self) -> tuple[Array, Array, Array]:
        """Of the pool: vectors (p, columns), the mean there (p,), the factor there (p, r)."""
        vectors = self.features(self.pool)
        return vectors, *self.values(vectors)


def fit_past(
    axes: Mapping[str, Axis], histories: Sequence[History], study_weights: Array
) -> PastStudies:
    """The past studies' functions.

    Args:
        axes: name -> axis.
        histories: of s studies, two trials each at least.
        study_weights: how much each counts, shape (s,), summing to one.
    """
    relevances, noise = _learned_kernel(axes, histories)
    features = Features(axes, relevances)
    positions = np.concatenate([h.positions for h in histories])
    scores = np.concatenate([h.scores for h in histories])
    chosen = spread(len(positions), _CHOSEN_FROM)
    basis = _basis(features, positions[chosen], scores[chosen])
    past = PastStudies(
        axes,
        tuple(h.name for h in histories),
        study_weights,
        relevances,
        noise,
        basis,
        np.zeros((len(histories), len(basis))),
        _pool(axes, histories),
    )
    mean, coefficients = np.zeros(len(basis)), past.coefficients
    for _ in range(_ROUNDS):
        coefficients = np.array([_coefficients(past, history, mean) for history in histories])
        mean = study_weights @ coefficients
    return PastStudies(
        axes, past.names, study_weights, relevances, noise, basis,
        np.round(coefficients, _DIGITS), past.pool,
    )  # fmt: skip


def _coefficients(past: PastStudies, history: History, mean: Array) -> Array:
    """A study's posterior mean, in the basis, given the mean of all."""
    phi = past.functions(past.features(history.positions))
    inside = phi @ phi.T
    np.fill_diagonal(inside, 1.0 + past.noise)  # what the basis does not hold counts as noise
    return mean + phi.T @ np.linalg.solve(inside, history.scores - phi @ mean)


def _inverse_root(z: Array) -> Array:
    """What takes kernels with the basis points to orthonormal features, shape (b, b)."""
    root = np.linalg.cholesky(matern(z, z) + _JITTER * np.eye(len(z)))
    return np.linalg.inv(root).T


def _learned_kernel(axes: Mapping[str, Axis], histories: Sequence[History]) -> tuple[Array, float]:
    """(relevances, noise) of the highest marginal likelihood of some studies, their scale apart.

    Coordinate search: closed form at each step, no gradients, always the same.
    """
    some = [histories[i] for i in spread(len(histories), _STUDIES)]
    features = Features(axes, np.ones(len(axes)))
    data = []
    for history in some:
        index = spread(len(history.scores), _TRIALS)
        data.append((features.plain(history.positions[index]), history.scores[index]))

    def loss(relevances: Array, noise: float) -> float:
        total = 0.0
        for plain, scores in data:
            x, n = features.scaled(plain, relevances), len(scores)
            root = np.linalg.cholesky(matern(x, x) + noise * np.eye(n))
            white = np.linalg.solve(root, scores)
            total += 0.5 * n * np.log(white @ white / n + 1e-12) + np.log(np.diag(root)).sum()
        return float(total)

    best = np.ones(len(axes)), 0.1
    lowest = loss(*best)

    def consider(relevances: Array, noise: float) -> None:
        nonlocal best, lowest
        value = loss(relevances, noise)
        if value < lowest - 1e-9:
            best, lowest = (relevances, noise), value

    for factor in (0.25, 0.5, 2.0):
        consider(np.full(len(axes), factor), best[1])
    for factors in ((0.25, 0.5, 2.0, 4.0), (0.6, 1.6)):
        for j in range(len(axes)):
            now = best[0]
            for factor in factors:
                tried = now.copy()
                tried[j] = np.clip(tried[j] * factor, *_RELEVANCES)
                consider(tried, best[1])
        for noise in _NOISES:
            consider(best[0], noise)
    return np.round(best[0], _DIGITS), best[1]


def _basis(features: Features, positions: Array, scores: Array) -> Array:
    """Basis points among some trials, by pivoted Cholesky decomposition, good ones preferred."""
    x = features(positions)
    left, columns = np.ones(len(x)), np.zeros((len(x), min(_BASIS, len(x))))
    good = np.clip(0.5 + 0.5 * scores, 0.25, 1.5)
    chosen: list[int] = []
    for k in range(columns.shape[1]):
        pivot = int(np.argmax(left * good))
        if left[pivot] < 1e-3:
            break
        column = matern(x, x[pivot : pivot + 1])[:, 0] - columns[:, :k] @ columns[pivot, :k]
        columns[:, k] = column / np.sqrt(left[pivot])
        left = np.maximum(left - columns[:, k] ** 2, 0.0)
        left[pivot] = 0.0
        chosen.append(pivot)
    return np.round(positions[chosen], _DIGITS)


def _pool(axes: Mapping[str, Axis], histories: Sequence[History]) -> Array:
    """Each study's best trials, the same number of each, and points drawn uniformly."""
    each = max(_POOL_PAST // len(histories), 1)
    best = [h.positions[np.argsort(-h.scores, kind="stable")[:each]] for h in histories]
    rows = np.concatenate(best)
    rows = rows[spread(len(rows), _POOL_PAST)]
    rng = np.random.default_rng(0)
    u = rng.random((_POOL_UNIFORM, len(axes)))
    columns = [axis.from_unit(u[:, j]) for j, axis in enumerate(axes.values())]
    uniform = np.stack(columns, axis=1).astype(np.float64)
    # A parameter that past trials lack is lacking here as often, as some of them have it.
    pattern = rows[rng.integers(len(rows), size=_POOL_UNIFORM)]
    uniform[np.isnan(pattern)] = np.nan
    every = np.round(np.concatenate([rows, uniform]), _DIGITS)
    _, first = np.unique(np.nan_to_num(every, nan=-1.0), axis=0, return_index=True)
    return every[np.sort(first)]
