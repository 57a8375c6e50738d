"""Checks of the arguments of studies and samplers; each names the argument."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from ._errors import PriorError
from ._values import as_int, short


def whole(what: str, value: Any, least: int, *others: int, most: int | None = None) -> int:
    """An int, numpy's too, of `least` or more (up to `most`), or one of `others`.

    Raises:
        PriorError: it is anything else.
    """
    number = as_int(value)
    if number is None or (number < least and number not in others):
        allowed = " or ".join([f"{least} or more", *map(str, others)])
        raise PriorError(f"{what}: needs to be an int of {allowed}, got {short(value)}.")
    if most is not None and number > most:
        raise PriorError(f"{what}: needs to be an int of at most {most}, got {short(value)}.")
    return number


def fraction(what: str, value: Any) -> float:
    """A number in [0, 1], numpy's too; PriorError for anything else."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not 0.0 <= value <= 1.0:
        raise PriorError(f"{what}: needs to be in [0, 1], got {short(value)}.")
    return float(value)


def flag(what: str, value: Any) -> bool:
    """True or False, numpy's too; PriorError for anything else."""
    if not isinstance(value, (bool, np.bool_)):
        raise PriorError(f"{what}: needs to be True or False, got {short(value)}.")
    return bool(value)


def seconds(what: str, value: Any) -> float | None:
    """A number of seconds of 0 or more, infinity too, or None; PriorError for anything else."""
    if value is None:
        return None
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not value >= 0:
        raise PriorError(f"{what}: needs seconds of 0 or more or None, got {short(value)}.")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def study_of(what: str, value: Any) -> optuna.Study:
    """An Optuna study; PriorError for anything else."""
    if not isinstance(value, optuna.Study):
        raise PriorError(f"{what}: needs an Optuna study, got {type(value).__name__}.")
    return value


def trial_of(what: str, value: Any) -> optuna.Trial | FrozenTrial:
    """A trial of Optuna's, running or finished; PriorError for anything else."""
    if not isinstance(value, (optuna.trial.BaseTrial, FrozenTrial)):
        raise PriorError(f"{what}: needs an Optuna trial, got {type(value).__name__}.")
    return value  # type: ignore[return-value]
