"""What a predictor learns from, and what its fit leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._features import Standardizer
from infoprior.predictors._targets import Targets

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace


@dataclass(frozen=True)
class TrainingSet:
    """What `_learn` sees.

    Attributes:
        x: standardised features of the training tasks, shape (n_tasks, p), float64.
        encoded: the recorded architectures, shape (n, q), float64 in [0, 1].
        targets: scores (n_tasks, n), families and weights of the tasks.
    """

    x: np.ndarray
    encoded: np.ndarray
    targets: Targets


@dataclass
class Fitted:
    """All that fitting leaves behind: what `save` writes.

    Attributes:
        space: the search space.
        points: the architectures that get a score: the recorded ones, then the candidates.
        n_recorded: how many of them were recorded.
        standardizer: of the features.
        profiled: the conditions under which the training tasks were profiled.
        arrays: what the predictor itself learned, by name.
    """

    space: SearchSpace
    points: list[dict[str, Any]]
    n_recorded: int
    standardizer: Standardizer
    profiled: ProfilingConditions
    arrays: dict[str, np.ndarray]
