"""What the comparison of adapting priors says: a table in Markdown, and a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.priors._adapting_tables import BENCHES
from infoprior.evaluation import bootstrap_interval, holm, wilcoxon

LABELS = {
    "random": "random",
    "tpe": "TPE",
    "static": "static prior alone",
    "static-sampler": "static prior, PriorSampler",
    "priorband": "PriorBand",
    "adapt": "adapting prior, PriorSampler",
    "oracle": "similarity oracle, PriorSampler",
}
COLORS = {
    "random": "#bbbbbb", "tpe": "#777777", "static": "#e6a532", "static-sampler": "#b5651d",
    "priorband": "#7a5195", "adapt": "#1f77b4", "oracle": "#2a9d4a",
}  # fmt: skip
REFERENCES = ("static", "static-sampler")


def _last(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the largest budget."""
    return frame[frame.budget == frame.groupby("bench").budget.transform("max")]


def _by_task(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row for each family, a column for each method: means over seeds."""
    return frame.pivot_table(index="family", columns="method", values=column, aggfunc="mean")


def text(frame: pd.DataFrame, seeds: int) -> str:
    """The account in Markdown."""
    benches = [bench for bench in BENCHES if bench in set(frame.bench)]
    methods = [m for m in LABELS if m in set(frame.method)]
    lines = [
        f"`python benchmarks/priors/adapting.py --seeds {seeds}`; {seeds} seeds a task (other past "
        "trials, other searches); intervals of 95 % over families.",
        "",
    ]
    lines += ["## Optima found within the budget, of all searches, and mean regret at its end", ""]
    lines += ["| | searches | " + " | ".join(LABELS[m] for m in methods) + " |"]
    lines += ["| --- | ---: |" + " ---: |" * len(methods)]
    for bench in benches:
        last = _last(frame[frame.bench == bench])
        cells = []
        for method in methods:
            mine = last[last.method == method]
            cells.append(
                f"{int(mine.optimum.sum())} ({int(mine.best.sum())}); {mine.regret.mean():.3f}"
                if len(mine)
                else ""
            )
        n = len(last[last.method == "adapt"])
        lines.append(f"| {bench} | {n} | " + " | ".join(cells) + " |")
    lines += ["", "In brackets: the best point itself.", ""]
    for reference in (r for r in REFERENCES if r in methods and "adapt" in methods):
        lines += _compared(frame, benches, reference)
    lines += ["## Mean regret by budget", ""]
    budgets = sorted(frame.budget.unique())
    lines += ["| | method | " + " | ".join(map(str, budgets)) + " |"]
    lines += ["| --- | --- |" + " ---: |" * len(budgets)]
    for bench in benches:
        for method in methods:
            mine = frame[(frame.bench == bench) & (frame.method == method)]
            if len(mine):
                at = mine.groupby("budget").regret.mean()
                cells = [f"{at[b]:.3f}" if b in at.index else "" for b in budgets]
                lines.append(f"| {bench} | {LABELS[method]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _compared(frame: pd.DataFrame, benches: list[str], reference: str) -> list[str]:
    """The adapting prior against a static one, a row for each benchmark."""
    rows, p_values = [], []
    for bench in benches:
        mine = frame[frame.bench == bench]
        last = _last(mine)
        optimum, end = _by_task(last, "optimum"), _by_task(last, "regret")
        mean = _by_task(mine, "regret")  # over all budgets
        if reference not in end:
            continue
        counts = last.groupby("method").optimum.sum()
        ratio = counts["adapt"] / counts[reference] if counts[reference] else np.inf
        differences = [(t["adapt"] - t[reference]).to_numpy(float) for t in (optimum, end, mean)]
        shown = []
        for d in differences:
            interval = bootstrap_interval(d) if len(d) > 1 else (d[0], d[0])
            shown.append(f"{d.mean():+.3f} [{interval[0]:+.3f}, {interval[1]:+.3f}]")
        p_values.append(wilcoxon(mean["adapt"].to_numpy(), mean[reference].to_numpy()))
        quotient = end["adapt"].mean() / end[reference].mean() if end[reference].mean() else np.nan
        overall = mean["adapt"].mean() / mean[reference].mean()
        rows.append(
            f"| {bench} | {len(end)} | {ratio:.2f} | {shown[0]} | {shown[1]} | {quotient:.2f} | "
            f"{shown[2]} | {overall:.2f} |"
        )
    adjusted = holm(p_values)
    head = [f"## Adapting prior against: {LABELS[reference]}", ""]
    head += [
        "| | families | optima, ratio | optima a search, difference | regret at the end, difference"
        " | ratio | mean regret over budgets, difference | ratio | p (Holm) |"
    ]
    head += ["| --- |" + " ---: |" * 8]
    body = [f"{row} {p:.3f} |" for row, p in zip(rows, adjusted, strict=True)]
    return [*head, *body, ""]


def figure(frame: pd.DataFrame, path: Path) -> None:
    """Mean regret by budget, a panel for each benchmark."""
    from matplotlib.figure import Figure

    benches = [bench for bench in BENCHES if bench in set(frame.bench)]
    columns = min(len(benches), 4)
    rows = -(-len(benches) // columns)
    drawn = Figure(figsize=(3.2 * columns, 2.7 * rows + 0.5), layout="constrained")
    axes = np.atleast_1d(drawn.subplots(rows, columns, squeeze=False)).ravel()
    for panel in axes[len(benches) :]:
        panel.set_axis_off()
    for bench, panel in zip(benches, axes, strict=False):
        mine = frame[frame.bench == bench]
        for method, label in LABELS.items():
            at = mine[mine.method == method].groupby("budget").regret.mean()
            if len(at):
                wide = 2.2 if method == "adapt" else 1.3
                panel.plot(
                    at.index, np.maximum(at, 1e-3), color=COLORS[method], label=label, lw=wide
                )
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        ticks = sorted(mine.budget.unique())
        panel.set_xticks(ticks, [str(t) for t in ticks], fontsize=7)
        panel.minorticks_off()
        panel.set_title(bench, fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("regret", fontsize=8)
    axes[0].set_xlabel("evaluations", fontsize=8)
    handles, labels = max((p.get_legend_handles_labels() for p in axes), key=lambda h: len(h[0]))
    drawn.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    drawn.savefig(path, dpi=110)
