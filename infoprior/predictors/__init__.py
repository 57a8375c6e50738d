"""Predictors: what the probes of a task showed gives a prior over good architectures.

>>> from infoprior.predictors import make_predictor
>>> make_predictor("trees", "mi")
TreesPredictor(inputs=('mi',), seed=0, not fitted)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior.predictors._base import Predictor
    from infoprior.predictors._errors import PredictorError
    from infoprior.predictors._features import INPUTS, features
    from infoprior.predictors._fit import fit_predictor
    from infoprior.predictors._registry import PREDICTORS, load_predictor, make_predictor
    from infoprior.predictors._settings import PriorSettings

__all__ = [
    "INPUTS",
    "PREDICTORS",
    "Predictor",
    "PredictorError",
    "PriorSettings",
    "features",
    "fit_predictor",
    "load_predictor",
    "make_predictor",
]

_HOME = {
    "INPUTS": "_features",
    "PREDICTORS": "_registry",
    "Predictor": "_base",
    "PredictorError": "_errors",
    "PriorSettings": "_settings",
    "features": "_features",
    "fit_predictor": "_fit",
    "load_predictor": "_registry",
    "make_predictor": "_registry",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: pandas and scipy cost most of a second.
    if name in _HOME:
        return getattr(import_module(f"infoprior.predictors.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
