"""The tables and the figure of mi_accuracy.py."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import machine, markdown


def report(rows: list[dict[str, str]]) -> str:
    """Tables of errors by kind, group and n, and of errors by task."""
    parts = [
        "# Mutual information against the truth\n",
        "`python benchmarks/information/mi_accuracy.py`; nats; error = estimate − truth; "
        "*mean abs. error* is the mean over tasks of the median over seeds of the absolute error, "
        "*bias* the mean over tasks of the mean error, *worst* the largest of those medians; "
        "seconds are the mean CPU seconds of a call for one pair, one thread. "
        f"{machine()}.\n",
    ]
    for kind in ("pairs", "layers", "noisy"):
        for group in ("development", "confirmation", "file"):
            here = [r for r in rows if (r["kind"], r["group"]) == (kind, group)]
            for n in sorted({int(r["n"]) for r in here}):
                these = [r for r in here if int(r["n"]) == n]
                parts += [f"\n## {kind}, {group}, n = {n:,}\n", markdown(summary(these))]
    parts.append("\n# By task: median error over seeds\n")
    for kind in ("pairs", "layers", "noisy"):
        here = [r for r in rows if r["kind"] == kind]
        for n in sorted({int(r["n"]) for r in here}):
            these = [r for r in here if int(r["n"]) == n]
            parts += [f"\n## {kind}, n = {n:,}\n", markdown(_by_task(these))]
    return "\n".join(parts) + "\n"


def _medians(rows: list[dict[str, str]]) -> dict[str, dict[str, list[float]]]:
    """method -> task -> errors of the seeds."""
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        errors[row["method"]][row["task"]].append(float(row["error"]))
    return errors


def summary(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """One row a method: errors over tasks, and mean seconds."""
    table = []
    for method, by_task in _medians(rows).items():
        absolute = [float(np.median(np.abs(e))) for e in by_task.values()]
        seconds = [float(r["seconds"]) for r in rows if r["method"] == method]
        table.append({
            "method": method,
            "tasks": len(by_task),
            "mean abs. error": float(np.mean(absolute)),
            "bias": float(np.mean([np.mean(e) for e in by_task.values()])),
            "worst": max(absolute),
            "seconds": float(np.mean(seconds)),
        })  # fmt: skip
    return sorted(table, key=lambda row: (-row["tasks"], row["mean abs. error"]))


def _by_task(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    errors = _medians(rows)
    truths = {row["task"]: (row["group"], float(row["truth"])) for row in rows}
    return [
        {"task": task, "group": group, "truth": truth}
        | {m: float(np.median(e[task])) if task in e else float("nan") for m, e in errors.items()}
        for task, (group, truth) in sorted(truths.items(), key=lambda item: (item[1][0], item[0]))
    ]


def figure(rows: list[dict[str, str]], path: Path) -> None:
    """Error against seconds, one panel per kind, one point per method, group and n."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kinds = [k for k in ("pairs", "layers", "noisy") if any(r["kind"] == k for r in rows)]
    figure, axes = plt.subplots(1, len(kinds), figsize=(5.5 * len(kinds), 4.5), squeeze=False)
    markers = {"development": "o", "confirmation": "^", "file": "s"}
    n = max((int(r["n"]) for r in rows), default=0)
    at = 2000 if any(int(r["n"]) == 2000 for r in rows) else n
    names = sorted({r["method"] for r in rows})
    colours = {name: plt.get_cmap("tab20")(i % 20) for i, name in enumerate(names)}
    for axis, kind in zip(axes[0], kinds, strict=True):
        for group, marker in markers.items():
            these = [
                r
                for r in rows
                if (r["kind"], r["group"]) == (kind, group) and (int(r["n"]) in (at, n))
            ]
            here = [r for r in these if int(r["n"]) == (at if group != "file" else n)]
            for row in summary(here) if here else []:
                x, y = max(row["seconds"], 1e-4), row["mean abs. error"]
                axis.scatter(x, y, marker=marker, color=colours[row["method"]], s=40)
                if group == "confirmation":
                    few = row["tasks"] < len({r["task"] for r in here})
                    label = f"{row['method']} ({row['tasks']} tasks only)" if few else row["method"]
                    axis.annotate(label, (x, y), fontsize=7, xytext=(4, 3),
                                  textcoords="offset points")  # fmt: skip
        axis.set(xscale="log", xlabel="seconds a pair (one thread)", title=kind,
                 ylabel="mean absolute error (nats)")  # fmt: skip
        axis.margins(x=0.15, y=0.1)
        axis.autoscale_view()
        axis.set_ylim(0, axis.get_ylim()[1] * 1.1)
    handles = [
        plt.Line2D([], [], marker=m, color="grey", linestyle="", label=f"{g}, n = {v:,}")
        for (g, m), v in zip(markers.items(), (at, at, n), strict=True)
    ]
    axes[0][0].legend(handles=handles, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
