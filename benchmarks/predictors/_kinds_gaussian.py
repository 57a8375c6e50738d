"""The linear-Gaussian's posterior for many tasks and many states of evidence at once.

What `PerformancePredictor.posterior` answers for the recorded architectures, where networks of one
draw are known up to rungs: in batches, so that a network can learn from thousands of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from infoprior.predictors._recorded_runs import TEST
from infoprior.predictors._result_model import ResultModel

_JITTER = 1e-9


@dataclass(frozen=True, eq=False)
class Moments:
    """Final results, marginally: test accuracy on its scale, and score.

    Attributes:
        mean, variance: shape (B, K, 2).
    """

    mean: np.ndarray
    variance: np.ndarray


class BatchedGaussian:
    """One fitted Gaussian, and N draws of tasks whose networks it is told of.

    Args:
        model: without auxiliary measurements.
        values: evidence channels of the anchors on their scales, shape (N, K, E).
        rows: validation rows, shape (N,).
    """

    def __init__(self, model: ResultModel, values: np.ndarray, rows: np.ndarray) -> None:
        self.factors, self.noise = model.factors, model.noise
        self.rungs = len(model.channels.epochs)
        size = model.channels.evidence
        share = model.scale.inverse(values[..., : self.rungs])
        slope = model.scale.slope(share)
        self.variance = np.broadcast_to(1.0 / rows[:, None, None], values.shape).copy()
        self.variance[..., : self.rungs] = slope**2 * share * (1.0 - share) / rows[:, None, None]
        self.off = values - self.factors.mean[:, :size]
        self.rows = rows
        eye = np.broadcast_to(np.eye(size), (values.shape[1], size, size))
        self.loadings = np.concatenate([self.factors.loadings[:, :size], eye], axis=-1)
        full = np.concatenate([self.variance, np.zeros((*values.shape[:2], 2))], axis=-1)
        # values, loadings and covariances are those of all channels; hidden ones are left out by
        # a mask, as if their noise were infinite.
        own = self.noise.own(full, self.noise.factor)[..., :size, :size]
        self.covariance = self.factors.rest[:, :size, :size] + own + _JITTER * np.eye(size)
        self.with_final = self.factors.rest[:, :size, TEST:]

    def mask(self, prefix: np.ndarray) -> np.ndarray:
        """Which channels are seen, shape (B, K, E), of curves up to rungs, shape (B, K)."""
        rung = np.tile(np.arange(self.rungs), 2)
        return rung < prefix[..., None]

    def posterior(
        self, of: np.ndarray, prefix: np.ndarray, mean: np.ndarray, spread: np.ndarray
    ) -> Moments:
        """Final results given curves.

        Args:
            of: which draws, shape (B,).
            prefix: how many rungs are known of each architecture, shape (B, K), 0 for none.
            mean, spread: of the factors before, shapes (B, r) and (B, r, r).
        """
        seen = self.mask(prefix)
        both = seen[..., :, None] & seen[..., None, :]
        size = seen.shape[-1]
        covariance = np.where(both, self.covariance[of], np.eye(size))
        loadings = np.where(seen[..., None], self.loadings, 0.0)
        values = np.where(seen, self.off[of], 0.0)
        with_final = np.where(seen[..., None], self.with_final, 0.0)
        solved = np.linalg.solve(covariance, np.concatenate([loadings, with_final], axis=-1))
        scaled, gain = solved[..., :-2], solved[..., -2:]
        batch, k = prefix.shape
        flat = loadings.reshape(batch, k * size, -1)
        scaled_flat = scaled.reshape(batch, k * size, -1).swapaxes(1, 2)
        precision = scaled_flat @ flat
        shift = np.matvec(scaled_flat, values.reshape(batch, -1))
        common, before = self._common(of, seen, mean, spread)
        shift -= np.matvec(precision, common)
        after = np.linalg.solve(np.eye(common.shape[1]) + before @ precision, before)
        after = (after + after.swapaxes(1, 2)) / 2.0
        common = common + np.matvec(after, shift)
        final = np.zeros((k, 2, common.shape[1]))
        final[..., : self.factors.loadings.shape[-1]] = self.factors.loadings[:, TEST:]
        row = final - gain.swapaxes(2, 3) @ loadings
        offset = self.factors.mean[:, TEST:] + np.matvec(gain.swapaxes(2, 3), values)
        rest = self.factors.rest[:, TEST:, TEST:] - gain.swapaxes(2, 3) @ with_final
        centre = offset + np.einsum("bkfu,bu->bkf", row, common)
        variance = np.einsum("bkfu,bkfu->bkf", row @ after[:, None], row)
        return Moments(centre, variance + np.diagonal(rest, axis1=2, axis2=3))

    def _common(
        self, of: np.ndarray, seen: np.ndarray, mean: np.ndarray, spread: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Factors and shared noise before curves."""
        size, r = seen.shape[-1], mean.shape[1]
        observed = np.where(seen, self.variance[of], np.nan)
        usual = np.ones((len(of), size)) / self.rows[of][:, None]
        some = seen.any(axis=1)
        middle = np.nanmedian(np.where(some[:, None], observed, 0.0), axis=1)
        usual[some] = middle[some]
        full = np.concatenate([usual, np.zeros((len(of), 2))], axis=1)
        covariance = np.zeros((len(of), r + size, r + size))
        covariance[:, :r, :r] = spread
        covariance[:, r:, r:] = self.noise.shared(full)[:, :size, :size]
        return np.concatenate([mean, np.zeros((len(of), size))], axis=1), covariance
