"""One task of images, read through a few small convolutional probes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from infoprior._arguments import instance_of
from infoprior.profiles._probes import Reading
from infoprior.profiles._recipe import RECIPES, Recipe
from infoprior.profiles._schema import ProfileError
from infoprior.profiles._task import TaskProfile, read_probes
from infoprior.tasks import Task

IMAGE_PROBES: dict[str, dict[str, Any]] = {
    # One plain block under a dense layer: what is known without depth.
    "image-probe-a": {
        "n_blocks": 1,
        "filters": 4,
        "kernel": 3,
        "activation": "relu",
        "normalization": "none",
        "pooling": "max",
        "head": "dense",
        "dropout": 0.0,
        "learning_rate": 3e-3,
        "weight_decay": 1e-4,
        "batch_size": 64,
    },
    # Smooth, with wide kernels and averages throughout: what survives without places.
    "image-probe-b": {
        "n_blocks": 2,
        "filters": 6,
        "kernel": 5,
        "activation": "tanh",
        "normalization": "batch",
        "pooling": "average",
        "head": "gap",
        "dropout": 0.0,
        "learning_rate": 1e-2,
        "weight_decay": 1e-3,
        "batch_size": 128,
    },
    # A deeper, regularised one: what depth adds when it cannot simply memorise.
    "image-probe-c": {
        "n_blocks": 3,
        "filters": 8,
        "kernel": 3,
        "activation": "gelu",
        "normalization": "batch",
        "pooling": "stride",
        "head": "gap",
        "dropout": 0.2,
        "learning_rate": 3e-3,
        "weight_decay": 1e-2,
        "batch_size": 32,
    },
    # A slow one: what is left to gain after few epochs.
    "image-probe-d": {
        "n_blocks": 2,
        "filters": 4,
        "kernel": 3,
        "activation": "silu",
        "normalization": "none",
        "pooling": "max",
        "head": "dense",
        "dropout": 0.0,
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
        "batch_size": 64,
    },
}
"""Four small, different points of the space `cnn`, the same on every task of images. Their ten
layers of 14 x 14 pixels cost about half as much to read as the probes to train."""


_READING = Reading("cnn", IMAGE_PROBES, epochs=27, schedule_epochs=27, recipe="maps-short")


def profile_images(
    task: Task,
    *,
    seed: int = 0,
    epochs: int = 27,
    at: Collection[int] = (3, 27),
    record: Collection[int] | None = None,
    recipe: Recipe | None = None,
    threads: int = 1,
    progress: bool = True,
) -> TaskProfile:
    """Train every probe of `IMAGE_PROBES` on a task of images, and read every layer of each.

    `profile_task` for images: see there. Test rows are scored, and never learned from.

    Args:
        task: X of shape (n, C, H, W).
        seed: draws the probes' weights and batches, and everything that the estimators draw.
        epochs: of training.
        at: the epochs after which the probes are read.
        record: the epochs that their curves hold; None: every one.
        recipe: how to measure all layers, maps and vectors alike; None is "maps-short".
        threads: of PyTorch and of matrix products during the call; results are the same only
            for the same number.
        progress: show on the terminal what is done, if it takes more than two seconds.

    Raises:
        ProfileError: the task has no images, an epoch lies outside 1..epochs, or another argument
            is invalid.
        InformationError: fewer than 50 training and validation rows together.
    """
    instance_of(task, Task, "task", "give a Task, as load_task returns it", ProfileError)
    if len(task.shape) != 3:
        raise ProfileError(
            f"The task {task.name!r} has rows of shape {task.shape}, no images (C, H, W); "
            "profile it by profile_task."
        )
    return read_probes(
        task, _READING, seed=seed, epochs=epochs, at=at, record=record,
        recipe=recipe or RECIPES["maps-short"], threads=threads, progress=progress,
    )  # fmt: skip
