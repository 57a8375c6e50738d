"""What becomes of the cells that differentiable searches choose, against cells drawn at random.

    python benchmarks/search/darts_selection.py [--tasks 6] [--seeds 2] [--write-only]

On each of the first real tables with 300 to 1,000 training rows, by name, one a family: the cell
that alpha prefers after 27 epochs, in first and in second order; that of the alpha before the
eigenvalue grew (early stopping, first order); the one chosen by removal (from the first-order
supernet); and the control, a cell drawn uniformly from the space. Every cell is trained anew under
the five settings of `TRAINING_SETTINGS`: the table has the mean test accuracy over the settings
and that under the setting that is best on validation rows, and of both the difference from the
control, with the standard error over tasks. Rows go to
benchmarks/results/search/darts_selection.csv as they are measured; a run resumes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, append_row, machine, markdown, read_rows, threads, write

CSV = RESULTS / "search" / "darts_selection.csv"
CONTROL = "random cell"
CHOICES = ("first order", "second order", "early stopping", "by removal", CONTROL)


def task_names(n: int) -> list[str]:
    """The first n tables of a middling size, one a family."""
    from infoprior.tasks import catalogue, load_task

    names: list[str] = []
    families: set[str] = set()
    for info in sorted(catalogue(), key=lambda info: info.name):
        if info.kind != "real" or info.family in families:
            continue
        if 300 <= len(load_task(info.name, progress=False).train) <= 1000:
            names.append(info.name)
            families.add(info.family)
        if len(names) == n:
            break
    return names


def cells(task: Any, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """How a cell was chosen, and the cell."""
    from infoprior.search.darts import derive, search_darts, select_by_perturbation, stopping_epoch
    from infoprior.spaces import get_space

    space: Any = get_space("darts-mlp")
    first = search_darts(task, space, seed=seed)
    yield "first order", first.params
    yield "second order", search_darts(task, space, order=2, seed=seed, eigenvalues=False).params
    # What early stopping would have stopped at: the same search, cut off.
    values = first.history["eigenvalue"].tolist()
    ends = [stopping_epoch(values[:end]) for end in range(1, len(values) + 1)]
    epoch = next((end for end in ends if end is not None), len(values))
    yield "early stopping", derive(space, first.alphas[epoch])
    yield "by removal", select_by_perturbation(first, task).params
    yield CONTROL, space.sample(1, np.random.default_rng([seed, 7]))[0]


def measure(n_tasks: int, n_seeds: int) -> None:
    from infoprior.search.darts import retrain
    from infoprior.spaces import get_space
    from infoprior.tasks import load_task

    done = {(row["task"], int(row["seed"])) for row in read_rows(CSV) if row["cell"] == CONTROL}
    for seed in range(n_seeds):
        for name in task_names(n_tasks):
            if (name, seed) in done:
                continue
            task = load_task(name)
            for how, params in cells(task, seed):
                judged = retrain(task, params, space=get_space("darts-mlp"), seed=seed)
                operations = [value for key, value in params.items() if key.startswith("edge")]
                append_row(
                    CSV,
                    {
                        "task": name, "seed": seed, "cell": how, "mean": judged.mean,
                        "best": judged.best, "skips": operations.count("skip"),
                        "nones": operations.count("none"),
                    },
                )  # fmt: skip


def summary(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a way to choose: means over tasks, and differences from the control."""
    frame = frame.drop_duplicates(["task", "seed", "cell"], keep="last")
    by_task = frame.groupby(["cell", "task"])[["mean", "best", "skips"]].mean()
    control = by_task.loc[CONTROL]
    rows = []
    for how in CHOICES:
        mine = by_task.loc[how]
        row: dict[str, Any] = {"cell": how, "skips of 6": float(mine["skips"].mean())}
        for column in ("mean", "best"):
            gain = 100.0 * (mine[column] - control[column])
            error = gain.std() / len(gain) ** 0.5
            row[f"{column} accuracy"] = float(mine[column].mean())
            row[f"{column}, points over the control"] = (
                "" if how == CONTROL else f"{gain.mean():+.2f} ± {error:.2f}"
            )
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--write-only", action="store_true")
    options = parser.parse_args()
    threads(1)
    if not options.write_only:
        measure(options.tasks, options.seeds)
    frame = pd.DataFrame(read_rows(CSV)).astype({"mean": float, "best": float, "skips": int})
    text = (
        "# Cells of differentiable searches\n\n"
        f"{frame['task'].nunique()} tasks, {frame['seed'].nunique()} seeds; {machine()}. Test "
        "accuracy of a cell trained anew for 27 epochs, its mean over five training settings and "
        "that of the best one on validation rows; ± is a standard error over tasks.\n\n"
        f"{markdown(summary(frame))}\n\n"
        "Made by `python benchmarks/search/darts_selection.py`, whose first lines say how.\n"
    )
    write(RESULTS / "search" / "darts_selection.md", text)
    print(text)


if __name__ == "__main__":
    main()
