"""MLflow shows the comparison of strategies as an experiment of its own, one run a strategy."""

from __future__ import annotations

from pipeline.common import read_params  # isort: skip

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from infoprior.evaluation import Ranks
from infoprior.tracking import Run, Tracker, View
from pipeline.comparison import summary
from pipeline.comparison.summary import FIGURE, REFERENCE, SEARCHES
from pipeline.project import MLRUNS, VIEW, Project, hash_of

FULL, SMALL = "strategies", "strategies-small"
"""Suffixes of the experiments: of `make strategies`, and of the pipeline's stage."""
DESCRIPTION = (
    "One run per search strategy, at equal budgets in full trainings, on held-out tasks; nested "
    f"runs are tasks. `{REFERENCE}` is the opponent; regret 0 is the best recorded architecture, 1 "
    "the median one."
)


def log_stage() -> None:
    """Let MLflow show what the stage `strategies` left."""
    rows = pd.read_parquet(SEARCHES)
    report, ranks = summary.summarize(rows), summary.ranks(rows)
    log_strategies(rows, report, ranks, [FIGURE], suffix=SMALL)


def log_strategies(
    rows: pd.DataFrame,
    report: pd.DataFrame,
    ranks: dict[float, Ranks],
    figures: Sequence[Path],
    *,
    suffix: str,
) -> list[str]:
    """Log what is not there yet, and mark these runs as the present ones: their ids.

    Args:
        suffix: of the experiment, behind the name of the predictors' one.
        rows: of `summary.with_regret`; without what a search takes, too.
        report: of `summary.summarize`.
        ranks: of `summary.ranks`.
        figures: for the overview.
    """
    project = Project.here()
    name = f"{read_params('track')['experiment']}-{suffix}"
    tracker = Tracker(project.root / MLRUNS, name)
    tracker.close_unfinished()
    digest = hash_of(report.to_csv(index=False), *figures)
    logged = tracker.logged(digest)
    scope = {
        "tasks": rows["task"].nunique(), "seeds": rows["seed"].nunique(),
        "budgets": " ".join(f"{b:g}" for b in sorted(rows["budget"].unique())),
    }  # fmt: skip
    runs = [_run(name, rows, report, ranks, scope) for name in _worst_first(report)]
    runs.append(
        Run(
            name="overview", description=DESCRIPTION, params=scope, tags={"stage": "overview"},
            tables={"strategies.json": report.round(4)}, files={"figures": list(figures)},
        )
    )  # fmt: skip
    ids = []
    for run in runs:
        if run.name not in logged:
            logged[run.name] = tracker.log(run, results=digest)
        ids.append(logged[run.name])
    largest = f"regret_at_{rows['budget'].max():g}"
    tracker.share_view(
        VIEW,
        View(
            filter="tags.`infoprior.current` = 'true'",
            columns=[f"metrics.{largest}", f"metrics.{largest}_p_holm", "metrics.mean_rank"],
            bars=[largest, "mean_rank"],
            lines=["regret"],
        ),
    )
    tracker.describe(DESCRIPTION)
    if not project.copied:
        tracker.mark_current(ids)
    return ids


def _worst_first(report: pd.DataFrame) -> list[str]:
    """MLflow lists the newest first."""
    last = report[report["budget"] == report["budget"].max()]
    return list(last.sort_values("regret", ascending=False, na_position="first")["strategy"])


def _run(
    name: str,
    rows: pd.DataFrame,
    report: pd.DataFrame,
    ranks: dict[float, Ranks],
    scope: dict[str, Any],
) -> Run:
    own, mine = report[report["strategy"] == name], rows[rows["strategy"] == name]
    own = own.dropna(subset=["regret"])
    metrics: dict[str, float] = {}
    for row in own.to_dict("records"):
        at = f"regret_at_{row['budget']:g}"
        metrics[at] = row["regret"]
        if row["p_holm"] == row["p_holm"]:  # the reference has none
            metrics[f"{at}_p_holm"] = row["p_holm"]
    places = [
        float(ranked.table.set_index("method")["rank"][name])
        for ranked in ranks.values()
        if name in set(ranked.table["method"])
    ]
    if places:
        metrics["mean_rank"] = places[-1]
    children = [
        Run(
            name=f"{name} / {task}", params={"strategy": name, "task": task},
            metrics=_task_metrics(part), tags={"stage": "task"},
        )
        for task, part in mine.groupby("task", sort=True)
    ]  # fmt: skip
    searches = mine.drop(columns=["family", "params"], errors="ignore").round(4)
    return Run(
        name=name,
        description=f"{name}, on {scope['tasks']} held-out tasks with {scope['seeds']} seeds.",
        params={"strategy": name, **scope},
        metrics=metrics,
        curves={"regret": _curve(own)},
        tags={"stage": "strategy"},
        tables={"searches.json": searches},
        children=children,
    )


def _curve(own: pd.DataFrame) -> dict[int, float]:
    """Regret by budget; MLflow counts steps in whole numbers."""
    whole = own[own["budget"] == own["budget"].round()]
    return {int(b): float(r) for b, r in zip(whole["budget"], whole["regret"], strict=True)}


def _task_metrics(rows: pd.DataFrame) -> dict[str, float]:
    means = rows.groupby("budget")["regret"].mean().dropna()
    return {f"task_regret_at_{budget:g}": float(value) for budget, value in means.items()}
