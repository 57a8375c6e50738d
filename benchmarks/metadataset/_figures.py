"""Figures of the generator beside real tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.metadataset._fit import standardised

REAL, HELD_OUT, SYNTHETIC = "#c1440e", "#e8a33d", "#3b6ea5"
SHOWN = {
    "log_features": "ln features",
    "log_classes": "ln classes",
    "minority_share": "rarest class (1: balanced)",
    "binary_fraction": "binary features",
    "mode_share": "share of the mode",
    "skewness": "mean |skewness|",
    "correlation": "mean |correlation|",
    "pca_95": "components for 95 %",
    "class_signal_max": "largest η² of a feature",
    "skill_linear": "skill, linear",
    "skill_tree": "skill, tree",
    "skill_nearest": "skill, nearest neighbor",
}


def metafeature_figure(
    training: pd.DataFrame, held_out: pd.DataFrame, kept: pd.DataFrame, path: Path
) -> None:
    """Distribution functions of twelve numbers, and the plane of the two main components."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, grid = plt.subplot_mosaic(
        [["p", "p", *"abcd"], ["p", "p", *"efgh"], ["p", "p", *"ijkl"]],
        figsize=(16, 7.5), layout="constrained",
    )  # fmt: skip
    groups = (
        (kept, f"synthetic ({len(kept)})", SYNTHETIC),
        (training, f"real, families fitted to ({len(training)})", REAL),
        (held_out, f"real, other families ({len(held_out)})", HELD_OUT),
    )
    for letter, (column, title) in zip("abcdefghijkl", SHOWN.items(), strict=True):
        axis = grid[letter]
        for frame, _, color in groups:
            axis.ecdf(frame[column], color=color, linewidth=1.6)
        axis.set_title(title, fontsize=10)
        axis.set_yticks([0, 0.5, 1])
        axis.spines[["top", "right"]].set_visible(False)
    real = pd.concat([training, held_out])
    reference = standardised(real, real)
    center = reference.mean(0)
    directions = np.linalg.svd(reference - center, full_matrices=False)[2][:2]
    for frame, label, color in groups:
        x, y = directions @ (standardised(frame, real) - center).T
        small = frame is kept
        grid["p"].scatter(
            x, y, s=9 if small else 55, color=color, label=label, alpha=0.35 if small else 1.0,
            edgecolors="none" if small else "white", linewidths=0.6,
        )  # fmt: skip
    grid["p"].set_title("Two main components of real tasks' meta-features", fontsize=11)
    grid["p"].set_xlabel("first component")
    grid["p"].set_ylabel("second component")
    grid["p"].legend(frameon=False, loc="best")
    grid["p"].spines[["top", "right"]].set_visible(False)
    figure.suptitle("Synthetic tasks beside real ones: share of tasks below a value", fontsize=13)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def ranking_figure(
    real: np.ndarray, synthetic: np.ndarray, table: pd.DataFrame, path: Path
) -> None:
    """Mean ranks of the architectures, and how well each static ranking fits each real task."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), layout="constrained")
    left.axline((0, 0), slope=1, color="0.8", zorder=0)
    left.scatter(real, synthetic, color=SYNTHETIC, s=45)
    for k, (x, y) in enumerate(zip(real, synthetic, strict=True)):
        left.annotate(str(k), (x, y), xytext=(5, 3), textcoords="offset points", fontsize=8)
    left.set_xlabel("mean rank on real tasks (1: best)")
    left.set_ylabel("mean rank on synthetic tasks")
    left.set_title(f"{len(real)} architectures")
    right.axline((0, 0), slope=1, color="0.8", zorder=0)
    for out, label, color in (
        (False, "families fitted to", REAL),
        (True, "other families", HELD_OUT),
    ):
        part = table[table.held_out == out]
        right.scatter(
            part.spearman_other_real, part.spearman_synthetic, color=color, label=label, s=45
        )
    right.set_xlabel("Spearman with the ranking of other real families")
    right.set_ylabel("Spearman with the ranking of synthetic tasks")
    right.set_title("Each point is a real task")
    right.legend(frameon=False)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)
    plt.close(figure)
