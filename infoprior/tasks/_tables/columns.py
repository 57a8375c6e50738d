"""A data frame's columns as numbers or categories; refusals by name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from infoprior.tasks._encode import Column
from infoprior.tasks._floats import floats_of_arrow, floats_of_texts, from_least, shifted
from infoprior.tasks._tables.cells import (
    arrow_of,
    distinct,
    is_missing,
    is_missing_among_numbers,
    is_text,
    joined_by_trimming,
    not_readable,
    text_of,
    trim,
)
from infoprior.tasks._tables.numbers import (
    CODE,
    GROUPED_BY_POINTS,
    PLAIN,
    ZERO,
    Unclear,
    read_numbers,
)
from infoprior.tasks._tables.options import Options, warn
from infoprior.tasks._task import TaskError

_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})"
    rf"|\d{{1,2}}[- .]+{_MONTH}[- ,]+(\d{{4}}|\d{{2}})|{_MONTH} \d{{1,2}},? \d{{4}})"
    r"([T ]+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?",
    re.IGNORECASE,
)
_TRUTH = {"true": 1.0, "false": 0.0}


class _SaysNothing(TaskError):
    """A column without information: constant, or all missing."""


def columns_of_frame(frame: Any, options: Options) -> list[Column]:
    """The usable features of a frame.

    Args:
        frame: a pandas DataFrame of n rows.
        options: how to read it.

    Returns:
        columns of n rows.

    Raises:
        TaskError: a column cannot be used, with its name and a remedy (the first such column;
            columns without information, constant or without any value, all at once). Or no column
            remains.
    """
    columns, empty = [], []
    for name in map(str, frame.columns):
        if name == options.target or name in options.drop:
            continue
        try:
            columns.append(_column(name, frame[name], options))
        except _SaysNothing as error:
            if not options.strict:
                warn(f"{error} (left out)")
            empty.append((name, error))
        except TaskError as error:
            if options.strict:
                raise
            warn(f"{error} (left out)")
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


def _column(name: str, series: Any, options: Options) -> Column:
    """One feature; `TaskError` where it holds no two different finite values."""
    column = _typed(name, series, options)
    remedy = f"; leave it out with drop=[{name!r}]"
    if column.nominal:
        return column
    known = column.values[~np.isnan(column.values)]
    if not len(known):
        raise _SaysNothing(options.column(name, f"has no value at all{remedy}"))
    if not np.isfinite(known).all():
        raise TaskError(
            options.column(name, f"holds infinite or larger than float64 numbers{remedy}")
        )
    if known.min() == known.max():
        raise _SaysNothing(options.column(name, f"is constant{remedy}"))
    return column


def _typed(name: str, series: Any, options: Options) -> Column:
    """One feature, by the type of its values."""
    import pyarrow as pa

    array = arrow_of(name, series, options)
    kind = array.type
    named = name in options.categorical or pa.types.is_dictionary(kind)
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_temporal(value_type):
        raise TaskError(_dates(name, options))
    number = (
        pa.types.is_boolean(value_type)
        or pa.types.is_integer(value_type)
        or pa.types.is_floating(value_type)
        or pa.types.is_decimal(value_type)
    )
    if number and not named:
        return Column(name, floats_of_arrow(array))
    if pa.types.is_null(value_type):
        return Column(name, np.full(len(array), np.nan))
    if is_text(array) and not named and (numbers := _plain_numbers(array, options)) is not None:
        return Column(name, numbers)
    if not number and str(value_type) not in ("large_string", "string", "string_view"):
        raise TaskError(not_readable(name, str(value_type), options))
    return _of_distinct(name, *distinct(array), named, options)


def _plain_numbers(array: Any, options: Options) -> np.ndarray | None:
    """Texts that are plain numbers or missing, shape (n,); None if any may be something else.

    The fast way for most columns: what is not sure here is looked at value by value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def matches(texts: Any, pattern: str) -> Any:
        return pc.match_substring_regex(texts, f"^({pattern})$")

    array = trim(array).combine_chunks()
    texts = array
    plain = matches(array, PLAIN).fill_null(False)
    if not pc.all(plain).as_py():
        others = pc.unique(array.filter(pc.invert(plain))).to_pylist()
        texts = array.filter(plain)
        if not all(t is None or is_missing_among_numbers(t) for t in others) or not len(texts):
            return None
        array = pc.if_else(plain, array, pa.scalar(None, array.type))
    if pc.any(matches(texts, CODE)).as_py():
        return None
    with_point = pc.match_substring(texts, ".")
    pointed = texts.filter(with_point)
    if (
        len(pointed)
        and options.decimal != "."
        and pc.all(matches(pointed, GROUPED_BY_POINTS)).as_py()
    ):
        # Points that may group thousands, if the comma is the decimal mark or others lack points.
        whole = texts.filter(pc.invert(with_point))
        if options.decimal == "," or not pc.all(matches(whole, ZERO)).as_py():
            return None
    values: np.ndarray = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return shifted(values, lambda: from_least(array.to_pylist()))


def _of_distinct(
    name: str, values: list[Any], rows: np.ndarray, named: bool, options: Options
) -> Column:
    """A column from its distinct values and each row's place among them (−1: null)."""
    texts = [text_of(value).strip() for value in values]
    amounts = list(dict.fromkeys(t for t in texts if not is_missing_among_numbers(t)))
    if amounts and not named:
        numbers = _amounts(name, amounts, options)
        if numbers is not None:
            number_of = dict(zip(amounts, numbers, strict=True))
            return Column(
                name, np.array([*(number_of.get(t, np.nan) for t in texts), np.nan])[rows]
            )
        if all(map(_DATE.fullmatch, amounts)):
            raise TaskError(_dates(name, options))
    if pair := joined_by_trimming(v for v in values if isinstance(v, str)):
        warn(options.column(name, f"holds {pair[0]!r} and {pair[1]!r}, which are read as one"))
    cells = np.empty(len(texts) + 1, dtype=object)
    cells[:-1] = [None if is_missing(t) else t for t in texts]
    column = Column(name, cells[rows])
    _check_levels(column, {t for t in texts if not is_missing(t)}, named, options)
    return column


def _amounts(name: str, texts: list[str], options: Options) -> np.ndarray | None:
    """Distinct texts as numbers, if all of them are some, and no codes such as "007"."""
    if all(text.isdecimal() for text in texts) and any(re.fullmatch(CODE, text) for text in texts):
        return None
    if all(text.casefold() in _TRUTH for text in texts):
        return np.array([_TRUTH[text.casefold()] for text in texts])
    try:
        numbers = read_numbers(texts, options.decimal)
    except Unclear as error:
        message = f"{error}; or leave the column out with drop=[{name!r}]"
        raise TaskError(options.column(name, message)) from None
    return None if numbers is None else floats_of_texts(numbers)


def _check_levels(column: Column, levels: set[str], named: bool, options: Options) -> None:
    """Refuse categories that are none, one only, or too many."""
    name = column.name
    remedy = f"; leave it out with drop=[{name!r}]"
    if not levels:
        raise _SaysNothing(options.column(name, f"has no value at all{remedy}"))
    if len(levels) == 1 and not any(value is None for value in column.values):
        raise _SaysNothing(options.column(name, f"is constant{remedy}"))
    if len(levels) > options.max_categories:
        hint = "" if named else _why_no_numbers(sorted(levels))
        raise TaskError(
            options.column(
                name,
                f"has {len(levels)} categories, more than max_categories={options.max_categories}"
                f"{hint}{remedy}, or raise max_categories",
            )
        )


def _why_no_numbers(levels: list[str]) -> str:
    """What keeps a column of many values from being numbers, where most of them are."""
    if all(text.isdecimal() for text in levels):
        example = next(text for text in levels if re.fullmatch(CODE, text))
        return f" (codes with leading zeros, such as {example!r}, are no numbers)"
    others = [t for t in levels if not is_missing_among_numbers(t) and _shape_of_number(t) is None]
    if others and len(others) < len(levels) / 2:
        return f" ({others[0]!r} is no number, most others are)"
    return ""


def _shape_of_number(text: str) -> list[str] | None:
    """What a text would be as a number; None if it is none."""
    try:
        return read_numbers([text])
    except Unclear:
        return [text]


def _dates(name: str, options: Options) -> str:
    """A message about a column of dates or times."""
    return options.column(
        name,
        f"holds dates or times; leave it out with drop=[{name!r}], or replace it by numbers such "
        "as the days since a date",
    )
