"""The linear-Gaussian's means, with intervals that are wider on some tasks than on others.

A Gaussian's intervals do not depend on what is observed, but tasks differ in how much everything on
them varies: where architectures' expected accuracies lie far apart, errors are larger, too. The
log of the factor is linear in what was trained and in the log of how far apart they lie; fitted on
real training tasks that the linear-Gaussian was not fitted on, by the CRPS.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from benchmarks.predictors._kinds_data import RUNG_EPOCHS, Episodes, Fold, training_episodes
from benchmarks.predictors._kinds_judge import Prediction, linear_gaussian

PER_TASK, RIDGE = 6, 1e-3


def crps(off: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Of a Gaussian (Gneiting and Raftery, JASA 102, 2007, equation 21)."""
    z = off / spread
    return spread * (z * (2.0 * norm.cdf(z) - 1.0) + 2.0 * norm.pdf(z) - 1.0 / np.sqrt(np.pi))


def amounts(episodes: Episodes, answer: Prediction, apart: bool) -> np.ndarray:
    """What the factor depends on, shape (B, q)."""
    trained = np.log1p(np.append(0, RUNG_EPOCHS)[episodes.prefix].sum(1) / RUNG_EPOCHS[-1])
    profile, curves = (episodes.profile > 0) * 1.0, (trained > 0) * 1.0
    parts = [profile * (1.0 - curves), curves, trained]
    if apart:
        far = np.log(answer.centre.std(axis=1))
        parts += [profile * (1.0 - curves) * far, curves * far, trained * far]
    return np.stack(parts, axis=1)


def fit_scale(fold: Fold, apart: bool) -> np.ndarray:
    """Coefficients of the log of the factor of standard deviations, shape (q,)."""
    episodes = training_episodes(fold, np.random.default_rng(0), PER_TASK)
    episodes = episodes.take(np.flatnonzero(fold.real[episodes.task]))
    truth, noise, _ = fold.targets(episodes)
    answer = linear_gaussian(fold, episodes)
    off, about = truth - answer.centre, amounts(episodes, answer, apart)
    slope = norm.pdf(answer.centre)  # from the scale to accuracies

    def badness(x: np.ndarray) -> float:
        wide = answer.spread * np.exp(about @ x)[:, None]
        return float(np.nanmean(slope * crps(off, np.hypot(wide, np.sqrt(noise)))) + RIDGE * x @ x)

    return minimize(badness, np.zeros(about.shape[1]), method="L-BFGS-B").x


def rescale(
    episodes: Episodes, answer: Prediction, coefficients: np.ndarray, apart: bool
) -> Prediction:
    factor = np.exp(amounts(episodes, answer, apart) @ coefficients)
    return replace(answer, spread=answer.spread * factor[:, None])
