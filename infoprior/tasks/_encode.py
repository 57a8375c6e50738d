"""From raw columns and labels to a `Task`: split first, then encode by the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from infoprior.tasks._split import FRACTIONS, cap_rows, group_rows, join_groups, split_rows
from infoprior.tasks._task import PARTS, Task, TaskError

CLIP = 10.0
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


@dataclass(frozen=True)
class Caps:
    """Most rows in each part; None is no limit."""

    train: int | None = None
    validation: int | None = None
    test: int | None = None


def sort_labels(labels: Sequence[str]) -> list[str]:
    """Distinct labels, as numbers where all of them are numbers."""
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
) -> Task:
    """Split, subsample to `caps`, and encode by the training rows.

    Every row of the task's X is in exactly one part. Rows with equal X are never in two: equal
    raw rows are split as one, and a validation or test row that becomes equal to a row of an
    earlier part only by the encoding (a category or a tail the training rows lack) is left out.
    groups: whose each row is, such as a person's number; rows of one stay in one part too
    """
    where = where or f"task {name!r}"
    class_names = sort_labels(labels)
    index = {label: k for k, label in enumerate(class_names)}
    y = np.array([index[label] for label in labels], dtype=np.int64)
    together = group_rows(_keys(columns))
    if groups is not None:
        together = join_groups(together, np.unique(groups, return_inverse=True)[1])
    check_classes(together, y, class_names, where)
    parts = split_rows(together, y, seed, fractions)
    rng = np.random.default_rng([seed, 0xCA9])
    for part in PARTS:
        cap = getattr(caps, part) if caps else None
        if cap is not None:
            parts[part] = cap_rows(parts[part], y, cap, rng)

    kept = np.sort(np.concatenate([parts[part] for part in PARTS]))
    train = np.isin(kept, parts["train"])
    X, feature_names = encode([Column(c.name, c.values[kept]) for c in columns], train)
    if not feature_names:
        raise TaskError(f"{where}: no feature varies among the training rows; give more rows")
    kept, X = _without_collisions(kept, X, parts)
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
    """Raise `TaskError` unless there are two classes, each with enough distinct rows."""
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


def encode(columns: Sequence[Column], train: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Encode all rows by the statistics of the rows where `train`, shape (n,), is True.

    Numbers: the median for missing values. Categories: one column each ("missing" is one), a
    single column where there are two; categories absent from training are all zeros. Columns
    constant over the training rows go. All are then standardised and clipped to [-10, 10].
    Returns X, float32 of shape (n, d), and the names of its columns.
    """
    encoded: list[np.ndarray] = []
    names: list[str] = []
    for column in columns:
        for name, values in _expand(column, train):
            mean, deviation = values[train].mean(), values[train].std()
            if deviation > 1e-9 * max(1e-6, abs(mean)):
                standard = np.clip((values - mean) / deviation, -CLIP, CLIP)
                encoded.append(standard.astype(np.float32))
                names.append(name)
    return (np.stack(encoded, axis=1) if encoded else np.empty((len(train), 0))), names


def _expand(column: Column, train: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if not column.nominal:
        values = column.values
        known = values[train & ~np.isnan(values)]
        if not len(known):
            return []
        return [(column.name, np.where(np.isnan(values), np.median(known), values))]
    text = np.array([MISSING if v is None else v for v in column.values], dtype=str)
    levels = list(np.unique(text[train]))
    if len(levels) == 2:
        levels = levels[1:]
    return [(f"{column.name}={level}", (text == level).astype(np.float64)) for level in levels]


def _keys(columns: Sequence[Column]) -> np.ndarray:
    """Rows as float32 numbers: equal keys, equal rows as a network sees them."""
    keys = np.empty((len(columns[0].values), len(columns)), dtype=np.float32)
    for k, column in enumerate(columns):
        if column.nominal:
            text = np.array([MISSING if v is None else v for v in column.values], dtype=str)
            keys[:, k] = np.unique(text, return_inverse=True)[1]
        else:
            with np.errstate(over="ignore"):
                keys[:, k] = column.values.astype(np.float32)
            keys[np.isnan(keys[:, k]), k] = np.nan  # one NaN, whatever its bits were
    return keys


def _without_collisions(
    kept: np.ndarray, X: np.ndarray, parts: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    groups = group_rows(X)
    part = np.select([np.isin(kept, parts[p]) for p in PARTS], range(3))
    earliest = np.full(groups.max() + 1, 3)
    np.minimum.at(earliest, groups, part)
    stays = part == earliest[groups]
    return kept[stays], np.ascontiguousarray(X[stays])
