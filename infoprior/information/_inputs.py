"""What every estimator shares: the error, labels, seeds, and the rows that are read."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from torch import Tensor

MIN_ROWS = 50
"""Fewer rows leave ten to report on: refused."""


class InformationError(ValueError):
    """Samples from which no information can be estimated, and why."""


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
