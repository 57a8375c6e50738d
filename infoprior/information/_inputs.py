"""What every estimator shares: the error, checks, seeds, and the rows that are read."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import Any

import numpy as np

from infoprior._arguments import is_real, is_whole

MIN_ROWS = 50
"""Fewer rows leave ten to report on: refused."""


class InformationError(ValueError):
    """Samples from which no information can be estimated, and why."""


def positive(value: Any, name: str, what: str) -> float:
    """A finite number above 0.

    Args:
        value: what was given.
        name: of the argument, for the message.
        what: says what to give.

    Raises:
        InformationError: it is something else.
    """
    if not is_real(value) or not 0.0 < float(value) < math.inf:
        raise InformationError(f"{name} is {value!r}; give {what} above 0.")
    return float(value)


def generator(seed: int, purpose: str) -> np.random.Generator:
    """An independent stream of random numbers for each purpose of one seed."""
    key = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "little")
    return np.random.default_rng([seed, key])


def choose_rows(n: int, max_rows: int | None, seed: int) -> np.ndarray:
    """At most so many rows, drawn by the seed.

    Args:
        n: number of rows there are.
        max_rows: most rows; None for no limit.
        seed: of the draw.

    Returns:
        row numbers in ascending order, int64.

    Raises:
        InformationError: an argument is no whole number, or below 0 (`max_rows`: 1).
    """
    for name, value, least in (("n", n, 0), ("max_rows", max_rows, 1), ("seed", seed, 0)):
        if name == "max_rows" and value is None:
            continue
        if not is_whole(value) or value < least:  # type: ignore[operator]
            raise InformationError(f"{name} is {value!r}; give a whole number from {least}.")
    if max_rows is None or n <= max_rows:
        return np.arange(n, dtype=np.int64)
    return _chosen(n, max_rows, seed).copy()


@lru_cache(maxsize=8)
def _chosen(n: int, max_rows: int, seed: int) -> np.ndarray:
    """Rows of `choose_rows`, which all layers of a call have in common."""
    chosen = generator(seed, "rows").choice(n, max_rows, replace=False)
    return np.sort(chosen).astype(np.int64)
