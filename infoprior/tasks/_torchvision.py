"""Image data sets of torchvision, for those who have a network: "torchvision/<data set>".

torchvision downloads them on first use; it is imported here and nowhere else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from infoprior.tasks._images import downscale, make_image_task
from infoprior.tasks._split import Caps
from infoprior.tasks._task import Task, TaskError
from infoprior.tasks._words import first_line

# name in torchvision.datasets: (family, arguments that choose the larger part)
DATASETS: dict[str, tuple[str, dict[str, Any]]] = {
    "MNIST": ("mnist", {"train": True}),
    "EMNIST": ("mnist", {"train": True, "split": "letters"}),  # letters of the same writers
    "USPS": ("usps", {"train": True}),
    "FashionMNIST": ("fashion-mnist", {"train": True}),
    "KMNIST": ("kmnist", {"train": True}),
    "SVHN": ("svhn", {"split": "train"}),
    "CIFAR10": ("cifar", {"train": True}),
    "CIFAR100": ("cifar", {"train": True}),
}
MAX_IMAGES = 20_000
"""Images used of a data set, drawn once and for all: no seed of the caller's."""
_CHANNELS = {1: ("gray",), 3: ("red", "green", "blue")}


def load_torchvision(name: str, *, seed: int, caps: Caps) -> Task:
    """The task "torchvision/<data set>", or "torchvision/<data set>/<side>" for smaller images.

    The data set's own training part is split 60/20/20 like any other task, at most 20,000 images of
    it. Files go to the folder named by the environment variable INFOPRIOR_IMAGES, by default
    ~/.cache/infoprior/images.

    Args:
        name: of the task.
        seed: of the split.
        caps: most rows of each part.

    Raises:
        TaskError: torchvision is not installed, the name is unknown, or the files are neither there
            nor can be downloaded.
    """
    _, _, path = name.partition("/")
    dataset, *rest = path.split("/")
    if dataset not in DATASETS or len(rest) > 1 or not all(_is_number(side) for side in rest):
        raise TaskError(
            f"no task {name!r}; give torchvision/<data set> or torchvision/<data set>/<side>, "
            f"where the data set is one of {', '.join(DATASETS)}"
        )
    try:
        from torchvision import datasets
    except ImportError:
        raise TaskError(
            f"{name} needs the package torchvision; install it with: "
            "pip install 'infoprior[images]'"
        ) from None
    except RuntimeError as error:
        raise TaskError(
            f"{name}: the torchvision that is installed was built for another PyTorch; "
            f"install both from one index ({first_line(error)})"
        ) from None
    family, options = DATASETS[dataset]
    folder = _folder()
    try:
        images = getattr(datasets, dataset)(root=str(folder), download=True, **options)
    except (OSError, RuntimeError) as error:  # RuntimeError: no mirror has the files
        raise TaskError(
            f"{name} is not in {folder} and cannot be downloaded, is there a network? Without one, "
            f"use a task of image_catalogue() ({first_line(error)})"
        ) from None
    rows = np.arange(len(images))
    if len(rows) > MAX_IMAGES:
        rows = np.sort(np.random.default_rng(0).choice(rows, MAX_IMAGES, replace=False))
    pixels, labels = _read(images, rows)
    if rest:
        pixels = downscale(pixels, int(rest[0]))
    names, y = np.unique(labels, return_inverse=True)
    known = [str(c) for c in getattr(images, "classes", [])]
    return make_image_task(
        name=name,
        family=family,
        source=_version(),
        pixels=pixels.astype(np.float32),
        y=y,
        class_names=tuple(known[k] if k < len(known) else str(k) for k in names),
        channels=_CHANNELS[pixels.shape[1]],
        seed=seed,
        caps=caps,
    )


def _read(images: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (n, C, H, W), and labels, int64 (n,), by indexing: alike for all data sets."""
    pixels, labels = [], []
    for row in rows:
        image, label = images[int(row)]
        array = np.asarray(image, dtype=np.uint8)
        pixels.append(array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0))
        labels.append(int(label))
    return np.stack(pixels), np.array(labels, dtype=np.int64)


def _folder() -> Path:
    given = os.environ.get("INFOPRIOR_IMAGES")
    return Path(given) if given else Path.home() / ".cache" / "infoprior" / "images"


def _version() -> str:
    from importlib.metadata import version

    return f"torchvision {version('torchvision')}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
