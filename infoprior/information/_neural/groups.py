"""Which entries of a ragged stack are computed together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

MAP_NUMBERS = 1 << 14
"""At most so many numbers per row in all maps of a group and what critics make of them."""
BLOCK_NUMBERS = 1 << 23
"""At most so many numbers of maps at once where critics are only evaluated: 32 MB."""
MAP_CHANNELS = 16
"""Channels that critics make of maps."""


def group_by_size(
    sizes: Sequence[int], *, waste: float = 1.5, at_most: int = 16
) -> list[list[int]]:
    """Groups of entries whose sizes are within a factor of each other, largest first.

    Entries of one group are padded to the largest of them.

    Args:
        sizes: of the entries.
        waste: that factor; it bounds the padded share of the work.
        at_most: entries of a group; it bounds memory, and keeps a group's tensors within the
            processor's caches.

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
    """Samples of shapes (n, d_k) as one (K, n, max d_k), zeros to the right; dtype of the first.

    Maps, which are of one shape (n, C, H, W), become one (K, n, C, H, W).
    """
    if samples[0].ndim == 4:
        return torch.stack(list(samples))
    width = max(s.shape[1] for s in samples)
    stack = samples[0].new_zeros(len(samples), samples[0].shape[0], width)
    for k, s in enumerate(samples):
        stack[k, :, : s.shape[1]] = s
    return stack


def has_maps(*sides: Tensor) -> bool:
    """Whether a side is feature maps (n, C, H, W)."""
    return any(side.ndim == 4 for side in sides)


def group_entries(*sides: Sequence[Tensor]) -> list[list[int]]:
    """Groups of entries, one or two sides each: vectors by size, those with maps by exact shape."""
    entries = list(zip(*sides, strict=True))
    vectors = [k for k, entry in enumerate(entries) if not has_maps(*entry)]
    sizes = [sum(side.shape[1] for side in entries[k]) for k in vectors]
    groups = [[vectors[i] for i in group] for group in group_by_size(sizes)]
    alike: dict[tuple[torch.Size, ...], list[int]] = {}
    for k, entry in enumerate(entries):
        if has_maps(*entry):
            alike.setdefault(tuple(side.shape[1:] for side in entry), []).append(k)
    for shapes, members in alike.items():
        together = max(1, MAP_NUMBERS // _map_numbers(shapes))
        groups += [members[i : i + together] for i in range(0, len(members), together)]
    return groups


def _map_numbers(shapes: Iterable[Sequence[int]]) -> int:
    """Of one row: inputs or hidden channels, whichever are more; vectors count for nothing."""
    return sum(max(s[0], MAP_CHANNELS) * s[1] * s[2] for s in shapes if len(s) == 3)


def rows_at_once(n_critics: int, *shapes: Sequence[int]) -> int:
    """For `in_blocks`, given the shapes (C, H, W) or (d,) of what the critics read."""
    numbers = n_critics * _map_numbers(shapes)
    return max(1, BLOCK_NUMBERS // numbers) if numbers else sys.maxsize


def in_blocks(
    function: Callable[[Tensor], tuple[Tensor, ...]], rows: Tensor, at_once: int
) -> tuple[Tensor, ...]:
    """A function of many rows, computed block by block where no gradient is kept.

    Args:
        function: (B, m) rows -> (B, m, ...).
        rows: row numbers, shape (B, m).
        at_once: rows of a block.

    Returns:
        what it returns, joined along the second dimension.
    """
    if torch.is_grad_enabled() or rows.shape[1] <= at_once:
        return function(rows)
    parts = [function(part) for part in rows.split(at_once, dim=1)]
    return tuple(torch.cat(part, dim=1) for part in zip(*parts, strict=True))
