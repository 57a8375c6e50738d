"""Which task gets which other task's profile: derangements that keep nothing within its family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

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


def profile_receivers(tasks: pd.DataFrame, seed: int) -> dict[str, str]:
    """The task that each task gives its profile to: one of its kind, of another family.

    Args:
        tasks: the tasks that have a profile, two or more; columns task, family and kind.
        seed: draws the derangement.

    Returns:
        giver -> receiver, every task once on each side.
    """
    about = tasks.set_index("task").sort_index()
    rng = np.random.default_rng([seed, len(about)])
    receiver: dict[str, str] = {}
    for group in _of_a_kind(about["kind"]):
        source = derangement([about["family"][task] for task in group], rng)
        # group[i] receives the rows of group[source[i]].
        receiver |= {group[j]: group[i] for i, j in enumerate(source)}
    return receiver


def _of_a_kind(kinds: pd.Series) -> list[list[str]]:
    """The tasks (the index) by kind; kinds of a single task are put with the largest."""
    groups: dict[str, list[str]] = {}
    for task, kind in kinds.items():
        groups.setdefault(str(kind), []).append(str(task))
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group))
    first = ordered[0] + [task for group in ordered[1:] if len(group) == 1 for task in group]
    return [first, *(group for group in ordered[1:] if len(group) > 1)]
