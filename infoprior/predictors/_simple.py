"""Predictors that need no training: uniform, static, gaussian, nearest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from infoprior._arguments import whole_number
from infoprior.predictors._base import Params
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._feature_predictor import FeaturePredictor
from infoprior.predictors._fitted import TrainingSet
from infoprior.predictors._settings import weights_of
from infoprior.predictors._targets import average

if TYPE_CHECKING:
    from infoprior.priors import Prior
    from infoprior.spaces import SearchSpace


class UniformPredictor(FeaturePredictor):
    """The uniform prior: what Hyperband samples from when nobody tells it anything."""

    name = "uniform"
    reads = False

    def _learn(self, training: TrainingSet) -> dict[str, np.ndarray]:
        return {}

    def _score(
        self, arrays: Mapping[str, np.ndarray], x: np.ndarray, encoded: np.ndarray
    ) -> np.ndarray:
        return np.zeros(len(encoded))

    def _priors(
        self, space: SearchSpace, points: Sequence[Params], scores: Iterable[np.ndarray]
    ) -> list[Prior]:
        from infoprior.priors import Prior

        return [Prior.uniform(dict(space)) for _ in scores]


class StaticPredictor(FeaturePredictor):
    """What is good on average over the training tasks: the same prior for every task.

    The opponent that matters: what does not beat it has learned nothing about the task.
    """

    name = "static"
    reads = False

    def _learn(self, training: TrainingSet) -> dict[str, np.ndarray]:
        return {"average": average(training.targets.scores, training.targets.weights)}

    def _score(
        self, arrays: Mapping[str, np.ndarray], x: np.ndarray, encoded: np.ndarray
    ) -> np.ndarray:
        return arrays["average"]


class GaussianPredictor(StaticPredictor):
    """One Gaussian per number and one table of frequencies per categorical, fitted on the average.

    The winner of Kossmann, "Mutual information for fine-grained analysis of neural networks",
    ETH Zurich 2019, experiment 1: its points are weighted as the static prior's are.
    """

    name = "gaussian"

    def _priors(
        self, space: SearchSpace, points: Sequence[Params], scores: Iterable[np.ndarray]
    ) -> list[Prior]:
        from infoprior.priors import Prior

        floor, each = self.prior_settings.floor, list(points)
        weights = (weights_of(values, self.prior_settings) for values in scores)
        return [Prior.gaussian(dict(space), each, share, floor=floor) for share in weights]


@dataclass(frozen=True)
class NearestSettings:
    """neighbors: how many training tasks are averaged."""

    neighbors: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "neighbors", whole_number(self.neighbors, "neighbors", 1, PredictorError)
        )


class NearestPredictor(FeaturePredictor):
    """The average over the training tasks whose features are nearest; with no inputs, over all."""

    name = "nearest"
    Settings: ClassVar[type] = NearestSettings

    def _learn(self, training: TrainingSet) -> dict[str, np.ndarray]:
        return {
            "x": training.x,
            "scores": training.targets.scores,
            "weights": training.targets.weights,
        }

    def _score(
        self, arrays: Mapping[str, np.ndarray], x: np.ndarray, encoded: np.ndarray
    ) -> np.ndarray:
        nearest = np.arange(len(arrays["scores"]))
        if self.inputs:
            distance = np.square(arrays["x"] - x).sum(axis=1)
            nearest = np.argsort(distance, kind="stable")[: self.settings.neighbors]
        return average(arrays["scores"][nearest], arrays["weights"][nearest])
