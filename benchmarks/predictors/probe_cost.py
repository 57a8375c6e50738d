"""What a predicted prior costs before the search begins, in full trainings of a network.

    python benchmarks/predictors/probe_cost.py [--space tabular] [--networks 48] [--tasks 5]

Per task, in one process and one thread: training the space's probes, measuring their layers, the
meta-features and, where it belongs to the reading (`infoprior.profiles.READINGS`), the input
profile; in CPU seconds over the median of the shared design's networks, each trained for 27 epochs.
Prints the ratios as markdown tables, first the parts that params.yaml charges (`hyperband.costs`),
then what they consist of. The tasks have 1,300 to 2,100 training and validation rows.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd
import torch

from infoprior.metadataset import published_task
from infoprior.profiles import (
    READINGS,
    Reading,
    get_recipe,
    input_encoders,
    input_profile,
    profile_networks,
)
from infoprior.profiles._reading import HiddenLayers
from infoprior.spaces import SearchSpace, get_space
from infoprior.tasks import Task, metafeatures
from infoprior.training import train

TASKS = ("keel/segment", "r/Chile", "r/Kakadu", "common/kc1", "sklearn/digits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--space", choices=READINGS, default="tabular")
    parser.add_argument("--networks", type=int, default=48, help="of the shared design, per task")
    parser.add_argument("--tasks", type=int, default=len(TASKS), help="the first so many")
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, reading = get_space(options.space), READINGS[options.space]
    warm_up(space, reading)
    charged, parts = [], []
    for name in TASKS[: options.tasks]:
        task = published_task(name)
        full = [
            seconds(partial(train, task, point, space=space))
            for point in space.shared_design(options.networks)
        ]
        row, detail = reading_cost(task, space, reading)
        median = float(np.median(full))
        about = {"task": name, "full training (s)": median}
        ratios = {what: value / median for what, value in row.items()}
        charged.append(about | ratios | {"together": sum(ratios.values())})
        charged[-1]["mean / median training"] = float(np.mean(full)) / median
        parts.append({"task": name} | {what: value / median for what, value in detail.items()})
    print(f"In median full trainings of {options.networks} networks:\n")
    show(charged)
    print("\nOf which, and of a whole input profile:\n")
    show(parts)


def warm_up(space: SearchSpace, reading: Reading) -> None:
    """Call everything once: the first calls load libraries, and compile."""
    small = published_task("sklearn/wine")
    for point in space.shared_design(8):
        train(small, point, space=space, epochs=1)
    reading_cost(small, space, reading)


def reading_cost(
    task: Task, space: SearchSpace, reading: Reading
) -> tuple[dict[str, float], dict[str, float]]:
    """CPU seconds of the parts of a reading, and of what these consist of."""
    networks, detail = [], {}

    def learn(name: str, params: Any) -> None:
        training = train(
            task, params, space=space, epochs=reading.epochs,
            schedule_epochs=reading.schedule_epochs,
        )  # fmt: skip
        networks.append((HiddenLayers(training.network), name, reading.epochs))

    for name, params in reading.probes.items():
        detail[name] = seconds(partial(learn, name, params))
    recipe = None if reading.recipe is None else get_recipe(reading.recipe)
    row = {
        "probes": sum(detail.values()),
        "layers": seconds(lambda: profile_networks(networks, task, recipe=recipe)),
        "meta-features": seconds(lambda: metafeatures(task)),
    }
    if reading.encodings:
        every = input_encoders()
        encoders = {name: every[name] for name in reading.encodings}
        row["inputs"] = seconds(lambda: input_profile(task, encoders, linear_only=True))
        detail["inputs, no encoding"] = seconds(lambda: input_profile(task, linear_only=True))
        detail["inputs, everything"] = seconds(lambda: input_profile(task, every))
    return row, detail


def seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of a call: what else the machine does counts less."""
    start = time.process_time()
    call()
    return time.process_time() - start


def show(rows: list[dict[str, Any]]) -> None:
    """A markdown table, with the mean below."""
    table = pd.DataFrame(rows)
    table.loc[len(table)] = {"task": "mean", **table.drop(columns="task").mean()}
    print("| " + " | ".join(table.columns) + " |")
    print("| --- |" + " ---: |" * (len(table.columns) - 1))
    for row in table.itertuples(index=False):
        print(f"| {row[0]} | " + " | ".join(f"{value:.3f}" for value in row[1:]) + " |")


if __name__ == "__main__":
    main()
