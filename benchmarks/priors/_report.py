"""The priors benchmark's statistics, text and figure. The unit is the task: regrets and ranks are
averaged over seeds first, intervals resample tasks."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._common import markdown
from benchmarks.priors._jobs import PRIORBAND
from benchmarks.priors._trace import BUDGETS
from infoprior.evaluation import bootstrap_interval

COLOURS = {
    "random": "#999999", "tpe": "#56B4E9", "bohb": "#009E73", "static": "#CC79A7",
    "ours": "#D55E00", "ours-fixed-weight": "#E69F00", "priorband": "#0072B2",
    "priorband-high": "#332288", "ours-promoted": "#882255", "random-promoted": "#444444",
    "steps-promoted": "#AA4499",
}  # fmt: skip
LABELS = {
    "random": "random", "tpe": "TPE", "bohb": "BOHB-style TPE", "static": "static prior",
    "ours": "PriorSampler", "ours-fixed-weight": "PriorSampler, fixed weight",
    "ours-promoted": "PriorSampler, promoting", "random-promoted": "random, promoting",
    "steps-promoted": "local search, promoting",
    "priorband": "PriorBand (NePS), medium",
    "priorband-high": "PriorBand (NePS), high",
}  # fmt: skip
STYLES = {"ours-fixed-weight": "--", "random-promoted": ":", "steps-promoted": ":"}
OURS = ("ours", "ours-promoted")  # what the bars are for
BASES = {"ours": "tpe", "ours-promoted": "steps-promoted"}  # method -> its base sampler alone
POOR = ("bad", "deceiving")  # priors that a search has to get over
FROM = (8, 16, 32)  # full trainings by which it has to, and
MOST = 1.1  # times its base's regret by then
BENCH_TITLES = {"hpobench": "HPOBench, no fidelities", "curves": "recorded curves, Hyperband"}


def per_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean regret and mean rank over seeds: one row per bench, arm, method, task, budget.

    Ranks are of the methods within a (bench, arm, task, seed, budget), 1 the best, ties shared.
    """
    cell = ["bench", "arm", "task", "seed", "budget"]
    ranked = rows.assign(rank=rows.groupby(cell).regret.rank())
    keys = ["bench", "arm", "method", "task", "budget"]
    return ranked.groupby(keys, as_index=False)[["regret", "rank"]].mean()


def wide(tasks: pd.DataFrame) -> pd.DataFrame:
    """The table that is kept: a column for regret and rank at each of `BUDGETS`."""
    at = tasks[tasks.budget.isin(BUDGETS)]
    table = at.pivot(index=["bench", "arm", "method", "task"], columns="budget")
    table.columns = [f"{what}@{budget}" for what, budget in table.columns]
    return table.round(4).reset_index()


def summary(tasks: pd.DataFrame, column: str, bench: str, arm: str) -> list[dict[str, Any]]:
    """One row per method: mean over tasks and its interval at each of `BUDGETS`."""
    table = []
    for method in _present(tasks):
        mine = tasks[(tasks.bench == bench) & (tasks.arm == arm) & (tasks.method == method)]
        if len(mine):
            row: dict[str, Any] = {"method": LABELS.get(method, method)}
            for budget in BUDGETS:
                row[f"{budget}"] = _interval(mine[mine.budget == budget][column].to_numpy())
            table.append(row)
    return table


def _interval(values: np.ndarray, signed: bool = False) -> str:
    low, high = bootstrap_interval(values)
    sign = "+" if signed else ""
    return f"{values.mean():{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def _present(tasks: pd.DataFrame) -> list[str]:
    known = [m for m in LABELS if m in set(tasks.method)]
    return known + sorted(set(tasks.method) - set(known))


def _matrix(tasks: pd.DataFrame, bench: str, arm: str, method: str) -> pd.DataFrame:
    """Regret, a row for each task and a column for each budget."""
    mine = tasks[(tasks.bench == bench) & (tasks.arm == arm) & (tasks.method == method)]
    return mine.pivot(index="task", columns="budget", values="regret")


def bars(tasks: pd.DataFrame, bench: str) -> list[str]:
    """What was to be reached, and what is."""
    there = set(tasks[tasks.bench == bench].method)
    arms = set(tasks[tasks.bench == bench].arm)
    lines = []
    if "good" in arms and {"ours", "random"} <= there:
        target = float(_matrix(tasks, bench, "good", "random")[32].mean())
        others = ("ours-fixed-weight", "static", *PRIORBAND, "random-promoted", "tpe", "bohb")
        for method in (*OURS, *others):
            if method in there:
                mean = _matrix(tasks, bench, "good", method).mean()
                reached = mean.index[mean <= target]
                when = f"at {reached[0]}" if len(reached) else "not within 32"
                wanted = " (wanted: at most 8)" if method in OURS else ""
                lines.append(
                    f"good prior: random's regret at 32 ({target:.3f}) is reached by "
                    f"{LABELS[method]} {when} full trainings{wanted}"
                )
    for arm in [arm for arm in POOR if arm in arms]:
        for method in (*BASES, "ours-fixed-weight", "static", *PRIORBAND):
            base = BASES.get(method, "tpe")
            if {method, base} <= there:
                mine, its = (_matrix(tasks, bench, arm, m) for m in (method, base))
                ratios = [f"{b}: {_ratio(mine[b], its[b])}" for b in FROM]
                wanted = f" (wanted: at most {MOST:.2f})" if method in OURS else ""
                lines.append(
                    f"{arm} prior: regret of {LABELS[method]} over that of {LABELS[base]} without "
                    f"a prior, at {', '.join(ratios)}{wanted}"
                )
    for method, peer in itertools.product(OURS, PRIORBAND):
        for arm in _arms(tasks[tasks.bench == bench]) if {method, peer} <= there else ():
            mine, its = (_matrix(tasks, bench, arm, m) for m in (method, peer))
            if len(its):
                lines.append(f"{arm} prior: {_above(mine - its, arm, method, peer)}")
    return lines


def _above(gap: pd.DataFrame, arm: str, method: str, peer: str) -> str:
    """At which budgets a method's regret is above a peer's, and whether beyond the interval."""
    above = [b for b in BUDGETS if gap[b].mean() > 0]
    beyond = [b for b in above if bootstrap_interval(gap[b].to_numpy())[0] > 0]
    shown = [f"{b} ({_interval(gap[b].to_numpy(), signed=True)})" for b in above]
    wanted = {
        "good": "no budget", "medium": "no budget", **dict.fromkeys(POOR, f"none from {FROM[0]} on")
    }  # fmt: skip
    said = f"{LABELS[method]}'s mean regret is above that of {LABELS[peer]} at "
    said += f"{', '.join(shown) or 'no budget'}, beyond the interval at "
    said += ", ".join(map(str, beyond)) or "none"
    return f"{said} (wanted: {wanted[arm]})" if arm in wanted else said


def _ratio(mine: pd.Series, base: pd.Series) -> str:
    low, high = _ratio_interval(mine.to_numpy(), base.to_numpy())
    return f"{mine.mean() / base.mean():.3f} [{low:.3f}, {high:.3f}]"


def _ratio_interval(top: np.ndarray, bottom: np.ndarray, n: int = 10_000) -> tuple[float, float]:
    """Bootstrap interval over tasks of the ratio of the means."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(top), np.full(len(top), 1.0 / len(top)), size=n)
    low, high = np.quantile((counts @ top) / (counts @ bottom), [0.025, 0.975])
    return float(low), float(high)


def against(tasks: pd.DataFrame, bench: str, method: str = "ours") -> list[dict[str, Any]]:
    """`method` minus each other one in mean regret: a row per arm and other, paired by task."""
    table = []
    for arm in _arms(tasks):
        for other in _present(tasks):
            mine, its = _matrix(tasks, bench, arm, method), _matrix(tasks, bench, arm, other)
            if other != method and len(mine) and len(its):
                gap = mine - its
                row: dict[str, Any] = {"arm": arm, "minus": LABELS.get(other, other)}
                for budget in BUDGETS:
                    row[f"{budget}"] = _interval(gap[budget].to_numpy(), signed=True)
                table.append(row)
    return table


def _arms(tasks: pd.DataFrame) -> list[str]:
    return [arm for arm in ("good", "medium", *POOR, "none") if arm in set(tasks.arm)]


def text(tasks: pd.DataFrame, seeds: int) -> str:
    """The whole account, as markdown."""
    lines = ["# Priors against peers", ""]
    lines += [
        "Normalised regret of the incumbent (0: the best recorded, 1: the median one) and rank "
        f"among the methods, against the budget in full trainings; {seeds} seeds, mean over tasks "
        "and its 95 % bootstrap interval over tasks.",
    ]
    for bench in sorted(set(tasks.bench), reverse=True):
        n = tasks[tasks.bench == bench].task.nunique()
        lines += ["", f"## {BENCH_TITLES.get(bench, bench)} ({n} tasks)", ""]
        lines += [f"- {line}" for line in bars(tasks, bench)]
        for method in OURS:
            if method in set(tasks[tasks.bench == bench].method):
                lines += ["", f"### {LABELS[method]}: regret minus the others', paired by task", ""]
                lines += [markdown(against(tasks, bench, method))]
        for arm in _arms(tasks):
            for column in ("regret", "rank"):
                lines += ["", f"### {arm} prior: {column}", ""]
                lines += [markdown(summary(tasks, column, bench, arm))]
    return "\n".join(lines) + "\n"


def figure(tasks: pd.DataFrame, path: Path) -> None:
    """Small multiples: a row for each benchmark, a column for each arm."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    benches, arms = sorted(set(tasks.bench), reverse=True), _arms(tasks)
    fig, grid = plt.subplots(
        len(benches), len(arms), figsize=(3.3 * len(arms), 2.9 * len(benches) + 0.6),
        sharex=True, sharey="row", squeeze=False, layout="constrained",
    )  # fmt: skip
    for bench, axes in zip(benches, grid, strict=True):
        for arm, ax in zip(arms, axes, strict=True):
            for method in _present(tasks):
                matrix = _matrix(tasks, bench, arm, method)
                if not len(matrix):
                    continue
                colour, front = COLOURS.get(method, "black"), method in OURS
                ax.plot(
                    matrix.columns, matrix.mean(), color=colour, lw=2.4 if front else 1.3,
                    ls=STYLES.get(method, "-"),
                    zorder=3 if front else 2, label=LABELS.get(method, method),
                )  # fmt: skip
                if front:
                    ends = [bootstrap_interval(matrix[b].to_numpy()) for b in matrix.columns]
                    low, high = np.array(ends).T
                    ax.fill_between(matrix.columns, low, high, color=colour, alpha=0.13, lw=0)
            ax.set_xscale("log", base=2)
            ax.set_yscale("log")
            ax.set_xticks(BUDGETS, [str(b) for b in BUDGETS])
            ax.minorticks_off()
            ax.grid(alpha=0.25, lw=0.6)
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
            title = f"{arm} prior" if arm != "none" else "no prior (uniform)"
            ax.set_title(title if bench == benches[0] else "", fontsize=10)
            if bench == benches[-1]:
                ax.set_xlabel("budget, full trainings")
        low, high = axes[0].get_ylim()
        ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if low <= t <= high]
        axes[0].set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes[0].minorticks_off()
        axes[0].set_ylabel(f"{BENCH_TITLES.get(bench, bench)}\nnormalised regret")
    handles, labels = grid[0][0].get_legend_handles_labels()
    fig.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=4 if len(grid[0]) > 2 else 3,
        frameon=False,
        fontsize=9,
    )
    fig.savefig(path, dpi=150)
    plt.close(fig)
