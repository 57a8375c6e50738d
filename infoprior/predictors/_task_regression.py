"""What a task is like, from what its profile says: one ridge regression per set of groups.

The factors of training tasks are known from their curves. Each set of groups of features that a
profile may hold gets a regression of its own (what one group tells, another may tell too), with
the penalty under which the factors of left-out families are likeliest. What is left over on
those families is the uncertainty of a new task's factors: no training error is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import chi2

PENALTIES = tuple(float(p) for p in 10.0 ** np.arange(-3.0, 1.6, 0.5))
"""Of squared coefficients, relative to the tasks' total weight; features have groupwise norm 1."""
FOLDS = 8
_FREEDOM, _ROUNDS = 4.0, 15
_COVERED, _LEAST = 0.8, 0.1


@dataclass(frozen=True, eq=False)
class TaskRegression:
    """Of one set of groups with p features: factors of a task are N(intercept + x B, covariance).

    Attributes:
        coefficients: B, shape (p, r).
        intercept: shape (r,).
        covariance: of the factors of a new task, shape (r, r).
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    covariance: np.ndarray

    def factors(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (r,) and covariance (r, r) for a task with features x, shape (p,)."""
        return self.intercept + x @ self.coefficients, self.covariance


def fit_regressions(
    features: Mapping[str, np.ndarray], factors: np.ndarray, spread: np.ndarray,
    weights: np.ndarray, families: Sequence[str],
) -> dict[tuple[str, ...], TaskRegression]:  # fmt: skip
    """One regression for each non-empty set of groups.

    Args:
        features: group -> standardised features, shape (T, p of the group).
        factors: of the training tasks, shape (T, r).
        spread: covariance of what is not known of them, shape (T, r, r).
        weights: of the tasks, shape (T,).
        families: of the tasks; whole families are left out.
    """
    fold = _folds(families, weights)
    groups = list(features)
    sets = [s for n in range(1, len(groups) + 1) for s in combinations(groups, n)]
    unknown = np.tensordot(weights, spread, 1) / weights.sum()
    return {
        chosen: _fit(
            np.concatenate([features[g] for g in chosen], axis=1), factors, unknown, weights, fold
        )
        for chosen in sets
    }


def _folds(families: Sequence[str], weights: np.ndarray) -> np.ndarray:
    """A fold for every task, shape (T,): families by weight, each to the lightest fold."""
    names, codes = np.unique(np.asarray(families, dtype=str), return_inverse=True)
    sizes = np.bincount(codes, weights=weights)
    load, fold = np.zeros(FOLDS), np.zeros(len(names), dtype=int)
    for i in np.argsort(-sizes, kind="stable"):
        fold[i] = int(load.argmin())
        load[fold[i]] += sizes[i]
    return fold[codes]


def _fit(
    x: np.ndarray, y: np.ndarray, unknown: np.ndarray, weights: np.ndarray, fold: np.ndarray
) -> TaskRegression:
    residuals = {penalty: np.empty_like(y) for penalty in PENALTIES}
    for k in range(FOLDS):
        out = fold == k
        if not out.any() or out.all():
            for values in residuals.values():
                values[out] = y[out]
            continue
        solve = _Ridge(x[~out], y[~out], weights[~out])
        for penalty, values in residuals.items():
            coefficients, intercept = solve(penalty)
            values[out] = y[out] - intercept - x[out] @ coefficients
    moments = {
        penalty: (weights[:, None] * values).T @ values / weights.sum() + unknown
        for penalty, values in residuals.items()
    }
    # The likelihood of left-out factors under a Gaussian of this covariance: its determinant.
    best = min(moments, key=lambda penalty: np.linalg.slogdet(moments[penalty])[1])
    coefficients, intercept = _Ridge(x, y, weights)(best)
    return TaskRegression(coefficients, intercept, _scatter(residuals[best], unknown, weights))


def _scatter(residuals: np.ndarray, unknown: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Covariance of most tasks' residuals: a few odd tasks do not widen all others' intervals.

    The scatter of a multivariate t (Lange, Little and Taylor, JASA 84, 1989), by its fixed point,
    scaled so that a share of _COVERED of the tasks lies where a Gaussian has that share.

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
    reached = int(np.searchsorted(np.cumsum(share[order]), _COVERED))
    at = distance[order[min(reached, len(order) - 1)]]
    return covariance * max(at / chi2.ppf(_COVERED, size), _LEAST)


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
