"""A kind of performance predictor: a Gaussian process over tasks.

The same Gaussian over results; a task's factors are told by a Gaussian process over its features
instead of a ridge regression: kernel exp(-|a - b|^2 / (2 l^2)) over all features, l and the noise
those under which the factors of left-out families are likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.predictors._kinds_data import Fold
from infoprior.predictors import _task_regression as ridge
from infoprior.predictors._factor_model import task_factors
from infoprior.predictors._recorded_runs import TEST
from infoprior.predictors._result_model import ResultModel

LENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Of the kernel, in typical distances between tasks."""
NOISES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Variance of what features do not tell, relative to what they do."""


@dataclass(frozen=True, eq=False)
class TaskProcess:
    """Factors of a task from its features; as `TaskRegression`.

    Attributes:
        x: of the training tasks, shape (T, p).
        solved: (K + noise)^-1 times their centred factors, shape (T, r).
        mean: of factors, shape (r,).
        inverse: (K + noise)^-1, shape (T, T).
        length, noise: of the kernel.
        covariance: of left-out tasks' factors, shape (r, r).
        usual: predictive variance of left-out tasks on average, relative to the kernel's.
    """

    x: np.ndarray
    solved: np.ndarray
    mean: np.ndarray
    inverse: np.ndarray
    length: float
    noise: float
    covariance: np.ndarray
    usual: float

    def factors(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (r,) and covariance (r, r) for a task with features x, shape (p,)."""
        k = kernel(x[None], self.x, self.length)[0]
        variance = 1.0 + self.noise - k @ self.inverse @ k
        return self.mean + k @ self.solved, self.covariance * variance / self.usual


def kernel(a: np.ndarray, b: np.ndarray, length: float) -> np.ndarray:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * a @ b.T
    return np.exp(-np.maximum(squares, 0.0) / (2.0 * length**2))


def fit_process(
    x: np.ndarray, y: np.ndarray, spread: np.ndarray, weights: np.ndarray, families: list[str],
    level: np.ndarray,
) -> TaskProcess:  # fmt: skip
    """Arguments as of `fit_regressions`; x holds all features, shape (T, p)."""
    fold = ridge._folds(families, weights)
    unknown = np.tensordot(weights, spread, 1) / weights.sum()
    share = weights / weights.sum()
    typical = np.sqrt(2.0 * (share @ np.square(x - share @ x)).sum())
    mean = share @ y
    heavy = 1.0 / weights  # a task that counts twice is as noisy as the mean of two
    best: tuple[float, float, float, np.ndarray, float] | None = None
    for length in typical * np.array(LENGTHS):
        whole = kernel(x, x, length)
        for noise in NOISES:
            residuals, variances = np.empty_like(y), np.empty(len(y))
            for k in np.unique(fold):
                out = fold == k
                gram = whole[np.ix_(~out, ~out)] + np.diag(noise * heavy[~out])
                across = whole[np.ix_(out, ~out)]
                solved = np.linalg.solve(gram, np.column_stack([y[~out] - mean, across.T]))
                residuals[out] = y[out] - mean - across @ solved[:, : y.shape[1]]
                gained = np.einsum("at,ta->a", across, solved[:, y.shape[1] :])
                variances[out] = 1.0 + noise - gained
            usual = float(share @ variances)
            scaled = residuals / np.sqrt(variances / usual)[:, None]
            scatter = (share[:, None] * scaled).T @ scaled + unknown
            badness = np.linalg.slogdet(scatter)[1]
            badness += len(level) * float(share @ np.log(variances / usual))
            if best is None or badness < best[0]:
                best = badness, length, noise, scaled, usual
    assert best is not None
    _, length, noise, scaled, usual = best
    inverse = np.linalg.inv(kernel(x, x, length) + np.diag(noise * heavy))
    covariance = ridge._scatter(scaled, unknown, weights)
    covariance = ridge._along(level, covariance, scaled, weights)
    return TaskProcess(
        x, inverse @ (y - mean), mean, inverse, float(length), noise, covariance, usual
    )


def fit_task_process(fold: Fold) -> tuple[ResultModel, np.ndarray, np.ndarray]:
    """The linear-Gaussian's model, and held-out tasks' factors: (N, P, r) and (N, P, r, r)."""
    model, trained = fold.outer._fitted.model, fold.trained
    z = task_factors(model.factors, trained.results, trained.noise)
    level = model.factors.loadings[:, TEST].mean(axis=0)
    mean, spread = np.zeros_like(fold.factor_mean), np.zeros_like(fold.factor_spread)
    spread[:] = np.eye(model.size)
    for p, name in enumerate(fold.profiles):
        if not (groups := fold.bench.sets[name]):
            continue
        x = np.concatenate([fold.features[g] for g in groups], axis=1)
        families = list(fold.families[fold.training])
        process = fit_process(x[fold.training], *z, trained.weights, families, level)
        for task in np.flatnonzero(~fold.training):
            mean[task, p], spread[task, p] = process.factors(x[task])
    return model, mean, spread
