"""Checks of what callers pass: each refusal is one sentence that names the argument."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infoprior._arguments import is_real, is_whole
from infoprior.tasks._task import TaskError


def check_whole(name: str, value: Any, least: int) -> None:
    """Refuse what is no whole number of at least `least`; NumPy's are welcome, `True` is none.

    Raises:
        TaskError: then, with the argument's name.
    """
    if not is_whole(value) or value < least:
        raise TaskError(f"{name} must be a whole number of at least {least}, not {value!r}")


def check_seed(value: Any, name: str = "seed") -> None:
    """Refuse what is no whole number from 0 on, with a `TaskError`."""
    check_whole(name, value, 0)


def check_rows(name: str, value: Any) -> None:
    """Refuse what is no positive whole number of rows, with a `TaskError`."""
    if not is_whole(value) or value < 1:
        raise TaskError(f"{name} must be a positive number of rows, not {value!r}")


def check_text(name: str, value: Any, what: str) -> None:
    """Refuse what is no text, or an empty one, with a `TaskError`; `what` says what is needed."""
    if not isinstance(value, str) or not value:
        raise TaskError(f"{name} must be {what}, not {value!r}")


def check_columns(name: str, value: Any) -> tuple[str, ...]:
    """Names of columns as a tuple; a single text is one name.

    Raises:
        TaskError: something else.
    """
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray)):
        raise TaskError(f"{name} must be a list of column names, not {value!r}")
    names = tuple(value)
    for one in names:
        if not isinstance(one, str):
            raise TaskError(f"{name} must be a list of column names, which are texts, not {one!r}")
    return names


def check_fractions(value: Any) -> tuple[float, float, float]:
    """Three positive numbers of sum 1: the shares of training, validation and test rows.

    Raises:
        TaskError: something else.
    """
    listed = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else []
    numbers = [float(v) for v in listed if is_real(v)]
    # Comparisons with NaN are false, so they are written to be true of good values only.
    if not (
        len(listed) == len(numbers) == 3
        and all(0 < v < 1 for v in numbers)
        and abs(math.fsum(numbers) - 1) <= 1e-9
    ):
        raise TaskError(f"fractions must be three positive numbers of sum 1, not {value!r}")
    train, validation, test = numbers
    return train, validation, test


def check_separator(value: Any) -> str | None:
    """One character that separates columns, or None; a `TaskError` refuses anything else."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != 1 or value in '"\r\n\0':
        raise TaskError(
            f"separator={value!r} must be one character that separates the columns, such as ';' "
            "or '\\t' (a tab); leave it out to have it detected"
        )
    return value


def check_decimal(value: Any) -> str | None:
    """The decimal mark, "." or ",", or None; a `TaskError` refuses anything else."""
    if value is not None and (not isinstance(value, str) or value not in (".", ",")):
        raise TaskError(f"decimal must be '.' or ',' or None, not {value!r}")
    return value


def check_file(value: Any) -> Path:
    """The path of a file that exists.

    Raises:
        TaskError: there is none; the message says what is there instead.
    """
    if not isinstance(value, (str, os.PathLike)) or isinstance(os.fspath(value), bytes):
        raise TaskError(f"path must be the path of a CSV or parquet file, not {value!r}")
    text = os.fspath(value)
    if "://" in text:
        raise TaskError(f"{text}: is an address, not a file; download it and give the file's path")
    if not text or "\0" in text:
        raise TaskError(f"path must be the path of a CSV or parquet file, not {text!r}")
    path = Path(text)
    try:
        if not path.exists():
            raise TaskError(f"{path}: no such file; check the path")
        if not path.is_file():
            raise TaskError(f"{path}: is not a file; name a CSV or parquet file")
    except OSError as error:  # such as a name too long
        raise TaskError(f"{path}: cannot be looked up ({error.strerror}); check the path") from None
    return path
