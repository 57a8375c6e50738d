"""What predictors learn: how good each architecture is on each training task, relative to others.

The label is the mean of validation and test accuracy at the last epoch. Test accuracy may be used
because these are training tasks: the mean is less noisy than either, and nothing of a held-out
task's curves reaches `predict`. Architectures that diverged rank below all others. The score is the
normal quantile of the rank within the task, so that an easy task's small differences weigh as
much as a hard one's, and no outlier dominates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from infoprior.predictors._errors import PredictorError

if TYPE_CHECKING:
    from infoprior.metadataset import MetaDataset


@dataclass(frozen=True)
class Targets:
    """Scores of the training tasks.

    Attributes:
        points: the params of the n architectures that were run at least once.
        scores: shape (n_tasks, n), normal scores; NaN where an architecture was not run.
        families: the family of each task.
        weights: shape (n_tasks,), how much each task counts, mean 1.
    """

    points: list[dict[str, Any]]
    scores: np.ndarray
    families: tuple[str, ...]
    weights: np.ndarray


def normal_scores(labels: np.ndarray) -> np.ndarray:
    """Phi^-1((rank - 1/2) / n) of each row of labels, shape (..., n).

    Ties share their mean rank; NaN stays NaN, and counts in no rank and no n.
    """
    ranks = rankdata(labels, axis=-1)
    # NaN is sorted behind all numbers, but makes scipy's whole row NaN.
    for i in map(tuple, np.argwhere(np.isnan(labels).any(axis=-1))):
        known = ~np.isnan(labels[i])
        ranks[i] = np.nan
        ranks[(*i, known)] = rankdata(labels[i][known])
    known = ~np.isnan(labels)
    return ndtri((ranks - 0.5) / np.maximum(known.sum(axis=-1, keepdims=True), 1))


def targets(meta: MetaDataset, real_weight: float = 1.0) -> Targets:
    """The scores of every task of a meta-dataset, in the order of `meta.tasks`.

    Args:
        meta: the training tasks.
        real_weight: how much a task of kind "real" counts against one of another kind.

    Raises:
        PredictorError: there is nothing to learn from.
    """
    final = meta.final()
    if final.empty:
        raise PredictorError("The meta-dataset holds no curves; there is nothing to fit.")
    label = final[["validation_accuracy", "test_accuracy"]].mean(axis=1)
    final = final.assign(label=label.where(~final["diverged"], -np.inf))
    wide = final.pivot(index="task", columns="architecture", values="label")
    points = {i: p for i, p in meta.points().items() if i in wide.columns}
    labels = wide.reindex(index=list(meta.tasks["task"]), columns=list(points)).to_numpy(float)
    weights = np.where(meta.tasks["kind"].to_numpy() == "real", real_weight, 1.0)
    return Targets(
        points=list(points.values()),
        scores=normal_scores(labels),
        families=tuple(meta.tasks["family"]),
        weights=weights / weights.mean(),
    )


def average(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean over tasks (rows), NaN left out, shape (n,); the lowest score where none is.

    Args:
        scores: shape (n_tasks, n); NaN where an architecture was not run.
        weights: of the tasks, shape (n_tasks,).
    """
    known = ~np.isnan(scores)
    total = weights @ known
    mean = weights @ np.where(known, scores, 0.0) / np.where(total > 0, total, 1.0)
    lowest = mean[total > 0].min() if (total > 0).any() else 0.0
    return np.where(total > 0, mean, lowest)
