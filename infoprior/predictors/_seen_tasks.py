"""How far a task lies from those that a predictor has learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

TITLES = {
    "accuracy": "probes' accuracies", "metafeatures": "meta-features", "mi": "probes' layers",
    "inputs": "inputs' information",
}  # fmt: skip
"""Groups of features in messages."""


@dataclass(frozen=True, eq=False)
class SeenTasks:
    """The training tasks by one group of features, p of them.

    Distances are root mean squares over features, in standard deviations of the training tasks.
    A task is outside of what was seen if it is farther from every training task than any real
    training task is from those of other families.

    Attributes:
        names: of the T tasks.
        x: their standardised features as `Standardizer` gives them, shape (T, p), float32.
        limit: the largest distance that is still inside; infinite where only one family was seen.
    """

    names: tuple[str, ...]
    x: np.ndarray
    limit: float

    @classmethod
    def of(
        cls, names: Sequence[str], x: np.ndarray, families: Sequence[str], real: np.ndarray
    ) -> SeenTasks:
        """What was seen.

        Args:
            names: of the tasks.
            x: their standardised features, shape (T, p).
            families: of the tasks.
            real: which of them are real, shape (T,), bool; where none is, all count.
        """
        family = np.asarray(families, dtype=str)
        stored = x.astype(np.float32)
        limit = 0.0
        for i in np.flatnonzero(real) if real.any() else range(len(x)):
            others = stored[family != family[i]]
            limit = max(limit, float(_distances(x[i], others).min(initial=np.inf)))
        return cls(tuple(names), stored, limit)

    def nearest(self, x: np.ndarray) -> tuple[float, str]:
        """Distance of a task with features x, shape (p,), to the nearest one, and its name."""
        distances = _distances(x, self.x)
        place = int(distances.argmin())
        return float(distances[place]), self.names[place]

    def distance(self, x: np.ndarray) -> float:
        """That of a task with features x, shape (p,), to the nearest training task."""
        return self.nearest(x)[0]

    def holds(self, x: np.ndarray) -> bool:
        """Whether a task with features x lies inside of what was seen."""
        return self.distance(x) <= self.limit


def _distances(x: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.square(others - x).sum(axis=1)))


def nearest_of(groups: Sequence[SeenTasks], x: np.ndarray) -> float:
    """Distance to the nearest training task over several groups of features, side by side in x."""
    seen = np.concatenate([group.x for group in groups], axis=1)
    return float(_distances(x, seen).min())


def outside_message(task: str, row: pd.Series) -> str:
    """What to say of a task that lies outside; row: of `PerformancePredictor.novelty`."""
    return (
        f"{task}: its {TITLES[row['group']]} are {row['distance']:.2f} standard deviations away "
        f"from the nearest training task ({row['nearest']}), where training tasks are at most "
        f"{row['limit']:.2f} away from those of other families: they are not read, and the answer "
        "rests on the remaining evidence."
    )
