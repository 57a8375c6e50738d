"""What is predicted of a task before any network of it was trained, by kinds of evidence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import kendalltau, norm

from benchmarks.predictors._posterior_data import Bench, moved_groups, shuffled
from infoprior.predictors import PerformancePredictor, Posterior

QUANTILES = (np.arange(100) + 0.5) / 100
LEVELS = (50, 80, 95)


def recorded_spread(
    bench: Bench, predictor: PerformancePredictor, posterior: Posterior, task: str
) -> np.ndarray:
    """Standard deviation, on the scale, of a recorded mean over draws around what is expected."""
    model = predictor._fitted.model
    mean = np.clip(posterior.mean(), 0.01, 0.99)
    rows = bench.about["n_test"][task]
    binomial = model.scale.slope(mean) ** 2 * mean * (1.0 - mean) / rows
    noise, place = model.noise, -2
    own = noise.factor * (noise.luck[place, place] + noise.rows[place, place] * binomial)
    shared = noise.shared_luck[place, place] + noise.shared_rows[place, place] * binomial
    return np.sqrt((own + shared) / bench.curves[task]["seed"].nunique())


def judge(bench: Bench, predictor: PerformancePredictor, task: str, posterior: Posterior) -> dict:
    """One posterior against what is recorded of a task."""
    model = predictor._fitted.model
    truth, scale = bench.truth(task, model.names)
    centre, spread = posterior._marginals(None, 0)
    spread = np.hypot(spread, recorded_spread(bench, predictor, posterior, task))
    draws = model.scale.inverse(centre + spread * norm.ppf(QUANTILES)[:, None])
    n = len(draws)
    own = ((2 * np.arange(1, n + 1) - n - 1)[:, None] * draws).sum(axis=0) / n**2
    rank = norm.cdf((model.scale.forward(np.clip(truth, 1e-3, 1 - 1e-3)) - centre) / spread)
    error, score = np.abs(posterior.mean() - truth), posterior.mean(of="score")
    first = int(score.argmax())
    return {
        "error": 100 * error.mean(),
        "error of the first choice": 100 * error[first],
        "CRPS": 100 * (np.abs(draws - truth).mean(axis=0) - own).mean(),
        **{f"{c} %": 100 * np.mean(np.abs(rank - 0.5) < c / 200) for c in LEVELS},
        "tau": kendalltau(score, truth).statistic,
        "regret": float(scale.regret(truth[first])),
        "points": 100 * truth[first],
    }


def information(
    bench: Bench, split: str, predictor: PerformancePredictor, shuffles: int
) -> Iterator[dict]:
    """One row per held-out task, kind of evidence and shuffle (-1: the task's own profile)."""
    held_out = bench.discriminating(split, predictor)
    train = list(bench.split(split)[0].tasks["task"])
    for name, groups in bench.sets.items():
        for shuffle in range(-1, shuffles if groups else 0):
            meta = bench.profiles
            if shuffle >= 0:
                meta = shuffled(meta, moved_groups(name, groups), shuffle)
            fitted = predictor.with_profiles(meta.subset(train), inputs=groups)
            posteriors = fitted.posterior_tasks(meta, held_out, inputs=groups)
            for task, posterior in posteriors.items():
                yield {"task": task, "evidence": name, "shuffle": shuffle} | judge(
                    bench, fitted, task, posterior
                )
