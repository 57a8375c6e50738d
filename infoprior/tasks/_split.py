"""Seeded, stratified splits in which equal rows always stay together."""

from __future__ import annotations

import numpy as np

from infoprior.tasks._task import PARTS, TaskError

FRACTIONS = (0.6, 0.2, 0.2)


def group_rows(keys: np.ndarray) -> np.ndarray:
    """Number the distinct rows of `keys`, shape (n, k), in order of first occurrence.

    Numbering by first occurrence, not by value, keeps a split where it was when the values of
    some rows change.
    """
    keys = np.ascontiguousarray(keys)
    keys = keys + np.zeros((), keys.dtype)  # −0.0 becomes 0.0: equal values have equal bytes
    rows = keys.view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1]))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse.ravel()]


def join_groups(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The finest grouping, shape (n,), in which rows equal in `a` or in `b` are together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shape = (int(a.max()) + 1, int(b.max()) + 1)
    size = sum(shape)  # a bipartite graph: the groups of a, then those of b
    edges = coo_array((np.ones(len(a)), (a, b + shape[0])), shape=(size, size))
    joined = connected_components(edges, directed=False)[1][a].astype(np.int64)
    return group_rows(joined[:, None])


def strata_of_groups(groups: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The class a group counts for, shape (n_groups,): the rarest among its rows."""
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
    """Row indices of train, validation and test: stratified by class, groups undivided.

    Of each class, three groups drawn at random go one to each part (the largest to train), so a
    class of three or more groups is present in every part; the others come in random order, each
    to the part that it leaves least overfull.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise TaskError(f"fractions must be three positive numbers of sum 1, not {fractions}")
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


def cap_rows(rows: np.ndarray, y: np.ndarray, cap: int, rng: np.random.Generator) -> np.ndarray:
    """A stratified subsample of `rows` of size `cap`; every class keeps at least one row."""
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
