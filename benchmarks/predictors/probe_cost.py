"""What a predicted prior costs before the search begins, in full trainings of a network.

    python benchmarks/predictors/probe_cost.py [--tasks 8] [--networks 16]

Per task, in one process and one thread: training the probes, measuring their layers, the
meta-features, and the mean time of the shared design's networks for 27 epochs. Prints the ratios
as a markdown table; the means are what params.yaml charges (`hyperband.costs`). Needs data/tasks
(`dvc repro tasks`).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import pandas as pd
import torch

from infoprior.profiles import PROBES, profile_networks
from infoprior.spaces import get_space
from infoprior.tasks import Task, metafeatures
from infoprior.training import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=int, default=8, help="evenly spaced over the list")
    parser.add_argument("--networks", type=int, default=16, help="of the design, per task")
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(Path("data/tasks").glob("*.safetensors"))
    if not files:
        raise SystemExit("No tasks in data/tasks: run `dvc repro tasks` first.")
    space = get_space("mlp")
    rows = []
    for file in files[:: max(1, len(files) // options.tasks)][: options.tasks]:
        task = Task.load(file)
        if not rows:  # the first call of everything loads libraries
            metafeatures(task)
            network = train(task, PROBES["probe-a"], space=space, epochs=1).network
            profile_networks([(network, "probe-a", 1)], task)
        clock = Clock()
        for point in space.design(options.networks):
            train(task, point, space=space)
        full = clock.lap() / options.networks
        networks = [
            (train(task, point, space=space).network, name, 27) for name, point in PROBES.items()
        ]
        probes = clock.lap()
        profile_networks(networks, task)
        layers = clock.lap()
        metafeatures(task)
        meta = clock.lap()
        rows.append({"task": task.name, "full training (s)": full, "probes": probes / full,
                     "measuring MI": layers / full, "meta-features": meta / full})  # fmt: skip
    table = pd.DataFrame(rows)
    table.loc[len(table)] = {"task": "mean", **table.drop(columns="task").mean()}
    print("In full trainings (columns 3 to 5):\n")
    print("| " + " | ".join(table.columns) + " |")
    print("| --- |" + " ---: |" * (len(table.columns) - 1))
    for row in table.itertuples(index=False):
        print(f"| {row[0]} | " + " | ".join(f"{value:.2f}" for value in row[1:]) + " |")


class Clock:
    """CPU seconds between laps: what else the machine does counts less."""

    def __init__(self) -> None:
        self.last = time.process_time()

    def lap(self) -> float:
        now = time.process_time()
        passed, self.last = now - self.last, now
        return passed


if __name__ == "__main__":
    main()
