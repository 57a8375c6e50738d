"""What both environments of the priors benchmark share: numpy only, nothing of the project.

A search is a list of events: (epochs spent so far, rung reached, validation value, row of the
table). An event happens whenever an evaluation passes a rung.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUDGETS = (1, 2, 4, 8, 16, 32)  # full trainings
Event = tuple[int, int, float, int]


class Encoder:
    """Points as vectors whose squared distances treat the parameters alike.

    A number is its place in its range in [0, 1] (on the log scale where the parameter has one): two
    uniform ones are 1/6 apart in the mean, squared. A categorical of k choices is one-hot, scaled
    so that this mean is 1/6 too: a different choice counts k / (6 (k - 1)).

    Args:
        space: one dict a parameter, as JSON: name, low, high, log; or name and choices.
    """

    def __init__(self, space: Sequence[Mapping[str, Any]]) -> None:
        self.space = list(space)

    def __call__(self, points: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Shape (n, columns)."""
        columns = []
        for axis in self.space:
            values = [point[axis["name"]] for point in points]
            if "choices" in axis:
                k = len(axis["choices"])
                scale = np.sqrt(k / (12.0 * (k - 1)))
                columns += [scale * np.array([v == c for v in values]) for c in axis["choices"]]
                continue
            x, ends = np.array(values, dtype=float), np.array([axis["low"], axis["high"]], float)
            if axis["log"]:
                x, ends = np.log(x), np.log(ends)
            columns.append((x - ends[0]) / (ends[1] - ends[0]))
        return np.stack(columns, axis=1).astype(np.float64)


class Nearest:
    """Finds the recorded row nearest to a point, the first one where several are.

    Args:
        encode: the space's encoder.
        features: the recorded points encoded, shape (n, columns).
    """

    def __init__(self, encode: Encoder, features: NDArray[np.float64]) -> None:
        self.encode, self.features = encode, features
        self._square = np.einsum("ij,ij->i", features, features)

    def __call__(self, params: Mapping[str, Any]) -> int:
        x = self.encode([params])[0]
        return int(np.argmin(self._square - 2.0 * (self.features @ x)))


def incumbents(events: Iterable[Event], full: int, budgets: Sequence[float] = BUDGETS) -> list[int]:
    """The row in hand at each budget; -1 before the first.

    The incumbent is the event of the best validation value among those at the highest rung reached
    so far, the first one if tied, as in `infoprior.evaluation.replay`. An event counts when its
    epochs are spent.

    Args:
        events: in order.
        full: epochs of a full training.
        budgets: in full trainings, ascending.
    """
    found, best, row, i = [], (-1, -np.inf), -1, 0
    ordered = list(events)
    for budget in budgets:
        while i < len(ordered) and ordered[i][0] <= budget * full + 1e-9:
            if ordered[i][1:3] > best:
                best, row = ordered[i][1:3], ordered[i][3]
            i += 1
        found.append(row)
    return found
