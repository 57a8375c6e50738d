"""Stage `networks`: train the same architectures on every task; every finished task is a file."""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, SHARDS, code_version, fan_out, file_name, read_params, write_parquet,
)  # fmt: skip

import time
from functools import lru_cache

import pandas as pd

from infoprior.fingerprints import fingerprint
from infoprior.parallel import run_jobs
from infoprior.spaces import get_space
from infoprior.tasks import Task

CODE = ("pipeline.networks", "infoprior.training", "infoprior.spaces")


@lru_cache(maxsize=4)
def read_task(path: str) -> Task:
    return Task.load(path)


def train_all(path: str, space: str, points: list[dict], seed: int, epochs: int) -> dict:
    """The learning curves of one task's networks at the rungs, and how long they took."""
    from infoprior.training import RUNGS, train_many

    start = time.perf_counter()
    trainings = train_many(
        read_task(path),
        [(point, seed) for point in points],
        space=get_space(space),
        epochs=epochs,
        record=sorted({*(rung for rung in RUNGS if rung < epochs), epochs}),
    )
    return {"curves": [t.curve for t in trainings], "seconds": time.perf_counter() - start}


def main() -> None:
    params = read_params("networks")
    space = get_space(params["space"])
    points = space.shared_design(params["architectures"], seed=params["seed"])
    # The published meta-dataset's names where its design is meant, others where it is not.
    prefix = "a" if params["seed"] == 0 else f"s{params['seed']}-a"
    architectures = {f"{prefix}{i:03d}": point for i, point in enumerate(points)}
    tasks = pd.read_parquet(DATA / "tasks" / "tasks.parquet")
    code = code_version(*CODE)
    jobs, labels = {}, {}
    for task, digest in zip(tasks.task, tasks.digest, strict=True):
        path = str(DATA / "tasks" / f"{file_name(task)}.safetensors")
        for seed in range(params["seeds"]):
            arguments = (path, space.name, points, seed, params["epochs"])
            key = f"{file_name(task)}.s{seed}."
            key += fingerprint(digest, code, *arguments[1:])
            jobs[key] = arguments
            labels[key] = {"task": task, "seed": seed}
    results = run_jobs(
        train_all, jobs, directory=SHARDS / "networks", description="networks", **fan_out()
    )
    curves = pd.DataFrame(
        [
            {**labels[key], "architecture": name, **row}
            for key, result in results.items()
            for name, curve in zip(architectures, result["curves"], strict=True)
            for row in curve
        ]
    )
    seconds = pd.DataFrame(
        [{**labels[key], "seconds": result["seconds"]} for key, result in results.items()]
    )
    folder = DATA / "networks"
    write_parquet(curves, folder / "curves.parquet")
    table = pd.DataFrame([{"architecture": k, **point} for k, point in architectures.items()])
    write_parquet(table, folder / "architectures.parquet")
    # Seconds differ from run to run: they stay beside the shards, out of what DVC hashes.
    write_parquet(seconds, SHARDS / "networks-seconds.parquet")
    diverged = curves[curves.epoch == params["epochs"]].diverged.mean()
    networks = len(results) * len(points)
    print(f"{networks} networks, {diverged:.1%} of them diverged; {len(curves)} rows of curves")


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from pipeline import networks

    networks.main()
