"""What a Gaussian over results is fitted to: means over draws, and how noisy these are."""

from __future__ import annotations

import numpy as np

from infoprior.predictors._recorded_runs import RecordedRuns
from infoprior.predictors._run_noise import RunNoise, layer_noise, run_noise

_UNREAD = 1e4  # variance of layers that were not read: nothing is known of them


def noise_of(runs: RecordedRuns, weights: np.ndarray) -> RunNoise:
    """Of all channels: curves, layers, test accuracy and score.

    Args:
        runs: as recorded.
        weights: of the tasks, shape (T,).
    """
    noise = run_noise(runs, weights)
    if runs.channels.of_layers:
        usual = np.median(runs.variance[runs.draws > 0], axis=0)
        noise = noise.with_layers(layer_noise(runs, weights), usual, float(np.median(runs.rows)))
    return noise.with_score()


def results_of(
    runs: RecordedRuns, noise: RunNoise, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Results of T tasks and K anchors, and the covariance of their noise.

    Args:
        runs: as recorded.
        noise: of single draws.
        scores: shape (T, K).

    Returns:
        means over draws, shape (T, K, D), rows of NaN where an architecture was not run; and
        covariances, shape (T, K, D, D).
    """
    first, last = runs.channels.of_curves, runs.channels.evidence
    read, draws = runs.layer_draws, np.maximum(runs.draws, 1)
    known = np.where((read > 0)[:, None, :, None], np.nan_to_num(runs.layers), 0.0)
    layers = known.sum(axis=1) / np.maximum(read, 1)[..., None]
    usual = layers.sum(axis=0) / np.maximum((read > 0).sum(axis=0), 1)[:, None]
    layers = np.where((read > 0)[..., None], layers, usual)
    rows = np.broadcast_to(1.0 / runs.rows[:, None, None], layers.shape)
    variance = np.nan_to_num(runs.variance, nan=1.0)
    of_score = np.zeros((*draws.shape, 1))
    variance = np.concatenate(
        [variance[..., :first], rows, variance[..., first:], of_score], axis=-1
    )
    spread = noise.own(variance, noise.factor) / draws[..., None, None]
    # Curves are means over all draws, layers over those in which they were read.
    more = np.where(read > 0, draws / np.maximum(read, 1), 1.0)
    spread[..., first:last, first:last] *= more[..., None, None]
    unread = np.where(read > 0, 0.0, _UNREAD)
    spread[..., range(first, last), range(first, last)] += unread[..., None]
    results = np.concatenate(
        [runs.mean[..., :first], layers, runs.mean[..., first:], scores[..., None]], axis=-1
    )
    lacking = np.isnan(results[..., -2:]).any(axis=-1, keepdims=True)
    return np.where(lacking, np.nan, results), spread
