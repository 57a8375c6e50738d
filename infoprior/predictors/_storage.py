"""A fitted predictor as a directory: predictor.json and arrays.safetensors. Never a pickle."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np

from infoprior._ambient import default_settings
from infoprior._arguments import file_path
from infoprior.files import write_atomically
from infoprior.metadataset import MetaDatasetError, space_from_dict, space_to_dict
from infoprior.metadataset._json import read_json
from infoprior.predictors._base import Fitted, Predictor
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._features import Standardizer
from infoprior.predictors._make import make_predictor
from infoprior.predictors._profiled import ProfilingConditions
from infoprior.predictors._shipped import SHIPPED, STATIC
from infoprior.spaces import SpaceError

VERSION = 3
HEADER, ARRAYS, CHOICE = "predictor.json", "arrays.safetensors", "best.json"
_FEATURES = ("median", "mean", "scale")


def save(predictor: Predictor, fitted: Fitted, directory: Path) -> None:
    """Write both files, each as a whole, the header last; same predictor, same bytes.

    A former header goes first: killed at any time, this leaves no predictor of two halves.
    """
    from safetensors.numpy import save as to_bytes

    header = {
        "format": "infoprior predictor",
        "version": VERSION,
        "name": predictor.name,
        "inputs": list(predictor.inputs),
        "seed": predictor.seed,
        "settings": dataclasses.asdict(predictor.prior_settings)
        | dataclasses.asdict(predictor.settings),
        "space": space_to_dict(fitted.space),
        "features": list(fitted.standardizer.names),
        "n_recorded": fitted.n_recorded,
        "profiled": dataclasses.asdict(fitted.profiled),
        "points": fitted.points,
    }
    arrays = {f"model/{name}": array for name, array in fitted.arrays.items()}
    arrays |= {f"features/{n}": getattr(fitted.standardizer, n) for n in _FEATURES}
    tensors = to_bytes({n: np.ascontiguousarray(arrays[n]) for n in sorted(arrays)})
    text = json.dumps(header, indent=1, sort_keys=True) + "\n"
    try:
        (directory / HEADER).unlink(missing_ok=True)
        write_atomically(directory / ARRAYS, tensors)
        write_atomically(directory / HEADER, text)
    except OSError as error:
        raise PredictorError(f"{directory} cannot be written: {error}.") from error


@default_settings()
def load_predictor(
    directory: str | os.PathLike[str] | None = None, *, static: bool = False
) -> Predictor:
    """A fitted predictor: the one that comes with the package, or one that was saved.

    Args:
        directory: what `Predictor.save` wrote: of one predictor, or of several with a best.json
            that says which one is meant ({"predictor": "<folder below>"}), as the pipeline leaves
            them in models/. None: the package's own, fitted on the published rows (`fit_predictor`
            makes others).
        static: the package's static prior, which is the same for every data set and costs nothing.

    Returns:
        a predictor that answers exactly as the saved one did.

    Raises:
        PredictorError: there is none, its version is unknown, or a file is damaged; or both a
            directory and `static` are given.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if static and directory is not None:
        raise PredictorError("static: is the package's own predictor; give no directory with it.")
    if directory is None:
        directory = SHIPPED / STATIC if static else SHIPPED
    directory = _chosen(file_path(directory, "directory", PredictorError))
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
    try:
        space = space_from_dict(header["space"], str(path))
        predictor = make_predictor(
            header["name"], header["inputs"], seed=header["seed"], **header["settings"]
        )
        predictor._fitted = Fitted(
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
    except (KeyError, TypeError, AttributeError) as error:
        raise PredictorError(f"{path} lacks or misspells a field: {error!r}") from error
    except (MetaDatasetError, SpaceError) as error:
        raise PredictorError(f"{path}: {error}") from error
    _check_whole(predictor, predictor._fitted, path)
    return predictor


def _check_whole(predictor: Predictor, fitted: Fitted, path: Path) -> None:
    """That header and arrays belong together: a score can be had of them."""
    x = np.zeros(len(fitted.standardizer.names))
    try:
        shapes = {getattr(fitted.standardizer, name).shape for name in _FEATURES}
        scores = predictor._score(fitted.arrays, x, fitted.space.encode(fitted.points))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise PredictorError(
            f"{path.parent} holds files that do not belong together ({error}). Fit it again."
        ) from error
    if shapes != {x.shape} or scores.shape != (len(fitted.points),):
        raise PredictorError(
            f"{path.parent} holds files that do not belong together. Fit it again."
        )


def _chosen(directory: Path) -> Path:
    """The folder that best.json names, or the folder itself where it holds a predictor."""
    choice = directory / CHOICE
    if (directory / HEADER).exists() or not choice.exists():
        return directory
    try:
        name = read_json(choice, PredictorError, f"{choice} does not exist.")["predictor"]
        chosen = (directory / name).resolve()
    except (ValueError, KeyError, TypeError) as error:
        raise PredictorError(
            f'{choice} does not name a predictor: it should hold {{"predictor": folder}}.'
        ) from error
    if not chosen.is_relative_to(directory.resolve()):
        raise PredictorError(f"{choice} names {name!r}, which lies outside of {directory}.")
    if not (chosen / HEADER).exists():
        raise PredictorError(
            f"{choice} names {name!r}, which holds no predictor: the stages have not run to their "
            "end. `make repro` continues where they stopped."
        )
    return chosen
