"""From the results of jobs to the published tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from infoprior.metadataset._jobs import design
from infoprior.training import CURVE_COLUMNS as CURVE

CURVE_COLUMNS = ("task", "architecture", "seed", *CURVE)


def curve_table(results: Iterable[tuple[str, int, Mapping[str, Any]]]) -> pd.DataFrame:
    """The learning curves of (task, draw, columns as lists); losses and accuracies in float32."""
    parts = [pd.DataFrame(columns).assign(task=task, seed=draw) for task, draw, columns in results]
    if not parts:
        return pd.DataFrame(columns=list(CURVE_COLUMNS))
    return compact(pd.concat(parts, ignore_index=True)[list(CURVE_COLUMNS)])


def layer_table(results: Iterable[tuple[str, Mapping[str, Any]]]) -> pd.DataFrame:
    """The profiled layers of (task, columns as lists)."""
    parts = []
    for task, columns in results:
        part = pd.DataFrame(columns)
        part.insert(0, "task", task)
        parts.append(part)
    return compact(pd.concat(parts, ignore_index=True)) if parts else pd.DataFrame()


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers in 32 bits: what is published, and so what is compared."""
    kinds = {
        name: np.float32 if values.dtype.kind == "f" else np.int32
        for name, values in table.items()
        if values.dtype.kind in "fi"
    }
    return table.astype(kinds)


def architecture_table(space: Any, tasks: Iterable[str], shared: int, own: int) -> pd.DataFrame:
    """id -> point of every architecture that is trained on one of the tasks.

    Args:
        space: the search space of the architectures.
        tasks: names of the tasks.
        shared: how many architectures all tasks share.
        own: how many each task has of its own.

    Returns:
        one row per architecture: its id and its parameters.
    """
    points: dict[str, dict[str, Any]] = {}
    for task in tasks:
        points |= design(space, task, shared, own)
    return pd.DataFrame([{"architecture": name, **point} for name, point in points.items()])


def ceilings(curves: pd.DataFrame) -> pd.DataFrame:
    """How well a task's labels are known: Spearman's correlations over its architectures.

    Args:
        curves: columns of `CURVE_COLUMNS`; `seed` is the draw.

    Returns:
        one row a task (the index):
        `draw_ceiling`, between the final test accuracies of two draws, the mean over pairs: other
        seeds and other test rows (of real data: another split);
        `noise_ceiling`, the same between the means over `draws` draws, which is what the labels
        are, and the means over as many others (k r / (1 + (k - 1) r); Spearman 1910, Brown 1910);
        `validation_ceiling`, between the final validation and test accuracy of one network, the
        mean over draws.
        NaN where there is one draw only, or all architectures are alike.
    """
    last = curves.sort_values("epoch").drop_duplicates(
        ["task", "architecture", "seed"], keep="last"
    )
    rows = {}
    for task, group in last.groupby("task", sort=True):
        table = group.pivot(index="architecture", columns="seed", values="test_accuracy")
        draws = table.shape[1]
        r = np.nan
        if draws > 1:
            matrix = table.corr(method="spearman").to_numpy()
            r = float(np.nanmean(matrix[np.triu_indices(draws, 1)])) if len(table) > 2 else np.nan
        within = [
            part["validation_accuracy"].corr(part["test_accuracy"], method="spearman")
            for _, part in group.groupby("seed")
        ]
        rows[task] = {
            "noise_ceiling": draws * r / (1.0 + (draws - 1.0) * r) if r > 0.0 else r,
            "draw_ceiling": r,
            "validation_ceiling": float(np.mean(within)),
            "draws": draws,
        }
    columns = ["noise_ceiling", "draw_ceiling", "validation_ceiling", "draws"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
