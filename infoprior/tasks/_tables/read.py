"""The user's own tables: CSV and parquet, checked before anything is guessed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infoprior._ambient import default_settings
from infoprior._progress import shows_progress
from infoprior.tasks._arguments import (
    check_columns,
    check_decimal,
    check_file,
    check_fractions,
    check_seed,
    check_separator,
    check_text,
    check_whole,
)
from infoprior.tasks._encode import Caps, make_task
from infoprior.tasks._split import FRACTIONS
from infoprior.tasks._tables.columns import columns_of_frame
from infoprior.tasks._tables.csv import check_header, read_csv
from infoprior.tasks._tables.labels import labelled
from infoprior.tasks._tables.options import Options, check_names
from infoprior.tasks._task import Task, TaskError

_TEXT_ENDINGS = (".csv", ".tsv", ".txt")
_PARQUET_ENDINGS = (".parquet", ".pq")


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
    decimal: str | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    max_train: int | None = None,
    max_validation: int | None = None,
    max_test: int | None = None,
    progress: bool = True,
) -> Task:
    """The task "table/<stem>" of a CSV or parquet file.

    A CSV has a header, is separated by comma, semicolon or tab, and is UTF-8, or UTF-16 with its
    mark. It is read strictly: a quote that is not closed, a row with a field too many, ... are
    refused with their line. Numbers may have grouped thousands, decimal commas, currencies and
    percents; a column is read by one convention, which all of its values decide.

    Args:
        path: of the file; its ending tells the format (.csv, .tsv, .txt, .parquet, .pq).
        target: the column of labels; numbers or texts. Rows without a label are left out with a
            `TaskWarning`.
        seed: of the split.
        drop: columns to leave out, such as ids and dates.
        categorical: columns of numbers that are names (a postal code).
        max_categories: most categories a column may have; each becomes a column of X.
        separator: one character, for CSV, instead of detecting it in the first lines.
        decimal: "." or ",", the decimal mark of numbers written as texts, where the values of a
            column do not decide it ("1,200").
        fractions: shares of the training, validation and test rows, of sum 1.
        max_train: training rows, at most: a subsample stratified by class.
        max_validation: validation rows, at most.
        max_test: test rows, at most.
        progress: show on the terminal that it reads, if it takes more than two seconds.

    Returns:
        the task. Missing numbers become the training median, missing categories a category of
        their own.

    Raises:
        TaskError: an argument, the file, a line or a column cannot be used; one sentence that
            names it and the remedy.
    """
    path = check_file(path)
    check_text("target", target, "the name of a column (a text)")
    check_seed(seed)
    check_whole("max_categories", max_categories, 1)
    fractions = check_fractions(fractions)
    caps = Caps(max_train, max_validation, max_test)
    options = Options(
        where=str(path),
        target=target,
        drop=check_columns("drop", drop),
        categorical=check_columns("categorical", categorical),
        max_categories=max_categories,
        decimal=check_decimal(decimal),
    )
    frame = _read(path, check_separator(separator), options)
    if not len(frame):
        raise TaskError(f"{path}: has column names but no rows; give a table with rows")
    frame, labels = labelled(frame, options)
    return make_task(
        name=f"table/{path.stem}",
        family=f"table-{path.stem}",
        source=path.name,
        kind="real",
        columns=columns_of_frame(frame, options),
        labels=labels,
        seed=seed,
        caps=caps,
        fractions=fractions,
        where=str(path),
        target=target,
    )


def _read(path: Path, separator: str | None, options: Options) -> Any:
    """The file as a data frame, without the columns to drop."""
    ending = path.suffix.lower()
    if ending not in _TEXT_ENDINGS + _PARQUET_ENDINGS:
        raise TaskError(
            f"{path}: cannot tell the format by the ending {ending!r}; "
            f"use one of {', '.join(_TEXT_ENDINGS + _PARQUET_ENDINGS)}"
        )
    if not path.stat().st_size:
        raise TaskError(f"{path}: the file is empty; give a table with a header and rows")
    if ending in _TEXT_ENDINGS:
        return read_csv(path, separator, options)
    if separator is not None:
        raise TaskError(f"{path}: separator={separator!r} is for CSV files; leave it out")
    return _read_parquet(path, options)


def _read_parquet(path: Path, options: Options) -> Any:
    import pandas as pd
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(path)
        index = [
            name
            for name in (schema.pandas_metadata or {}).get("index_columns", [])
            if isinstance(name, str) and name.startswith("__index_level_")
        ]
        names = [str(name) for name in schema.names if name not in index]
        check_header(names, path)
        check_names(names, options)
        kept = [name for name in names if name not in options.drop]
        table = pyarrow.parquet.ParquetFile(path).read(columns=kept)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise TaskError(f"{path}: not a readable parquet file, write it again ({reason})") from None
    return table.select(kept).to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
