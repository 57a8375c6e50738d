"""What each group of inputs tells of held-out families: of encodings, and of all architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.predictors._disagreement_data import INFORMATION
from benchmarks.predictors._disagreement_models import Model, predict, table_of
from infoprior.evaluation import bootstrap_interval, holm, wilcoxon

Judge = Callable[[int, np.ndarray], dict[str, float]]
"""(number of a task, predictions of its outputs) -> metrics; higher is better."""


def compare_sets(
    y: np.ndarray,
    tasks: pd.DataFrame,
    groups: Mapping[str, pd.DataFrame],
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]],
    weights: np.ndarray,
    judge: Judge,
    model: Model,
    shuffles: int,
    sets: Mapping[str, Sequence[str]],
    seeds: int = 1,
) -> pd.DataFrame:
    """Metrics of every held-out task under every set of inputs.

    Of "all", information alone is moved between tasks in shuffles: what it adds to the rest. Of
    the other sets everything is.

    Args:
        y: outputs to learn, (tasks, outputs).
        tasks: task, family and kind, in the order of y.
        groups: features by group, the index the tasks.
        splits: name -> (training tasks, held-out tasks), as numbers.
        weights: of tasks in fits.
        judge: of predictions.
        model: what learns.
        shuffles: how many controls a set gets.
        sets: name -> groups.
        seeds: of the model; their predictions are averaged.

    Returns:
        a row a (split, set, shuffle, task); shuffle -1 is the task's own, set "static" reads
        nothing.
    """
    real = (tasks["kind"] == "real").to_numpy()
    ordered = {name: g.loc[list(tasks["task"])] for name, g in groups.items()}
    rows: list[dict[str, Any]] = []

    def add(split: str, name: str, shuffle: int, held_out: np.ndarray, p: np.ndarray) -> None:
        for number, predicted in zip(held_out, p, strict=True):
            about = {"split": split, "set": name, "shuffle": shuffle, "number": int(number)}
            rows.append(about | judge(int(number), predicted))

    runs = [(name, shuffle) for name in sets for shuffle in range(-1, shuffles)]
    tables: dict[tuple[str, int], pd.DataFrame] = {}
    for split, (train, held_out) in splits.items():
        known = train[real[train]]
        static = np.average(y[known], axis=0, weights=weights[known])
        add(split, "static", -1, held_out, np.repeat(static[None], len(held_out), axis=0))
        for name, shuffle in tqdm(runs, desc=split, leave=False, disable=None):
            if (name, shuffle) not in tables:
                moved = INFORMATION if name == "all" else sets[name]
                tables[name, shuffle] = table_of(
                    ordered, sets[name], moved, tasks, None if shuffle < 0 else shuffle
                )
            p = np.mean(
                [
                    predict(tables[name, shuffle], y - static, weights, train, held_out, model,
                            1000 * seed + shuffle + 1)
                    for seed in range(seeds)
                ],
                axis=0,
            )  # fmt: skip
            add(split, name, shuffle, held_out, static + p)
    frame = pd.DataFrame(rows)
    about = tasks[["task", "family"]]
    return frame.join(about, on="number")


def means(frame: pd.DataFrame, metrics: Sequence[str], splits: Sequence[str]) -> list[dict]:
    """A row a set: the mean over held-out tasks with its interval; and of its shuffles."""
    some = frame[frame["split"].isin(splits)]
    rows = []
    for name in dict.fromkeys(some["set"]):
        own = some[(some["set"] == name) & (some["shuffle"] < 0)]
        moved = some[(some["set"] == name) & (some["shuffle"] >= 0)]
        row: dict[str, Any] = {"inputs": name}
        for metric in metrics:
            low, high = bootstrap_interval(own[metric], families=list(own["family"]))
            row[metric] = f"{own[metric].mean():.3f} [{low:.3f}, {high:.3f}]"
            by_shuffle = moved.groupby("shuffle")[metric].mean()
            row[f"{metric}, shuffled"] = (
                f"{by_shuffle.mean():.3f} ({by_shuffle.min():.3f} to {by_shuffle.max():.3f})"
                if len(by_shuffle) else "–"
            )  # fmt: skip
        rows.append(row)
    return rows


def tests(
    frame: pd.DataFrame, metrics: Sequence[str], splits: Sequence[str],
    pairs: Sequence[tuple[str, str]],
) -> list[dict[str, Any]]:  # fmt: skip
    """Paired differences over families, Holm over all rows.

    A pair ("x", "shuffled") compares x with the mean over its shuffles.
    """
    some = frame[frame["split"].isin(splits)]
    rows, p_values = [], []
    for metric in metrics:
        own = some[some["shuffle"] < 0].pivot(index="number", columns="set", values=metric)
        moved = some[some["shuffle"] >= 0].groupby(["number", "set"])[metric].mean().unstack("set")
        family = some.drop_duplicates("number").set_index("number")["family"].loc[own.index]
        for name, other in pairs:
            a = own[name].to_numpy()
            b = (moved[name] if other == "shuffled" else own[other]).loc[own.index].to_numpy()
            low, high = bootstrap_interval(a - b, families=list(family))
            p_values.append(wilcoxon(a, b, families=list(family)))
            rows.append({
                "metric": metric, "inputs": name, "against": other,
                "difference": f"{(a - b).mean():+.3f} [{low:+.3f}, {high:+.3f}]",
            })  # fmt: skip
    adjusted = holm(p_values)
    for row, p, q in zip(rows, p_values, adjusted, strict=True):
        row |= {"p": f"{p:.2g}", "p, Holm": f"{q:.2g}"}
    return rows
