"""What is computed together."""

from __future__ import annotations

import pytest
import torch

from infoprior.information._neural.groups import (
    group_by_size,
    group_entries,
    in_blocks,
    stack_padded,
)


def test_every_entry_once_and_little_is_padded() -> None:
    sizes = [int(s) for s in torch.randint(1, 600, (200,), generator=torch.Generator())]
    groups = group_by_size(sizes, waste=1.5, at_most=16)
    assert sorted(k for group in groups for k in group) == list(range(200))
    for group in groups:
        inside = [sizes[k] for k in group]
        assert len(group) <= 16
        assert max(inside) <= 1.5 * min(inside)
    assert len(groups) < 40


def test_equal_sizes_keep_their_order() -> None:
    assert group_by_size([3, 3, 3], at_most=2) == [[0, 1], [2]]
    assert group_by_size([]) == []


def test_padding_is_zeros_to_the_right() -> None:
    stack = stack_padded([torch.ones(4, 2).double(), torch.ones(4, 3).double()])
    assert stack.dtype == torch.float64
    assert stack.tolist() == [[[1, 1, 0]] * 4, [[1, 1, 1]] * 4]


def test_maps_only_with_maps_of_their_shape() -> None:
    n = 5
    x = [torch.zeros(n, *shape) for shape in ((3,), (1, 4, 4), (2, 4, 4), (1, 4, 4), (3,), (1, 4))]
    x[5] = torch.zeros(n, 4)
    groups = group_entries(x)
    assert sorted(map(sorted, groups)) == [[0, 4, 5], [1, 3], [2]]
    y = [torch.zeros(n, 1)] * 3 + [torch.zeros(n, 2)] + [torch.zeros(n, 1)] * 2
    assert sorted(map(sorted, group_entries(x, y))) == [[0, 4, 5], [1], [2], [3]]
    big = [torch.zeros(2, 3, 64, 64)] * 3
    assert group_entries(big) == [[0], [1], [2]]  # bounded memory


@pytest.mark.parametrize("at_once", [1, 3, 7, 100])
def test_blocks_change_nothing(at_once: int) -> None:
    rows = torch.arange(14).view(2, 7)
    calls = []

    def function(part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(part.shape[1])
        return part * 2, part[..., None] + 1

    with torch.no_grad():
        double, more = in_blocks(function, rows, at_once)
    assert torch.equal(double, rows * 2)
    assert torch.equal(more, rows[..., None] + 1)
    assert max(calls) <= at_once
    calls.clear()
    in_blocks(function, rows, at_once)  # gradients need the whole
    assert calls == [7]
