"""The figure: searches by budget, first choices by kinds of evidence, predicted accuracies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks._common import ROOT
from benchmarks.predictors._posterior_data import Bench
from benchmarks.predictors._posterior_search import EVERYTHING, HYPERBAND, STATIC
from infoprior.evaluation import bootstrap_interval

OWN, MOVED, GREY = "#c1440e", "0.65", "#7a8ca3"
STYLES = {
    "upper bound": (OWN, "-"), "upper bound, after reading": ("#7b2d8e", "-"),
    HYPERBAND: (GREY, "-"), STATIC: (GREY, ":"),
}  # fmt: skip


def draw(bench: Bench, info: pd.DataFrame, search: pd.DataFrame) -> None:
    """Of the folds' rows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        1, 3, figsize=(13, 4.2), layout="constrained", width_ratios=(1.3, 1, 1)
    )
    _budgets(axes[0], bench, search)
    _sets(axes[1], bench, info, "regret", "First choice: regret")
    _sets(axes[2], bench, info, "error", "Predicted accuracy: error in points")
    axes[2].tick_params(labelleft=False)
    path = ROOT / "docs" / "figures" / f"posterior_{bench.space}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)
    plt.close(fig)


def _families(bench: Bench, tasks: pd.Index) -> list[str]:
    return list(bench.about["family"].loc[tasks])


def _budgets(axis: Any, bench: Bench, rows: pd.DataFrame) -> None:
    for method, (color, style) in STYLES.items():
        part = rows[rows["method"] == method]
        budgets, means, lows, highs = [], [], [], []
        for budget, some in part.groupby("budget"):
            values = some.groupby("task")["regret"].mean()
            low, high = bootstrap_interval(
                values.to_numpy(), families=_families(bench, values.index)
            )
            budgets.append(budget)
            means.append(values.mean())
            lows.append(low)
            highs.append(high)
        axis.plot(budgets, means, style, color=color, label=method)
        if style == "-":
            axis.fill_between(budgets, lows, highs, color=color, alpha=0.12, linewidth=0)
    everything = rows[rows["method"] == EVERYTHING]["regret"].mean()
    axis.axhline(everything, color="0.75", linewidth=1, zorder=0, label="all trained")
    axis.set(xscale="log", xlabel="full trainings, reading charged", ylabel="regret",
             title=f"Search in {bench.space}, held-out families")  # fmt: skip
    axis.set_xticks(budgets, [f"{b:g}" for b in budgets])
    axis.minorticks_off()
    axis.legend(ncols=3, frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axis.spines[["top", "right"]].set_visible(False)


def _sets(axis: Any, bench: Bench, rows: pd.DataFrame, metric: str, title: str) -> None:
    names = list(bench.sets)
    for y, name in enumerate(reversed(names)):
        own = rows[(rows["evidence"] == name) & (rows["shuffle"] < 0)].set_index("task")[metric]
        low, high = bootstrap_interval(own.to_numpy(), families=_families(bench, own.index))
        mean = own.mean()
        axis.errorbar(mean, y, xerr=[[mean - low], [high - mean]], fmt="o", color=OWN, capsize=3,
                      label="the task's own" if y == 0 else None)  # fmt: skip
        moved = rows[(rows["evidence"] == name) & (rows["shuffle"] >= 0)]
        by = moved.groupby("shuffle")[metric].mean().to_numpy()
        axis.plot(by, np.full(len(by), y - 0.25), "|", color=MOVED, markersize=7,
                  label="another task's" if y == 0 else None)  # fmt: skip
    axis.set_yticks(range(len(names)), list(reversed(names)))
    axis.set_title(title, fontsize=11)
    axis.legend(ncols=2, frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axis.spines[["top", "right"]].set_visible(False)
