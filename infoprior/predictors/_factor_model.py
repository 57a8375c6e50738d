"""One Gaussian over the results of all anchors on a task: factors common to all, and a rest each.

Results theta of shape (K, D) on a task are mu + W z + e: z of shape (r,), standard normal, is what
the task is like; e is independent between architectures, with a full covariance over an
architecture's own channels. Observed are means over draws, with noise of known covariance. Fitted
by expectation-maximisation (Rubin and Thayer, Psychometrika 47, 1982; here with noise that
differs from task to task, and tasks of different weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_RIDGE = 1.0  # tasks' worth of loadings that are zero
_POOLED = 20.0  # tasks' worth of the mean of all architectures' rests


@dataclass(frozen=True, eq=False)
class FactorModel:
    """The fitted Gaussian: K anchors, D channels, r factors.

    Attributes:
        mean: mu, shape (K, D).
        loadings: W, shape (K, D, r).
        rest: covariance of e, shape (K, D, D).
    """

    mean: np.ndarray
    loadings: np.ndarray
    rest: np.ndarray


def task_factors(
    model: FactorModel, values: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What tasks are like, given their results: mean (T, r) and covariance (T, r, r) of z.

    Args:
        model: the Gaussian.
        values: shape (T, K, D); rows of NaN where an architecture was not run.
        noise: covariance of values, shape (T, K, D, D).
    """
    factors, spread, *_ = _expect(model, values, noise)
    return factors, spread


def task_results(
    model: FactorModel, values: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expected factors (T, r), and results without noise (T, K, D); see `task_factors`."""
    factors, _, inverse, known = _expect(model, values, noise)
    mean = model.mean + np.einsum("kdr,tr->tkd", model.loadings, factors)
    return factors, mean + np.matvec(model.rest @ inverse, known - mean)


def fit_factors(
    values: np.ndarray, noise: np.ndarray, weights: np.ndarray, rank: int, iterations: int = 20
) -> FactorModel:
    """The Gaussian under which what was recorded is most likely, by tasks' weights.

    Args:
        values: means over draws, shape (T, K, D); rows of NaN where an architecture was not run.
        noise: covariance of each, shape (T, K, D, D).
        weights: of the tasks, shape (T,), mean 1.
        rank: number of factors.
        iterations: of expectation-maximisation.
    """
    model = _principal(values, noise, weights, rank)
    total, architectures = weights.sum(), len(model.mean)
    for _ in range(iterations):
        factors, spread, inverse, known = _expect(model, values, noise)
        size = factors.shape[1] + 1
        first = np.concatenate([np.ones((len(factors), 1)), factors], axis=1)  # (T, 1 + r)
        second = first[:, :, None] * first[:, None, :]
        second[:, 1:, 1:] += spread
        second *= weights[:, None, None]
        gram = second.sum(axis=0)
        gram[1:, 1:] += _RIDGE * np.eye(size - 1)
        stacked = second.reshape(-1, size)  # (T (1 + r), 1 + r)
        mean, loadings = np.empty_like(model.mean), np.empty_like(model.loadings)
        rest = np.empty_like(model.rest)
        for k in range(architectures):
            old = np.concatenate([model.mean[k, :, None], model.loadings[k]], axis=1)
            gain = model.rest[k] @ inverse[:, k]  # (T, D, D); 0 where nothing was recorded
            seen = np.matvec(gain, known[:, k])  # (T, D)
            kept = old - gain @ old  # (T, D, 1 + r): theta is kept z + seen, and a rest
            cross = (weights[:, None] * seen).T @ first + _flat(kept) @ stacked
            new = np.linalg.solve(gram, cross.T).T
            off = kept - new
            mixed = (weights[:, None] * seen).T @ np.matvec(off, first)
            squares = (weights[:, None] * seen).T @ seen + mixed + mixed.T
            squares += _flat(off @ second) @ _flat(off).T
            squares += np.tensordot(weights, model.rest[k] - gain @ model.rest[k], 1)
            mean[k], loadings[k] = new[:, 0], new[:, 1:]
            rest[k] = (squares + squares.T) / (2.0 * total)
        pooled = rest.mean(axis=0)
        rest = (total * rest + _POOLED * pooled) / (total + _POOLED)
        model = FactorModel(mean, loadings, rest)
    return model


def _flat(values: np.ndarray) -> np.ndarray:
    """Shape (T, D, q) as (D, T q)."""
    return values.transpose(1, 0, 2).reshape(values.shape[1], -1)


def _expect(
    model: FactorModel, values: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Moments of z, and what they were reached by: inverse covariances, values without NaN."""
    run = np.isfinite(values[..., -1])
    known = np.where(run[..., None], values, 0.0)
    inverse = np.linalg.inv(
        np.where(run[..., None, None], model.rest + noise, np.eye(values.shape[-1]))
    )
    inverse = np.where(run[..., None, None], inverse, 0.0)
    tasks, size = len(values), model.loadings.shape[-1]
    scaled = (inverse @ model.loadings).reshape(tasks, -1, size)  # (T, K D, r)
    precision = np.eye(size) + model.loadings.reshape(-1, size).T @ scaled
    spread = np.linalg.inv(precision)
    centred = np.where(run[..., None], known - model.mean, 0.0).reshape(tasks, -1)
    factors = np.matvec(spread, np.matvec(scaled.swapaxes(1, 2), centred))
    return factors, spread, inverse, known


def _principal(
    values: np.ndarray, noise: np.ndarray, weights: np.ndarray, rank: int
) -> FactorModel:
    """Where the iterations start: principal components of the tasks' results."""
    run = np.isfinite(values[..., -1])
    w = np.where(run, weights[:, None], 0.0)
    total = np.maximum(w.sum(axis=0), 1e-12)[:, None]
    mean = (w[..., None] * np.nan_to_num(values)).sum(axis=0) / total
    centred = np.where(run[..., None], values - mean, 0.0)
    k, d = mean.shape
    flat = centred.reshape(len(values), -1) * np.sqrt(weights / weights.sum())[:, None]
    _, sizes, directions = np.linalg.svd(flat, full_matrices=False)
    rank = min(rank, len(sizes))
    loadings = (directions[:rank] * sizes[:rank, None]).T.reshape(k, d, rank)
    rest = np.einsum("tkd,tke,t->kde", centred, centred, weights) / total[..., None]
    rest = rest - loadings @ loadings.swapaxes(1, 2)
    floor = 0.05 * np.einsum("t,tkde->kde", weights, noise) / weights.sum()
    return FactorModel(mean, loadings, rest + floor + 1e-6 * np.eye(d))
