"""The jobs behind the published rows: a task, its networks' learning curves, its probes' layers.

Every function takes plain arguments and returns what JSON can hold: it can run in any worker.
A **draw** is an independent draw of a task's labels: the seed of its networks and, for real data,
the split; for a synthetic task the same training and validation rows with other test rows.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from infoprior._arguments import check_seed
from infoprior.fingerprints import source_fingerprint
from infoprior.training import RUNGS

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task
    from infoprior.training import TrainedNetwork

VERSION = 2
"""Raised when the same job would give other rows: it is part of every job's key. A test repeats
published jobs and compares; beside each job stands which sources made its rows (`code`)."""

OWN_PROFILES = ("tabular",)
"""Spaces whose networks are profiled themselves, in the first draw."""

CAPS = {"max_train": 2000, "max_validation": 1000, "max_test": 5000}
"""The most rows of a real task's parts."""

IMAGE_CAPS = {"max_train": 1000, "max_validation": 400, "max_test": 2000}
"""The same for tasks of images, whose networks cost ten times as much."""

PROFILED = (3, 27)  # epochs
LOSS_DIGITS = 5  # of nats: rounding below what any seed repeats
PROFILE_DIGITS = 5  # of nats and of the other numbers of a layer


def published_task(name: str, draw: int = 0) -> Task:
    """A task as the published meta-dataset has it; its package has to be installed.

    Args:
        name: of the task.
        draw: 0 is the split that `tasks` and `profiles` describe.

    Raises:
        TaskError: there is no such task, or its package is not installed.
    """
    from infoprior.tasks import TaskError

    if not isinstance(name, str):
        raise TaskError(f"name is of type {type(name).__name__}; give a task's name.")
    return _published_task(name, check_seed(draw, TaskError, "draw"))


@lru_cache(maxsize=2)
def _published_task(name: str, draw: int) -> Task:
    from infoprior.tasks import GENERATORS, load_task, synthetic_task

    prefix, _, index = name.partition("/")
    if prefix in GENERATORS and index.isdecimal():
        return synthetic_task(int(index), draw=draw, generator=prefix)
    caps: dict[str, Any] = IMAGE_CAPS if prefix in ("mnist", "digits-image") else CAPS
    return load_task(name, seed=draw, **caps)


def task_row(name: str, draw: int) -> dict[str, Any]:
    """What is known of a task before anything is trained on it.

    Args:
        name: of the task.
        draw: of its labels; 0 is the split that the tables describe.

    Returns:
        `digest` of its rows, `rows` (how many), and of draw 0 `columns`, its row of the table of
        tasks.
    """
    from infoprior.tasks import task_columns

    task = published_task(name, draw)
    row: dict[str, Any] = {"digest": task.digest, "rows": len(task.y)}
    if draw == 0:
        row["columns"] = task_columns(task)
    return row


def design(space: SearchSpace, task: str, shared: int, own: int) -> dict[str, dict[str, Any]]:
    """The architectures trained on a task, id -> point.

    The first `shared` points of one Sobol design are on every task ("a000", ...; see
    `SearchSpace.shared_design`); `own` more are drawn for this task alone ("<task>#0", ...), so
    that all tasks together cover the space.

    Args:
        space: the search space.
        task: its name.
        shared: how many architectures all tasks share.
        own: how many this task has of its own.

    Returns:
        id -> point.
    """
    import numpy as np

    points = {f"a{i:03d}": point for i, point in enumerate(space.shared_design(shared, seed=0))}
    rng = np.random.default_rng([zlib.crc32(task.encode()), 1])
    return points | {f"{task}#{i}": point for i, point in enumerate(space.sample(own, rng))}


def train_job(
    name: str, draw: int, space: str, shared: int, own: int, epochs: int
) -> dict[str, Any]:
    """The learning curves of a task's architectures: the columns of their table.

    Args:
        name: of the task.
        draw: of its labels; the networks' seed.
        space: name of the search space.
        shared, own: how many architectures, as of `design`.
        epochs: of a full training.

    Returns:
        `curves`, the columns of `CURVE_COLUMNS` as lists; `cpu` and `seconds` that it took;
        `code`, its sources' fingerprint.
    """
    from infoprior.spaces import get_space
    from infoprior.training import train_many

    started = time.process_time(), time.perf_counter()
    task, where = published_task(name, draw), get_space(space)
    points = design(where, name, shared, own)
    record = [epoch for epoch in RUNGS if epoch <= epochs]
    profiled = draw == 0 and space in OWN_PROFILES
    trainings = train_many(
        task,
        [(point, draw) for point in points.values()],
        space=where,
        epochs=epochs,
        record=record,
        snapshots=[epoch for epoch in PROFILED if epoch <= epochs] if profiled else (),
    )
    rows = [
        {"architecture": architecture, **_rounded(row)}
        for architecture, training in zip(points, trainings, strict=True)
        for row in training.curve
    ]
    result: dict[str, Any] = {"curves": {c: [row[c] for row in rows] for c in rows[0]}}
    rooms = ["infoprior.training", "infoprior.spaces"]
    if profiled:
        result["layers"] = _own_layers(task, dict(zip(points, trainings, strict=True)))
        rooms += ["infoprior.information", "infoprior.profiles"]
    return result | {
        "code": code(*rooms),
        "cpu": time.process_time() - started[0],
        "seconds": time.perf_counter() - started[1],
    }


def _own_layers(task: Task, trainings: Mapping[str, TrainedNetwork]) -> dict[str, list[Any]]:
    """The layers of every network at the epochs of `PROFILED`, columns as lists."""
    from infoprior.profiles import get_recipe, profile_networks
    from infoprior.profiles._reading import HiddenLayers

    networks = [
        (HiddenLayers(network), architecture, epoch)
        for architecture, training in trainings.items()
        for epoch, network in training.snapshots.items()
    ]
    layers = profile_networks(networks, task, recipe=get_recipe("fast"), progress=False)
    layers = layers.drop(columns=["task", "seed"])
    digits = {str(c): PROFILE_DIGITS for c in layers if layers[c].dtype.kind == "f"}
    layers = layers.round(digits)
    return {str(c): layers[c].tolist() for c in layers}


def inputs_job(name: str) -> dict[str, Any]:
    """What the inputs of a task say, and what a linear layer sees of it under each encoding.

    Args:
        name: of the task.

    Returns:
        `features` of `infoprior.profiles.input_profile`, its `recipe`; `cpu`, `seconds` and `code`
        as of `train_job`.
    """
    from infoprior.profiles import input_encoders, input_profile

    started = time.process_time(), time.perf_counter()
    profile = input_profile(published_task(name), input_encoders(), progress=False)
    return {
        "features": profile.features(),
        "recipe": profile.recipe,
        "code": code("infoprior.information", "infoprior.profiles"),
        "cpu": time.process_time() - started[0],
        "seconds": time.perf_counter() - started[1],
    }


def profile_job(name: str, epochs: int, max_rows: int) -> dict[str, Any]:
    """The information in the layers of a task's probes, early and at the end, and their curves.

    Args:
        name: of the task.
        epochs: that the probes are trained for.
        max_rows: that information is measured on.

    Returns:
        `layers` and `curves`, columns as lists; `cpu`, `seconds` and `code` as of `train_job`.
    """
    from infoprior.profiles import get_recipe, profile_images, profile_task

    started = time.process_time(), time.perf_counter()
    task = published_task(name)
    images = len(task.shape) == 3
    recipe = get_recipe("maps-short" if images else "tabular")
    profile = (profile_images if images else profile_task)(
        task,
        epochs=epochs,
        at=[epoch for epoch in PROFILED if epoch <= epochs],
        record=[epoch for epoch in RUNGS if epoch <= epochs],
        recipe=replace(recipe, max_rows=max_rows),
    )
    layers, curves = profile.layers.drop(columns="task"), profile.curves.drop(columns="task")
    curves = curves.round({name: LOSS_DIGITS for name in curves if str(name).endswith("_loss")})
    return {
        "layers": {str(c): layers[c].tolist() for c in layers},
        "code": code(
            *(f"infoprior.{r}" for r in ("training", "spaces", "information", "profiles"))
        ),
        "curves": {str(c): curves[c].tolist() for c in curves},
        "cpu": time.process_time() - started[0],
        "seconds": time.perf_counter() - started[1],
    }


@lru_cache(maxsize=4)
def code(*rooms: str) -> str:
    """A hash of the sources that made a row, and versions of libraries: kept beside it."""
    used = (f"{name} {version(name).split('+')[0]}" for name in ("torch", "numba", "scipy"))
    return " ".join([source_fingerprint(*rooms, length=8), *used])


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: round(value, LOSS_DIGITS) if str(key).endswith("_loss") else value
        for key, value in row.items()
    }
