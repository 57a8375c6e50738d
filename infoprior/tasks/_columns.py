"""A data frame's columns as numbers or categories, its target as labels; refusals by name."""

from __future__ import annotations

import datetime
import decimal
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from infoprior.tasks._encode import Column
from infoprior.tasks._task import TaskError, TaskWarning
from infoprior.tasks._words import suggestion

MISSING = frozenset({"", "?", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<null>", "<NA>"})
CONTINUOUS = 50  # a target of numbers with more distinct values than this is no set of classes
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+|[+-]?\d+")
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([T ]\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
)
_TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Options:
    """How to read a frame. `where` opens every message: the file, or the OpenML id.

    strict: False leaves unusable columns out with a `TaskWarning`, where nobody could name them
    """

    where: str
    target: str
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    max_categories: int = 50
    strict: bool = True

    def column(self, name: str, what: str) -> str:
        return f"{self.where}: column {name!r} {what}"


def check_names(names: list[str], options: Options) -> None:
    """Raise `TaskError` unless target, drop and categorical name columns, each its own."""
    if options.target not in names:
        close = suggestion(options.target, names)
        listed = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
        raise TaskError(
            f"{options.where}: no column {options.target!r} to use as target{close or ';'} "
            f"choose one of {listed}"
        )
    for label, given in (("drop", options.drop), ("categorical", options.categorical)):
        for name in given:
            if name not in names:
                close = suggestion(name, names) or ";"
                raise TaskError(
                    f"{options.where}: no column {name!r}, named in {label}{close} correct it"
                )
            if name == options.target:
                raise TaskError(
                    options.column(name, f"is the target, take it out of {label} or change target")
                )


class _SaysNothing(TaskError):
    """A column without information: constant, or all missing."""


def without_missing(frame: Any, options: Options) -> Any:
    """The rows that have a label; a `TaskWarning` says how many have none."""
    labelled = np.array([not _is_missing(v) for v in frame[options.target].tolist()], dtype=bool)
    if not labelled.any():
        raise TaskError(options.column(options.target, "has no value at all; name another target"))
    if not labelled.all():
        lost = int((~labelled).sum())
        _warn(options.column(options.target, f"is missing in {lost} rows; they are left out"))
        frame = frame[labelled].reset_index(drop=True)
    return frame


def columns_of_frame(frame: Any, options: Options) -> list[Column]:
    """The usable features.

    `TaskError` names the first column that cannot be used and a remedy; columns that say nothing
    (constant, or without any value) are named all at once.
    """
    columns, empty = [], []
    for name in map(str, frame.columns):
        if name == options.target or name in options.drop:
            continue
        try:
            columns.append(_column(name, frame[name], options))
        except _SaysNothing as error:
            if not options.strict:
                _warn(f"{error} (left out)")
            empty.append((name, error))
        except TaskError as error:
            if options.strict:
                raise
            _warn(f"{error} (left out)")
    if empty and options.strict:
        if len(empty) == 1:
            raise empty[0][1]
        names = [name for name, _ in empty]
        raise TaskError(
            f"{options.where}: columns {', '.join(map(repr, names))} are constant or without any "
            f"value; leave them out with drop={names!r}"
        )
    if not columns:
        raise TaskError(
            f"{options.where}: no columns remain beside the target {options.target!r}; "
            "give a table with features"
        )
    return columns


def labels_of(series: Any, options: Options) -> list[str]:
    """Labels as texts; whole numbers lose their '.0'. `TaskError` for a continuous target."""
    texts = [str(v).strip() for v in series.tolist()]
    if not all(map(_NUMBER.fullmatch, texts)):
        return texts
    numbers = np.array(texts, dtype=np.float64)
    distinct = len(np.unique(numbers))
    whole = bool(np.isfinite(numbers).all() and (numbers == np.round(numbers)).all())
    if distinct > (max(CONTINUOUS, len(numbers) // 10) if whole else CONTINUOUS):
        raise TaskError(
            options.column(
                options.target,
                f"looks continuous ({distinct} distinct numbers), but a target must be classes; "
                "bin it into classes or name another target",
            )
        )
    if whole:
        return [str(int(v)) for v in numbers]
    return [str(float(v)) for v in numbers]


def _column(name: str, series: Any, options: Options) -> Column:
    column = _typed(name, series, options)
    remedy = f"; leave it out with drop=[{name!r}]"
    values = column.values
    if not column.nominal:
        known = values[~np.isnan(values)]
        if not len(known):
            raise _SaysNothing(options.column(name, f"has no value at all{remedy}"))
        if np.abs(known).max() > np.finfo(np.float32).max:
            raise TaskError(
                options.column(name, f"holds infinite or larger than float32 numbers{remedy}")
            )
        if known.min() == known.max():
            raise _SaysNothing(options.column(name, f"is constant{remedy}"))
        return column
    levels = {v for v in values if v is not None}
    if not levels:
        raise _SaysNothing(options.column(name, f"has no value at all{remedy}"))
    if len(levels) == 1 and None not in values:
        raise _SaysNothing(options.column(name, f"is constant{remedy}"))
    if len(levels) > options.max_categories:
        raise TaskError(
            options.column(
                name,
                f"has {len(levels)} categories, more than max_categories={options.max_categories}"
                f"{remedy}, or raise max_categories",
            )
        )
    return column


def _typed(name: str, series: Any, options: Options) -> Column:
    from pandas.api import types

    forced = name in options.categorical
    dates = options.column(
        name,
        f"holds dates or times; leave it out with drop=[{name!r}], or replace it by numbers such "
        "as the days since a date",
    )
    if types.is_datetime64_any_dtype(series) or types.is_timedelta64_dtype(series):
        raise TaskError(dates)
    if types.is_numeric_dtype(series) and not types.is_complex_dtype(series) and not forced:
        return Column(name, series.astype("float64").to_numpy(dtype=np.float64, na_value=np.nan))
    raw = series.tolist()
    for value in raw:
        if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
            raise TaskError(dates)
        if not _is_missing(value) and not isinstance(
            value, (str, bool, int, float, np.bool_, np.number, decimal.Decimal)
        ):
            raise TaskError(
                options.column(
                    name,
                    f"holds {type(value).__name__} values, which are neither numbers nor texts; "
                    f"leave it out with drop=[{name!r}]",
                )
            )
    texts = [None if _is_missing(v) else _text(v) for v in raw]
    known = [t for t in texts if t is not None]
    if not forced:
        for matches, parse in _READINGS:
            if all(map(matches, known)):
                return Column(name, np.array([np.nan if t is None else parse(t) for t in texts]))
        if all(map(_DATE.fullmatch, known)):
            raise TaskError(dates)
    cells = np.empty(len(texts), dtype=object)
    cells[:] = texts
    return Column(name, cells)


# How a column of texts may be numbers, in this order.
_READINGS: tuple[tuple[Callable[[str], Any], Callable[[str], float]], ...] = (
    (_NUMBER.fullmatch, float),
    (lambda t: t.lower() in _TRUTH, lambda t: _TRUTH[t.lower()]),
    (_DECIMAL_COMMA.fullmatch, lambda t: float(t.replace(",", "."))),
)


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value))
    return isinstance(value, str) and value.strip() in MISSING


def _warn(message: str) -> None:
    warnings.warn(message, TaskWarning, stacklevel=4)
