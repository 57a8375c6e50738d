"""How kernels are compiled, and what they share: kinds of arrays, constants, shapes.

A kernel that Python calls is an `entry`; the others become `part` of their callers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., object])
Vector = NDArray[np.float32]
"""Of one dimension."""
Matrix = NDArray[np.float32]
"""Of two dimensions, row by row."""
Labels = NDArray[np.int64]
"""Of one dimension."""

f32 = np.float32
ONE, ZERO, HALF = f32(1.0), f32(0.0), f32(0.5)

# Sums may be taken in any order, but NaN stays NaN: that is how a diverged network is known. No
# reciprocals ("arcp"): a processor's estimate of 1 / sqrt(x) is its maker's own.
OPTIONS: dict[str, Any] = {
    "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy", "nogil": True,
}  # fmt: skip
inlined = njit(**OPTIONS, inline="always")
"""A function that numba writes out in place of every call."""


def entry(function: F) -> F:
    """A kernel for Python: compiled when it is first called, and kept on disk where possible."""
    return _compiled(function, forceinline=False)


def part(function: F) -> F:
    """A kernel for other kernels: it becomes part of its callers.

    A process that compiles would otherwise call such functions as they stand alone, one that loads
    what is kept would call those within the callers, and their sums are taken in other orders.
    """
    return _compiled(function, forceinline=True)


def _compiled(function: F, forceinline: bool) -> F:
    options = OPTIONS | {"forceinline": forceinline}
    try:
        return njit(**options, cache=True)(function)
    except RuntimeError:  # no folder can be written to: compiled again by every process
        return njit(**options)(function)


@part
def matrix(flat: Vector, at: int, n: int, width: int) -> Matrix:
    """The numbers of a flat array from `at` on as (n, width)."""
    return flat[at : at + n * width].reshape(n, width)


@part
def add_row(h: Matrix, row: Vector) -> None:
    """h, (n, n_out), plus row, (n_out,), in place."""
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            h[i, j] += row[j]


@part
def column_sums(grad: Matrix, out: Vector) -> None:
    """Sums of grad, (n, n_out), over its rows into out, (n_out,)."""
    out[:] = ZERO
    for i in range(grad.shape[0]):
        for j in range(grad.shape[1]):
            out[j] += grad[i, j]
