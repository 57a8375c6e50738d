"""Stage `profiles`: train the probes on every task and measure the information in each layer.

Which probes, and whether what the inputs say is measured too, depends on the space
(`infoprior.profiles.READINGS`).
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, SHARDS, code_version, fan_out, file_name, read_params, write_parquet,
)  # fmt: skip

import time
from dataclasses import replace

import pandas as pd

from infoprior.fingerprints import fingerprint
from infoprior.parallel import run_jobs
from infoprior.profiles import PROFILE_COLUMNS, READINGS
from infoprior.tasks import Task

CODE = (
    "pipeline.profiles",
    "infoprior.training",
    "infoprior.spaces",
    "infoprior.information",
    "infoprior.profiles",
)


def profile_one(path: str, space: str, seed: int, epochs: int, recipe: str, max_rows: int) -> dict:
    """One task's probes: the rows of their layers and of their learning curves; and what its inputs
    say, where that is read for the space."""
    import torch

    from infoprior.profiles import get_recipe, profile_task

    torch.set_num_threads(1)
    start = time.perf_counter()
    profile = profile_task(
        Task.load(path),
        space=space,
        seed=seed,
        epochs=epochs,
        recipe=replace(get_recipe(recipe), max_rows=max_rows),
    )
    return {
        "layers": profile.layers[list(PROFILE_COLUMNS)].to_dict("records"),
        "curves": profile.curves.to_dict("records"),
        "inputs": dict(profile.inputs),
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    params, searched = read_params("profiles"), read_params("networks")["space"]
    # Other spaces' predictors read tables by the probes of mlp.
    space = searched if searched in READINGS else "mlp"
    tasks = pd.read_parquet(DATA / "tasks" / "tasks.parquet")
    code = code_version(*CODE)
    jobs, names = {}, {}
    for task, digest in zip(tasks.task, tasks.digest, strict=True):
        path = str(DATA / "tasks" / f"{file_name(task)}.safetensors")
        settings = (params[name] for name in ("seed", "epochs", "recipe", "max_rows"))
        arguments = (path, space, *settings)
        key = f"{file_name(task)}.{fingerprint(digest, code, *arguments[1:])}"
        jobs[key], names[key] = arguments, task
    results = run_jobs(
        profile_one, jobs, directory=SHARDS / "profiles", description="profiles", **fan_out()
    )
    folder = DATA / "profiles"
    layers = pd.DataFrame([row for result in results.values() for row in result["layers"]])
    curves = pd.DataFrame([row for result in results.values() for row in result["curves"]])
    write_parquet(layers, folder / "profiles.parquet")
    write_parquet(curves, folder / "probe_curves.parquet")
    inputs = pd.DataFrame(
        [{"task": names[key], **result["inputs"]} for key, result in results.items()]
    )
    write_parquet(inputs, folder / "inputs.parquet")
    seconds = pd.DataFrame(
        [{"task": names[key], "seconds": result["seconds"]} for key, result in results.items()]
    )
    write_parquet(seconds, SHARDS / "profiles-seconds.parquet")
    print(f"{len(layers)} layers of {layers.architecture.nunique()} probes on {len(tasks)} tasks")


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from pipeline import profiles

    profiles.main()
