"""The predictors by name, made or read from a folder: to add one, add it to `PREDICTORS`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from infoprior._ambient import default_settings
from infoprior._arguments import file_path
from infoprior.predictors import _storage
from infoprior.predictors._base import Predictor
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._feature_predictor import FeaturePredictor
from infoprior.predictors._network import NetworkPredictor
from infoprior.predictors._performance import PerformancePredictor
from infoprior.predictors._simple import (
    GaussianPredictor,
    NearestPredictor,
    StaticPredictor,
    UniformPredictor,
)
from infoprior.predictors._trees import TreesPredictor

PREDICTORS: dict[str, type[Predictor]] = {
    "uniform": UniformPredictor,
    "static": StaticPredictor,
    "gaussian": GaussianPredictor,
    "nearest": NearestPredictor,
    "trees": TreesPredictor,
    "network": NetworkPredictor,
    "performance": PerformancePredictor,
}


def make_predictor(
    name: str, inputs: str | Sequence[str] = (), *, seed: int = 0, **settings: Any
) -> Predictor:
    """A predictor, not fitted yet.

    Args:
        name: a key of `PREDICTORS`.
        inputs: what it reads of a task: a key of `INPUTS`, or groups. uniform, static and gaussian
            read nothing.
        seed: of whatever it draws.
        **settings: fields of `PriorSettings` and of the predictor's own settings.

    Raises:
        PredictorError: name, inputs or a setting are unknown or out of range.
    """
    if not isinstance(name, str) or name not in PREDICTORS:
        raise PredictorError(f"There is no predictor {name!r}; choose one of {list(PREDICTORS)}.")
    return PREDICTORS[name](inputs, seed=seed, **settings)


@default_settings()
def load_predictor(
    directory: str | os.PathLike[str] | None = None, *, static: bool = False
) -> Predictor:
    """A fitted predictor: the one that comes with the package, or one that was saved.

    Args:
        directory: what `Predictor.save` wrote: of one predictor, or
            of several with a best.json that says which one is meant ({"predictor": "<folder
            below>"}), as the pipeline leaves them in models/. None: the package's own, fitted on
            the published rows (`fit_predictor` makes others).
        static: the package's static prior, which is the same for every data set and costs nothing.

    Returns:
        a predictor that answers exactly as the saved one did: of a folder, of the class that was
        saved there.

    Raises:
        PredictorError: there is none, its version is unknown, or a file is damaged; or both a
            directory and `static` are given.
    """
    if static and directory is not None:
        raise PredictorError("static: is the package's own predictor; give no directory with it.")
    if directory is None:
        directory = _storage.SHIPPED / _storage.STATIC if static else _storage.SHIPPED
    folder = _storage.chosen(file_path(directory, "directory", PredictorError))
    if _storage.holds_performance(folder):
        return PerformancePredictor.load(folder)
    saved = _storage.load(folder)
    with _storage.faults_of(saved.path):
        predictor = make_predictor(saved.name, saved.inputs, seed=saved.seed, **saved.settings)
    if not isinstance(predictor, FeaturePredictor):
        raise PredictorError(
            f"{saved.path} names {saved.name!r}, whose header is {_storage.PERFORMANCE}. Fit it "
            "again, and save it."
        )
    return predictor.restore(saved.fitted, str(saved.path.parent))
