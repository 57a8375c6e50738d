"""Episodes: a task, some of what could be known of it, and what is to be predicted.

The training tasks' factors and posteriors are those of a predictor that was fitted without their
families (`INNER` folds inside the training tasks), as a held-out task's are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks._common import ROOT
from benchmarks.predictors._kinds_gaussian import BatchedGaussian
from benchmarks.predictors._posterior_data import SETTINGS, Bench
from infoprior.fingerprints import fingerprint, source_fingerprint
from infoprior.predictors import PerformancePredictor
from infoprior.predictors._features import feature_table
from infoprior.predictors._performance_fit import TrainingTasks
from infoprior.predictors._recorded_runs import TEST, RecordedRuns, recorded_runs, scores_of
from infoprior.predictors._result_model import ResultModel
from infoprior.predictors._scales import SCALES

CACHE = ROOT / "benchmarks" / "cache" / "posterior_kinds"
INNER, CHUNK = 4, 256
PROFILES = ("nothing", "meta-features, input profile", "meta-features, accuracies", "all")
"""What of a profile may be known."""
BUDGETS = (2, 4, 8, 16, 32)
"""Of curves, in full trainings."""
RUNG_EPOCHS = np.array([1, 3, 9, 27])


@dataclass(frozen=True, eq=False)
class Episodes:
    """B states of evidence.

    Attributes:
        task: place of the task, shape (B,).
        draw: whose curves are known, shape (B,).
        profile: place among the profiles, shape (B,).
        prefix: rungs known of each architecture, shape (B, K).
    """

    task: np.ndarray
    draw: np.ndarray
    profile: np.ndarray
    prefix: np.ndarray

    def __len__(self) -> int:
        return len(self.task)

    def take(self, which: np.ndarray) -> Episodes:
        return Episodes(self.task[which], self.draw[which], self.profile[which], self.prefix[which])


class Fold:
    """All that kinds of predictors learn from on one split, and are judged by.

    Tasks: the training tasks, then the held-out real ones on which architectures differ.

    Attributes:
        names, families, real: of the tasks, shape (N,).
        training: which of them are training tasks, shape (N,).
        owner: which predictor answers for a task: an inner one, or the last, fitted on all.
        values: on the scales, shape (N, S, K, 9); NaN where nothing was recorded.
        scores: shape (N, K).
        factor_mean, factor_spread: of the factors, by profile, shapes (N, P, r), (N, P, r, r).
        features: standardised by the training tasks, group -> shape (N, p).
    """

    def __init__(self, bench: Bench, split: str) -> None:
        self.bench, self.split = bench, split
        train, _ = bench.split(split)
        outer = fitted(bench, split, None)
        self.outer = outer
        self.held_out = bench.discriminating(split, outer)
        about = bench.about.loc[[*train.tasks["task"], *self.held_out]]
        meta = bench.meta.subset(list(about.index))
        about = meta.tasks.set_index("task")
        self.names = np.array(about.index)
        held = set(self.held_out)
        self.training = np.array([name not in held for name in self.names])
        self.families = about["family"].to_numpy(str)
        self.real = (about["kind"] == "real").to_numpy()
        real_weight = outer.settings.real_weight
        self.weights = np.where(self.real, real_weight, 1.0)
        anchors, channels = outer._fitted.model.names, outer._fitted.model.channels
        runs = recorded_runs(meta, anchors, channels, SCALES[outer.settings.scale])
        assert list(runs.tasks) == list(self.names)
        self.values, self.variance = runs.values, runs.variance
        self.scores = scores_of(meta, anchors)
        self.draws = np.isfinite(self.values[..., -1]).any(axis=2).sum(axis=1)
        self.rows = about["n_validation"].to_numpy(float)
        self.test_rows = about["n_test"].to_numpy(float)
        inner = inner_folds(self.families[self.training])
        self.owner = np.full(len(self.names), INNER)
        self.owner[self.training] = inner
        self.predictors = [fitted(bench, split, i) for i in range(INNER)] + [outer]
        self.features = self._features(meta, outer)
        self._factors(meta)

    def _features(self, meta, outer: PerformancePredictor) -> dict[str, np.ndarray]:
        return {
            group: outer._standardized(group, feature_table(meta, (group,)))
            for group in outer._fitted.standardizers
        }

    def _factors(self, meta) -> None:
        r = self.outer._fitted.model.size
        n = len(self.names)
        self.profiles = [p for p in PROFILES if p in self.bench.sets]
        self.factor_mean = np.zeros((n, len(self.profiles), r))
        self.factor_spread = np.tile(np.eye(r), (n, len(self.profiles), 1, 1))
        tables = {g: feature_table(meta, (g,)) for g in self.features}
        for i, predictor in enumerate(self.predictors):
            of = self.owner == i
            state = predictor._fitted
            for p, name in enumerate(self.profiles):
                groups = self.bench.sets[name]
                if not groups:
                    continue
                x = np.concatenate(
                    [predictor._standardized(g, tables[g][of]) for g in groups], axis=1
                )
                regression = state.regressions[groups]
                self.factor_mean[of, p] = regression.intercept + x @ regression.coefficients
                self.factor_spread[of, p] = regression.covariance

    @cached_property
    def gaussians(self) -> list[BatchedGaussian]:
        """Of each predictor."""
        return [self.gaussian(p._fitted.model) for p in self.predictors]

    def linear(self, episodes: Episodes) -> tuple[np.ndarray, np.ndarray]:
        """The linear-Gaussian's means and variances, shape (B, K, 2) each."""
        mean, variance = np.empty((2, len(episodes), self.scores.shape[1], 2))
        for i, gaussian in enumerate(self.gaussians):
            of = np.flatnonzero(self.owner[episodes.task] == i)
            if len(of):
                mean[of], variance[of] = self.answers(
                    gaussian, self.factor_mean, self.factor_spread, episodes.take(of)
                )
        return mean, variance

    def gaussian(self, model: ResultModel) -> BatchedGaussian:
        """Told of all tasks, draws flattened to (N S)."""
        n, s, k, _ = self.values.shape
        values = np.nan_to_num(self.values[..., :-1]).reshape(n * s, k, -1)
        return BatchedGaussian(model, values, np.repeat(self.rows, s))

    def answers(
        self, gaussian: BatchedGaussian, mean: np.ndarray, spread: np.ndarray, episodes: Episodes
    ) -> tuple[np.ndarray, np.ndarray]:
        """A Gaussian's means and variances, shape (B, K, 2) each.

        Args:
            gaussian: told of all tasks.
            mean, spread: of the factors of tasks, by profile, shapes (N, P, r), (N, P, r, r).
            episodes: what is known.
        """
        parts, s = [], self.values.shape[1]
        for part in np.array_split(np.arange(len(episodes)), -(-len(episodes) // CHUNK)):
            e = episodes.take(part)
            prior = mean[e.task, e.profile], spread[e.task, e.profile]
            parts.append(gaussian.posterior(e.task * s + e.draw, e.prefix, *prior))
        return (
            np.concatenate([part.mean for part in parts]),
            np.concatenate([part.variance for part in parts]),
        )

    @cached_property
    def trained(self) -> TrainingTasks:
        """What the linear-Gaussian is fitted on: results of the training tasks."""
        t = self.training
        runs = RecordedRuns(
            tuple(self.names[t]), tuple(self.outer._fitted.model.names),
            self.outer._fitted.model.channels, self.values[t], self.variance[t],
        )  # fmt: skip
        noise = self.outer._fitted.model.noise
        variance = np.pad(np.nan_to_num(runs.variance, nan=1.0), [(0, 0), (0, 0), (0, 1)])
        draws = np.maximum(runs.draws, 1)[..., None, None]
        results = np.concatenate([runs.mean, self.scores[t][..., None]], axis=-1)
        weights = self.weights[t] / self.weights[t].mean()
        return TrainingTasks(runs, results, noise.own(variance, noise.factor) / draws, weights)

    def targets(self, episodes: Episodes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Test accuracies on the scale (B, K), variance of their noise (B, K), and draws in them.

        Means over the draws whose curves are not known; of all draws where no curves are, or where
        there is only one.
        """
        values = self.values[episodes.task, ..., -1]  # (B, S, K)
        known = np.isfinite(values)
        other = known.copy()
        curves = (episodes.prefix > 0).any(axis=1) & (self.draws[episodes.task] > 1)
        other[np.flatnonzero(curves), episodes.draw[curves]] = False
        count = np.maximum(other.sum(axis=1), 1)
        mean = np.where(other, values, 0.0).sum(axis=1) / count
        mean[~other.any(axis=1)] = np.nan
        noise = self.outer._fitted.model.noise
        binomial = self.variance[episodes.task, :, -1]
        own = noise.factor * (noise.luck[TEST, TEST] + noise.rows[TEST, TEST] * binomial)
        shared = noise.shared_luck[TEST, TEST] + noise.shared_rows[TEST, TEST] * binomial
        return mean, (own + shared) / count, curves


def inner_folds(families: np.ndarray) -> np.ndarray:
    """A fold for every task, whole families, shape (T,)."""
    names, codes = np.unique(families, return_inverse=True)
    return np.random.default_rng(0).permutation(len(names))[codes] % INNER


def fitted(bench: Bench, split: str, inner: int | None) -> PerformancePredictor:
    """The linear-Gaussian fitted on a split's training tasks, without an inner fold; cached."""
    code = fingerprint(source_fingerprint("infoprior.predictors"), bench.meta.digest, split)
    folder: Path = CACHE / f"{bench.space}-{split}-{code}" / f"{'all' if inner is None else inner}"
    if not (folder / "performance.json").exists():
        train, _ = bench.split(split)
        if inner is not None:
            fold = inner_folds(train.tasks["family"].to_numpy(str))
            train = train.subset(list(train.tasks["task"][fold != inner]))
        predictor = PerformancePredictor(**SETTINGS[bench.space]).fit(train, progress=False)
        folder.mkdir(parents=True, exist_ok=True)
        predictor.save(folder)
    return PerformancePredictor.load(folder)


def halving(rng: np.random.Generator, budget: float, accuracy: np.ndarray) -> np.ndarray:
    """Rungs known after successive halving in random order, shape (K,).

    About a quarter of the epochs is spent on each rung; the best by validation accuracy are
    continued; what is left when all networks are on a rung goes to the last one.

    Args:
        rng: orders the architectures.
        budget: full trainings, at most.
        accuracy: at the rungs, shape (K, 4).
    """
    k, steps = len(accuracy), np.diff(RUNG_EPOCHS, prepend=0)
    left, most, counts = budget * RUNG_EPOCHS[-1], 0, []
    for rung in range(len(steps) - 1, -1, -1):
        n = int(left / (rung + 1) / steps[rung])
        most = min(k, max(n, most, int(left >= RUNG_EPOCHS[-1])))
        counts.append(most)
        left -= most * steps[rung]
    counts = counts[::-1]
    counts[-1] = min(counts[-2], counts[-1] + max(0, int(left / steps[-1])))
    prefix, alive = np.zeros(k, dtype=np.int64), rng.permutation(k)
    for rung, n in enumerate(counts):
        alive = alive[:n]
        prefix[alive] = rung + 1
        alive = alive[np.argsort(-accuracy[alive, rung], kind="stable")]
    return prefix


def training_episodes(fold: Fold, rng: np.random.Generator, per_task: int) -> Episodes:
    """Random states of evidence of the training tasks."""
    rows = []
    k = fold.scores.shape[1]
    for task in np.flatnonzero(fold.training):
        times = per_task * (2 if fold.real[task] else 1)
        for _ in range(times):
            draw = int(rng.integers(fold.draws[task]))
            kind = rng.random()
            profile = int(rng.integers(len(fold.profiles))) if rng.random() < 0.5 else 0
            prefix = np.zeros(k, dtype=np.int64)
            if kind < 0.55:
                budget = float(np.exp(rng.uniform(np.log(0.25), np.log(40.0))))
                prefix = halving(rng, budget, fold.values[task, draw, :, :4])
            elif kind < 0.75:
                n = int(np.exp(rng.uniform(0.0, np.log(k + 1))))
                prefix[rng.permutation(k)[:n]] = rng.integers(1, 5, n)
            else:
                profile = int(rng.integers(len(fold.profiles)))
            rows.append((task, draw, profile, prefix))
    task, draw, profile, prefix = (np.array(part) for part in zip(*rows, strict=True))
    return Episodes(task, draw, profile, prefix)


ORDERS = 3


def levels(fold: Fold) -> dict[str, Episodes]:
    """The states of evidence that kinds are judged by, of held-out tasks; curves of draw 0."""
    tasks = np.flatnonzero(~fold.training)
    k = fold.scores.shape[1]
    result = {}
    for p, name in enumerate(fold.profiles):
        zero = np.zeros(len(tasks), dtype=np.int64)
        result[name] = Episodes(tasks, zero, zero + p, np.zeros((len(tasks), k), dtype=np.int64))
    untrained = fold.profiles[1] if len(fold.profiles) > 1 else fold.profiles[0]
    for label, profile, budgets in (
        ("curves of {}", 0, BUDGETS), (untrained + ", curves of {}", 1, (2, 8)),
    ):  # fmt: skip
        for budget in budgets:
            rows = []
            for task in tasks:
                for order in range(ORDERS):
                    rng = np.random.default_rng([order, sum(map(ord, fold.names[task]))])
                    prefix = halving(rng, budget, fold.values[task, 0, :, :4])
                    rows.append((task, 0, profile, prefix))
            parts = (np.array(part) for part in zip(*rows, strict=True))
            result[label.format(budget)] = Episodes(*parts)
    return result
