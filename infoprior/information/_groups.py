"""Which entries of a ragged stack are computed together."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def group_by_size(
    sizes: Sequence[int], *, waste: float = 1.5, at_most: int = 16
) -> list[list[int]]:
    """Groups of entries whose sizes are within a factor of each other, largest first.

    Entries of one group are padded to the largest of them, so `waste` bounds the padded share of
    the work; `at_most` bounds memory, and keeps a group's tensors within the processor's caches.

    Returns:
        lists of entry numbers; every number once.
    """
    order = sorted(range(len(sizes)), key=lambda k: (-sizes[k], k))
    groups: list[list[int]] = []
    for k in order:
        if not groups or len(groups[-1]) >= at_most or sizes[groups[-1][0]] > waste * sizes[k]:
            groups.append([])
        groups[-1].append(k)
    return groups


def stack_padded(samples: Sequence[Tensor]) -> Tensor:
    """Samples of shapes (n, d_k) as one (K, n, max d_k), zeros to the right; dtype of the first."""
    width = max(s.shape[1] for s in samples)
    stack = samples[0].new_zeros(len(samples), samples[0].shape[0], width)
    for k, s in enumerate(samples):
        stack[k, :, : s.shape[1]] = s
    return stack
