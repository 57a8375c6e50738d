"""A categorical parameter's choices: which there can be, and which of them are equal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .._errors import PriorError
from .._values import short


def plain(value: Any) -> Any:
    """Python's own in place of one of NumPy's scalars, which no file and no database holds."""
    if isinstance(value, np.floating):  # whose longest stay NumPy's as items
        return float(value)
    return value.item() if isinstance(value, np.generic) else value


def choice_key(value: Any) -> Any:
    """What equal choices have in common: 1, 1.0 and True are one choice, "1" is another.

    Numbers go by their digits, not their hash: a file's ints may be chosen to have one hash, and
    a dict of those takes quadratic time. TypeError where a value is no choice.
    """
    value = plain(value)
    if value is None:
        return None
    if isinstance(value, str):
        return str.__str__(value)  # of an enumeration's member, the text that it equals
    if isinstance(value, float) and not value.is_integer():
        return "float", float.__repr__(value)
    if isinstance(value, (int, float)):
        return "int", format(int(value), "x")
    raise TypeError(f"{type(value).__name__} is no kind of choice")


def check_choice(name: str, choice: Any) -> None:
    """PriorError where a choice is of a kind that a file cannot hold."""
    try:
        choice_key(choice)
        finite = not isinstance(choice, (int, float)) or math.isfinite(choice)
    except TypeError:
        raise PriorError(
            f"space: parameter {short(name)} has the choice {short(choice)}, which is "
            "not None, bool, int, float or str."
        ) from None
    except OverflowError:
        raise PriorError(
            f"space: parameter {short(name)} has an int beyond the largest float as a choice, "
            "which Optuna cannot compare; use text for it."
        ) from None
    if not finite:
        raise PriorError(
            f"space: parameter {short(name)} has the choice {choice!r}, which JSON does not have; "
            "use text or None for it."
        )


def distinct(choices: Iterable[Any]) -> list[Any]:
    """The choices without those that equal an earlier one; TypeError where one is no choice."""
    kept: dict[Any, Any] = {}
    for choice in choices:
        kept.setdefault(choice_key(choice), choice)
    return [*kept.values()]
