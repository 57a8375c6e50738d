"""The tables of the comparison: regret, ranks, accuracy, and what a search takes."""

from __future__ import annotations

from pipeline.common import DATA, REPORTS  # isort: skip

from collections.abc import Mapping

import numpy as np
import pandas as pd

from infoprior.evaluation import Ranks, RegretScale, compare, holm, mean_ranks

SEARCHES = DATA / "strategies" / "searches.parquet"
FIGURE = REPORTS / "figures" / "strategies.png"
REFERENCE = "Hyperband, static prior"
"""The opponent."""


def with_regret(
    rows: pd.DataFrame, scales: Mapping[str, RegretScale], family: Mapping[str, str]
) -> pd.DataFrame:
    """The rows with family and regret, on the scale of the task's recorded architectures."""
    accuracy = pd.to_numeric(rows["test_accuracy"]).astype(float)
    regret = [
        float(scales[task].regret(value))
        for task, value in zip(rows["task"], accuracy, strict=True)
    ]
    return rows.assign(
        test_accuracy=accuracy, regret=regret, family=[family[task] for task in rows["task"]]
    )


def summarize(rows: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """One row for each strategy and budget, against the reference at the same budget.

    A strategy that has no network yet on some task with some seed has no regret at that budget.

    Args:
        rows: of `with_regret`.
        reference: the opponent.

    Returns:
        strategy, budget, n_tasks, n_families, regret, low, high, difference with its interval, p,
        p_holm (over all strategies and budgets), test_accuracy.
    """
    parts = []
    for budget in sorted(set(rows["budget"])):
        frame = rows[rows["budget"] == budget]
        ready = ready_for(frame)
        compared = compare(ready, "regret", reference, group=("strategy",))
        idle = frame.loc[~frame["strategy"].isin(ready["strategy"]), ["strategy"]]
        accuracy = ready.groupby("strategy", sort=False)["test_accuracy"].mean()
        compared["test_accuracy"] = compared["strategy"].map(accuracy)
        parts.append(pd.concat([compared, idle.drop_duplicates()]).assign(budget=budget))
    report = pd.concat(parts, ignore_index=True).rename(columns={"mean": "regret"})
    report["p_holm"] = holm(report["p"].to_numpy(np.float64))
    columns = ["strategy", "budget", "n_tasks", "n_families", "regret", "low", "high", "difference"]
    columns += ["difference_low", "difference_high", "p", "p_holm", "test_accuracy"]
    return report[columns]


def ready_for(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of strategies that have a network on every task and seed."""
    missing = rows.groupby("strategy", sort=False)["regret"].transform(lambda r: r.isna().any())
    return rows[~missing]


def ranks(rows: pd.DataFrame) -> dict[float, Ranks]:
    """Budget -> ranks of the strategies that have a network everywhere."""
    by_budget = {}
    for budget in sorted(set(rows["budget"])):
        ready = ready_for(rows[rows["budget"] == budget])
        if ready["strategy"].nunique() > 1 and ready["task"].nunique() > 1:
            by_budget[float(budget)] = mean_ranks(ready, "regret", by="strategy")
    return by_budget


def resources(rows: pd.DataFrame) -> pd.DataFrame:
    """Per strategy, over tasks and seeds: seconds, CPU seconds and MB of a job for all budgets."""
    jobs = rows.drop_duplicates(["strategy", "task", "seed"])
    used = ["seconds", "cpu_seconds", "peak_mb"]
    table = jobs.groupby("strategy", sort=False)[used].median()
    table["most_mb"] = jobs.groupby("strategy", sort=False)["peak_mb"].max()
    return table.reset_index()
