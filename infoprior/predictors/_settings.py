"""From scores to a prior, in the same way for every predictor: comparisons stay fair."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from infoprior._arguments import real_number, whole_within
from infoprior.predictors._errors import PredictorError

if TYPE_CHECKING:
    from infoprior.priors import Prior
    from infoprior.spaces import SearchSpace

MAX_POINTS = 10_000
"""Points that get a score, at most: as many components as a prior can have."""
AFTER_SCORES = ("temperature", "bandwidth", "floor", "components")
"""Settings that act on scores alone: another value needs no other fit."""


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

    Raises:
        PredictorError: a setting is no number, or out of range; it names the setting.
    """

    temperature: float = 0.2
    bandwidth: float = 0.15
    floor: float = 0.1
    components: int = 512
    candidates: int = 0
    real_weight: float = 1.0

    def __post_init__(self) -> None:
        checked = {
            "temperature": positive("temperature", self.temperature),
            "bandwidth": positive("bandwidth", self.bandwidth, 1.0),
            "floor": positive("floor", self.floor, 1.0),
            "components": whole_within(
                self.components, "components", 1, MAX_POINTS, PredictorError
            ),
            "candidates": whole_within(
                self.candidates, "candidates", 0, MAX_POINTS, PredictorError
            ),
            "real_weight": positive("real_weight", self.real_weight),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def positive(name: str, value: Any, high: float = math.inf) -> float:
    """A number above 0 and at most `high`.

    Args:
        name: of the setting, for the message.
        value: whatever was given.
        high: the largest allowed value.

    Returns:
        the number as a float.

    Raises:
        PredictorError: it is no number in that range.
    """
    return real_number(value, name, 0.0, high, above=True, error=PredictorError)


def weights_of(scores: np.ndarray, settings: PriorSettings) -> np.ndarray:
    """softmax(scores / temperature) over the best `components` points, zero elsewhere; (n,).

    Args:
        scores: of the points, shape (n,), in normal quantiles.
        settings: temperature and components count.

    Returns:
        shape (n,), of sum 1.
    """
    order = np.argsort(-scores, kind="stable")[: settings.components]
    weights = np.zeros(len(scores))
    # Less the maximum, so that exp cannot overflow.
    weights[order] = np.exp((scores[order] - scores.max()) / settings.temperature)
    return weights / weights.sum()


def priors_of(
    space: SearchSpace, points: Sequence[Mapping[str, Any]], scores: Iterable[np.ndarray],
    settings: PriorSettings,
) -> list[Prior]:  # fmt: skip
    """For each array of scores a mixture of kernels around the points, over a uniform floor.

    The kernels are calculated once: only their weights differ.

    Args:
        space: of the points.
        points: n params dicts.
        scores: one array of shape (n,) per prior.
        settings: of the priors.

    Returns:
        one prior per array.
    """
    from infoprior.priors import Prior

    kernels = Prior.from_points(
        dict(space), [dict(p) for p in points], bandwidth=settings.bandwidth, floor=settings.floor
    )
    return [kernels.reweight(weights_of(values, settings)) for values in scores]
