"""How much two trainings of one architecture on one task differ, and what differs for all at once.

Two draws of a task differ by the networks' random numbers and by the rows that they are judged on.
Per channel pair the covariance is fitted as a constant (the networks' luck) plus a multiple of
the binomial variance (the rows); what moves all architectures of a draw together (the same
validation rows) is kept apart from what each network has of its own: averaging over many networks
removes the second, never the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from infoprior.predictors._recorded_runs import RecordedRuns

_LEAST = 1e-6  # variance on the scales: keeps matrices positive definite
_SHRINK = 20.0  # tasks' worth of the pooled noise that an architecture's own is shrunk by
_ODD = 10.0  # times the usual noise, at most, of one architecture on one task


@dataclass(frozen=True, eq=False)
class RunNoise:
    """Covariances of one draw around an architecture's mean on a task: D channels, K anchors.

    Attributes:
        luck: of each network, shape (D, D).
        rows: of each network, times the binomial variances, shape (D, D).
        shared_luck, shared_rows: likewise, of all networks of a draw together.
        factor: how much larger than usual an anchor's own noise is, shape (K,).
    """

    luck: np.ndarray
    rows: np.ndarray
    shared_luck: np.ndarray
    shared_rows: np.ndarray
    factor: np.ndarray

    def with_score(self) -> RunNoise:
        """The same with a channel more, of no noise: a score is one of all draws together."""
        pad = [(0, 1), (0, 1)]
        return RunNoise(
            np.pad(self.luck, pad), np.pad(self.rows, pad), np.pad(self.shared_luck, pad),
            np.pad(self.shared_rows, pad), self.factor,
        )  # fmt: skip

    def own(self, variance: np.ndarray, factor: np.ndarray | float) -> np.ndarray:
        """Covariance of one network, shape (..., D, D).

        Args:
            variance: binomial variances, shape (..., D).
            factor: of its architecture, shape (...).
        """
        return np.asarray(factor)[..., None, None] * (
            self.luck + self.rows * _outer(np.sqrt(variance))
        )

    def shared(self, variance: np.ndarray) -> np.ndarray:
        """Covariance of what all networks of a draw share, shape (..., D, D)."""
        return self.shared_luck + self.shared_rows * _outer(np.sqrt(variance))


def run_noise(runs: RecordedRuns, weights: np.ndarray) -> RunNoise:
    """From the scatter of draws around their mean, tasks with one draw left out.

    Args:
        runs: with several draws for some tasks.
        weights: of the tasks, shape (T,).
    """
    everywhere = np.isfinite(runs.values[..., -1])  # (T, S, K)
    draws = everywhere.sum(axis=1)  # (T, K)
    mean = runs.mean
    scatter = np.where(everywhere[..., None], runs.values - mean[:, None], 0.0)
    k = np.maximum(everywhere.sum(axis=2), 1)[..., None]  # (T, S, 1): anchors in a draw
    common = scatter.sum(axis=2) / k  # (T, S, D)
    own = np.where(everywhere[..., None], scatter - common[:, :, None], 0.0)
    usable = draws > 1
    freedom = np.maximum(draws - 1, 1)[..., None, None]
    products = np.einsum("tskd,tske->tkde", own, own) / freedom
    many = np.median(k)
    products *= many / max(many - 1.0, 1.0)
    variance = np.where(usable[..., None], runs.variance, np.nan)
    luck, rows = _fit(
        products[usable], variance[usable], np.broadcast_to(weights[:, None], draws.shape)[usable]
    )
    # An architecture's own noise, as a multiple of the usual one.
    usual = luck + rows * _outer(np.sqrt(np.nan_to_num(variance)))
    ratio = np.diagonal(products, axis1=2, axis2=3) / np.diagonal(usual, axis1=2, axis2=3)
    weight = np.where(usable, weights[:, None], 0.0)
    per_task = np.minimum(ratio, _ODD).mean(axis=-1)  # one odd task must not decide
    prior = _SHRINK * weights.mean()
    factor = ((weight * per_task).sum(axis=0) + prior) / (weight.sum(axis=0) + prior)
    task_draws = everywhere.any(axis=2).sum(axis=1)
    several = task_draws > 1
    if not several.any():
        zero = np.zeros_like(luck)
        return RunNoise(luck, rows, zero, zero, factor)
    shared = (
        np.einsum("tsd,tse->tde", common, common) / np.maximum(task_draws - 1, 1)[:, None, None]
    )
    typical = np.nanmean(np.where(usable[..., None], runs.variance, np.nan)[several], axis=1)
    noise = RunNoise(luck, rows, luck, rows, factor)
    shared_products = shared[several] - noise.own(typical, 1.0) / many
    shared_luck, shared_rows = _fit(shared_products, typical, weights[several])
    return RunNoise(luck, rows, shared_luck, shared_rows, factor)


def _fit(
    products: np.ndarray, variance: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """products ~ constant + multiple * sqrt(variance variance'), both positive semidefinite.

    Args:
        products: shape (n, D, D).
        variance: shape (n, D).
        weights: shape (n,).
    """
    size = variance.shape[-1]
    if not len(products):
        return _LEAST * np.eye(size), np.zeros((size, size))
    x = _outer(np.sqrt(variance))
    scale = np.median(x, axis=0)
    # The spread of a scatter is proportional to its expectation.
    w = weights[:, None, None] / (scale + x) ** 2
    w = w / w.sum(axis=0)
    mean_x, mean_y = (w * x).sum(axis=0), (w * products).sum(axis=0)
    spread = (w * (x - mean_x) ** 2).sum(axis=0)
    covariance = (w * (x - mean_x) * (products - mean_y)).sum(axis=0)
    multiple = positive(covariance / np.where(spread > 0, spread, np.inf), 0.0)
    constant = positive(mean_y - multiple * mean_x, _LEAST)
    return constant, multiple


def positive(matrix: np.ndarray, least: float) -> np.ndarray:
    """The nearest symmetric matrix whose eigenvalues are at least so large, shape (D, D)."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    return (vectors * np.maximum(values, least)) @ vectors.T


def _outer(values: np.ndarray) -> np.ndarray:
    return values[..., :, None] * values[..., None, :]
