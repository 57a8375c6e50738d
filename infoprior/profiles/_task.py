"""One task, read through a few small probe networks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, epochs_within, instance_of, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.profiles._encoders import input_encoders
from infoprior.profiles._inputs import Encoder, input_profile
from infoprior.profiles._network import profile_networks
from infoprior.profiles._probes import Reading, get_reading
from infoprior.profiles._reading import HiddenLayers, Readable
from infoprior.profiles._recipe import Recipe, check_recipe, get_recipe
from infoprior.profiles._schema import (
    PROBE_CURVE_COLUMNS,
    PROFILE_COLUMNS,
    ProfileError,
    validate_curves,
    validate_profile,
)
from infoprior.tasks import Task

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace


@dataclass(frozen=True, eq=False)
class TaskProfile:
    """What is known of a task before any architecture is searched.

    Attributes:
        task: its name.
        metafeatures: cheap descriptions of the data, by name.
        layers: columns of `PROFILE_COLUMNS`, one row per probe and hidden layer; nats.
        curves: columns of `PROBE_CURVE_COLUMNS`, one row per probe and epoch.
        inputs: what the inputs say by themselves, without any network: `InputProfile.features`,
            by name; empty where nobody asked.
    """

    task: str
    metafeatures: Mapping[str, float]
    layers: pd.DataFrame
    curves: pd.DataFrame
    inputs: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", validate_profile(self.layers))
        object.__setattr__(self, "curves", validate_curves(self.curves))
        remedy = "give what InputProfile.features returns"
        instance_of(self.inputs, Mapping, "inputs", remedy, ProfileError)


def profile_task(
    task: Task,
    *,
    space: str = "mlp",
    seed: int = 0,
    epochs: int | None = None,
    at: Collection[int] | None = None,
    record: Collection[int] | None = None,
    recipe: Recipe | None = None,
    encoders: Mapping[str, Encoder] | None = None,
    inputs: bool | None = None,
    train_probes: bool = True,
    threads: int = 1,
    progress: bool = True,
) -> TaskProfile:
    """Train every probe of a space on a task, and read every hidden layer of each.

    Information comes from training and validation rows alone. The curves' `test_accuracy` is
    recorded like that of any other network, and so is `test_loss`: to be reported, never to be
    learned from.

    Args:
        task: what the probes learn.
        space: whose predictors the profile is for: "mlp" (`PROBES`, 27 epochs), or "tabular"
            (`TABULAR_PROBES`: 3 epochs of a full training, the recipe "fast", an input profile).
        seed: draws the probes' weights and batches, and everything that the estimators draw.
        epochs: of training; None: the space's.
        at: the epochs after which the probes are read; None: the last one.
        record: the epochs that their curves hold; None: every one.
        recipe: how to measure; None: the space's, for "mlp" `recipe_for` the probes' layers.
        encoders: encodings of the numeric columns for a whole `input_profile`; None: what
            predictors of the space read of it (`linear_only`).
        inputs: whether to read the inputs, too; None: for "tabular", and where there are encoders.
        train_probes: False describes the task and reads its inputs only, for who reads no more of
            it: `layers` and `curves` are then empty.
        threads: of PyTorch and of matrix products during the call; results are the same only
            for the same number.
        progress: show on the terminal what is done, if it takes more than two seconds.

    Raises:
        InformationError: fewer than 50 training and validation rows together.
        ProfileError: an epoch lies outside 1..epochs, tables are not read for such a space, or
            another argument is invalid.
    """
    reading = get_reading(space)
    if recipe is None and reading.recipe is not None:
        recipe = get_recipe(reading.recipe)
    if train_probes:
        profile = read_probes(
            task, reading, seed=seed, epochs=reading.epochs if epochs is None else epochs, at=at,
            record=record, recipe=recipe, threads=threads, progress=progress,
        )  # fmt: skip
    else:
        profile = _described(task, threads)
    if inputs is None:
        inputs = bool(reading.encodings) or encoders is not None
    if not inputs:
        return profile
    short = encoders is None
    if encoders is None:
        every = input_encoders()
        encoders = {name: every[name] for name in reading.encodings or every}
    measured = input_profile(
        task, encoders, linear_only=short, seed=seed, threads=threads, progress=progress
    )
    return replace(profile, inputs=measured.features())


@default_settings()
def read_probes(
    task: Task,
    reading: Reading,
    *,
    seed: int,
    epochs: int,
    at: Collection[int] | None,
    record: Collection[int] | None,
    recipe: Recipe | None,
    threads: int,
    progress: bool,
) -> TaskProfile:
    """`profile_task` without the inputs.

    Args:
        task: what the probes learn.
        reading: its probes.
        seed, epochs, at, record, recipe, threads, progress: as of `profile_task`.
    """
    from infoprior.spaces import get_space
    from infoprior.tasks import metafeatures
    from infoprior.training import train_many

    instance_of(
        task, Task, "task", "give a Task, as read_table and load_task return it", ProfileError
    )
    seed = check_seed(seed, ProfileError)
    epochs = whole_number(epochs, "epochs", 1, ProfileError)
    threads = whole_number(threads, "threads", 1, ProfileError)
    read = [epochs] if at is None else epochs_within(at, "at", epochs, ProfileError)
    if not read:
        raise ProfileError("at holds no epoch: name at least one, or None for the last.")
    if record is not None:
        record = epochs_within(record, "record", epochs, ProfileError)
    if recipe is not None:
        check_recipe(recipe)
    probes, searched = reading.probes, get_space(reading.space)
    with progress_line("profiling", show=progress) as stage, use_threads(threads):
        trainings = train_many(
            task,
            [(params, seed) for params in probes.values()],
            space=searched,
            epochs=epochs,
            schedule_epochs=max(epochs, reading.schedule_epochs),
            record=record,
            snapshots=read,
            threads=threads,
        )
        networks: list[tuple[Readable, str, int]] = [
            (_hidden(training.snapshots[epoch], searched), name, epoch)
            for epoch in read
            for name, training in zip(probes, trainings, strict=True)
        ]
        layers = profile_networks(networks, task, seed=seed, recipe=recipe, threads=threads)
        curves = [
            {"task": task.name, "architecture": name, "seed": seed, **row}
            for name, training in zip(probes, trainings, strict=True)
            for row in training.curve
        ]
        stage.description = "describing the task"
        return TaskProfile(task.name, metafeatures(task), layers, pd.DataFrame(curves))


def _described(task: Task, threads: int) -> TaskProfile:
    """What is known of a task without any network."""
    from infoprior.tasks import metafeatures

    remedy = "give a Task, as read_table and load_task return it"
    instance_of(task, Task, "task", remedy, ProfileError)
    with use_threads(whole_number(threads, "threads", 1, ProfileError)):
        values = metafeatures(task)
    layers, curves = (pd.DataFrame(columns=list(c)) for c in (PROFILE_COLUMNS, PROBE_CURVE_COLUMNS))
    return TaskProfile(task.name, values, layers, curves)


def _hidden(network: Readable, space: SearchSpace) -> Readable:
    return HiddenLayers(network) if space.encodes_inputs else network
