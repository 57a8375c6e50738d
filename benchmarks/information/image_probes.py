"""What the image probes cost, layer by layer, and what the short recipe gives up for its speed.

    OMP_NUM_THREADS=1 python benchmarks/information/image_probes.py

Trains `IMAGE_PROBES` on tasks of images and reads every layer alone after epochs 3 and 27, with the
recipes "maps" and "maps-short". Seconds are of one core's processor time; beside them stands the
rate of matrix products in the same run, which tells how busy the machine was.
Writes benchmarks/results/information/image_probes.csv: one row per task, probe, epoch and layer;
nats.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import pandas as pd
import torch

from benchmarks._common import RESULTS
from infoprior.information import estimate
from infoprior.profiles import IMAGE_PROBES, RECIPES, profile_images
from infoprior.spaces import get_space
from infoprior.tasks import Task, load_task
from infoprior.training import train_many

TASKS = ("mnist/0123456789/14", "mnist/358/7", "digits-image/0123456789/8")
RESULT = RESULTS / "information" / "image_probes.csv"
ROWS = 1500
"""Of the recipes."""


def seconds(function: Any, *arguments: Any, **options: Any) -> tuple[Any, float]:
    """What a call returns, and its processor time."""
    start = time.process_time()
    return function(*arguments, **options), time.process_time() - start


def gigaflops() -> float:
    a = torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0))
    a @ a
    _, taken = seconds(lambda: [a @ a for _ in range(10)])
    return 10 * 2 * 1024**3 / taken / 1e9


def measure(task: Task) -> list[dict[str, Any]]:
    rows = []
    known = torch.from_numpy(task.X[[*task.train, *task.validation]][:ROWS])
    labels = task.y[[*task.train, *task.validation]][:ROWS]
    for name, params in IMAGE_PROBES.items():
        trained, taken = seconds(
            train_many, task, [(params, 0)], space=get_space("cnn"), record=(1, 3, 9, 27),
            snapshots=(3, 27),
        )  # fmt: skip
        rows.append({"probe": name, "layer": "training", "seconds_maps-short": taken})
        for epoch, network in trained[0].snapshots.items():
            for layer, t in network.activations(known).items():
                row: dict[str, Any] = {"probe": name, "epoch": epoch, "layer": layer}
                row["width"] = t[0].numel()
                for recipe in ("maps", "maps-short"):
                    one = RECIPES[recipe if t.ndim == 4 or recipe == "maps-short" else "tabular"]
                    ty, taken = seconds(
                        estimate, [t.numpy()], labels, method=one.ty_method, discrete_y=True,
                        seed=0, **one.ty_options,
                    )  # fmt: skip
                    _, more = seconds(
                        estimate, known.numpy(), [t.numpy()], method=one.xt_method,
                        discrete_y=False, seed=0, **one.xt_options,
                    )  # fmt: skip
                    row |= {f"mi_ty_{recipe}": ty[0].nats, f"seconds_{recipe}": taken + more}
                rows.append(row)
    return rows


def main() -> None:
    torch.set_num_threads(1)
    tables = []
    for name in TASKS:
        task = load_task(name, max_train=2000, max_validation=1000)
        rate = gigaflops()
        table = pd.DataFrame(measure(task))
        _, whole = seconds(profile_images, task, record=(1, 3, 9, 27))
        table.loc[len(table), ["probe", "layer", "seconds_maps-short"]] = ["all", "together", whole]
        table.insert(0, "task", name)
        table["gigaflops"] = (rate + gigaflops()) / 2
        tables.append(table)
        gap = table["mi_ty_maps"] - table["mi_ty_maps-short"]
        print(name, "whole profile", round(whole, 1), "s;", round(float(table["gigaflops"][0])),
              "GFLOP/s; maps - maps-short, nat: mean", round(gap.mean(), 3), "largest",
              round(gap.abs().max(), 3), "Spearman",
              round(table["mi_ty_maps"].corr(table["mi_ty_maps-short"], method="spearman"), 3),
              flush=True)  # fmt: skip
    pd.concat(tables).to_csv(RESULT, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
