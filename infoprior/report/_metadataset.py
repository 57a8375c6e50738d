"""The published meta-dataset in one figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from infoprior._arguments import instance_of
from infoprior.metadataset import MetaDataset, measured_layers
from infoprior.priors._mixture.plot import COLOURS, new_figure
from infoprior.report._errors import ReportError

KINDS = {"synthetic": COLOURS[0], "enumerated": COLOURS[2], "real": COLOURS[1]}
_ROWS = (200, 500, 1000, 2000, 5000)


def metadataset_figure(meta: MetaDataset) -> Figure:
    """What tasks there are, how well their labels are known, and what the labels say.

    Args:
        meta: of the tasks table's extra columns `noise_ceiling` is shown where it is there.

    Raises:
        ReportError: it is no meta-dataset.
    """
    remedy = "give a MetaDataset, as load_metadataset returns it"
    instance_of(meta, MetaDataset, "meta", remedy, ReportError)
    figure = new_figure(11.0, 7.4)
    (sizes, ceiling), (ranks, information) = figure.subplots(2, 2)
    _sizes(sizes, meta.tasks)
    _ceilings(ceiling, meta.tasks)
    _ranks(ranks, meta)
    _information(information, meta)
    for ax in (sizes, ceiling, ranks, information):
        ax.spines[["top", "right"]].set_visible(False)
    sizes.legend(frameon=False, fontsize=8)
    return figure


def _scatter(ax: Axes, tasks: pd.DataFrame, x: str, y: str) -> None:
    for kind, colour in KINDS.items():
        rows = tasks[tasks["kind"] == kind].dropna(subset=[x, y])
        size, alpha = (7, 0.35) if kind == "synthetic" else (18, 0.9)
        label = f"{kind} ({len(rows)})"
        ax.scatter(rows[x], rows[y], s=size, color=colour, alpha=alpha, lw=0, label=label)


def _row_ticks(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_xticks(_ROWS, [f"{n:,}" for n in _ROWS])
    ax.set_xticks([], minor=True)


def _sizes(ax: Axes, tasks: pd.DataFrame) -> None:
    _scatter(ax, tasks, "n_train", "n_features")
    ax.set(yscale="log", xlabel="training rows", ylabel="features (encoded)")
    _row_ticks(ax)
    ax.set_title("Tasks", fontsize=10)


def _ceilings(ax: Axes, tasks: pd.DataFrame) -> None:
    ax.set_title("How well labels are known", fontsize=10)
    ax.set(xlabel="training rows", ylabel="noise ceiling (Spearman)")
    if "noise_ceiling" in tasks and tasks["noise_ceiling"].notna().any():
        _scatter(ax, tasks, "n_train", "noise_ceiling")
        _row_ticks(ax)
    else:
        ax.text(0.5, 0.5, "one draw of labels only", ha="center", transform=ax.transAxes)


def _ranks(ax: Axes, meta: MetaDataset) -> None:
    """Mean rank of every shared architecture on synthetic and on real tasks."""
    final = meta.shared().final()
    final["rank"] = final.groupby("task")["test_accuracy"].rank(pct=True)
    kind = meta.tasks.set_index("task")["kind"]
    final["kind"] = final["task"].map(kind)
    table = final.pivot_table(index="architecture", columns="kind", values="rank", aggfunc="mean")
    ax.set_title("The same architectures on both", fontsize=10)
    ax.set(xlabel="mean rank on real tasks (1: best)", ylabel="mean rank on synthetic tasks")
    if {"real", "synthetic"} <= set(table):
        ax.axline((0.5, 0.5), slope=1.0, color="0.8", lw=1)
        ax.scatter(table["real"], table["synthetic"], s=22, color=COLOURS[1])
        agreement = table["real"].corr(table["synthetic"], method="spearman")
        ax.text(0.03, 0.93, f"Spearman {agreement:.2f}", transform=ax.transAxes, fontsize=9)


def _information(ax: Axes, meta: MetaDataset) -> None:
    """I(T;Y) / H(Y) of each probe's layers at the last epoch: quartiles over tasks."""
    layers = measured_layers(meta.profiles)
    layers = layers[layers["epoch"] == layers["epoch"].max()]
    layers = layers[layers["h_y"] > 0.0]
    share = layers["mi_ty"] / layers["h_y"]
    quartiles = share.groupby([layers["architecture"], layers["layer_index"]]).quantile(
        [0.25, 0.5, 0.75]
    )
    table = quartiles.unstack()
    place = np.arange(len(table))
    ax.vlines(place, table[0.25], table[0.75], color=COLOURS[1], lw=5, alpha=0.35)
    ax.plot(place, table[0.5], "o", color=COLOURS[1], ms=5)
    names = [f"{str(p).removeprefix('probe-')}{i + 1}" for p, i in table.index]
    ax.set_xticks(place, names)
    ax.set(xlabel="probe and layer", ylabel="I(T;Y) / H(Y)", ylim=(0, 1.05))
    ax.set_title("Information about the label: median and quartiles over tasks", fontsize=10)
