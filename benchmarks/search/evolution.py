"""Structural evolution: does the convergence bound hold, and what is information worth in it?

    python benchmarks/search/evolution.py [--tasks 4] [--seeds 5] [--write-only]

Runs of one full training (27 epochs) from a network too narrow (4, 4) and one too wide (128, 128),
on packaged real tasks. Arms: "information" (`evolve` as it is, whose assessments are paid for by
epochs that are not trained), "random" (random layers and units at the steps and with the kinds of
change of the first arm, for as many epochs), "none" (as many epochs, no change), "full" (no change,
for the same budget: 27 epochs). No setting is tuned on these tasks. Accuracy is that on test rows
after the epoch, at the end of a step, of the least validation loss.

The bound: ||S(t) - S*|| <= C / sqrt(t), S* the last structure. The theorem's C is also that of its
condition KL <= C, which is enforced at 0.05; beside it, C is fitted: the least with which a run's
bound holds at all its steps, and how often the median of the other tasks' runs' holds.

Rows go to benchmarks/results/search/evolution.csv as they are measured; a run resumes there.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, append_row, markdown, read_rows, write

TASKS = ("sklearn/breast_cancer", "sklearn/digits", "sklearn/wine", "sklearn/iris")
STARTS = {"narrow": (4, 4), "wide": (128, 128)}
ARMS = ("information", "random", "none", "full")
FULL = 27
PATH = RESULTS / "search" / "evolution.csv"
KL_BOUND = 0.05


def measure(tasks: list[str], seeds: int) -> None:
    """Every run that isn't there yet."""
    from infoprior.search.evolution import evolve
    from infoprior.spaces._mlp import MLP
    from infoprior.tasks import load_task

    done = {(r["task"], r["start"], r["seed"], r["arm"]) for r in read_rows(PATH)}
    for name in tasks:
        task = load_task(name)
        for seed in range(seeds):
            for start, widths in STARTS.items():
                if all((name, start, str(seed), arm) in done for arm in ARMS):
                    continue
                network = MLP(task.n_features, task.n_classes, widths, "gelu", seed=seed)
                schedule: Any = None
                epochs = FULL
                for arm in ARMS:
                    changes = arm in ("information", "random")
                    evolution = evolve(
                        network, task, learning_rate=3e-3, seed=seed, epochs=FULL,
                        budget=1.0 if arm in ("information", "full") else epochs / FULL,
                        strategy="information" if arm == "information" else "random",
                        schedule=schedule if changes or schedule is None else schedule.iloc[:0],
                    )  # fmt: skip
                    if arm == "information":
                        schedule, epochs = evolution.events, evolution.epochs
                    if (name, start, str(seed), arm) not in done:
                        append_row(PATH, _row(name, start, seed, arm, evolution))


def _row(task: str, start: str, seed: int, arm: str, evolution: Any) -> dict[str, Any]:
    from infoprior.search.evolution import widths

    ends = evolution.curve[evolution.curve["epoch"].isin(evolution.structure["epoch"])]
    best = ends.loc[ends["validation_loss"].idxmin()]
    distances = evolution.convergence["distance"]
    events = evolution.events["event"].value_counts()
    return {
        "task": task, "start": start, "seed": seed, "arm": arm,
        "test_accuracy": round(float(best["test_accuracy"]), 4),
        "test_loss": round(float(best["test_loss"]), 4),
        "epochs": evolution.epochs, "units": sum(widths(evolution.network).values()),
        "changes": int(events.reindex(["prune", "widen", "deepen", "mutate"]).fillna(0).sum()),
        "undone": int(events.get("undone", 0)),
        "distances": " ".join(f"{d:.4f}" for d in distances),
    }  # fmt: skip


def _distances(row: dict[str, str]) -> list[float]:
    return [float(d) for d in row["distances"].split()]


def _least(row: dict[str, str]) -> float:
    return max(math.sqrt(t) * d for t, d in enumerate(_distances(row), start=1))


def _holds(row: dict[str, str], c: float) -> list[bool]:
    return [d <= c / math.sqrt(t) + 1e-9 for t, d in enumerate(_distances(row), start=1)]


def report() -> str:
    """The tables."""
    rows = read_rows(PATH)
    arms = []
    key = ("task", "start", "seed")
    plain = {tuple(r[k] for k in key): r for r in rows if r["arm"] == "information"}
    for start in STARTS:
        for arm in ARMS:
            own = [r for r in rows if r["arm"] == arm and r["start"] == start]
            gaps = [
                float(plain[tuple(r[k] for k in key)]["test_accuracy"]) - float(r["test_accuracy"])
                for r in own
            ]
            half = 1.96 * stdev(gaps) / math.sqrt(len(gaps)) if len(gaps) > 1 else math.nan
            arms.append(
                {
                    "start": start, "arm": arm, "runs": len(own),
                    "test accuracy": mean(float(r["test_accuracy"]) for r in own),
                    "test loss": mean(float(r["test_loss"]) for r in own),
                    "information minus arm": mean(gaps), "± 95 %": half,
                    "epochs": mean(int(r["epochs"]) for r in own),
                    "units (median)": median(int(r["units"]) for r in own),
                    "changes": mean(int(r["changes"]) for r in own),
                    "undone": mean(int(r["undone"]) for r in own),
                }
            )  # fmt: skip
    own = list(plain.values())
    least = [_least(r) for r in own]
    fixed = [h for r in own for h in _holds(r, KL_BOUND)]
    others = []
    for r in own:
        c = median(_least(o) for o in own if o["task"] != r["task"])
        others += [(h, all(_holds(r, c))) for h in _holds(r, c)]
    runs = sum(
        all(_holds(r, median(_least(o) for o in own if o["task"] != r["task"]))) for r in own
    )
    bound = [
        {
            "C": "0.05, of the condition KL <= C", "steps where it holds": mean(fixed),
            "runs where it always holds": mean(all(_holds(r, KL_BOUND)) for r in own),
        },
        {
            "C": "median least C of the other tasks' runs",
            "steps where it holds": mean(h for h, _ in others),
            "runs where it always holds": runs / len(own),
        },
    ]  # fmt: skip
    return (
        "# Structural evolution\n\nMade by `benchmarks/search/evolution.py`; see there.\n\n"
        f"## Arms\n\n{markdown(arms)}\n\n## The convergence bound\n\n"
        f"{len(own)} runs. Least C: median {median(least):.2f}, from {min(least):.2f} to "
        f"{max(least):.2f}.\n\n{markdown(bound)}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=len(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write-only", action="store_true")
    options = parser.parse_args()
    if not options.write_only:
        measure(list(TASKS[: options.tasks]), options.seeds)
    write(PATH.with_suffix(".md"), report())


if __name__ == "__main__":
    main()
