"""Seeded, stratified splits in which equal rows always stay together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from infoprior.tasks._arguments import check_rows
from infoprior.tasks._task import PARTS, TaskError

FRACTIONS = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Caps:
    """Most rows in each part; None is no limit.

    Raises:
        TaskError: a limit is no whole number above 0.
    """

    train: int | None = None
    validation: int | None = None
    test: int | None = None

    def __post_init__(self) -> None:
        for part in PARTS:
            if getattr(self, part) is not None:
                check_rows(f"max_{part}", getattr(self, part))


def group_rows(keys: np.ndarray) -> np.ndarray:
    """Number the distinct rows, in order of first occurrence.

    Numbering by first occurrence, not by value, keeps a split where it was when the values of some
    rows change.

    Args:
        keys: shape (n, k).

    Returns:
        the number of each row's group, shape (n,), int64.
    """
    return group_columns(keys.T, len(keys))


def group_columns(columns: Iterable[np.ndarray], n: int) -> np.ndarray:
    """Number the distinct rows of a table, in order of first occurrence.

    Rows are equal where every column's values are: −0.0 equals 0.0, NaN equals NaN. Groups are
    split column by column, and only rows that still share one are looked at, so that a table
    without repeated rows is done after a few columns.

    Args:
        columns: of shape (n,) each.
        n: number of rows.

    Returns:
        the number of each row's group, shape (n,), int64.
    """
    import pandas as pd

    groups = np.zeros(n, dtype=np.int64)
    shared = np.arange(n)  # rows whose group has others, too
    used = 1
    for column in columns:
        if not len(shared):
            break
        codes = pd.factorize(column[shared], use_na_sentinel=False)[0].astype(np.int64)
        if not codes.any():
            continue
        pairs = groups[shared] * (codes.max() + 1) + codes
        split = pd.factorize(pairs)[0]
        groups[shared] = used + split
        used += int(split.max()) + 1
        shared = shared[np.bincount(split)[split] > 1]
    numbers: np.ndarray = pd.factorize(groups)[0].astype(np.int64)
    return numbers


def join_groups(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The finest grouping in which rows that are together in `a` or in `b` are together.

    Args:
        a: group of each row, shape (n,), int64.
        b: group of each row, shape (n,), int64.

    Returns:
        shape (n,), int64.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shape = (int(a.max()) + 1, int(b.max()) + 1)
    size = sum(shape)  # a bipartite graph: the groups of a, then those of b
    edges = coo_array((np.ones(len(a)), (a, b + shape[0])), shape=(size, size))
    joined = connected_components(edges, directed=False)[1][a].astype(np.int64)
    return group_rows(joined[:, None])


def strata_of_groups(groups: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The class that each group counts for: the rarest among its rows.

    Args:
        groups: group of each row, shape (n,), int64.
        y: class of each row, shape (n,), int64.

    Returns:
        shape (n_groups,), int64.
    """
    counts = np.bincount(y)
    order = np.argsort(-counts[y], kind="stable")  # the rarest is written last, and stays
    strata = np.empty(groups.max() + 1, dtype=np.int64)
    strata[groups[order]] = y[order]
    return strata


def split_rows(
    groups: np.ndarray,
    y: np.ndarray,
    seed: int,
    fractions: tuple[float, float, float] = FRACTIONS,
) -> dict[str, np.ndarray]:
    """Split rows into three parts, stratified by class, with groups undivided.

    Of each class, three groups drawn at random go one to each part (the largest to train), so a
    class of three or more groups is present in every part; the others come in random order, each to
    the part that it leaves least overfull.

    Args:
        groups: group of each row, shape (n,), int64.
        y: class of each row, shape (n,), int64.
        seed: of the draw.
        fractions: shares of training, validation and test rows.

    Returns:
        part -> row indices, int64, ascending.
    """
    rng = np.random.default_rng([seed, 0x5B117])
    strata = strata_of_groups(groups, y)
    sizes = np.bincount(groups)
    part_of_group = np.empty(len(sizes), dtype=np.int64)
    for label in range(int(y.max()) + 1):
        filled = [0.0, 0.0, 0.0]
        order = rng.permutation(np.flatnonzero(strata == label))
        order[:3] = order[:3][np.argsort(-sizes[order[:3]], kind="stable")]
        for position, group in enumerate(order):
            size = int(sizes[group])
            after = [(filled[k] + size) / fractions[k] for k in range(3)]
            part = position if position < 3 else after.index(min(after))
            part_of_group[group] = part
            filled[part] += size
    part_of_row = part_of_group[groups]
    return {name: np.flatnonzero(part_of_row == k) for k, name in enumerate(PARTS)}


def cap_parts(
    parts: dict[str, np.ndarray], y: np.ndarray, caps: Caps, seed: int, where: str
) -> dict[str, np.ndarray]:
    """The parts with no more rows each than `caps`.

    Args:
        parts: part -> row indices.
        y: class of each row, shape (n,), int64.
        caps: most rows of each part.
        seed: of the subsample.
        where: what a refusal begins with.

    Raises:
        TaskError: a cap is below the number of classes.
    """
    rng = np.random.default_rng([seed, 0xCA9])
    capped = dict(parts)
    for part, rows in parts.items():
        cap = getattr(caps, part)
        if cap is None:
            continue
        classes = len(np.unique(y[rows]))
        if cap < min(classes, len(rows)):
            raise TaskError(
                f"{where}: max_{part}={cap} is fewer rows than there are classes ({classes}); "
                "raise it"
            )
        capped[part] = cap_rows(rows, y, cap, rng)
    return capped


def cap_rows(rows: np.ndarray, y: np.ndarray, cap: int, rng: np.random.Generator) -> np.ndarray:
    """A subsample stratified by class; every class keeps at least one row.

    Args:
        rows: indices of rows.
        y: class of each row of the table, shape (n,), int64.
        cap: size of the subsample.
        rng: draws it.

    Returns:
        row indices, ascending; all of `rows` where they are no more than `cap`.

    Raises:
        TaskError: `cap` is below the number of classes.
    """
    if len(rows) <= cap:
        return rows
    present, counts = np.unique(y[rows], return_counts=True)
    if cap < len(present):
        raise TaskError(f"a cap of {cap} rows is fewer than the {len(present)} classes; raise it")
    share = np.maximum(cap * counts / counts.sum(), 1.0)
    take = np.floor(share).astype(int)
    for k in np.argsort(-(share - take), kind="stable"):
        take[k] += int(take.sum() < cap and take[k] < counts[k])
    while take.sum() > cap:  # the classes raised to one row are paid for by the largest
        take[np.argmax(take)] -= 1
    kept = [
        rng.choice(rows[y[rows] == label], size=size, replace=False)
        for label, size in zip(present, take, strict=True)
    ]
    return np.sort(np.concatenate(kept))
