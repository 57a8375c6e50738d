"""The figure: what accuracies vary by, and what tells encodings and rankings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._common import ROOT
from infoprior.evaluation import bootstrap_interval

FILE = ROOT / "docs" / "figures" / "disagreement.png"
COLORS = {
    "static": "#7a8ca3", "encoding": "#c1440e", "other disagreement": "#e2a15c",
    "noise of labels": "#e3e3e3",
}  # fmt: skip
OWN, MOVED = "#c1440e", "0.65"


def draw(folder: Path, path: Path = FILE) -> None:
    """From the rows that the parts have written to a folder."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        1, 3, figsize=(13, 4.2), layout="constrained", width_ratios=(1.1, 1, 1)
    )
    _variance(axes[0], pd.read_csv(folder / "disagreement_spaces_rows.csv", index_col=0))
    titles = {
        "encodings": ("Which encoding wins", "correlation", "Spearman's correlation"),
        "rankings": ("The ranking of architectures", "tau", "Kendall's tau"),
    }
    for axis, (part, (title, metric, label)) in zip(axes[1:], titles.items(), strict=True):
        _sets(axis, pd.read_csv(folder / f"disagreement_{part}_rows.csv"), metric)
        axis.set(title=title, xlabel=f"{label}, held-out families")
    axes[2].tick_params(labelleft=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)
    plt.close(fig)


def _variance(axis: Any, shares: pd.DataFrame) -> None:
    left = np.zeros(len(shares))
    for name, color in COLORS.items():
        if name not in shares:
            continue
        values = shares[name].fillna(0.0).to_numpy()
        axis.barh(shares.index, values, left=left, color=color, label=name, height=0.55)
        for y, (start, value) in enumerate(zip(left, values, strict=True)):
            if value >= 4:
                axis.text(start + value / 2, y, f"{value:.0f}", ha="center", va="center")
        left += values
    axis.invert_yaxis()
    axis.set(title="What accuracies vary by within a task", xlabel="% of variance", xlim=(0, 100))
    axis.legend(ncols=2, frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axis.spines[["top", "right"]].set_visible(False)


def _sets(axis: Any, frame: pd.DataFrame, metric: str) -> None:
    names = list(dict.fromkeys(frame["set"]))
    for y, name in enumerate(reversed(names)):
        own = frame[(frame["set"] == name) & (frame["shuffle"] < 0)]
        low, high = bootstrap_interval(own[metric], families=list(own["family"]))
        mean = own[metric].mean()
        axis.errorbar(mean, y, xerr=[[mean - low], [high - mean]], fmt="o", color=OWN, capsize=3,
                      label="the task's own" if y == 0 else None)  # fmt: skip
        moved = frame[(frame["set"] == name) & (frame["shuffle"] >= 0)]
        by = moved.groupby("shuffle")[metric].mean().to_numpy()
        axis.plot(by, np.full(len(by), y - 0.25), "|", color=MOVED, markersize=7,
                  label="another task's" if y == 0 else None)  # fmt: skip
    static = frame[frame["set"] == "static"][metric].mean()
    axis.axvline(static, color="0.8", linewidth=1, zorder=0)
    axis.set_yticks(range(len(names)), list(reversed(names)))
    axis.legend(ncols=2, frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axis.spines[["top", "right"]].set_visible(False)
