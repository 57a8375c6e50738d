"""The settings of a performance predictor."""

from __future__ import annotations

from dataclasses import dataclass

from infoprior._arguments import whole_within
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._scales import SCALES
from infoprior.predictors._settings import positive

MAX_RANK = 256


@dataclass(frozen=True)
class PerformanceSettings:
    """How the Gaussian is fitted.

    Attributes:
        rank: factors that tasks differ by.
        iterations: of expectation-maximisation.
        scale: of accuracies, a key of `SCALES`.
        real_weight: how much a training task of kind "real" counts against any other.
        training_losses: whether evidence may hold training losses.
        layers: whether it may hold what networks' own layers say, where training tasks have it.

    Raises:
        PredictorError: a setting is out of range.
    """

    rank: int = 16
    iterations: int = 15
    scale: str = "probit"
    real_weight: float = 16.0
    training_losses: bool = False
    layers: bool = False

    def __post_init__(self) -> None:
        for name, most in (("rank", MAX_RANK), ("iterations", 1000)):
            value = whole_within(getattr(self, name), name, 1, most, PredictorError)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "real_weight", positive("real_weight", self.real_weight))
        for name in ("training_losses", "layers"):
            if type(getattr(self, name)) is not bool:
                raise PredictorError(f"{name} is {getattr(self, name)!r}; it has to be a bool.")
        if self.scale not in SCALES:
            raise PredictorError(f"There is no scale {self.scale!r}; choose one of {list(SCALES)}.")
