"""What a step of a differentiable search costs, against a plain step of the same supernet.

    python benchmarks/search/darts_speed.py [--steps 60] [--repeats 7]

A plain step moves the weights by one batch of training rows. A first-order step moves alpha, by one
batch of validation rows, and then the weights; a second-order step looks one step of the weights
ahead for alpha. A last line of each case is the eigenvalue of the Hessian in alpha, which a search
computes once an epoch. Batches have 64 rows; one thread. Seconds are CPU seconds of the process;
of the repeats, in which the kinds take turns, the median; ratios are of the same run. The floor of
the first order is 2: two passes forward and backward, on as many rows each.

Beside them what a search of 27 epochs costs, in full trainings of a cell of the space: counted in
multiply-adds (`search_cost`, by which budgets are charged), and measured: seconds of its steps over
the mean seconds of training 8 cells of the space, spread over it, for 27 epochs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from math import nan
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, machine, markdown, threads, timed, write

CASES = {"sklearn/breast_cancer": "darts-mlp", "digits-image/0123456789/8": "darts-cnn"}
EPOCHS, BATCH, CELLS = 27, 64, 8
TARGET = 3.0
"""Plain steps that a first-order step may take."""


def steps_of(task_name: str, space_name: str) -> dict[str, Callable[[], Any]]:
    """Kind of step -> takes one."""
    from infoprior.search.darts.learner import Learner
    from infoprior.search.darts.settings import DartsSettings
    from infoprior.spaces import get_space
    from infoprior.tasks import load_task

    task, cell = load_task(task_name), get_space(space_name).cell
    settings = DartsSettings()
    learners = {
        order: Learner(task, cell, order=order, epochs=EPOCHS, seed=0, settings=settings)
        for order in (1, 2)
    }
    first = learners[1]
    batch = tuple(rows[: settings.batch_size] for rows in first.train)
    other = tuple(rows[: settings.batch_size] for rows in first.validation)
    rate = settings.learning_rate

    def both(order: int) -> None:
        learners[order].alpha_step(batch, other, rate)
        learners[order].weight_step(batch, rate)

    return {
        "plain": lambda: first.weight_step(batch, rate),
        "first order": lambda: both(1),
        "second order": lambda: both(2),
        "eigenvalue": lambda: first.eigenvalue(),
    }


def training_seconds(task_name: str, space_name: str) -> float:
    """Of a full training of a cell, the mean over cells of the space."""
    from infoprior.spaces import get_space
    from infoprior.tasks import load_task
    from infoprior.training import train

    task, space = load_task(task_name), get_space(space_name)
    points = [{**point, "batch_size": BATCH} for point in space.design(CELLS)]
    train(task, points[0], space=space, epochs=1)
    return mean(timed(lambda p=p: train(task, p, space=space, epochs=EPOCHS))[1] for p in points)


def search_costs(task_name: str, space_name: str) -> dict[str, tuple[float, int]]:
    """Kind of step -> what a search costs in full trainings, counted, and its number of steps."""
    from infoprior.search.darts import search_cost
    from infoprior.spaces import get_space
    from infoprior.tasks import load_task
    from infoprior.training._data import batches

    task, space = load_task(task_name), get_space(space_name)
    steps = EPOCHS * len(batches(len(task.train), BATCH))
    kinds = {"first order": 1, "second order": 2}
    return {kind: (search_cost(task, space, order=order), steps) for kind, order in kinds.items()}


def measure(steps: int, repeats: int) -> list[dict[str, Any]]:
    rows = []
    for task_name, space_name in CASES.items():
        kinds = steps_of(task_name, space_name)
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        for repeat in range(repeats + 1):
            for kind, step in kinds.items():
                times = max(1, steps // 20) if kind == "eigenvalue" else steps
                _, taken = timed(lambda step=step, times=times: [step() for _ in range(times)])
                if repeat:  # the first warms up
                    seconds[kind].append(taken / times)
        plain = median(seconds["plain"])
        training = training_seconds(task_name, space_name)
        costs = search_costs(task_name, space_name)
        for kind, times in seconds.items():
            counted, n = costs.get(kind, (nan, 0))
            rows.append(
                {
                    "space": space_name, "task": task_name, "step": kind,
                    "ms": 1000.0 * median(times), "plain steps": median(times) / plain,
                    "search, full trainings counted": counted,
                    "search, full trainings measured": n * median(times) / training if n else nan,
                }
            )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    threads(1)
    rows = measure(options.steps, options.repeats)
    slow = [r for r in rows if r["step"] == "first order" and r["plain steps"] > TARGET]
    verdict = "missed" if slow else "met"
    text = (
        "# A step of a differentiable search\n\n"
        f"{machine()}, one thread. At most {TARGET:g} plain steps in first order: {verdict}.\n\n"
        f"{markdown(rows)}\n\n"
        "Made by `python benchmarks/search/darts_speed.py`, whose first lines say how.\n"
    )
    write(RESULTS / "search" / "darts_speed.md", text)
    print(text)


if __name__ == "__main__":
    main()
