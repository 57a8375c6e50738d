"""Which values two axes of one parameter share.

The second axis says which values there may be, the first one how they are measured: a log
parameter stays one on a range that is asked for without log, and ints stay ints where a float is
asked for. There are two exceptions:

- A continuous axis has no mass on single values. On a grid each value stands for its cell, the
  interval half a step to either side.
- Some values of a log parameter in steps, such as every tenth of a log int, are no log parameter
  of Optuna's: the uniform distribution over them is another one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from .._errors import PriorError
from .._values import Array, short
from .axes import (
    TOLERANCE,
    Axis,
    CategoricalAxis,
    ContinuousAxis,
    GridAxis,
    NumericAxis,
    all_positions,
    float_distribution,
)
from .locate import locate

_MAX_VALUES = 500_000  # the most values compared one by one


@dataclass(frozen=True)
class Interval:
    """All values of the first axis from one to another.

    Attributes:
        axis: of these values.
        start, end: unit coordinates on the first axis; a little beyond [0, 1] where the outer
            cells of a grid are.
        first, last: positions on the first axis.
    """

    axis: NumericAxis
    start: float
    end: float
    first: float
    last: float


@dataclass(frozen=True)
class Value:
    """A single value, with its position on the first axis."""

    axis: NumericAxis
    position: float


@dataclass(frozen=True)
class Values:
    """Some values of a discrete first axis, with their positions on it, shape (n,)."""

    axis: CategoricalAxis | GridAxis
    positions: Array


@dataclass(frozen=True)
class Cells:
    """Cells of a continuous first axis, one for each value of a grid.

    `lower` and `upper`, shape (n,), are their ends in unit coordinates on the first axis.
    """

    axis: GridAxis
    lower: Array
    upper: Array


Shared = Interval | Value | Values | Cells


def intersect(axis: Axis, other: Axis) -> Shared | None:
    """The values of `axis` that `other` has too; None where there is none.

    Raises:
        PriorError: there are more than 500,000 values to compare one by one.
    """
    if isinstance(axis, CategoricalAxis) or isinstance(other, CategoricalAxis):
        if isinstance(axis, CategoricalAxis) and isinstance(other, CategoricalAxis):
            return _choices(axis, other)
        return None
    if isinstance(axis, ContinuousAxis):
        return _range(axis, other) if isinstance(other, ContinuousAxis) else _cells(axis, other)
    indices = _consecutive(axis, other)
    if indices is None:
        assert isinstance(other, GridAxis)
        return _every_so_many(axis, other)
    return _steps(axis, other, *indices)


def _choices(axis: CategoricalAxis, other: CategoricalAxis) -> Values | None:
    """The choices that both have, in the other's order."""
    positions, inside = locate(axis, other.choices)
    if not inside.any():
        return None
    choices = [choice for choice, known in zip(other.choices, inside, strict=True) if known]
    return Values(CategoricalAxis(axis.name, CategoricalDistribution(choices)), positions[inside])


def _range(axis: ContinuousAxis, other: ContinuousAxis) -> Interval | None:
    """The floats that both have."""
    low, high = max(axis.low, other.low), min(axis.high, other.high)
    if not low < high:
        return None
    start, end = axis.find(low) or 0.0, axis.find(high) or 0.0  # both inside
    narrowed = ContinuousAxis(axis.name, FloatDistribution(low, high, log=axis.log))
    return Interval(narrowed, start, end, first=start, last=end)


def _consecutive(axis: GridAxis, other: NumericAxis) -> tuple[int, int] | None:
    """The first and last index of the values that are the other's; None if some between are not.

    The last is smaller than the first where the two have no value in common.
    """
    if isinstance(other, GridAxis):
        steps, offset = axis.step / other.step, (axis.low - other.low) / other.step
        if abs(steps - round(steps)) > TOLERANCE or abs(offset - round(offset)) > TOLERANCE:
            return None
    low, high = max(axis.low, other.low), min(axis.high, other.high)
    first = math.ceil((low - axis.low) / axis.step - TOLERANCE)
    last = math.floor((high - axis.low) / axis.step + TOLERANCE)
    return max(first, 0), min(last, axis.n_values - 1)


def _steps(axis: GridAxis, other: NumericAxis, first: int, last: int) -> Interval | Value | None:
    """The values of a grid from one index to another."""
    if first > last:
        return None
    # Where the other is continuous, or the first a log parameter, the values stay the first's.
    typed = axis if isinstance(other, ContinuousAxis) or axis.log else other
    low, high = axis.values(np.array([first, last]))
    integer = isinstance(typed, GridAxis) and typed.integer
    narrowed = _grid(axis.name, low, high, axis.step, integer=integer, log=axis.log)
    if first == last:
        return Value(narrowed, float(first))
    starts, ends = axis.edges(np.array([first, last]))
    return Interval(narrowed, float(starts[0]), float(ends[1]), float(first), float(last))


def _every_so_many(axis: GridAxis, other: GridAxis) -> Value | Values | None:
    """The values of a grid that another grid has too, where some between are not."""
    smaller = min((axis, other), key=lambda a: a.n_values)
    if smaller.n_values > _MAX_VALUES:
        raise PriorError(
            f"restrict: {short(axis.name)} has {smaller.n_values} values to compare, more than "
            f"{_MAX_VALUES}; keep the prior's step, or use a coarser one."
        )
    values = smaller.values(all_positions(smaller))
    in_other, known = locate(other, values)
    positions, inside = locate(axis, values)
    both = known & inside
    if not both.any():
        return None
    shared = other.values(in_other[both])
    # Two grids meet in a grid: every so many steps.
    step = other.step * (float(np.diff(in_other[both][:2])[0]) if len(shared) > 1 else 1.0)
    narrowed = _grid(axis.name, shared[0], shared[-1], step, integer=other.integer, log=False)
    if len(shared) == 1:
        return Value(narrowed, float(positions[both][0]))
    return Values(narrowed, positions[both])


def _cells(axis: ContinuousAxis, other: GridAxis) -> Interval | Value | Cells | None:
    """The values of a grid in a continuous range, each standing for its cell."""
    first = max(math.ceil((axis.low - other.low) / other.step - TOLERANCE), 0)
    last = math.floor((axis.high - other.low) / other.step + TOLERANCE)
    last = min(last, other.n_values - 1)
    if axis.log and other.low + first * other.step <= 0.0:
        first += 1
    if first > last:
        return None
    step, log = other.step, axis.log and other.integer and other.step == 1
    low, high = other.values(np.array([first, last], dtype=np.float64))
    narrowed = _grid(axis.name, low, high, step, integer=other.integer, log=log)
    if first == last:
        return Value(narrowed, axis.find(min(max(float(low), axis.low), axis.high)) or 0.0)
    # Cells are half a step to either side; what lies beyond the first axis' range counts as if it
    # went on there.
    if log or not axis.log:
        start, end = axis.to_unit(np.array([low - 0.5 * step, high + 0.5 * step])).tolist()
        return Interval(narrowed, start, end, first=max(start, 0.0), last=min(end, 1.0))
    if narrowed.n_values > _MAX_VALUES:
        raise PriorError(
            f"restrict: {short(axis.name)} has {narrowed.n_values} values; use a larger step."
        )
    values = np.asarray(narrowed.values(all_positions(narrowed)), dtype=np.float64)
    ends = np.clip([values - 0.5 * step, values + 0.5 * step], axis.low, axis.high)
    lower, upper = np.clip(axis.to_unit(ends), 0.0, 1.0)
    return Cells(narrowed, lower, upper)


def _grid(name: str, low: float, high: float, step: float, *, integer: bool, log: bool) -> GridAxis:
    """The axis of a range in steps."""
    if integer:
        return GridAxis(name, IntDistribution(round(low), round(high), log=log, step=round(step)))
    if low == high:
        return GridAxis(name, FloatDistribution(low, high, log=log))
    return GridAxis(name, float_distribution(low, high, step=step))
