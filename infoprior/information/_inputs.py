"""Checking and preparing what comes in: rows, columns, labels, and who sees which rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

MIN_ROWS = 50
"""Fewer rows leave ten to report on: refused."""
CONSTANT = 1e-6
"""A column whose range is at most this share of its largest magnitude is rounding noise."""


class InformationError(ValueError):
    """Samples from which no information can be estimated, and why."""


@dataclass(frozen=True)
class Parts:
    """Row numbers, int64, disjoint: 60 % train the critic, 20 % choose the step, 20 % report."""

    train: Tensor
    validation: Tensor
    test: Tensor


def as_samples(values: Any, name: str) -> np.ndarray:
    """Samples as shape (n, d); a vector becomes one column.

    Raises:
        InformationError: another shape, no column, or a value that is not finite.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise InformationError(f"{name} holds {array.dtype}; give numbers.")
    array = array.astype(np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise InformationError(f"{name} has shape {array.shape}; give (rows, columns).")
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = map(int, np.argwhere(bad)[0])
        raise InformationError(
            f"{name} is not finite at row {row}, column {column} ({int(bad.sum())} such values); "
            "remove or impute them."
        )
    return array


def as_labels(values: Any, name: str) -> np.ndarray:
    """Labels as int64, shape (n,).

    Raises:
        InformationError: another shape, empty, or other than whole numbers.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InformationError(f"{name} has shape {array.shape}; give labels of shape (rows,).")
    if array.dtype.kind not in "iub":
        raise InformationError(f"{name} holds {array.dtype}; give labels as whole numbers.")
    return array.astype(np.int64)


def check_rows(lengths: dict[str, int]) -> int:
    """The one number of rows that all share.

    Raises:
        InformationError: lengths differ, or there are fewer than `MIN_ROWS` rows.
    """
    (first, n), *rest = lengths.items()
    for name, length in rest:
        if length != n:
            raise InformationError(f"{first} has {n} rows, but {name} has {length}.")
    if n < MIN_ROWS:
        raise InformationError(f"{first} has {n} rows; at least {MIN_ROWS} are needed.")
    return n


def generator(seed: int, purpose: str) -> np.random.Generator:
    """An independent stream of random numbers for each purpose of one seed."""
    key = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "little")
    return np.random.default_rng([seed, key])


def choose_rows(n: int, max_rows: int | None, seed: int) -> np.ndarray:
    """At most `max_rows` of n rows, drawn by the seed, in ascending order; int64."""
    if max_rows is None or n <= max_rows:
        return np.arange(n, dtype=np.int64)
    chosen = generator(seed, "rows").choice(n, max_rows, replace=False)
    return np.sort(chosen).astype(np.int64)


def split_rows(n: int, seed: int, labels: np.ndarray | None = None) -> Parts:
    """Deal rows out in turn, 3 to training, 1 to validation, 1 to test, in an order by the seed.

    With labels they are dealt class by class, so that the three parts hold the classes in the
    same shares up to a row or two each.
    """
    order = generator(seed, "split").permutation(n)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    place = np.arange(n) % 5
    # Within a part the order is random again: neighbours must not share a class.
    shuffle = generator(seed, "within").permutation
    parts = [shuffle(order[np.isin(place, turn)]) for turn in ([0, 2, 4], [1], [3])]
    return Parts(*(torch.from_numpy(part) for part in parts))


def gaussianize(samples: np.ndarray) -> Tensor:
    """Columns by rank, mapped to standard-normal quantiles; constant columns dropped.

    A strictly increasing map of one column changes no mutual information; it takes outliers and
    scales away from the critic. Equal values keep equal places (their mean rank).

    Args:
        samples: shape (n, d), finite.

    Returns:
        shape (n, k), float32, k <= d the number of columns that vary; k may be 0.
    """
    low, high = samples.min(axis=0), samples.max(axis=0)
    size = np.maximum(np.abs(low), np.abs(high))
    columns = torch.from_numpy(np.ascontiguousarray(samples[:, high - low > CONSTANT * size].T))
    if columns.shape[0] == 0:
        return torch.zeros(samples.shape[0], 0)
    ordered, place = columns.sort(dim=1)
    n = columns.shape[1]
    starts = torch.ones_like(ordered, dtype=torch.bool)  # of a run of equal values
    starts[:, 1:] = ordered[:, 1:] > ordered[:, :-1]
    ends = torch.ones_like(starts)
    ends[:, :-1] = starts[:, 1:]
    number = torch.arange(n).expand_as(ordered)
    first = torch.where(starts, number, 0).cummax(dim=1).values
    last = torch.where(ends, number, n).flip(1).cummin(dim=1).values.flip(1)
    rank = torch.empty_like(columns).scatter_(1, place, (first + last).to(columns) / 2)
    quantile = (rank + 0.5) / n  # in (0, 1)
    normal = torch.special.ndtri(quantile)
    normal -= normal.mean(dim=1, keepdim=True)
    normal /= normal.std(dim=1, keepdim=True)
    return normal.T.float().contiguous()


def pad_and_stack(samples: list[Tensor]) -> Tensor:
    """Samples of shapes (n, d_k) as one (K, n, max d_k), zeros to the right."""
    width = max(s.shape[1] for s in samples)
    stack = torch.zeros(len(samples), samples[0].shape[0], width)
    for k, s in enumerate(samples):
        stack[k, :, : s.shape[1]] = s
    return stack
