"""What a task is like, from what its profile says: one ridge regression per set of groups.

The factors of training tasks are known from their curves. Each set of groups of features that a
profile may hold gets a regression of its own (what one group tells, another may tell too), with
the penalty under which the factors of left-out families are likeliest. What is left over on
those families is the uncertainty of a new task's factors: no training error is trusted. It grows
with a task's distance from the training tasks, as it does among left-out families.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import ndtri
from scipy.stats import chi2

PENALTIES = tuple(float(p) for p in 10.0 ** np.arange(-3.0, 1.6, 0.5))
"""Of squared coefficients, relative to the tasks' total weight; features have groupwise norm 1."""
SHARES = (1.0, 0.3, 0.1, 0.03)
"""What a further group's features may be multiplied by: less is penalised more."""
FOLDS = 8
_FREEDOM, _ROUNDS = 4.0, 15
_COVERED, _HALF, _LEAST = 0.8, 0.5, 0.1
_FOR_SLOPE, _SMALL = 20, 1e-3


@dataclass(frozen=True, eq=False)
class TaskRegression:
    """Of one set of groups with p features: factors of a task are N(intercept + x B, h covariance).

    h is exp(slope (d - centre)) for a task at the distance d from the nearest training task.

    Attributes:
        coefficients: B, shape (p, r).
        intercept: shape (r,).
        covariance: of the factors of a new task at the distance `centre`, shape (r, r).
        growth: slope, centre, and the least and the largest distance, among left-out families,
            beyond which h stays as it is; shape (4,).
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    covariance: np.ndarray
    growth: np.ndarray

    def factors(self, x: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean (r,) and covariance (r, r) for a task.

        Args:
            x: its features, shape (p,).
            distance: from the nearest training task, over all of these features.
        """
        scale = float(_growth(self.growth, np.asarray(distance)))
        return self.intercept + x @ self.coefficients, scale * self.covariance


def fit_regressions(
    features: Mapping[str, np.ndarray], factors: np.ndarray, spread: np.ndarray,
    weights: np.ndarray, families: Sequence[str], level: np.ndarray,
) -> dict[tuple[str, ...], TaskRegression]:  # fmt: skip
    """One regression for each non-empty set of groups.

    Args:
        features: group -> standardised features, shape (T, p of the group).
        factors: of the training tasks, shape (T, r).
        spread: covariance of what is not known of them, shape (T, r, r).
        weights: of the tasks, shape (T,).
        families: of the tasks; whole families are left out.
        level: how accuracies depend on the factors, on the mean over architectures, shape (r,).
    """
    fold, groups = _folds(families, weights), list(features)
    unknown = np.tensordot(weights, spread, 1) / weights.sum()
    apart = {group: _apart(values, families) for group, values in features.items()}
    fits: dict[tuple[str, ...], TaskRegression] = {}
    shares: dict[tuple[str, ...], tuple[float, ...]] = {(): ()}
    for n in range(1, len(groups) + 1):
        for chosen in combinations(groups, n):
            # The groups before keep their shares; the last one is trusted as far as it helps.
            tried = {}
            for share in SHARES if n > 1 else SHARES[:1]:
                each = (*shares[chosen[:-1]], share)
                x = np.concatenate(
                    [features[g] * s for g, s in zip(chosen, each, strict=True)], axis=1
                )
                tried[each] = x, *_penalty(x, factors, unknown, weights, fold)
            best = min(tried, key=lambda each: tried[each][-1])
            shares[chosen] = best
            x, penalty, residuals, _ = tried[best]
            coefficients, intercept = _Ridge(x, factors, weights)(penalty)
            scale = np.concatenate(
                [np.full(features[g].shape[1], s) for g, s in zip(chosen, best, strict=True)]
            )
            distance = np.sqrt(np.sum([apart[g] for g in chosen], axis=0).min(axis=1))
            covariance = _scatter(residuals, unknown, weights)
            growth = _fit_growth(distance, residuals, covariance, weights)
            residuals = residuals / np.sqrt(_growth(growth, distance))[:, None]
            covariance = _scatter(residuals, unknown, weights)
            covariance = _along(level, covariance, residuals, weights)
            fits[chosen] = TaskRegression(
                coefficients * scale[:, None], intercept, covariance, growth
            )
    return fits


def _apart(x: np.ndarray, families: Sequence[str]) -> np.ndarray:
    """Squared distances between tasks of different families, infinite within one, shape (T, T)."""
    squares = np.square(x).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2.0 * x @ x.T, 0.0)
    _, codes = np.unique(np.asarray(families, dtype=str), return_inverse=True)
    apart[codes[:, None] == codes] = np.inf
    return apart


def _fit_growth(
    distance: np.ndarray, residuals: np.ndarray, covariance: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """How residuals grow with the distance, shape (4,): see `TaskRegression`.

    The slope is that of the logarithm of squared standardised residuals: a few odd tasks weigh
    little in it. It is not negative.
    """
    known = np.isfinite(distance)
    if known.sum() < _FOR_SLOPE or np.ptp(distance[known]) <= 0.0:
        return np.array([0.0, 0.0, 0.0, 0.0])
    d, share = distance[known], weights[known] / weights[known].sum()
    size = np.log(_distances(residuals[known], covariance) + _SMALL)
    centre = float(share @ d)
    slope = float(share @ ((d - centre) * size)) / float(share @ np.square(d - centre))
    return np.array([max(slope, 0.0), centre, d.min(), d.max()])


def _growth(growth: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """What the covariance is multiplied by at distances."""
    slope, centre, least, most = growth
    return np.asarray(np.exp(slope * (np.clip(distance, least, most) - centre)))


def _folds(families: Sequence[str], weights: np.ndarray) -> np.ndarray:
    """A fold for every task, shape (T,): families by weight, each to the lightest fold."""
    names, codes = np.unique(np.asarray(families, dtype=str), return_inverse=True)
    sizes = np.bincount(codes, weights=weights)
    load, fold = np.zeros(FOLDS), np.zeros(len(names), dtype=int)
    for i in np.argsort(-sizes, kind="stable"):
        fold[i] = int(load.argmin())
        load[fold[i]] += sizes[i]
    return fold[codes]


def _penalty(
    x: np.ndarray, y: np.ndarray, unknown: np.ndarray, weights: np.ndarray, fold: np.ndarray
) -> tuple[float, np.ndarray, float]:
    """The penalty that serves left-out families best, their residuals, and how badly it does."""
    residuals = {penalty: y.copy() for penalty in PENALTIES}
    for k in range(FOLDS):
        out = fold == k
        if not out.any() or out.all():
            continue
        solve = _Ridge(x[~out], y[~out], weights[~out])
        for penalty, values in residuals.items():
            coefficients, intercept = solve(penalty)
            values[out] = y[out] - intercept - x[out] @ coefficients
    # The likelihood of left-out factors under a Gaussian of this covariance: its determinant.
    badness = {
        penalty: float(np.linalg.slogdet((weights[:, None] * r).T @ r / weights.sum() + unknown)[1])
        for penalty, r in residuals.items()
    }
    best = min(badness, key=lambda penalty: badness[penalty])
    return best, residuals[best], badness[best]


def _scatter(residuals: np.ndarray, unknown: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Covariance of most tasks' residuals: a few odd tasks do not widen all others' intervals.

    The scatter of a multivariate t (Lange, Little and Taylor, JASA 84, 1989), by its fixed point,
    scaled so that a share of _HALF of the tasks lies where a Gaussian has that share.

    Args:
        residuals: shape (T, r).
        unknown: covariance of what is not known of the residuals, shape (r, r).
        weights: of the tasks, shape (T,).
    """
    size, share = residuals.shape[1], weights / weights.sum()
    scatter = (share[:, None] * residuals).T @ residuals
    for _ in range(_ROUNDS):
        distance = _distances(residuals, scatter + unknown)
        pull = share * (_FREEDOM + size) / (_FREEDOM + distance)
        scatter = (pull[:, None] * residuals).T @ residuals
    covariance = scatter + unknown
    distance = _distances(residuals, covariance)
    order = np.argsort(distance)
    reached = int(np.searchsorted(np.cumsum(share[order]), _HALF))
    at = distance[order[min(reached, len(order) - 1)]]
    return covariance * max(at / chi2.ppf(_HALF, size), _LEAST)


def _along(
    level: np.ndarray, covariance: np.ndarray, residuals: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The covariance, with the variance along one direction as left-out tasks have it.

    A share of _COVERED of them lies within the interval that a Gaussian has of that share: how
    high accuracies are on a task is what intervals are judged by.
    """
    ahead = covariance @ level
    variance = float(level @ ahead)
    if variance <= 0.0:
        return covariance
    size, share = np.abs(residuals @ level), weights / weights.sum()
    order = np.argsort(size)
    reached = int(np.searchsorted(np.cumsum(share[order]), _COVERED))
    wanted = (size[order[min(reached, len(order) - 1)]] / ndtri((1.0 + _COVERED) / 2.0)) ** 2
    factor = max(float(wanted) / variance, _LEAST)
    return covariance + (factor - 1.0) * np.outer(ahead, ahead) / variance


def _distances(residuals: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances, shape (T,)."""
    return np.einsum("tr,tr->t", residuals, np.linalg.solve(covariance, residuals.T).T)


class _Ridge:
    """Weighted ridge regression for many penalties."""

    def __init__(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> None:
        share = weights / weights.sum()
        self.mean_x, self.mean_y = share @ x, share @ y
        centred = (x - self.mean_x) * np.sqrt(share)[:, None]
        self.values, self.vectors = np.linalg.eigh(centred.T @ centred)
        target = (y - self.mean_y) * np.sqrt(share)[:, None]
        self.cross = self.vectors.T @ (centred.T @ target)

    def __call__(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        scaled = self.cross / (np.maximum(self.values, 0.0) + penalty / 100.0)[:, None]
        coefficients = self.vectors @ scaled
        return coefficients, self.mean_y - self.mean_x @ coefficients
