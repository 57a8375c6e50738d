"""What `make strategies` leaves: every search, tables, a figure, and runs of MLflow."""

from __future__ import annotations

from pipeline.common import write_csv  # isort: skip

import json
from pathlib import Path

import pandas as pd

from infoprior.evaluation import Ranks
from infoprior.files import write_atomically
from infoprior.report import save_figure, strategies_figure
from pipeline.comparison import summary
from pipeline.comparison.mlflow_log import FULL, log_strategies
from pipeline.comparison.summary import REFERENCE

FIGURE = Path("docs/figures/strategies.png")
FIGURED = (2.0, 16.0)
"""Budgets whose ranks the figure draws."""


def publish(rows: pd.DataFrame, folder: Path) -> None:
    """Write strategies.csv and strategies.md to a folder, the figure, and MLflow's runs."""
    report, ranks = summary.summarize(rows), summary.ranks(rows)
    table = rows.assign(params=[p if isinstance(p, str) else json.dumps(p) for p in rows["params"]])
    write_csv(table, folder / "strategies.csv")
    write_atomically(folder / "strategies.md", text(rows, report, ranks))
    drawn = {b: ranked for b, ranked in ranks.items() if b in FIGURED} or ranks
    save_figure(strategies_figure(report, drawn), FIGURE)
    log_strategies(rows, report, ranks, [FIGURE], suffix=FULL)
    print(text(rows, report, ranks))


def text(rows: pd.DataFrame, report: pd.DataFrame, ranks: dict[float, Ranks]) -> str:
    """The page."""
    tasks = ", ".join(sorted(rows["task"].unique()))
    budgets = sorted(rows["budget"].unique())
    return f"""# Search strategies at equal cost

{rows["task"].nunique()} held-out real tasks of {rows["family"].nunique()} families, \
{rows["seed"].nunique()} seeds. A budget is in full trainings (27 epochs of one network); a
prior's reading of the task, an evolution's assessments and a supernet's passes are charged to it.
Regret of the network in hand on test rows: 0 the best of the task's recorded architectures of the
space `mlp`, 1 the median one; below 0 is better than all of them. DARTS searches cells, a space of
its own, on the same scale. Intervals (95 %) are over families; p is Wilcoxon's against
{REFERENCE.lower().replace("hyperband", "Hyperband")} at the same budget, by Holm over all rows.

## Regret [95 %], and p

{_wide(report, budgets)}

## Mean test accuracy

{_accuracy(report, budgets)}

## Mean ranks

{_ranks(ranks)}

## What a search takes

Median over tasks and seeds of a job, which makes the searches of all budgets (evolution and its
control are one job); MB are those of the whole process, libraries included.

{_resources(rows)}

Tasks: {tasks}.

Made by `make strategies`; every search is in strategies.csv.
"""


def _table(rows: list[dict[str, str]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    return "\n".join([*lines, *("| " + " | ".join(row.values()) + " |" for row in rows)])


def _wide(report: pd.DataFrame, budgets: list[float]) -> str:
    rows = []
    for name, own in report.groupby("strategy", sort=False):
        cells = {"strategy": str(name)}
        by_budget = own.set_index("budget")
        for budget in budgets:
            row = by_budget.loc[budget]
            cell = "–"
            if row["regret"] == row["regret"]:
                cell = f"{row['regret']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
                if row["p_holm"] == row["p_holm"]:
                    p = row["p_holm"]
                    cell += " < 0.001" if p < 0.001 else f" {p:.2g}"
            cells[f"{budget:g}"] = cell
        rows.append(cells)
    return _table(rows)


def _accuracy(report: pd.DataFrame, budgets: list[float]) -> str:
    rows = []
    for name, own in report.groupby("strategy", sort=False):
        value = own.set_index("budget")["test_accuracy"]
        cells = {
            f"{b:g}": "–" if value[b] != value[b] else f"{100 * value[b]:.2f}" for b in budgets
        }
        rows.append({"strategy": str(name), **cells})
    return _table(rows)


def _ranks(ranks: dict[float, Ranks]) -> str:
    last = next(reversed(ranks.values()))
    rows = []
    for name in last.table["method"]:
        cells = {"strategy": str(name)}
        for budget, ranked in ranks.items():
            place = ranked.table.set_index("method")
            cells[f"{budget:g}"] = "–"
            if name in place.index:
                row = place.loc[name]
                cells[f"{budget:g}"] = f"{row['rank']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        rows.append(cells)
    p = {"strategy": "*p (Friedman)*"} | {f"{b:g}": f"{r.p_friedman:.2g}" for b, r in ranks.items()}
    alike = "; ".join(" = ".join(group) for group in last.groups) or "none"
    return (
        f"{_table([*rows, p])}\n\nNot told apart at the largest budget (Wilcoxon, Holm over all "
        f"pairs): {alike}."
    )


def _resources(rows: pd.DataFrame) -> str:
    table = summary.resources(rows)
    return _table(
        [
            {
                "strategy": str(row.strategy), "wall s": f"{row.seconds:.1f}",
                "CPU s": f"{row.cpu_seconds:.1f}", "peak MB": f"{row.peak_mb:.0f}",
                "largest MB": f"{row.most_mb:.0f}",
            }
            for row in table.itertuples()
        ]
    )  # fmt: skip
