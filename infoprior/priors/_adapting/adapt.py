"""What `Prior` asks of this folder: evidence of trials, and what the past becomes under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._errors import PriorError
from .._mixture.axes import Axis
from .._mixture.locate import Params, nearest_position
from .._mixture.mixture import Mixture
from .._values import Array, dicts, numbers
from .density import adapted_mixture, key
from .features import spread
from .past import PastStudies
from .posterior import MOST_TRIALS, Evidence, normal_scores, study_weights

FEWEST_TRIALS = 2  # of the present study, to compare


def evidence_of(
    past: PastStudies | None, trials: Sequence[Params], losses: ArrayLike
) -> tuple[PastStudies, Evidence]:
    """(the past studies, the evidence of some trials).

    Raises:
        PriorError: there are no past studies, or not a loss for each trial.
    """
    if past is None:
        raise PriorError(
            "prior: it does not adapt; Prior.from_studies(..., adapt=True) makes one that does."
        )
    points, values = dicts("trials", trials), numbers("losses", losses)
    if values.shape != (len(points),) or np.isnan(values).any():
        raise PriorError(f"losses: needs a number for each of {len(points)} trials.")
    positions = [positions_of(past.axes, point) for point in points]
    order = np.argsort(values, kind="stable")
    return past, ranked_evidence(past, positions, order, values)


def positions_of(axes: Mapping[str, Axis], params: Params) -> Array:
    """A trial's positions, shape (d,), NaN where it has no such parameter."""
    return np.array(
        [
            nearest_position(axis, params[name])[0] if name in params else np.nan
            for name, axis in axes.items()
        ]
    )


def ranked_evidence(
    past: PastStudies, positions: Sequence[Array], order: Any, losses: Array | None = None
) -> Evidence:
    """The evidence of ranked trials: all, or of many the best half of `MOST_TRIALS` and others.

    Args:
        past: the past studies.
        positions: of n trials, each of shape (d,).
        order: indices of the trials, the best first.
        losses: by which trials tie, shape (n,); none do by default.
    """
    n = len(positions)
    if not n:
        return Evidence(np.zeros((0, len(past.axes))), np.zeros(0))
    order = np.asarray(order, dtype=np.int64)
    ranks = np.empty(n)
    ranks[order] = np.arange(n)
    scores = normal_scores(ranks if losses is None else losses)
    if n > MOST_TRIALS:
        half = MOST_TRIALS // 2
        order = np.concatenate([order[:half], order[half + spread(n - half, MOST_TRIALS - half)]])
    kept = np.sort(order)
    return Evidence(np.stack([positions[i] for i in kept]), scores[kept])


def mixture_given(
    past: PastStudies, evidence: Evidence, tried: set[bytes] | None = None
) -> Mixture:
    """What is proposed after some trials, two at least; not again what was tried."""
    if tried is None:
        tried = {key(past, row) for row in evidence.positions}
    return adapted_mixture(past, evidence, tried)


def weights_by_name(past: PastStudies, evidence: Evidence) -> dict[str, float]:
    """Name -> the summed weights of the studies of that name."""
    result = dict.fromkeys(past.names, 0.0)
    for name, weight in zip(past.names, study_weights(past, evidence).tolist(), strict=True):
        result[name] += weight
    return result


def without_past(document: Any) -> tuple[Any, Any]:
    """(a prior's document without its past studies, these; None where it has none)."""
    if not isinstance(document, dict) or "past_studies" not in document:
        return document, None
    rest = {name: value for name, value in document.items() if name != "past_studies"}
    return rest, document["past_studies"] or {"none": None}
