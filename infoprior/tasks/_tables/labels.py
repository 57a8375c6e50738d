"""A data frame's target as labels: texts, exactly as many as there are in the table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from infoprior.tasks._tables.cells import (
    arrow_of,
    distinct,
    is_missing,
    is_missing_among_numbers,
    joined_by_trimming,
    not_readable,
)
from infoprior.tasks._tables.numbers import CODE, PLAIN, Unclear, read_numbers
from infoprior.tasks._tables.options import Options, warn
from infoprior.tasks._task import TaskError

CONTINUOUS = 50  # a target of numbers with more distinct values than this is no set of classes


def labelled(frame: Any, options: Options) -> tuple[Any, list[str]]:
    """The rows that have a label, and their labels; a `TaskWarning` says how many have none.

    Whole numbers lose their ".0", other numbers are written as Python does; nothing that differs in
    the table becomes one label, except by white space around it, which a `TaskWarning` says.

    Args:
        frame: a pandas DataFrame.
        options: name the target.

    Returns:
        the frame's m rows that have a label, and m labels.

    Raises:
        TaskError: the target has no labels, looks continuous, or is of another type.
    """
    import pyarrow as pa

    name = options.target
    array = arrow_of(name, frame[name], options)
    value_type = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if pa.types.is_nested(value_type) or "binary" in str(value_type):
        raise TaskError(not_readable(name, str(value_type), options))
    values, rows = distinct(array)
    texts = [str(value).strip() for value in values]
    without = is_missing_among_numbers if _are_numbers(texts, options) else is_missing
    known = [
        not without(text) and value == value for text, value in zip(texts, values, strict=True)
    ]
    if not any(known):
        raise TaskError(options.column(name, "has no value at all; name another target"))
    keep = np.array([*known, False])[rows]
    if not keep.all():
        frame = frame[keep].reset_index(drop=True)
        marks = sorted({texts[k] for k in np.unique(rows[~keep]) if k >= 0} - {"", "nan"})
        said = f" ({', '.join(map(repr, marks))})" if marks else ""
        left = f"is missing in {int((~keep).sum())} rows{said}; they are left out"
        warn(options.column(name, left))
    if pair := joined_by_trimming(v for v in values if isinstance(v, str)):
        warn(options.column(name, f"holds {pair[0]!r} and {pair[1]!r}, which are read as one"))
    names = _names([text for text, is_known in zip(texts, known, strict=True) if is_known])
    _check_discrete(names, int(keep.sum()), options)
    name_of = np.empty(len(texts), dtype=object)
    name_of[np.flatnonzero(known)] = names
    return frame, name_of[rows[keep]].tolist()


def _are_numbers(texts: Sequence[str], options: Options) -> bool:
    amounts = [text for text in texts if not is_missing_among_numbers(text)]
    try:
        return read_numbers(amounts, options.decimal) is not None
    except Unclear:
        return True


def _names(texts: list[str]) -> list[str]:
    """Plain numbers written alike, as long as that keeps different ones apart."""
    plain = re.compile(rf"{PLAIN}|[+-]?(inf|infinity)", re.IGNORECASE)
    codes = all(t.isdecimal() for t in texts) and any(re.fullmatch(CODE, t) for t in texts)
    if codes or not all(map(plain.fullmatch, texts)):
        return texts
    numbers = [Decimal(text) for text in texts]
    whole = all(n.is_finite() and abs(n) < Decimal("1e400") and n == int(n) for n in numbers)
    if whole:
        return [str(int(n)) for n in numbers]
    return [
        str(float(t)) if Decimal(float(t)) == n or Decimal(str(float(t))) == n else t
        for t, n in zip(texts, numbers, strict=True)
    ]


def _check_discrete(names: list[str], n: int, options: Options) -> None:
    """Refuse a target of more distinct numbers than a set of classes has."""
    if not _are_numbers(names, options):
        return
    distinct_numbers = len(set(names))
    whole = all(re.fullmatch(r"-?[0-9]+", name) for name in names)
    if distinct_numbers > (max(CONTINUOUS, n // 10) if whole else CONTINUOUS):
        raise TaskError(
            options.column(
                options.target,
                f"looks continuous ({distinct_numbers} distinct numbers), but a target must be "
                "classes; bin it into classes or name another target",
            )
        )
