"""From scores to a prior, in the same way for every predictor: comparisons stay fair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from infoprior.predictors._errors import PredictorError

if TYPE_CHECKING:
    from infoprior.priors import Prior
    from infoprior.spaces import SearchSpace


@dataclass(frozen=True)
class PriorSettings:
    """How peaked the prior is.

    Attributes:
        temperature: a component's weight is softmax(score / temperature), scores being normal
            quantiles (1 is a standard deviation within a task); lower is more peaked.
        bandwidth: of the kernels, in encoded units: see `Prior.from_points`.
        floor: the share of the uniform distribution.
        components: at most so many points, the best, become components.
        candidates: points of a Sobol design that predictors which can score unseen architectures
            (trees, network) add to the recorded ones. None by default: all predictors then weigh
            the same points, and on made-up tasks, where the truth is known, scores guessed from a
            few dozen recorded architectures only diluted the prior.
        real_weight: how much a training task of kind "real" counts against any other.
    """

    temperature: float = 0.2
    bandwidth: float = 0.15
    floor: float = 0.1
    components: int = 512
    candidates: int = 0
    real_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("temperature", "bandwidth", "real_weight"):
            if not getattr(self, name) > 0.0:
                raise PredictorError(f"{name} = {getattr(self, name)!r}; it has to be positive.")
        if not 0.0 < self.floor <= 1.0:
            raise PredictorError(f"floor = {self.floor!r}; it has to lie in (0, 1].")
        if self.components < 1 or self.candidates < 0:
            raise PredictorError(
                f"components = {self.components}, candidates = {self.candidates}; at least 1 and 0."
            )


def weights_of(scores: np.ndarray, settings: PriorSettings) -> np.ndarray:
    """softmax(scores / temperature) over the best `components` points, zero elsewhere; (n,)."""
    order = np.argsort(-scores, kind="stable")[: settings.components]
    weights = np.zeros(len(scores))
    # Less the maximum, so that exp cannot overflow.
    weights[order] = np.exp((scores[order] - scores.max()) / settings.temperature)
    return weights / weights.sum()


def prior_of(
    space: SearchSpace, points: Sequence[Mapping[str, Any]], scores: np.ndarray,
    settings: PriorSettings,
) -> Prior:  # fmt: skip
    """A mixture of kernels around the points, weighted by their scores, over a uniform floor."""
    from infoprior.priors import Prior

    return Prior.from_points(
        dict(space), [dict(p) for p in points], weights_of(scores, settings),
        bandwidth=settings.bandwidth, floor=settings.floor,
    )  # fmt: skip
