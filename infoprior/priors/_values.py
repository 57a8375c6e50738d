"""What comes in from outside: checked where it comes in, shown in a few words where wrong.

An error shows at most sixty characters of a value, however large that is: files are read that
anyone may have written, and a message should not take longer than the file.
"""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import PriorError

Array = NDArray[np.float64]

_SHOWN = 60  # characters of a value
_LISTED = 8  # names in a row
_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _SHOWN


def short(value: Any) -> str:
    """`repr`, cut to 60 characters."""
    try:
        text = _repr.repr(value.item() if isinstance(value, np.generic) else value)
    except Exception:  # an int of thousands of digits, an object whose own repr fails
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def listed(names: Iterable[Any]) -> str:
    """Names as a list is shown, the first few of many."""
    every = list(names)
    shown = [short(name) for name in every[:_LISTED]]
    if len(every) > _LISTED:
        shown.append(f"... and {len(every) - _LISTED} more")
    return f"[{', '.join(shown)}]"


def number(where: str, value: Any) -> float:
    """`value` as a finite float; PriorError with `where` for a bool, text, NaN or infinity."""
    if isinstance(value, (np.bool_, np.str_, np.bytes_)) or not is_number(value):
        raise PriorError(f"{where}: needs a number, got {short(value)}.")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise PriorError(f"{where}: needs a finite number, got {short(value)}.")
    return result


def is_number(value: Any) -> bool:
    """An int or float, Python's or NumPy's, and no bool."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool)


def is_missing(value: Any) -> bool:
    """None, NaN, NaT, or pandas' NA, which compares as itself only."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except Exception:  # NA itself, and arrays and tensors, which are no single value
        return type(value).__name__ == "NAType"


def numbers(where: str, values: Any) -> Array:
    """A float64 copy of numbers; PriorError for text, bools, gaps, or what is no array of numbers.

    Infinities and NaN pass: what they mean is the caller's to say.
    """
    if np.ma.is_masked(values):
        raise PriorError(f"{where}: has masked entries; fill them or leave them out.")
    if isinstance(values, (list, tuple)) and any(isinstance(v, (bool, np.bool_)) for v in values):
        raise PriorError(f"{where}: needs numbers, got {short(values)}.")
    try:
        array = np.asarray(values)
        if array.dtype == np.object_:  # big ints, gaps, or objects
            flat = [number(where, value) for value in array.ravel().tolist()]
            array = np.array(flat).reshape(array.shape)
    except PriorError:
        raise
    except Exception:  # ragged lists, and tensors that do not let go of their numbers
        raise PriorError(f"{where}: needs numbers, got {short(values)}.") from None
    if array.dtype.kind not in "iuf":
        raise PriorError(f"{where}: needs numbers, got {short(values)}.")
    return np.array(array, dtype=np.float64)


def json_numbers(values: list[Any], where: Callable[[int], str]) -> Array:
    """A list's numbers as float64; `where(i)`, called only if it is wrong, names the i-th."""
    if set(map(type, values)) <= {int, float}:
        try:
            array = np.array(values, dtype=np.float64)
        except OverflowError:  # an int beyond the largest float
            array = np.array([math.inf])
        if np.isfinite(array).all():
            return array
    result = []
    for i, value in enumerate(values):
        try:
            result.append(number("", value))
        except PriorError:
            number(where(i), value)
    return np.array(result, dtype=np.float64)


def as_int(value: Any) -> int | None:
    """An int, Python's or NumPy's, as Python's; None for anything else, True and 2.0 among it."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def whole(where: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as an int in a range; PriorError for anything else, True and 2.0 among it."""
    result = as_int(value)
    if result is None:
        raise PriorError(f"{where}: needs a whole number, got {short(value)}.")
    if result < least or (most is not None and result > most):
        span = f"{least} or more" if most is None else f"{least} to {most}"
        raise PriorError(f"{where}: needs to be {span}, got {short(value)}.")
    return result


def positive_fraction(where: str, value: Any) -> float:
    """`value` as a float in (0, 1]; PriorError with `where` for anything else."""
    result = number(where, value)
    if not 0.0 < result <= 1.0:
        raise PriorError(f"{where}: needs to be in (0, 1], got {short(value)}.")
    return result


def one_of(where: str, value: Any, options: tuple[str, ...]) -> str:
    """`value` where it is one of some words."""
    if not isinstance(value, str) or value not in options:
        raise PriorError(
            f"{where}: needs to be {' or '.join(map(repr, options))}, got {short(value)}."
        )
    return value


def mapping(where: str, value: Any, of: str) -> Mapping[Any, Any]:
    """`value` where it is a dict or another mapping."""
    if not isinstance(value, Mapping):
        raise PriorError(f"{where}: needs a dict of {of}, got {short(value)}.")
    return value


def items(where: str, values: Any, what: str) -> list[Any]:
    """A list of what an iterable gives; PriorError for text, sets, and what gives nothing."""
    try:
        if isinstance(values, (str, bytes, set, frozenset)):
            raise TypeError
        return list(values)
    except Exception:  # arrays and tensors without dimensions have their own errors
        raise PriorError(f"{where}: needs {what}, got {short(values)}.") from None


def dicts(where: str, values: Any) -> list[Mapping[str, Any]]:
    """A list of dicts, of any iterable that gives them."""
    if isinstance(values, Mapping) or hasattr(values, "columns"):  # iterating gives its names
        raise PriorError(f"{where}: needs a list of dicts, got {type(values).__name__}.")
    result = items(where, values, "a list of dicts")
    for i, point in enumerate(result):
        if not isinstance(point, Mapping):
            raise PriorError(f"{where}: needs dicts, got {short(point)} as number {i}.")
    return result


def generator(where: str, rng: Any) -> np.random.Generator:
    """A generator, or the one that a seed makes."""
    if isinstance(rng, np.random.Generator):
        return rng
    try:
        return np.random.default_rng(whole(where, rng, 0))
    except PriorError:
        raise PriorError(
            f"{where}: needs a numpy.random.Generator or a seed, got {short(rng)}."
        ) from None
