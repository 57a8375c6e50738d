"""What a step of a differentiable search costs, against a plain step of the same supernet.

    python benchmarks/search/darts_speed.py [--steps 60] [--repeats 7]

A plain step moves the weights by one batch of training rows. A first-order step moves alpha, by one
batch of validation rows, and then the weights; a second-order step looks one step of the weights
ahead for alpha. A last line of each case is the eigenvalue of the Hessian in alpha, which a search
computes once an epoch. Batches have 64 rows; one thread. Seconds are CPU seconds of the process;
of the repeats, in which the kinds take turns, the median; ratios are of the same run. The floor of
the first order is 2: two passes forward and backward, on as many rows each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, machine, markdown, threads, timed, write

CASES = {"sklearn/breast_cancer": "darts-mlp", "digits-image/0123456789/8": "darts-cnn"}
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
        order: Learner(task, cell, order=order, epochs=27, seed=0, settings=settings)
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
        rows += [
            {
                "space": space_name, "task": task_name, "step": kind,
                "ms": 1000.0 * median(times), "plain steps": median(times) / plain,
            }
            for kind, times in seconds.items()
        ]  # fmt: skip
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
