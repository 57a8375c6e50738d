"""Where points lie: their values as positions on the axes, as `axes` defines them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import PriorError
from .._values import Array, listed, short
from .axes import Axis, CategoricalAxis, ContinuousAxis

Params = Mapping[str, Any]  # name -> value
Located = Mapping[str, tuple[Axis, Array]]  # name -> (axis, positions of shape (n,))


def locate(axis: Axis, values: Iterable[Any]) -> tuple[Array, NDArray[np.bool_]]:
    """(positions, 0 for values outside; whether each is inside), each of shape (n,)."""
    positions = [axis.find(value) for value in values]
    inside = np.array([p is not None for p in positions], dtype=np.bool_)
    return np.array([p or 0.0 for p in positions], dtype=np.float64), inside


def check_names(axes: Mapping[str, Axis], names: Any, where: str) -> None:
    """PriorError where a dict has not exactly the axes' names."""
    if not isinstance(names, Mapping):
        raise PriorError(f"{where}: needs a dict of names, got {type(names).__name__}.")
    if names.keys() != axes.keys():
        missing = listed(sorted(axes.keys() - names.keys()))
        unknown = listed(sorted(map(str, names.keys() - axes.keys())))
        raise PriorError(f"{where}: parameters missing: {missing}, unknown: {unknown}.")


def locate_points(
    axes: Mapping[str, Axis], points: Sequence[Params]
) -> tuple[dict[str, tuple[Axis, Array]], NDArray[np.bool_]]:
    """(name -> (axis, positions), which points are inside), each of shape (n,).

    Raises:
        PriorError: a point lacks a name, has an unknown one, or a value of the wrong type.
    """
    for point in points:
        check_names(axes, point, "point")
    located: dict[str, tuple[Axis, Array]] = {}
    inside = np.ones(len(points), dtype=np.bool_)
    for name, axis in axes.items():
        positions, contained = locate(axis, (p[name] for p in points))
        located[name] = axis, positions
        inside &= contained
    return located, inside


def locate_inside(
    axes: Mapping[str, Axis], points: Sequence[Params]
) -> dict[str, tuple[Axis, Array]]:
    """name -> (axis, positions of shape (n,)).

    Raises:
        PriorError: a point is outside the space, or not a point of it at all.
    """
    located, inside = locate_points(axes, points)
    if not inside.all():
        i = int(np.flatnonzero(~inside)[0])
        raise PriorError(f"points: number {i} is outside the space: {short(dict(points[i]))}.")
    return located


def nearest_position(axis: Axis, value: Any) -> tuple[float, bool]:
    """(position of a value or of the nearest, NaN if there is none; whether it is inside).

    A number outside moves to the nearest value; a choice that does not exist is none.
    """
    try:
        position = axis.find(value)
        if position is not None:
            return position, True
        if isinstance(axis, CategoricalAxis):
            return math.nan, False
        number = float(value)
    except (PriorError, TypeError, ValueError, OverflowError):
        return math.nan, False
    clipped = min(max(number, axis.low), axis.high)
    if isinstance(axis, ContinuousAxis):
        nearest = axis.find(clipped)
        return (math.nan if nearest is None else nearest), False
    index = round((clipped - axis.low) / axis.step)
    return float(min(max(index, 0), axis.n_values - 1)), False
