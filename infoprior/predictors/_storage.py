"""A fitted predictor as a directory: predictor.json and arrays.safetensors. Never a pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infoprior.files import write_atomically
from infoprior.metadataset import MetaDatasetError, space_from_dict, space_to_dict
from infoprior.metadataset._json import read_json
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._features import Standardizer
from infoprior.predictors._fitted import Fitted
from infoprior.spaces import SpaceError

VERSION = 3
HEADER, ARRAYS, CHOICE = "predictor.json", "arrays.safetensors", "best.json"
PERFORMANCE, PERFORMANCE_ARRAYS = "performance.json", "performance.safetensors"
"""Of a `PerformancePredictor`, which is of another format."""
SHIPPED = Path(__file__).parents[1] / "shipped"
"""The folder of predictors in the installed package, laid out as the pipeline's models/."""
CHOSEN, STATIC = "chosen", "static"
"""The folders in it: of the predictor that the pipeline has chosen, and of the static prior."""
_FEATURES = ("median", "mean", "scale")


@dataclass(frozen=True)
class Saved:
    """What a folder holds of a predictor.

    Attributes:
        path: of its header, for messages.
        name, inputs, seed, settings: what it was made with, unchecked.
        fitted: what its fit left behind.
    """

    path: Path
    name: Any
    inputs: Any
    seed: Any
    settings: Any
    fitted: Fitted


def save(directory: Path, about: Mapping[str, Any], fitted: Fitted) -> None:
    """Write both files, each as a whole, the header last; same predictor, same bytes.

    Former files go first: killed at any time, this leaves no predictor of two halves.

    Args:
        directory: where to; it is made.
        about: name, inputs, seed and settings of the predictor.
        fitted: what its fit left behind.

    Raises:
        PredictorError: the folder cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    header = {
        "format": "infoprior predictor",
        "version": VERSION,
        **about,
        "space": space_to_dict(fitted.space),
        "features": list(fitted.standardizer.names),
        "n_recorded": fitted.n_recorded,
        "profiled": dataclasses.asdict(fitted.profiled),
        "points": fitted.points,
    }
    arrays = {f"model/{name}": array for name, array in fitted.arrays.items()}
    arrays |= {f"features/{name}": array for name, array in fitted.standardizer.arrays().items()}
    tensors = to_bytes({n: np.ascontiguousarray(arrays[n]) for n in sorted(arrays)})
    text = json.dumps(header, indent=1, sort_keys=True) + "\n"
    try:
        remove_former(directory)
        write_atomically(directory / ARRAYS, tensors)
        write_atomically(directory / HEADER, text)
    except OSError as error:
        raise PredictorError(f"{directory} cannot be written: {error}.") from error


def load(directory: Path) -> Saved:
    """Read what `save` wrote.

    Args:
        directory: of one predictor.

    Raises:
        PredictorError: there is none, its version is unknown, or a file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = directory / HEADER
    missing = (
        f"{directory} holds no predictor ({path} does not exist); name the folder of a saved one, "
        f"or none for the predictor that comes with infoprior."
    )
    header = read_json(path, PredictorError, missing)
    version = header.get("version") if isinstance(header, dict) else None
    if version != VERSION:
        raise PredictorError(
            f"{path}: version {version!r}; this infoprior reads version {VERSION}. Fit it again."
        )
    tensors = directory / ARRAYS
    try:
        arrays = load_file(tensors)
    except (OSError, SafetensorError) as error:
        raise PredictorError(f"{tensors} cannot be read: {error}") from error
    with faults_of(path):
        space = space_from_dict(header["space"], str(path))
        fitted = Fitted(
            space=space,
            points=[space.validate(point) for point in header["points"]],
            n_recorded=header["n_recorded"],
            standardizer=Standardizer(
                tuple(header["features"]), *(arrays[f"features/{n}"] for n in _FEATURES)
            ),
            profiled=ProfilingConditions(**header["profiled"]),
            arrays={
                name.removeprefix("model/"): array
                for name, array in arrays.items()
                if name.startswith("model/")
            },
        )
        return Saved(
            path=path,
            name=header["name"],
            inputs=header["inputs"],
            seed=header["seed"],
            settings=header["settings"],
            fitted=fitted,
        )


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """Name the header as what is at fault for fields that are not there or of another type."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise PredictorError(f"{path} lacks or misspells a field: {error!r}") from error
    except (MetaDatasetError, SpaceError) as error:
        raise PredictorError(f"{path}: {error}") from error


def remove_former(directory: Path) -> None:
    """Remove the files of a predictor of either format, headers first.

    Raises:
        OSError: they cannot be removed.
    """
    for name in (HEADER, PERFORMANCE, ARRAYS, PERFORMANCE_ARRAYS):
        (directory / name).unlink(missing_ok=True)


def holds_performance(directory: Path) -> bool:
    """Whether a folder holds a `PerformancePredictor`, and no other predictor."""
    return (directory / PERFORMANCE).exists() and not (directory / HEADER).exists()


def chosen(directory: Path) -> Path:
    """The folder that best.json names, or the folder itself where it holds a predictor.

    Raises:
        PredictorError: best.json names no folder below that holds one.
    """
    choice = directory / CHOICE
    if _holds_any(directory) or not choice.exists():
        return directory
    try:
        name = read_json(choice, PredictorError, f"{choice} does not exist.")["predictor"]
        folder = (directory / name).resolve()
    except (ValueError, KeyError, TypeError) as error:
        raise PredictorError(
            f'{choice} does not name a predictor: it should hold {{"predictor": folder}}.'
        ) from error
    if not folder.is_relative_to(directory.resolve()):
        raise PredictorError(f"{choice} names {name!r}, which lies outside of {directory}.")
    if not _holds_any(folder):
        raise PredictorError(
            f"{choice} names {name!r}, which holds no predictor: the stages have not run to their "
            "end. `make repro` continues where they stopped."
        )
    return folder


def _holds_any(directory: Path) -> bool:
    return any((directory / header).exists() for header in (HEADER, PERFORMANCE))
