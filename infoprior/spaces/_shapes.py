"""What networks read: a number of columns, or the sides of an image."""

from __future__ import annotations

from collections.abc import Sequence

from infoprior._arguments import whole_number
from infoprior.spaces._space import Shape, SpaceError


def columns(shape: Shape) -> int:
    """The number of columns, unless the rows are images."""
    shape = _sides(shape)
    if isinstance(shape, int):
        return shape
    if len(shape) != 1:
        raise SpaceError(
            f"This space's networks read vectors, not images of shape {tuple(shape)}; "
            "flatten them: task.flatten()."
        )
    return shape[0]


def _sides(shape: Shape) -> int | tuple[int, ...]:
    """A number of columns, or the sides of a row, each from 1 on."""
    if isinstance(shape, tuple | list):
        return tuple(whole_number(side, "a side of n_features", 1, SpaceError) for side in shape)
    return whole_number(shape, "n_features", 1, SpaceError)


def image(shape: Shape) -> Sequence[int]:
    """(C, H, W), unless the rows are vectors."""
    shape = _sides(shape)
    if isinstance(shape, int) or len(shape) != 3:
        raise SpaceError(
            f"This space's networks read images: give their shape (C, H, W), not {shape}."
        )
    return shape
