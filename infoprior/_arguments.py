"""Checks of arguments that several rooms take."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def whole_number(
    value: Any, name: str, least: int = 0, error: type[ValueError] = ValueError
) -> int:
    """A whole number as an int; NumPy's are welcome, `True` is none.

    Raises:
        ValueError: of the kind `error`: something else, or less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise error(f"{name} = {value!r}: a whole number from {least} on is needed.")
    return int(value)


def check_seed(value: Any, error: type[ValueError] = ValueError, name: str = "seed") -> int:
    """A seed as an int, from 0 to 2^63 - 1: all that PyTorch's generators take.

    Raises:
        ValueError: of the kind `error`: something else.
    """
    seed = whole_number(value, name, 0, error)
    if seed >= 2**63:
        raise error(f"{name} = {seed}: a whole number below 2**63 is needed.")
    return seed


def epochs_within(
    values: Any, name: str, last: int, error: type[ValueError] = ValueError
) -> list[int]:
    """Epochs from 1 to the last one, in order, each once.

    Raises:
        ValueError: of the kind `error`: something else.
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
        remedy: what to give, as in "give a Task, as read_table returns it".

    Raises:
        ValueError: of the kind `error`.
    """
    if not isinstance(value, kind):
        raise error(f"{name} is {_said(value)}; {remedy}.")


def _said(value: Any) -> str:
    """A short value itself, of a long one its type."""
    said = repr(value) if isinstance(value, str | int | float | type(None)) else ""
    return said if 0 < len(said) <= 60 else f"of type {type(value).__name__}"
