"""The user's own tables: CSV and parquet, checked before anything is guessed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infoprior._ambient import default_settings
from infoprior._progress import shows_progress
from infoprior.tasks._columns import (
    Options,
    check_names,
    columns_of_frame,
    labels_of,
    without_missing,
)
from infoprior.tasks._encode import Caps, make_task
from infoprior.tasks._split import FRACTIONS
from infoprior.tasks._task import Task, TaskError

_TEXT_ENDINGS = (".csv", ".tsv", ".txt")
_PARQUET_ENDINGS = (".parquet", ".pq")
_SEPARATORS = (",", ";", "\t")


@default_settings()
@shows_progress("reading the table")
def read_table(
    path: str | os.PathLike[str],
    target: str,
    *,
    seed: int = 0,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    max_categories: int = 50,
    separator: str | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    max_train: int | None = None,
    max_validation: int | None = None,
    max_test: int | None = None,
    progress: bool = True,
) -> Task:
    """Task "table/<stem>" of a CSV (comma, semicolon or tab; UTF-8, with a header) or parquet file.

    target: the column of labels; numbers or texts. Rows without a label are left out with a
        `TaskWarning`
    drop: columns to leave out, such as ids and dates
    categorical: columns of numbers that are names (a postal code)
    max_categories: most categories a column may have; each becomes a column of X
    separator: for CSV, instead of finding it in the first line
    progress: show on the terminal that it reads, if it takes more than two seconds

    Missing numbers become the training median, missing categories a category of their own.
    Raises `TaskError`, one sentence that names the file, the column and the remedy.
    """
    path = Path(path)
    options = Options(
        where=str(path),
        target=target,
        drop=(drop,) if isinstance(drop, str) else tuple(drop),
        categorical=(categorical,) if isinstance(categorical, str) else tuple(categorical),
        max_categories=max_categories,
    )
    frame = _read(path, separator)
    check_names([str(name) for name in frame.columns], options)
    if not len(frame):
        raise TaskError(f"{path}: has column names but no rows; give a table with rows")
    frame = without_missing(frame, options)
    labels = labels_of(frame[target], options)
    return make_task(
        name=f"table/{path.stem}",
        family=f"table-{path.stem}",
        source=path.name,
        kind="real",
        columns=columns_of_frame(frame, options),
        labels=labels,
        seed=seed,
        caps=Caps(max_train, max_validation, max_test),
        fractions=fractions,
        where=f"{path}: column {target!r}",
    )


def _read(path: Path, separator: str | None) -> Any:
    if not path.exists():
        raise TaskError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise TaskError(f"{path}: is not a file; name a CSV or parquet file")
    ending = path.suffix.lower()
    if ending not in _TEXT_ENDINGS + _PARQUET_ENDINGS:
        raise TaskError(
            f"{path}: cannot tell the format by the ending {ending!r}; "
            f"use one of {', '.join(_TEXT_ENDINGS + _PARQUET_ENDINGS)}"
        )
    if not path.stat().st_size:
        raise TaskError(f"{path}: the file is empty; give a table with a header and rows")
    return _read_parquet(path) if ending in _PARQUET_ENDINGS else _read_csv(path, separator)


def _read_parquet(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(path)
        _check_header([str(name) for name in schema.names], path)
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise TaskError(f"{path}: not a readable parquet file, write it again ({reason})") from None
    index = [
        name
        for name in (schema.pandas_metadata or {}).get("index_columns", [])
        if isinstance(name, str) and name.startswith("__index_level_")
    ]
    return table.drop_columns(index).to_pandas(ignore_metadata=True)


def _read_csv(path: Path, separator: str | None) -> Any:
    import pandas as pd

    data = path.read_bytes()
    if b"\0" in data[:65536]:
        raise TaskError(f"{path}: not a text file; write it as CSV in UTF-8, or as parquet")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as CSV in UTF-8"
        ) from None
    if not text.strip():
        raise TaskError(f"{path}: the file is empty; give a table with a header and rows")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator or _sniff(text))
    header: list[str] = []
    rows: list[list[str]] = []
    try:
        for fields in lines:
            if not fields:
                continue
            if not header:
                header = [name.strip() for name in fields]
                _check_header(header, path)
            elif len(fields) != len(header):
                raise TaskError(
                    f"{path}: line {lines.line_num} has {len(fields)} fields, but the header names "
                    f"{len(header)} columns; mend the line, quote texts that hold the separator, "
                    "or give separator="
                )
            else:
                rows.append(fields)
    except csv.Error as error:
        raise TaskError(f"{path}: line {lines.line_num} is not CSV ({error}); mend it") from None
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    return pd.DataFrame(
        {name: pd.Series(c, dtype=object) for name, c in zip(header, columns, strict=True)}
    )


def _sniff(text: str) -> str:
    """The separator that finds the most column names in the first line."""
    first = next(line for line in text.splitlines() if line.strip())
    return max(_SEPARATORS, key=lambda s: len(next(csv.reader([first], delimiter=s))))


def _check_header(names: list[str], path: Path) -> None:
    for position, name in enumerate(names, start=1):
        if not name:
            raise TaskError(
                f"{path}: column {position} has no name; name it in the first line, or write the "
                "table without its index"
            )
        if names.index(name) < position - 1:
            raise TaskError(
                f"{path}: column {name!r} appears more than once; rename or remove one of them"
            )
    if len(names) == 1:
        raise TaskError(
            f"{path}: not a table, only the column {names[0][:60]!r} was found; separate the "
            "columns by comma, semicolon or tab, or give separator="
        )
    if all(_is_number(name) for name in names):
        raise TaskError(
            f"{path}: the first line holds numbers, such as {names[0]!r}, not column names; "
            "add a line of names on top"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
