"""Checks of arguments that several rooms take."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_whole(value: Any) -> bool:
    """Whether it is a whole number: an int or one of NumPy's; `True` is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """Whether it is a real number: a float, an int or one of NumPy's; `True` is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole_number(
    value: Any, name: str, least: int = 0, error: type[ValueError] = ValueError
) -> int:
    """A whole number as an int; NumPy's are welcome, `True` is none.

    Args:
        value: what was given.
        name: of the argument, for the message.
        least: lower bound, included.
        error: what to raise.

    Raises:
        ValueError: of the class `error`: something else, or less than `least`.
    """
    if not is_whole(value) or value < least:
        raise error(f"{name} = {value!r}: a whole number from {least} on is needed.")
    return int(value)


def check_seed(value: Any, error: type[ValueError] = ValueError, name: str = "seed") -> int:
    """A seed as an int, from 0 to 2^63 - 1: all that PyTorch's generators take.

    Args:
        value: what was given.
        error: what to raise.
        name: of the argument, for the message.

    Raises:
        ValueError: of the class `error`: something else.
    """
    seed = whole_number(value, name, 0, error)
    if seed >= 2**63:
        raise error(f"{name} = {seed}: a whole number below 2**63 is needed.")
    return seed


def epochs_within(
    values: Any, name: str, last: int, error: type[ValueError] = ValueError
) -> list[int]:
    """Epochs from 1 to the last one, in order, each once.

    Args:
        values: what was given.
        name: of the argument, for the message.
        last: the last epoch there is.
        error: what to raise.

    Raises:
        ValueError: of the class `error`: something else.
    """
    try:
        epochs = sorted({whole_number(value, name, -(2**63)) for value in values})
    except (TypeError, ValueError):
        raise error(f"{name} = {values!r}: give several whole numbers, as (1, 3).") from None
    outside = [epoch for epoch in epochs if not 1 <= epoch <= last]
    if outside:
        raise error(f"{name} names the epochs {outside}; they must lie in 1..{last}.")
    return epochs


def instance_of(value: Any, kind: type, name: str, remedy: str, error: type[ValueError]) -> None:
    """Refuse what is of another type.

    Args:
        value: what was given.
        kind: the type that is needed.
        name: of the argument, for the message.
        remedy: what to give, as in "give a Task, as read_table returns it".
        error: what to raise.

    Raises:
        ValueError: of the class `error`: `value` is of another type.
    """
    if not isinstance(value, kind):
        raise error(f"{name} is {_said(value)}; {remedy}.")


def _said(value: Any) -> str:
    """A short value itself, of a long one its type."""
    said = repr(value) if isinstance(value, str | int | float | type(None)) else ""
    return said if 0 < len(said) <= 60 else f"of type {type(value).__name__}"


def whole_within(
    value: Any, name: str, low: int, high: int, error: type[ValueError] = ValueError
) -> int:
    """A whole number from low to high as an int.

    Args:
        value: what was given.
        name: of the argument, for the message.
        low: lower bound, included.
        high: upper bound, included.
        error: what to raise.

    Raises:
        ValueError: of the class `error`: something else.
    """
    whole = whole_number(value, name, low, error)
    if whole > high:
        raise error(f"{name} = {whole}: a whole number from {low} to {high} is needed.")
    return whole


def real_number(
    value: Any,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
    error: type[ValueError] = ValueError,
) -> float:
    """A finite number within bounds, as a float or an int; NumPy's are welcome, `True` is none.

    Args:
        value: what was given.
        name: of the argument, for the message.
        low: lower bound, included.
        high: upper bound, included.
        above: the lower bound itself is excluded.
        below: the upper bound itself is excluded.
        error: what to raise.

    Raises:
        ValueError: of the class `error`: something else.
    """
    if is_real(value) and math.isfinite(value):
        plain = int(value) if isinstance(value, Integral) else float(value)
        if (low < plain if above else low <= plain) and (plain < high if below else plain <= high):
            return plain
    bounds = [f"above {low:g}" if above else f"from {low:g} on"] if low > -math.inf else []
    bounds += [f"below {high:g}" if below else f"at most {high:g}"] if high < math.inf else []
    wanted = " ".join(["a finite number", " and ".join(bounds)]).strip()
    raise error(f"{name} is {_said(value)}: {wanted} is needed.")


def number_list(
    value: Any, name: str, error: type[ValueError], *, finite: bool = True, least: int = 1
) -> NDArray[np.float64]:
    """A list, array or column of numbers.

    Args:
        value: what was given.
        name: of the argument, for the message.
        error: what to raise.
        finite: NaN and infinities are refused.
        least: how many there have to be.

    Returns:
        shape (n,), float64.

    Raises:
        ValueError: of the class `error`: something else.
    """
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty((0, 0))
    if array.ndim != 1 or array.size < least:
        many = f"{least} or more numbers" if least else "numbers"
        raise error(f"{name} has to be a list of {many}, got {_shape(value, array)}.")
    if finite and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise error(f"{name} holds {bad} of {array.size} values that are not finite.")
    return array


def name_list(value: Any, name: str, error: type[ValueError], *, least: int = 0) -> list[str]:
    """A list, tuple, set or column of names, as a list.

    Args:
        value: what was given.
        name: of the argument, for the message.
        error: what to raise.
        least: how many there have to be.

    Raises:
        ValueError: of the class `error`: a single text, or something else.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise error(f"{name} is {_said(value)}; give a list of names.")
    names = list(value)
    if not all(isinstance(item, str) for item in names):
        raise error(f"{name} has to hold names only.")
    if len(names) < least:
        raise error(f"{name} has to hold at least {least} name{'s' * (least > 1)}.")
    return names


def data_frame(value: Any, name: str, columns: Iterable[str], error: type[ValueError]) -> Any:
    """A data frame that has these columns.

    Args:
        value: what was given.
        name: of the argument, for the message.
        columns: that it needs.
        error: what to raise.

    Raises:
        ValueError: of the class `error`: something else, or one that lacks some of them.
    """
    from pandas import DataFrame

    instance_of(value, DataFrame, name, "give a pandas DataFrame", error)
    if lacking := [column for column in columns if column not in value.columns]:
        raise error(f"{name} lacks the columns {lacking}; it has {list(map(str, value.columns))}.")
    return value


def file_path(value: Any, name: str, error: type[ValueError]) -> Path:
    """A path that can name a file or folder.

    Args:
        value: what was given.
        name: of the argument, for the message.
        error: what to raise.

    Raises:
        ValueError: of the class `error`: something else.
    """
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise error(f"{name} is {_said(value)}; give a path.")
    return Path(value)


def _shape(value: Any, array: NDArray[np.float64]) -> str:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return _said(value)
    return f"one of shape {array.shape}" if array.shape != (0, 0) else "one with other things"
