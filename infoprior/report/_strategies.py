"""Search strategies compared: regret against budget, and a critical-difference diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from infoprior._arguments import data_frame, instance_of
from infoprior.evaluation import Ranks
from infoprior.priors._mixture.plot import COLOURS, new_figure
from infoprior.report._errors import ReportError

_STYLES = ("-", "--", ":")
MANY = 5
"""Strategies above which no intervals are drawn: they would hide each other."""


def strategies_figure(
    report: pd.DataFrame, ranks: Mapping[float, Ranks], *, highest: float = 2.0
) -> Figure:
    """Regret against budget on the left, a critical-difference diagram for each budget right.

    Intervals are drawn for up to five strategies.

    Args:
        report: columns strategy, budget (full trainings), regret, low, high; rows without a regret
            are left out.
        ranks: budget -> ranks of the strategies.
        highest: regret at which the axis ends.

    Raises:
        ReportError: a column is missing, or there is nothing to show.
    """
    data_frame(report, "report", ["strategy", "budget", "regret", "low", "high"], ReportError)
    instance_of(ranks, Mapping, "ranks", "give ranks by budget", ReportError)
    report = report.dropna(subset=["regret"])
    if report.empty:
        raise ReportError("report: no strategy has a regret to show.")
    names = list(dict.fromkeys(report["strategy"]))
    figure = new_figure(13.0, max(4.6, 0.3 * len(names) * max(1, len(ranks)) + 0.9 * len(ranks)))
    left, right = np.ravel(np.asarray(figure.subfigures(1, 2, width_ratios=[1.0, 1.15])))
    ax = left.subplots()
    shown = [c for c in COLOURS if c != COLOURS[0]]
    for k, name in enumerate(names):
        rows = report[report["strategy"] == name].sort_values("budget")
        colour, style = shown[k % len(shown)], _STYLES[k // len(shown) % len(_STYLES)]
        ax.plot(rows["budget"], rows["regret"], style, color=colour, marker="o", ms=4, label=name)
        if len(names) <= MANY:
            low, high = rows["low"], rows["high"]
            ax.fill_between(rows["budget"], low, high, color=colour, alpha=0.08, lw=0)
    budgets = sorted(report["budget"].unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(budgets, [f"{b:g}" for b in budgets])
    ax.set_xlabel("budget (full trainings)")
    ax.set_ylabel("normalised test regret (0 best recorded, 1 median)")
    ax.set_ylim(min(0.0, float(report["regret"].min())) - 0.08, highest)
    ax.axhline(0.0, color="black", lw=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    left.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    panels = right.subplots(max(1, len(ranks)), 1, squeeze=False)[:, 0]
    for panel, (budget, ranked) in zip(panels, ranks.items(), strict=False):
        _diagram(panel, ranked, f"budget {budget:g}")
    for panel in panels[len(ranks) :]:
        panel.set_visible(False)
    return figure


def critical_difference_figure(ranks: Ranks, title: str = "") -> Figure:
    """Mean ranks on a line, the best on the left; a bar joins those that are not told apart.

    Args:
        ranks: of `infoprior.evaluation.mean_ranks`.
        title: above it.

    Raises:
        ReportError: no `Ranks`.
    """
    instance_of(ranks, Ranks, "ranks", "give what mean_ranks returned", ReportError)
    figure = new_figure(8.0, 0.28 * len(ranks.table) + 1.4)
    _diagram(figure.subplots(), ranks, title)
    return figure


def _diagram(ax, ranks: Ranks, title: str) -> None:  # type: ignore[no-untyped-def]
    names: Sequence[str] = list(ranks.table["method"])
    place = dict(zip(names, ranks.table["rank"], strict=True))
    n, half = len(names), (len(names) + 1) // 2
    bars = len(ranks.groups)
    ax.set_xlim(1 - 0.75 * (n - 1) - 0.2, n + 0.75 * (n - 1) + 0.2)
    ax.set_ylim(-(0.5 * bars + half + 1.0), 1.2)
    ax.plot([1, n], [0, 0], color="black", lw=1)
    for tick in range(1, n + 1):
        ax.plot([tick, tick], [0, 0.25], color="black", lw=1)
        ax.text(tick, 0.4, str(tick), ha="center", va="bottom", fontsize=7)
    for i, group in enumerate(ranks.groups):
        y = -0.35 - 0.5 * i
        ends = [place[group[0]] - 0.04, place[group[-1]] + 0.04]
        ax.plot(ends, [y, y], color="black", lw=3, solid_capstyle="round")
    first = -(0.5 * bars + 0.7)
    for i, name in enumerate(names):
        left = i < half
        y = first - (i if left else n - 1 - i)
        x = 0.85 if left else n + 0.15
        ax.plot([place[name], place[name], x], [0, y, y], color="#555555", lw=0.8)
        text = f"{name} ({place[name]:.2f})"
        ax.text(x + (-0.06 if left else 0.06), y, text, ha="right" if left else "left",
                va="center", fontsize=7.5)  # fmt: skip
    p = ranks.p_friedman
    said = "" if p != p else f"; Friedman p {'< 0.001' if p < 0.001 else f'= {p:.2f}'}"
    ax.set_title(f"{title}: mean ranks on {ranks.n_tasks} tasks{said}".lstrip(": "), fontsize=9)
    ax.axis("off")
