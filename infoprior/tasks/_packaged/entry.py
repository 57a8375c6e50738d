"""`Entry`: where a packaged data set lies, which column is its label, what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """One packaged data set, as it lies in its package.

    Columns are given by position, counted from 0, or by name where the file has a header.
    """

    name: str
    family: str
    file: str = ""  # below the package's data folder; unused for scikit-learn
    kind: str = "real"
    # comma | space | semicolon | matrix (labels in a file of their own) | parquet
    layout: str = "comma"
    header: bool = False  # the first line names the columns
    label: int | str = -1
    keep: tuple[str, ...] = ()  # the features; () is all columns but those in drop
    drop: tuple[int | str, ...] = ()
    nominal: tuple[int | str, ...] = ()  # codes that are plainly names, not amounts
    cut: tuple[float, ...] = ()  # a label of numbers, made classes at these edges
    quantiles: int = 0  # a label of numbers, made so many classes of about equal size
    merge: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    fewest: int = 0  # classes of fewer rows are left out
    # Rows of one person, household, ... stay in one part of the split: a column that tells them
    # apart (a feature too, unless dropped), or so many consecutive rows.
    group: str | int = ""
    max_rows: int | None = None
    note: str = ""
