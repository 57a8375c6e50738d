"""Predictors judged on tasks of families that they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from infoprior._arguments import instance_of, name_list
from infoprior.evaluation._errors import EvaluationError
from infoprior.priors import Prior


class FitsAndPredicts(Protocol):
    """What this module needs of a predictor."""

    def fit(self, meta: Any) -> Any: ...

    def predict_tasks(self, meta: Any, tasks: Sequence[str]) -> dict[str, Any]: ...


class FitsAndScores(Protocol):
    """The same, of one that says what its priors are made of."""

    @property
    def points(self) -> Any: ...

    def fit(self, meta: Any) -> Any: ...

    def score_tasks(self, meta: Any, tasks: Sequence[str]) -> dict[str, Any]: ...


def predict_held_out(
    make: Callable[[], FitsAndPredicts], meta: Any, held_out: Sequence[str], train: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fit a predictor on some tasks and let it predict the priors of others.

    Args:
        make: a fresh, unfitted predictor.
        meta: the `MetaDataset` with both.
        held_out: names of the tasks to predict; only their profiles reach the predictor.
        train: names of the tasks to fit on; none of their families may be among the held-out ones.

    Returns:
        a table with the columns task, architecture, log_ratio (nats, of each recorded architecture
        under the predicted prior relative to uniform), and the priors by task.

    Raises:
        EvaluationError: a family is on both sides, a task is not in the meta-dataset, or a side has
            none.
    """
    learned_from, shown = _two_sides(meta, held_out, train)
    priors = _made(make).fit(learned_from).predict_tasks(shown, held_out)
    return log_ratio_table(priors, meta.points()), priors


def score_held_out(
    make: Callable[[], FitsAndScores], meta: Any, held_out: Sequence[str], train: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """`predict_held_out` as far as the scores, which the priors are made of.

    Args:
        make: a fresh, unfitted predictor.
        meta: the `MetaDataset` with both sides.
        held_out: names of the tasks to score; only their profiles reach the predictor.
        train: names of the tasks to fit on.

    Returns:
        the points that have a score, as params dicts, and their scores by task.

    Raises:
        EvaluationError: as `predict_held_out`.
    """
    learned_from, shown = _two_sides(meta, held_out, train)
    predictor = _made(make).fit(learned_from)
    return list(predictor.points), predictor.score_tasks(shown, held_out)


def log_ratio_table(
    priors: Mapping[str, Any], points: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """What priors say of architectures.

    Args:
        priors: task -> prior.
        points: architecture id -> params.

    Returns:
        a row per (task, architecture): task, architecture, log_ratio (nats, relative to uniform).
    """
    instance_of(priors, Mapping, "priors", "give them by task", EvaluationError)
    instance_of(points, Mapping, "points", "give params by architecture", EvaluationError)
    if not priors or not points:
        raise EvaluationError("priors and points have to hold at least one each")
    for task, prior in priors.items():
        instance_of(prior, Prior, f"the prior of {task!r}", "give a Prior", EvaluationError)
    tables = [
        pd.DataFrame(
            {
                "task": task,
                "architecture": list(points),
                "log_ratio": np.asarray(prior.log_ratio(list(points.values())), dtype=np.float64),
            }
        )
        for task, prior in priors.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _made(make: Callable[[], Any]) -> Any:
    if not callable(make):
        raise EvaluationError("make has to be a function that returns a predictor")
    predictor = make()
    if not callable(getattr(predictor, "fit", None)):
        raise EvaluationError(f"make has to return a predictor, got {type(predictor).__name__}")
    return predictor


def _two_sides(meta: Any, held_out: Sequence[str], train: Sequence[str]) -> tuple[Any, Any]:
    """What is learned from, and what is shown of the held-out tasks."""
    from infoprior.metadataset import MetaDataset

    remedy = "give a MetaDataset, as load_metadataset returns it"
    instance_of(meta, MetaDataset, "meta", remedy, EvaluationError)
    held_out = name_list(held_out, "held_out", EvaluationError, least=1)
    train = name_list(train, "train", EvaluationError, least=1)
    family = meta.tasks.set_index("task")["family"]
    if unknown := sorted({*held_out, *train} - set(family.index)):
        raise EvaluationError(f"the meta-dataset has no task {unknown[0]!r}")
    shared = sorted(set(family.loc[list(held_out)]) & set(family.loc[list(train)]))
    if shared:
        raise EvaluationError(
            f"The families {shared} are both in training and held out; split by whole families."
        )
    # Without learning curves: it cannot see how the architectures fared there.
    shown = replace(meta.subset(list(held_out)), curves=meta.curves.iloc[:0])
    return meta.subset(list(train)), shown
