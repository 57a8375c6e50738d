"""What the published meta-dataset is built from: its tasks, and a job for each thing to measure."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infoprior.fingerprints import fingerprint, source_fingerprint
from infoprior.metadataset import _jobs, chosen_tasks
from infoprior.metadataset._publication import Publication
from infoprior.parallel import run_jobs
from infoprior.tasks import GENERATORS, catalogue, image_catalogue
from pipeline.common import SHARDS, fan_out, file_name

FOLDER = SHARDS / "published"
KINDS = ("mlp", "profiles", "thesis", "cnn", "tabular", "inputs")
"""Of jobs: spaces of networks, probes' profiles, and what inputs say."""
SPACES = tuple(kind for kind in KINDS if kind not in ("profiles", "inputs"))
DRAWS = {"synthetic": ((300, 6), (1000, 4)), "real": ((1500, 6), (math.inf, 4))}
"""By kind: of fewer training rows than the first number, so many draws of labels; `draws` of
what is not named, and of images. Single draws of real tables agree less (few test rows, other
splits: a median Spearman of 0.55 below 1,500 rows, 0.73 above), and small tasks cost less."""


@dataclass(frozen=True)
class Job:
    """One job of the build: its key, what it is of, and what it is called with."""

    key: str
    kind: str  # one of KINDS
    task: str
    draw: int
    arguments: tuple[Any, ...]


def task_names(params: dict[str, Any], fraction: float = 1.0) -> list[str]:
    """Packaged tables and images, and synthetic tasks; a fraction, drawn by a hash of names."""
    packaged = [*(info.name for info in catalogue()), *(info.name for info in image_catalogue())]
    names = sorted(name for name in packaged if name not in params["exclude"])
    names += chosen_tasks(params["synthetic"])
    names += [f"{GENERATORS[1]}/{i}" for i in range(params["tabular_synthetic"])]
    return [n for n in names if zlib.crc32(n.encode()) % 10_000 < round(fraction * 10_000)]


def describe(names: list[str], params: dict[str, Any], draw: int) -> dict[str, dict[str, Any]]:
    """Name -> its row, number of rows and digest, for one draw."""
    code = source_fingerprint("infoprior.tasks")
    source = {info.name: info.source for info in catalogue()}
    source |= {info.name: info.source for info in image_catalogue()}
    jobs = {}
    for name in names:
        version = fingerprint(code, source.get(name), _jobs.CAPS, _jobs.IMAGE_CAPS)
        jobs[f"task.{file_name(name)}.d{draw}.{version}"] = (name, draw)
    results = run_jobs(
        _jobs.task_row, jobs, directory=FOLDER / "tasks", description=f"tasks, draw {draw}",
        **fan_out(),
    )  # fmt: skip
    rows = {arguments[0]: results[key] for key, arguments in jobs.items()}
    return {n: row for n, row in rows.items() if row["rows"] >= params["min_rows"]}


def spaces_of(name: str, images: Collection[str]) -> tuple[str, ...]:
    """Spaces whose networks are trained on a task, but for `thesis`."""
    if name in images:
        return ("cnn",)
    generator = name.partition("/")[0]
    if generator in GENERATORS:
        return ("mlp",) if generator == GENERATORS[0] else ("tabular",)
    return ("mlp", "tabular")


def draws_of(kind: str, n_train: int, least: int) -> int:
    """How many independent draws of labels a table gets."""
    return max([least, *(draws for below, draws in DRAWS.get(kind, ()) if n_train < below)])


def plan(params: dict[str, Any], names: list[str]) -> tuple[dict[str, dict[str, Any]], list[Job]]:
    """The first draws' rows by task, and all jobs: first draws and profiles first."""
    first = describe(names, params, 0)
    images = {info.name for info in image_catalogue()}
    trained = {name: spaces_of(name, images) for name in first}
    draws = {
        n: draws_of(
            r["columns"]["kind"] if "mlp" in trained[n] else "", r["columns"]["n_train"],
            params["draws"],
        )
        for n, r in first.items()
    }  # fmt: skip
    rows = {0: first}
    for draw in range(1, max(draws.values(), default=1)):
        rows[draw] = describe([n for n in first if draws[n] > draw], params, draw)
    jobs: list[Job] = []

    for draw, described in rows.items():
        for name, row in described.items():
            for space in trained[name]:
                jobs.append(network_job(params, space, name, draw, row["digest"]))
        if draw == 0:
            probed = (params["epochs"], params["max_rows"])
            for name, row in described.items():
                if trained[name] != ("tabular",):
                    jobs.append(_job("profiles", name, 0, row["digest"], name, *probed))
                if "tabular" in trained[name]:
                    jobs.append(_job("inputs", name, 0, row["digest"], name))
        for name, row in described.items():
            real = name not in images and first[name]["columns"]["kind"] == "real"
            if real and draw < params["draws"]:
                jobs.append(network_job(params, "thesis", name, draw, row["digest"]))
    return first, jobs


def network_job(params: dict[str, Any], space: str, name: str, draw: int, digest: str) -> Job:
    """The job that trains a task's networks of a space, on one draw."""
    return _job(
        space, name, draw, digest, name, draw, space, *sizes(params, space), params["epochs"]
    )


def _job(kind: str, name: str, draw: int, digest: str, *arguments: Any) -> Job:
    key = f"{kind}.{file_name(name)}.d{draw}."
    key += fingerprint(_jobs.VERSION, kind, digest, draw, *arguments)
    return Job(key, kind, name, draw, arguments)


def sizes(params: dict[str, Any], space: str) -> tuple[int, int]:
    """How many architectures of a space a task gets: shared by all tasks, and of its own."""
    return (params["shared"], params["own"]) if space == "mlp" else (params[space], 0)


def finished(
    jobs: list[Job], published: Publication | None, folder: Path = FOLDER
) -> tuple[set[str], set[str]]:
    """Keys of the jobs that are published, and of those that a shard holds."""
    there = set(published.tables["jobs"]["key"]) if published else set()
    in_package = {job.key for job in jobs} & there
    return in_package, {
        job.key
        for job in jobs
        if job.key not in in_package and (folder / job.kind / f"{job.key}.json").exists()
    }
