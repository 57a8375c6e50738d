"""Past studies as JSON values, and read back with every field checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._errors import PriorError
from .._mixture.axes import Axis, CategoricalAxis, ContinuousAxis
from .._values import Array, json_numbers, listed, number, short
from .past import PastStudies

_FIELDS = ("names", "weights", "relevances", "noise", "basis", "coefficients", "pool")
_MOST_STUDIES, _MOST_POINTS = 10_000, 1_000


def to_document(past: PastStudies) -> dict[str, Any]:
    """JSON values; `from_document` gives the past studies back exactly."""
    return {
        "names": list(past.names),
        "weights": past.study_weights.tolist(),
        "relevances": past.relevances.tolist(),
        "noise": past.noise,
        "basis": _rows(past.basis),
        "coefficients": past.coefficients.tolist(),
        "pool": _rows(past.pool),
    }


def _rows(positions: Array) -> list[list[float | None]]:
    return [[None if x != x else x for x in row] for row in positions.tolist()]


def from_document(document: Any, axes: Mapping[str, Axis]) -> PastStudies:
    """The past studies of `to_document`'s values.

    Raises:
        PriorError: a field is missing or wrong, naming it.
    """
    if not isinstance(document, dict) or document.keys() != set(_FIELDS):
        given = listed(document) if isinstance(document, dict) else short(document)
        raise PriorError(f"past_studies: needs the keys {listed(_FIELDS)}, got {given}.")
    names = document["names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PriorError("past_studies: names needs a list of texts.")
    if not 1 <= len(names) <= _MOST_STUDIES:
        raise PriorError(f"past_studies: names needs 1 to {_MOST_STUDIES} studies.")
    basis = _positions("basis", document["basis"], axes)
    weights = _vector("weights", document["weights"], len(names))
    if not (np.all(weights >= 0.0) and abs(weights.sum() - 1.0) < 1e-6):
        raise PriorError("past_studies: weights need to be 0 or more and to sum to one.")
    relevances = _vector("relevances", document["relevances"], len(axes))
    noise = number("past_studies: noise", document["noise"])
    if not (np.all(relevances > 0.0) and 0.0 < noise <= 1e3):
        raise PriorError("past_studies: relevances and noise need to be above 0, noise up to 1000.")
    rows = _table("coefficients", document["coefficients"], len(names))
    coefficients = [_vector("coefficients", row, len(basis)) for row in rows]
    pool = _positions("pool", document["pool"], axes)
    return PastStudies(
        axes, tuple(names), weights, relevances, noise, basis, np.array(coefficients), pool
    )


def _table(field: str, value: Any, n: int | None = None) -> list[Any]:
    if not isinstance(value, list) or not value or len(value) != (n or len(value)):
        raise PriorError(f"past_studies: {field} needs a list of {n or 'rows'}.")
    return value


def _vector(field: str, value: Any, n: int) -> Array:
    if not isinstance(value, list) or len(value) != n:
        raise PriorError(f"past_studies: {field} needs a list of {n} numbers.")
    return json_numbers(value, lambda i: f"past_studies: {field}: number {i}")


def _positions(field: str, value: Any, axes: Mapping[str, Axis]) -> Array:
    """Rows of positions, each on its axis; null is a parameter that is missing."""
    rows = _table(field, value)
    if len(rows) > _MOST_POINTS:
        raise PriorError(f"past_studies: {field} needs {_MOST_POINTS} rows at most.")
    result = np.full((len(rows), len(axes)), np.nan)
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(axes):
            raise PriorError(f"past_studies: {field}: row {i} needs {len(axes)} positions.")
        for j, (x, axis) in enumerate(zip(row, axes.values(), strict=True)):
            if x is None:
                continue
            at = number(f"past_studies: {field}: row {i}", x)
            last = 1.0 if isinstance(axis, ContinuousAxis) else axis.n_values - 1.0
            whole = isinstance(axis, ContinuousAxis) or at == int(at)
            if not (0.0 <= at <= last and whole):
                kind = "choice" if isinstance(axis, CategoricalAxis) else "value"
                raise PriorError(
                    f"past_studies: {field}: row {i} has no {kind} of {short(axis.name)} at {at:g}."
                )
            result[i, j] = at
    return result
