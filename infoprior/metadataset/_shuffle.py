"""Derangements that keep no item within its own group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_TRIES = 10_000


def derangement(groups: Sequence[str], rng: np.random.Generator) -> list[int]:
    """A random permutation s with groups[s[i]] != groups[i] for all i.

    Where one group holds more than half of the items there is none; then a permutation without
    fixed points.

    Args:
        groups: the group of each of n >= 2 items.
        rng: draws it.

    Returns:
        s, a permutation of 0..n-1.
    """
    names, codes = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    n = len(codes)
    largest = int(np.bincount(codes, minlength=len(names)).max())
    if 2 * largest > n:
        codes, largest = np.arange(n), 1
    permutation = rng.permutation(n)
    for _ in range(_TRIES):
        clashes = np.flatnonzero(codes[permutation] == codes)
        if not len(clashes):
            return [int(i) for i in permutation]
        # A swap with a random place; a swap that makes a new clash is mended in a later turn.
        i, j = int(rng.choice(clashes)), int(rng.integers(n))
        permutation[i], permutation[j] = permutation[j], permutation[i]
    # Groups of nearly half the items: side by side in random order, shifted by the largest group.
    order = np.lexsort((rng.random(n), rng.permutation(len(np.unique(codes)))[codes]))
    shifted = np.empty(n, dtype=int)
    shifted[order] = np.roll(order, largest)
    return [int(i) for i in shifted]
