"""Stage `tasks`: read the packaged data sets, fix their splits, compute their meta-features."""

from __future__ import annotations

import shutil

from pipeline.common import DATA, file_name, pool, read_params, write_parquet  # isort: skip

import pandas as pd
from joblib import delayed
from tqdm import tqdm

from infoprior.spaces import get_space
from infoprior.tasks import GENERATORS, catalogue, load_task, read_table, task_columns


def prepare(name: str, params: dict, folder: str) -> dict | None:
    """Save one task; its row of the table of tasks, or None where it has too few rows.

    name: of a task, or "<path>:<target>" of a table of one's own.
    """
    caps = {key: params[key] for key in ("max_train", "max_validation", "max_test")}
    path, colon, target = name.rpartition(":")
    if colon:
        task = read_table(path, target, seed=params["seed"], **caps)
    else:
        task = load_task(name, seed=params["seed"], **caps)
    if len(task.y) < params["min_rows"]:
        return None
    task.save(f"{folder}/{file_name(task.name)}.safetensors")
    return {**task_columns(task), "digest": task.digest}


def choose(params: dict, generator: str) -> list[str]:
    """Tables of one's own, what the catalogue has of the asked-for kinds, and synthetic tasks."""
    infos = [info for info in catalogue() if info.kind in params["kinds"]]
    if params["one_per_family"]:
        # The first of a family in the catalogue's order stands for it.
        infos = list({info.family: info for info in reversed(infos)}.values())
    names = sorted(info.name for info in infos if info.name not in params["exclude"])
    if params["limit"]:
        names = names[: params["limit"]]
    names = [*params["tables"], *names]
    first = params["synthetic_from"]
    return names + [f"{generator}/{i}" for i in range(first, first + params["synthetic"])]


def main() -> None:
    params = read_params("tasks")
    # Each generator for the space whose published rows have its tasks.
    space = get_space(read_params("networks")["space"])
    names = choose(params, GENERATORS[1] if space.encodes_inputs else GENERATORS[0])
    folder = DATA / "tasks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    calls = (delayed(prepare)(name, params, str(folder)) for name in names)
    finished = pool()(calls)
    rows = list(tqdm(finished, total=len(names), desc="tasks", unit="task", mininterval=1))
    table = pd.DataFrame([row for row in rows if row is not None])
    if twice := sorted(set(table["task"][table["task"].duplicated()])) if len(table) else []:
        raise SystemExit(f"Two tables are called {twice[0]!r}: give one of the files another name.")
    if table.empty:
        raise SystemExit("No task to measure: see the section `tasks` of params.yaml.")
    write_parquet(table, folder / "tasks.parquet")
    kinds = ", ".join(f"{n} {kind}" for kind, n in table.kind.value_counts().items())
    print(f"{len(table)} tasks of {table.family.nunique()} families: {kinds}")


if __name__ == "__main__":
    main()
