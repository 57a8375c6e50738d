"""How a table is to be read, and the refusals and warnings about its columns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from infoprior.tasks._task import TaskError, TaskWarning
from infoprior.tasks._words import suggestion


@dataclass(frozen=True)
class Options:
    """How to read a frame.

    Attributes:
        where: opens every message: the file, or the OpenML id.
        target: the column of labels.
        drop: columns that are left out.
        categorical: columns of numbers that are names.
        max_categories: most categories of a column.
        decimal: the decimal mark of numbers that are texts, "." or ",", where the values of a
            column do not decide it; None refuses such a column.
        strict: False leaves unusable columns out with a `TaskWarning`, where nobody could name
            them.
    """

    where: str
    target: str
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    max_categories: int = 50
    decimal: str | None = None
    strict: bool = True

    def column(self, name: str, what: str) -> str:
        """A message about a column."""
        return f"{self.where}: column {name!r} {what}"


def check_names(names: Sequence[str], options: Options) -> None:
    """Refuse options that name columns that are not there, or one column twice.

    Args:
        names: columns of the table.
        options: what was asked for.

    Raises:
        TaskError: target, drop or categorical names no column, or the same as another of them.
    """
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
    if both := sorted(set(options.drop) & set(options.categorical)):
        raise TaskError(
            options.column(both[0], "is named in drop and in categorical; take it out of one")
        )


def warn(message: str) -> None:
    """A `TaskWarning`, at the line of the caller of `read_table` or `load_task`."""
    warnings.warn(message, TaskWarning, stacklevel=4)
