"""A table of trials, column by column: what is in them, and whether it can be what it should be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection

from .._errors import PriorError
from .._mixture.axes import Axis, CategoricalAxis
from .._mixture.choices import distinct, plain
from .._values import is_missing, is_number, items, listed, short

Direction = str | StudyDirection
_LOG_RATIO = 1e3  # a positive column that spans three decades is taken to be on a log scale
_LARGEST_INT = 2**53  # beyond this a float no longer holds every int


def columns_of(frame: Any) -> dict[str, list[Any]]:
    """name -> values as Python scalars; levels of a column index are joined by "_"."""
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise PriorError(f"frame: needs a pandas DataFrame, got {type(frame).__name__}.")
    table: dict[str, list[Any]] = {}
    for i, label in enumerate(frame.columns):
        parts = label if isinstance(label, tuple) else (label,)
        name = "_".join(str(part) for part in parts if str(part) != "")
        if name in table:
            raise PriorError(f"frame: there are two columns {short(name)}.")
        column = frame.iloc[:, i]
        single = _single_precision(column.dtype)
        table[name] = [_scalar(value, single) for value in column.tolist()]
    return table


def _single_precision(dtype: Any) -> Any:
    """NumPy's half or single precision type, where a column is of it; pandas has three of them."""
    dtype = getattr(dtype, "numpy_dtype", dtype)
    short_float = getattr(dtype, "kind", "") == "f" and dtype.itemsize < 8
    return dtype.type if short_float else None


def _scalar(value: Any, single: Any) -> Any:
    """As Python has it; a float of less precision as the shortest decimal that it stands for.

    0.1 in float32 is exactly 0.10000000149, neither the choice 0.1 nor in a range up to 0.1.
    """
    if single is not None and not is_missing(value):
        value = single(value)
    if isinstance(value, np.floating) and value.dtype.itemsize < 8:
        return float(str(value))
    return plain(value)


def column_of(table: Mapping[str, list[Any]], name: Any, what: str) -> list[Any]:
    """A column by its name; PriorError where there is none."""
    if not isinstance(name, str):
        raise PriorError(f"{what}: needs the name of a column, got {short(name)}.")
    if name not in table:
        raise PriorError(
            f"{what}: the frame has no column {short(name)} beside its parameters; "
            f"it has {listed(table)}."
        )
    return table[name]


def check_column(axis: Axis, column: Sequence[Any]) -> None:
    """PriorError where a parameter's column cannot be of that parameter."""
    name, seen = short(axis.name), [v for v in column if not is_missing(v)]
    if isinstance(axis, CategoricalAxis):
        if seen and not any(_is_choice(axis, value) for value in seen):
            raise PriorError(
                f"frame: column {name} has no value that is a choice of {axis.describe()}; "
                f"its first is {short(seen[0])}."
            )
        return
    for value in seen:
        if not is_number(value):
            raise PriorError(
                f"frame: column {name} needs numbers for {axis.describe()}, got {short(value)}."
            )


def _is_choice(axis: CategoricalAxis, value: Any) -> bool:
    try:
        return axis.find(value) is not None
    except PriorError:
        return False


def inferred(name: str, column: Sequence[Any]) -> BaseDistribution:
    """The distribution that a column's values suggest."""
    seen = [v for v in column if not is_missing(v)]
    if not all(is_number(v) for v in seen):
        return CategoricalDistribution(_choices(name, seen))
    if infinite := [v for v in seen if not _finite(v)]:
        raise PriorError(
            f"frame: column {short(name)} holds {short(infinite[0])}; leave such rows out, or say "
            "what there is by space=."
        )
    low, high = min(seen), max(seen)
    gaps = len(seen) < len(column)  # pandas turns an int column with gaps into floats
    if all(isinstance(v, int) or (gaps and v.is_integer()) for v in seen):
        if max(abs(low), abs(high)) > _LARGEST_INT:
            raise PriorError(f"frame: column {short(name)} holds ints beyond 2**53.")
        return IntDistribution(int(low), int(high), log=low > 0 and high / low >= _LOG_RATIO)
    low, high = _as_float(low), _as_float(high)
    return FloatDistribution(low, high, log=low > 0 and high / low >= _LOG_RATIO)


def _finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _choices(name: str, seen: Sequence[Any]) -> list[Any]:
    try:
        return sorted(distinct(seen), key=lambda choice: (type(choice).__name__, str(choice)))
    except TypeError as error:
        raise PriorError(
            f"frame: column {short(name)} holds lists or the like ({error}); "
            "a prior's choices are None, bool, int, float or str."
        ) from None


def losses_of(
    table: Mapping[str, list[Any]],
    value: str | Sequence[str] | None,
    direction: Direction | Sequence[Direction],
) -> list[list[float] | None]:
    """Each row's objectives, lower is better; None where one is missing."""
    if value is None:
        names = ["value"] if "value" in table else [n for n in table if n.startswith("values_")]
        if not names:
            raise PriorError("value: the frame has no column 'value'; pass value= to name it.")
    else:
        names = _listed("value", value, "the name of a column", str)
    directions = _listed("direction", direction, "'minimize' or 'maximize'", (str, StudyDirection))
    if isinstance(direction, (str, StudyDirection)):
        directions = directions * len(names)
    if len(directions) != len(names):
        raise PriorError(f"direction: there are {len(directions)} for {len(names)} objectives.")
    signed = [
        _signed(name, column_of(table, name, "value"), _sign(d))
        for name, d in zip(names, directions, strict=True)
    ]
    rows = [list(row) for row in zip(*signed, strict=True)]
    return [None if any(x != x for x in row) else row for row in rows]


def _listed(where: str, value: Any, what: str, kinds: Any) -> list[Any]:
    """One or several as a list."""
    listed = [value] if isinstance(value, kinds) else items(where, value, f"{what}, or several")
    if not listed:
        raise PriorError(f"{where}: needs {what}, or several, got none.")
    return listed


def _sign(direction: Any) -> float:
    name = direction.name.lower() if isinstance(direction, StudyDirection) else direction
    if not isinstance(name, str) or name not in ("minimize", "maximize"):
        raise PriorError(
            f"direction: needs to be 'minimize' or 'maximize', got {short(direction)}."
        )
    return -1.0 if name == "maximize" else 1.0


def _signed(name: str, column: Sequence[Any], sign: float) -> list[float]:
    """An objective's column as losses, NaN where it is missing."""
    seen = [v for v in column if not is_missing(v)]
    for value in seen:
        if not is_number(value):
            raise PriorError(f"value: column {short(name)} needs numbers, got {short(value)}.")
    shift: Any = 0
    if seen and all(isinstance(v, int) for v in seen):
        # Only ranks count, and a shift keeps them where floats would take two ints for one.
        shift = min(seen) if max(abs(min(seen)), abs(max(seen))) > _LARGEST_INT else 0
    return [math.nan if is_missing(v) else sign * _as_float(v - shift) for v in column]


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
