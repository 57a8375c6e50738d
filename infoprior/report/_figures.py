"""Regret against budget, differences to the static prior, and the information plane."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infoprior._arguments import data_frame, file_path, instance_of
from infoprior.evaluation._judging import SHUFFLED, STATIC
from infoprior.files import write_atomically
from infoprior.metadataset import measured_layers
from infoprior.priors._mixture.plot import COLOURS, new_figure
from infoprior.report._errors import ReportError

_GROUP = ["predictor", "inputs"]

_SEARCHES = {
    "replay_free": "recorded curves, priors for free",
    "replay": "recorded curves, priors' cost charged",
    "live_free": "networks trained, promoting, priors for free",
    "live": "networks trained, promoting, cost charged",
    "pruned_free": "networks trained, Optuna's pruner, priors for free",
    "pruned": "networks trained, Optuna's pruner, cost charged",
}
CROWD = 100
"""Tasks above which a figure shows no task by itself."""


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, atomically; the same figure gives the same bytes.

    Args:
        figure: any matplotlib figure.
        path: of the PNG file; its folder is made.

    Raises:
        ReportError: it is no figure, or the file cannot be written.
    """
    instance_of(figure, Figure, "figure", "give a matplotlib Figure", ReportError)
    where = file_path(path, "path", ReportError)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    try:
        write_atomically(where, buffer.getvalue())
    except OSError as error:
        raise ReportError(f"{where} cannot be written: {error}.") from error


def regret_figure(report: pd.DataFrame, shown: Mapping[tuple[str, str], str]) -> Figure:
    """Regret against budget, replayed and live, one line a prior with its interval over tasks.

    Args:
        report: columns search ("replay", "live" or "pruned", with "_free" where costs are left
            out), predictor, inputs, budget (full trainings), regret, low, high, n_tasks, and
            p_holm, if it is to be said; rows without a regret (nothing was searched yet) are left
            out.
        shown: (predictor, inputs) -> label, in the order of the legend.

    Raises:
        ReportError: the report lacks columns, or has nothing to show.
    """
    columns = [*_GROUP, "search", "budget", "regret", "low", "high", "n_tasks"]
    data_frame(report, "report", columns, ReportError)
    instance_of(shown, Mapping, "shown", "give labels by (predictor, inputs)", ReportError)
    if not all(isinstance(key, tuple) and len(key) == 2 for key in shown):
        raise ReportError("shown: the keys have to be pairs (predictor, inputs).")
    rows = report[report["search"].isin(_SEARCHES) & report["regret"].notna()]
    if rows.empty:
        raise ReportError(f"report: no row of {', '.join(_SEARCHES)} has a regret to show.")
    searches = [s for s in _SEARCHES if s in set(report["search"])]
    n_columns = min(2, len(searches))
    n_rows = -(-len(searches) // n_columns)
    figure = new_figure(5.0 * n_columns, 3.6 * n_rows + 0.6)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True, sharex=True)
    axes = grid.flat[: len(searches)]
    for ax, search in zip(axes, searches, strict=True):
        part = report[report["search"] == search]
        for (key, label), colour in zip(shown.items(), COLOURS, strict=False):
            rows = part[(part["predictor"] == key[0]) & (part["inputs"] == key[1])]
            rows = rows.dropna(subset="regret").sort_values("budget")
            if rows.empty:
                continue
            style = "--" if key[1].endswith(SHUFFLED) else "-"
            ax.plot(
                rows["budget"], rows["regret"], style, color=colour, label=label, marker="o", ms=4
            )
            ax.fill_between(
                rows["budget"], rows["low"], rows["high"], color=colour, alpha=0.12, lw=0
            )
        n = int(part["n_tasks"].max())
        ax.set_title(f"{_SEARCHES[search]}\n{n} held-out tasks{_least_p(part, shown)}", fontsize=10)
        ax.set_xscale("log", base=2)
        budgets = sorted(report["budget"].unique())
        ax.set_xticks(budgets, [f"{b:g}" for b in budgets])
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("budget (full trainings)")
        ax.axhline(0, color="black", lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    for row in grid:
        row[0].set_ylabel("normalised test regret\n(0 best recorded, 1 median)", fontsize=9)
    # Diverged first networks reach regrets of ten: the axis ends where priors can be told apart.
    axes[0].set_ylim(min(0.0, float(report["regret"].min())) - 0.08, 2.0)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _least_p(rows: pd.DataFrame, shown: Mapping[tuple[str, str], str]) -> str:
    """What tells a reader how far the lines of a panel are noise."""
    there = [key in shown for key in zip(rows["predictor"], rows["inputs"], strict=True)]
    if "p_holm" not in rows or rows["p_holm"][there].isna().all():
        return ""
    p = float(rows["p_holm"][there].min())
    return ", least p against static " + ("< 0.001" if p < 0.001 else f"{p:.2f}")


def differences_figure(long: pd.DataFrame) -> Figure:
    """Each predictor and input set against the static prior: mean difference with its interval.

    Args:
        long: rows of `infoprior.evaluation.compare` with a column metric; one panel a metric.

    Raises:
        ReportError: a column is missing, there is nothing to show, or a metric has two rows of one
            predictor and input set, or none.
    """
    columns = [*_GROUP, "metric", "difference", "difference_low", "difference_high", "p_holm"]
    data_frame(long, "long", columns, ReportError)
    counts = long.groupby(["metric", *_GROUP], sort=False).size().unstack([1, 2])
    if counts.empty or not (counts == 1).all(axis=None):
        raise ReportError(
            "long: each metric needs one row of every predictor and input set, as `compare` makes "
            "it of one part."
        )
    metrics = list(dict.fromkeys(long["metric"]))
    variants = list(dict.fromkeys(zip(long["predictor"], long["inputs"], strict=True)))
    variants = [variant for variant in variants if variant != STATIC]
    figure = new_figure(4.6 * len(metrics) + 1.4, 0.26 * len(variants) + 1.4)
    axes = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    predictors = list(dict.fromkeys(variant[0] for variant in variants))
    for ax, metric in zip(axes, metrics, strict=True):
        rows = long[long["metric"] == metric].set_index(_GROUP).sort_index()
        for y, variant in enumerate(variants):
            row = rows.loc[variant]
            colour = COLOURS[predictors.index(variant[0]) % len(COLOURS)]
            face = "white" if variant[1].endswith(SHUFFLED) else colour
            ax.plot([row["difference_low"], row["difference_high"]], [y, y], color=colour, lw=1.5)
            ax.plot(row["difference"], y, "o", color=colour, mfc=face, ms=5)
            if row["p_holm"] < 0.05:
                ax.annotate("*", (row["difference_high"], y), xytext=(4, -5),
                            textcoords="offset points", color=colour)  # fmt: skip
        ax.axvline(0, color="black", lw=0.8)
        better = "higher" if metric == "kendall_tau" or "log_ratio" in metric else "lower"
        ax.set_xlabel(f"{metric}, minus static ({better} is better)", fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(variants)), [f"{p}: {i}" for p, i in variants], fontsize=8)
    axes[0].invert_yaxis()
    marks = [
        Line2D([], [], marker="o", color="black", lw=0, label="as measured"),
        Line2D([], [], marker="o", color="black", mfc="white", lw=0, label="MI of other tasks"),
        Line2D([], [], marker="$*$", color="black", lw=0, label="p < 0.05 after Holm"),
    ]
    axes[-1].legend(handles=marks, fontsize=7, frameon=False, loc="best")
    return figure


def information_plane_figure(profiles: pd.DataFrame) -> Figure:
    """I(X; T + sigma Z) against I(T;Y)/H(Y) of every layer of the probes, one panel a probe.

    Args:
        profiles: the profile table (nats), of which the last epoch of each probe is shown. Markers
            are the layers; a grey line is one task's probe, from its first layer to its last (left
            out where there are many tasks), the black one joins the medians over tasks. Layers
            without numbers, of a probe that diverged, are left out.

    Raises:
        ReportError: a column is missing, or there is nothing to show.
    """
    columns = ["task", "architecture", "epoch", "layer_index", "mi_xt", "mi_ty", "h_y", "flags"]
    data_frame(profiles, "profiles", columns, ReportError)
    profiles = measured_layers(profiles)
    profiles = profiles[profiles["h_y"] > 0.0]
    if profiles.empty:
        raise ReportError("profiles: there is no layer to show.")
    last = profiles.groupby(["task", "architecture"], observed=True)["epoch"].transform("max")
    profiles = profiles[profiles["epoch"] == last]
    crowded = profiles["task"].nunique() > CROWD
    style = {"s": 5, "alpha": 0.35, "lw": 0} if crowded else {"s": 16, "alpha": 0.85}
    probes = sorted(profiles["architecture"].unique())
    figure = new_figure(3.7 * len(probes), 3.8)
    axes = figure.subplots(1, len(probes), squeeze=False, sharey=True)[0]
    layers = sorted(profiles["layer_index"].unique())
    for ax, probe in zip(axes, probes, strict=True):
        rows = profiles[profiles["architecture"] == probe]
        share = rows["mi_ty"] / rows["h_y"]
        rows = rows.assign(share=share)
        for _, task in () if crowded else rows.groupby("task", sort=True):
            path = task.sort_values("layer_index")
            ax.plot(path["mi_xt"], path["share"], color="0.8", lw=0.7, zorder=1)
        for layer in layers:
            at = rows["layer_index"] == layer
            if not at.any():
                continue
            colour = COLOURS[1 + int(layer) % (len(COLOURS) - 1)]
            ax.scatter(rows.loc[at, "mi_xt"], share[at], color=colour, zorder=2,
                       label=f"layer {int(layer) + 1}", **style)  # fmt: skip
        middle = rows.groupby("layer_index")[["mi_xt", "share"]].median()
        ax.plot(middle["mi_xt"], middle["share"], "o-", color="black", ms=5, mec="white", lw=1.2,
                zorder=3, label="median task")  # fmt: skip
        ax.set_title(probe, fontsize=10)
        ax.set_xlabel("I(X; T + σZ) (nats)")
        ax.axhline(1, color="black", lw=0.6, ls=":")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("I(T;Y) / H(Y)")
    most = max(range(len(axes)), key=lambda i: len(axes[i].get_legend_handles_labels()[1]))
    handles, labels = axes[most].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=len(labels),
                           fontsize=8, frameon=False, markerscale=2 if crowded else 1)  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    low = float((profiles["mi_ty"] / profiles["h_y"]).min())
    axes[0].set_ylim(min(low, 0.0) - 0.05, 1.1)
    return figure
