"""The predictors by name: to add one, add its class to `PREDICTORS`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infoprior.predictors._base import Predictor
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._network import NetworkPredictor
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
