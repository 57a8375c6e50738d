"""Predictors judged on tasks of families that they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd


class FitsAndPredicts(Protocol):
    """What this module needs of a predictor."""

    def fit(self, meta: Any) -> Any: ...

    def predict_tasks(self, meta: Any, tasks: Sequence[str]) -> dict[str, Any]: ...


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
        ValueError: a family is on both sides.
    """
    family = meta.tasks.set_index("task")["family"]
    shared = sorted(set(family.loc[list(held_out)]) & set(family.loc[list(train)]))
    if shared:
        raise ValueError(
            f"The families {shared} are both in training and held out; split by whole families."
        )
    predictor = make().fit(meta.subset(list(train)))
    points = meta.points()
    architectures = list(points)
    # Without learning curves: it cannot see how the architectures fared there.
    shown = replace(meta.subset(list(held_out)), curves=meta.curves.iloc[:0])
    priors = predictor.predict_tasks(shown, held_out)
    tables = []
    for task, prior in priors.items():
        log_ratio = np.asarray(prior.log_ratio(list(points.values())), dtype=np.float64)
        tables.append(
            pd.DataFrame({"task": task, "architecture": architectures, "log_ratio": log_ratio})
        )
    return pd.concat(tables, ignore_index=True), priors
