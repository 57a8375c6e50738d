"""From raw columns and labels to a `Task`: split first, then encode by the training rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from infoprior.tasks._floats import NARROW
from infoprior.tasks._split import (
    FRACTIONS,
    Caps,
    cap_parts,
    group_columns,
    group_rows,
    join_groups,
    split_rows,
)
from infoprior.tasks._task import PARTS, Task, TaskError, TaskWarning

CLIP = 10.0
_SMALLEST, _LARGEST = 1e-100, 1e100  # magnitudes between which squares neither vanish nor overflow
_MERGED_ROWS = 10_000  # training rows looked at, about
_LEFT_OUT_SHARE = 0.1  # of validation and test rows: more left out is worth a warning
_MERGED_SHARE = 0.9  # of different values that stay different: fewer is worth a warning
MISSING = "missing"
MIN_DISTINCT = 3  # distinct rows a class needs, one for each part


@dataclass(frozen=True)
class Column:
    """A raw column: float64 with NaN for missing, or an object array of str with None."""

    name: str
    values: np.ndarray

    @property
    def nominal(self) -> bool:
        return self.values.dtype == object


def sort_labels(labels: Sequence[str]) -> list[str]:
    """The distinct labels in order: of numbers where all of them are numbers, else of texts."""
    distinct = sorted(set(labels))
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return distinct


def make_task(
    *,
    name: str,
    family: str,
    source: str,
    kind: str,
    columns: Sequence[Column],
    labels: Sequence[str],
    seed: int,
    caps: Caps | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    groups: Sequence[str] | None = None,
    where: str = "",
    target: str = "",
) -> Task:
    """Split, subsample to `caps`, and encode by the training rows.

    Every row of the task's X is in exactly one part. Rows with equal X are never in two: equal raw
    rows are split as one, and a validation or test row that becomes equal to a row of an earlier
    part only by the encoding (a category or a tail the training rows lack) is left out.

    Args:
        name, family, source, kind: of the task, see `Task`.
        columns: raw features of n rows.
        labels: of the n rows.
        seed: of the split and of subsamples.
        caps: most rows of each part; None for no limit.
        fractions: shares of training, validation and test rows.
        groups: whose each row is, such as a person's number; rows of one stay in one part, too.
        where: the user's file, as refusals name it; empty for other tables.
        target: its column of labels, as refusals name it.

    Raises:
        TaskError: a single class, a class of fewer than three distinct rows, a part without rows,
            or no feature that varies.
    """
    table, where = where, f"{where}: column {target!r}" if where else f"task {name!r}"
    class_names = sort_labels(labels)
    index = {label: k for k, label in enumerate(class_names)}
    y = np.array([index[label] for label in labels], dtype=np.int64)
    together = group_columns(map(_key, columns), len(y))
    if groups is not None:
        together = join_groups(together, np.unique(groups, return_inverse=True)[1])
    check_classes(together, y, class_names, where)
    parts = cap_parts(split_rows(together, y, seed, fractions), y, caps or Caps(), seed, where)
    for part in PARTS:
        if not len(parts[part]):
            raise TaskError(
                f"{where}: no rows are left for {part}, since rows that are equal or belong "
                "together stay in one part; give more different rows"
            )
    kept = np.sort(np.concatenate([parts[part] for part in PARTS]))
    train = np.isin(kept, parts["train"])
    X, feature_names = encode((Column(c.name, c.values[kept]) for c in columns), train, table)
    if not feature_names:
        raise TaskError(f"{where}: no feature varies among the training rows; give more rows")
    before = len(kept)
    kept, X = _without_collisions(kept, X, parts)
    left_out, others = before - len(kept), before - len(parts["train"])
    if table and left_out > _LEFT_OUT_SHARE * others:
        warnings.warn(
            f"{table}: {left_out} of {others} validation and test rows equal rows of an earlier "
            "part once encoded and are left out; give columns that tell the rows apart",
            TaskWarning,
            stacklevel=3,
        )
    for part in PARTS:
        if not np.isin(parts[part], kept).any():
            raise TaskError(
                f"{where}: every {part} row equals a row of an earlier part once encoded; "
                "give columns that tell the rows apart, or more rows"
            )
    absent = np.setdiff1d(y, y[parts["train"]])
    if len(absent):  # its few rows are copies of rows that carry another label
        raise TaskError(
            f"{where}: class {class_names[absent[0]]!r} has no row of its own for training; "
            "merge it with another class or remove its rows"
        )
    return Task(
        name=name,
        family=family,
        source=source,
        kind=kind,
        X=X,
        y=y[kept],
        **{p: np.flatnonzero(np.isin(kept, parts[p])).astype(np.int64) for p in PARTS},
        feature_names=tuple(feature_names),
        class_names=tuple(class_names),
    )


def check_classes(groups: np.ndarray, y: np.ndarray, names: Sequence[str], where: str) -> None:
    """Refuse labels of one class, and classes that are too rare to be split.

    Args:
        groups: number of each row among the distinct ones, shape (n,), int64.
        y: class of each row, shape (n,), int64.
        names: of the classes.
        where: what a refusal begins with.

    Raises:
        TaskError: there are not two classes, or one of them has fewer than three distinct rows.
    """
    if len(names) < 2:
        raise TaskError(f"{where} has the single class {names[0]!r}; give rows of at least two")
    pairs = np.unique(np.stack([groups, y]), axis=1)  # (distinct row, its label)
    distinct = np.bincount(pairs[1], minlength=len(names))
    rare = np.flatnonzero(distinct < MIN_DISTINCT)
    if len(rare):
        others = f" (and {len(rare) - 1} classes more)" if len(rare) > 1 else ""
        raise TaskError(
            f"{where}: class {names[rare[0]]!r}{others} has {distinct[rare[0]]} distinct rows, but "
            f"every class needs at least {MIN_DISTINCT}, one each for train, validation and test; "
            "merge it with another class or remove its rows"
        )


def encode(
    columns: Iterable[Column], train: np.ndarray, where: str = ""
) -> tuple[np.ndarray, list[str]]:
    """Encode all rows by statistics of the training rows.

    Numbers: the median for missing values. Categories: one column each ("missing" is one), a single
    column where there are two; categories absent from training are all zeros. Columns constant over
    the training rows go. All are then standardised in float64 and clipped to [-10, 10].

    Args:
        columns: raw features of n rows.
        train: whether each row is a training row, shape (n,), bool.
        where: the user's table, if it is one: a `TaskWarning` then names its columns of numbers
            that float32 does not keep apart.

    Returns:
        X, shape (n, d), float32, and the names of its d columns.
    """
    encoded: list[np.ndarray] = []
    names: list[str] = []
    for column in columns:
        for name, values in _expand(column, train):
            standard = _standardise(values, train)
            if standard is not None:
                encoded.append(standard.astype(np.float32))
                names.append(name)
                if where and not column.nominal:
                    _warn_if_merged(column.name, values[train], encoded[-1][train], where)
    return (np.stack(encoded, axis=1) if encoded else np.empty((len(train), 0))), names


def _standardise(values: np.ndarray, train: np.ndarray) -> np.ndarray | None:
    """Mean 0 and standard deviation 1 over the training rows, clipped; None if constant there."""
    least, most = values[train].min(), values[train].max()
    if least == most:
        return None
    magnitude = max(abs(least), abs(most))
    if most / 2 - least / 2 <= NARROW * magnitude / 2:
        values = values - least  # exact, and what is left is not lost in the mean's rounding
        magnitude = most - least
    if not _SMALLEST < magnitude < _LARGEST:
        with np.errstate(over="ignore"):
            values = np.ldexp(values, -int(np.frexp(magnitude)[1]))  # squares stay in range
    mean, deviation = values[train].mean(), values[train].std()
    standard: np.ndarray = np.clip((values - mean) / deviation, -CLIP, CLIP)
    return standard


def _warn_if_merged(name: str, values: np.ndarray, encoded: np.ndarray, where: str) -> None:
    """Say so where many different values became one, such as small ones beside a huge outlier.

    Values that were clipped are meant to be one, and are not counted.
    """
    rows = np.flatnonzero(np.abs(encoded) < CLIP)
    rows = rows[:: -(-len(rows) // _MERGED_ROWS) or 1]
    before, after = len(np.unique(values[rows])), len(np.unique(encoded[rows]))
    if after < _MERGED_SHARE * before:
        warnings.warn(
            f"{where}: column {name!r} has {before} different values in the training rows, of "
            f"which float32 keeps {after} apart once standardised; take logarithms or remove "
            "outliers",
            TaskWarning,
            stacklevel=4,
        )


def _expand(column: Column, train: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if not column.nominal:
        values = column.values
        known = values[train & ~np.isnan(values)]
        if not len(known):
            return []
        return [(column.name, np.where(np.isnan(values), np.median(known), values))]
    levels, codes = _levels(column)
    seen = np.unique(codes[train])
    if len(seen) == 2:
        seen = seen[1:]
    return [(f"{column.name}={levels[k]}", (codes == k).astype(np.float64)) for k in seen]


def _levels(column: Column) -> tuple[list[str], np.ndarray]:
    """A column's categories in order, missing ones as `MISSING`, and each row's place in them."""
    import pandas as pd

    texts = np.where(pd.isna(column.values), MISSING, column.values)
    codes, distinct = pd.factorize(texts)
    levels = sorted(map(str, distinct))
    place = {level: k for k, level in enumerate(levels)}
    return levels, np.array([place[str(level)] for level in distinct], dtype=np.int64)[codes]


def _key(column: Column) -> np.ndarray:
    """What tells the rows apart in a column, as numbers."""
    return _levels(column)[1] if column.nominal else column.values


def _without_collisions(
    kept: np.ndarray, X: np.ndarray, parts: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """`kept` and X without the rows that equal a row of an earlier part once they are encoded."""
    groups = group_rows(X)
    part = np.select([np.isin(kept, parts[p]) for p in PARTS], range(3))
    earliest = np.full(groups.max() + 1, 3)
    np.minimum.at(earliest, groups, part)
    stays = part == earliest[groups]
    if stays.all():
        return kept, np.ascontiguousarray(X)
    return kept[stays], np.ascontiguousarray(X[stays])
