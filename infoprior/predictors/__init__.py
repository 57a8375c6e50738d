"""Predictors: what the probes of a task showed gives a prior over good architectures.

>>> from infoprior.predictors import make_predictor
>>> make_predictor("trees", "mi")
TreesPredictor(inputs=('mi',), seed=0, not fitted)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.predictors._base import Predictor
    from infoprior.predictors._errors import PredictorError, PredictorWarning
    from infoprior.predictors._evidence import Evidence
    from infoprior.predictors._features import INFORMATION, INPUTS, features
    from infoprior.predictors._fit import fit_predictor
    from infoprior.predictors._performance import PerformancePredictor
    from infoprior.predictors._posterior import Posterior
    from infoprior.predictors._registry import PREDICTORS, load_predictor, make_predictor
    from infoprior.predictors._search.promotion import PosteriorPromotion
    from infoprior.predictors._search.recommendation import Recommendation, recommend
    from infoprior.predictors._search.sampler import PosteriorSampler
    from infoprior.predictors._settings import PriorSettings

__all__ = [
    "INFORMATION",
    "INPUTS",
    "PREDICTORS",
    "Evidence",
    "PerformancePredictor",
    "Posterior",
    "PosteriorPromotion",
    "PosteriorSampler",
    "Predictor",
    "PredictorError",
    "PredictorWarning",
    "PriorSettings",
    "Recommendation",
    "features",
    "fit_predictor",
    "load_predictor",
    "make_predictor",
    "recommend",
]

__getattr__, __dir__ = lazy(__name__)
