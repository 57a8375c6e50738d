"""What encodings gain on a group of tasks, in numbers; and the odds by which synthetic tasks agree.

All numbers are in points of accuracy. Real and synthetic tasks are compared by accuracies on as
many rows (a third of the training rows): validation rows, of real tasks test rows as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from scipy.stats import rankdata

from benchmarks.metadataset._broad import A_ROUND, BROAD, ROUNDS, broad_choices
from benchmarks.metadataset._encodings import ENCODINGS
from benchmarks.metadataset._fit import family_weights

CLIPPED = 5.0  # points, where gains are averaged: a few tasks would stand for all else
TIMID = 10.0  # weight of the divergence from the odds of the last round
LEAST = 0.03  # of the odds: no setting dies out
FITTED = ("rows", "mechanism", "temperature", "style", "term", "view", "terms", "reads")
Odds = dict[str, dict[Any, float]]


@dataclass(frozen=True)
class Measured:
    """Accuracies of a group of tasks, averaged over architectures, in points.

    Attributes:
        tasks: a row each: task, family, n_train.
        repeats: measurements that are compared with other groups', shape
            (repeats, tasks, encodings).
        halves: two of independent rows, shape (2, tasks, encodings).
    """

    tasks: pd.DataFrame
    repeats: np.ndarray
    halves: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """Equal for every family, shape (tasks,), of sum 1."""
        return family_weights(self.tasks["family"])

    def subset(self, rows: np.ndarray) -> Measured:
        """Of some tasks, by a mask or by numbers."""
        tasks = self.tasks.iloc[np.arange(len(self.tasks))[rows]].reset_index(drop=True)
        return Measured(tasks, self.repeats[:, rows], self.halves[:, rows])


def measured(frame: pd.DataFrame, real: bool) -> Measured:
    """Of the rows of a file of measurements; of synthetic tasks their first draw."""
    draws = frame["draw"].groupby(frame["task"]).nunique()
    whole = int(draws.min()) if real else 1
    frame = frame[frame["draw"] < whole]
    tasks = frame.groupby("task", sort=True)[["family", "n_train"]].first().reset_index()

    def accuracies(part: str, draw: int) -> np.ndarray:
        columns = [f"{part} {name}" for name in ENCODINGS]
        return 100 * frame[frame["draw"] == draw].groupby("task")[columns].mean().to_numpy()

    halves = np.stack([accuracies("validation", 0), accuracies("test", 0)])
    parts = ("validation", "test") if real else ("validation",)
    repeats = [accuracies(part, draw) for part in parts for draw in range(whole)]
    return Measured(tasks, np.stack(repeats), halves)


def gains(accuracies: np.ndarray) -> np.ndarray:
    """Over the first encoding, clipped, shape (..., encodings)."""
    return np.clip(accuracies - accuracies[..., :1], -CLIPPED, CLIPPED)


def best_share(accuracies: np.ndarray) -> np.ndarray:
    """1 for the best encoding, split among equals, shape (..., encodings)."""
    best = accuracies == accuracies.max(-1, keepdims=True)
    return best / best.sum(-1, keepdims=True)


def chosen_over_median(halves: np.ndarray) -> np.ndarray:
    """What the best on one half gains over the median encoding on the other, shape (tasks,)."""
    chosen = [
        (best_share(a) * b).sum(-1) - np.median(b, axis=-1) for a, b in (halves, halves[::-1])
    ]
    return np.clip(np.mean(chosen, axis=0), -CLIPPED, CLIPPED)


def features(group: Measured) -> tuple[np.ndarray, list[str]]:
    """What the groups' weighted means of are to agree, shape (tasks, m), and their names."""
    mean = gains(group.repeats).mean(0)[:, 1:]
    one, other = gains(group.halves)[..., 1:]
    share = best_share(group.repeats).mean(0)
    spread = group.repeats.max(-1) - np.median(group.repeats, axis=-1)
    rows = np.log(group.tasks["n_train"].to_numpy(float))
    x = np.column_stack([
        mean, one * other, share, np.minimum(spread, CLIPPED).mean(0),
        chosen_over_median(group.halves), rows,
    ])  # fmt: skip
    names = [f"{kind} {name}" for kind in ("gain", "square") for name in ENCODINGS[1:]]
    names += [f"best {name}" for name in ENCODINGS] + ["best - median", "chosen - median", "rows"]
    return x, names


def static_agreement(
    group: Measured, weights: np.ndarray, static: np.ndarray | None = None
) -> float:
    """Spearman of a task's encodings with the mean ranking of the other families' tasks.

    static: mean ranks of another group instead
    """
    agreements = []
    for accuracies in group.repeats:
        rank = rankdata(accuracies, axis=1)
        families = group.tasks["family"].to_numpy()
        for k in range(len(rank)):
            others = weights * (families != families[k])
            mean = others @ rank if static is None else static
            r = np.corrcoef(rankdata(mean), rank[k])[0, 1] if rank[k].std() else 0.0
            agreements.append(weights[k] * r)
    return float(np.sum(agreements) / weights.sum() / len(group.repeats))


def mean_ranks(group: Measured, weights: np.ndarray) -> np.ndarray:
    """Of the encodings, shape (encodings,), the best having the most."""
    return weights @ rankdata(group.repeats, axis=2).mean(0)


def uncertainty(group: Measured) -> np.ndarray:
    """Standard errors of the weighted means of `features`: a bootstrap over families."""
    x, _ = features(group)
    codes, families = pd.factorize(group.tasks["family"])
    sums = np.stack([x[codes == k].mean(0) for k in range(len(families))])
    rng = np.random.default_rng(0)
    picks = rng.integers(len(sums), size=(2000, len(sums)))
    return np.asarray(sums[picks].mean(1).std(0))


def distance(x: np.ndarray, weights: np.ndarray, target: np.ndarray, errors: np.ndarray) -> float:
    """Mean squared difference of weighted means from a target, in its standard errors.

    What chance in the choice of the tasks adds to it is subtracted: it may be below 0.
    """
    share = weights / weights.sum()
    means = share @ x
    chance = share**2 @ (x - means) ** 2
    return float((((means - target) ** 2 - chance) / errors**2).mean())


class Picks:
    """Which values of settings made the pool's tasks: each pick is a factor of their probability.

    Args:
        tasks: their names, "broad/<number>".
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        numbers = [int(task.removeprefix("broad/")) for task in tasks]
        self.values = {name: list(BROAD[name]) for name in FITTED}
        self.counts = {name: np.zeros((len(tasks), len(self.values[name]))) for name in FITTED}
        for k, number in enumerate(numbers):
            for name, value in broad_choices(number):
                self.counts[name][k, self.values[name].index(value)] += 1
        # The pool is a mixture of its rounds (Veach & Guibas, "Optimally Combining Sampling
        # Techniques for Monte Carlo Rendering", SIGGRAPH 1995: the balance heuristic).
        shares = np.bincount([n // A_ROUND for n in numbers], minlength=len(ROUNDS)) / len(tasks)
        parts = [
            np.log(share) + self.log_probabilities(self.arrays(odds))
            for share, odds in zip(shares, ROUNDS, strict=True)
            if share
        ]
        self.before = logsumexp(parts, axis=0)

    def subset(self, rows: np.ndarray) -> Picks:
        """Of some tasks, by their numbers."""
        picks = copy(self)
        picks.counts = {name: counts[rows] for name, counts in self.counts.items()}
        picks.before = self.before[rows]
        return picks

    def arrays(self, odds: Mapping[str, Mapping[Any, float]]) -> list[np.ndarray]:
        """Of each fitted setting, the probabilities of its values."""
        parts = [np.array([odds[n][v] for v in self.values[n]], dtype=float) for n in FITTED]
        return [part / part.sum() for part in parts]

    def log_probabilities(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Of the tasks' picks, shape (tasks,)."""
        parts = [self.counts[n] @ np.log(p) for n, p in zip(FITTED, arrays, strict=True)]
        return np.asarray(np.sum(parts, axis=0))

    def weights(self, odds: Mapping[str, Mapping[Any, float]]) -> np.ndarray:
        """How often tasks occur by these odds, relative to the pool; of mean about 1."""
        return np.exp(self.log_probabilities(self.arrays(odds)) - self.before)


def fit_odds(
    picks: Picks, x: np.ndarray, target: np.ndarray, errors: np.ndarray, timid: float = TIMID
) -> Odds:
    """Odds by which the weighted means of the features are near the target.

    Importance weights stand for tasks that would be drawn by other odds. The objective is half the
    squared difference in standard errors, and `timid` times (the sum over settings of the
    Kullback-Leibler divergence of their odds from those of the last round, and that of the weights
    from equal ones: few tasks must not stand for all).
    """
    prior = picks.arrays(ROUNDS[-1])
    cuts = np.cumsum([len(p) for p in prior])[:-1]
    counts = np.hstack([picks.counts[name] for name in FITTED])
    totals = np.hstack([np.tile(c.sum(1)[:, None], c.shape[1]) for c in picks.counts.values()])

    def split(tilt: np.ndarray) -> list[np.ndarray]:
        parts = zip(prior, np.split(tilt, cuts), strict=True)
        return [softmax(np.log(p) + t) for p, t in parts]

    def objective(tilt: np.ndarray) -> tuple[float, np.ndarray]:
        odds = split(tilt)
        log_weights = picks.log_probabilities(odds) - picks.before
        log_share = log_weights - logsumexp(log_weights)
        share = np.exp(log_share)
        slopes = counts - totals * np.concatenate(odds)  # of log weights along the tilt
        means = share @ x
        off = (means - target) / errors
        information = float(share @ log_share)
        divergences = [float(p @ np.log(p / q)) for p, q in zip(odds, prior, strict=True)]
        value = off @ off / 2 + timid * (sum(divergences) + information + np.log(len(share)))
        toward = (x - means) @ (off / errors) + timid * (log_share - information)
        own = [p * (np.log(p / q) - d) for p, q, d in zip(odds, prior, divergences, strict=True)]
        return float(value), (share * toward) @ slopes + timid * np.concatenate(own)

    start = np.zeros(counts.shape[1])
    tilt = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    return {
        name: {
            v: max(round(float(p), 3), LEAST) for v, p in zip(picks.values[name], part, strict=True)
        }
        for name, part in zip(FITTED, split(tilt), strict=True)
    }
