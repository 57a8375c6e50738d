"""Predictions of final results in batches, against what is recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, norm

from benchmarks.predictors._kinds_data import Episodes, Fold
from benchmarks.predictors._posterior_data import MIN_GAP
from infoprior.evaluation import RegretScale
from infoprior.predictors._recorded_runs import TEST

QUANTILES = (np.arange(100) + 0.5) / 100
LEVELS = (50, 80, 95)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Of B episodes and K architectures; Gaussians on the scale.

    Attributes:
        centre, spread: of the expected test accuracy, shape (B, K).
        score: what is decided by, shape (B, K).
    """

    centre: np.ndarray
    spread: np.ndarray
    score: np.ndarray


def linear_gaussian(fold: Fold, episodes: Episodes) -> Prediction:
    mean, variance = fold.linear(episodes)
    return Prediction(mean[..., 0], np.sqrt(variance[..., 0]), mean[..., 1])


def judge(fold: Fold, episodes: Episodes, prediction: Prediction) -> pd.DataFrame:
    """One row per episode: what `_posterior_information.judge` tells of a posterior.

    Recorded are means over the draws of which nothing is known.
    """
    model = fold.outer._fitted.model
    noise, scale = model.noise, model.scale
    rows = []
    for i in range(len(episodes)):
        task, curves = episodes.task[i], bool(episodes.prefix[i].any())
        test = fold.test_rows[task]
        share = scale.inverse(fold.values[task, : fold.draws[task], :, -1])
        recorded = (share * (test + 1.0) - 0.5) / test
        if curves and len(recorded) > 1:
            recorded = np.delete(recorded, episodes.draw[i], axis=0)
        truth = recorded.mean(axis=0)
        regret = RegretScale.of(truth, min_gap=MIN_GAP)
        centre, spread = prediction.centre[i], prediction.spread[i]
        mean = scale.inverse(centre[:, None] + spread[:, None] * _NODES) @ (
            _WEIGHTS / _WEIGHTS.sum()
        )
        safe = np.clip(mean, 0.01, 0.99)
        binomial = scale.slope(safe) ** 2 * safe * (1.0 - safe) / test
        own = noise.factor * (noise.luck[TEST, TEST] + noise.rows[TEST, TEST] * binomial)
        shared = noise.shared_luck[TEST, TEST] + noise.shared_rows[TEST, TEST] * binomial
        spread = np.sqrt(spread**2 + (own + shared) / len(recorded))
        draws = scale.inverse(centre + spread * norm.ppf(QUANTILES)[:, None])
        n = len(draws)
        apart = ((2 * np.arange(1, n + 1) - n - 1)[:, None] * draws).sum(axis=0) / n**2
        rank = norm.cdf((scale.forward(np.clip(truth, 1e-3, 1 - 1e-3)) - centre) / spread)
        first = int(prediction.score[i].argmax())
        rows.append({
            "task": fold.names[task],
            "CRPS": 100 * (np.abs(draws - truth).mean(axis=0) - apart).mean(),
            "error": 100 * np.abs(mean - truth).mean(),
            **{f"{c} %": 100 * np.mean(np.abs(rank - 0.5) < c / 200) for c in LEVELS},
            "tau": kendalltau(prediction.score[i], truth).statistic,
            "regret": float(regret.regret(truth[first])),
        })  # fmt: skip
    return pd.DataFrame(rows)
