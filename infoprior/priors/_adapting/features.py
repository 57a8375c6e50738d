"""Trials as vectors, and how alike two of them are: the kernel of all functions in this folder."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .._mixture.axes import Axis, CategoricalAxis
from .._values import Array

_SHARE = float(np.sqrt(0.5))  # two different choices are at distance one, as a range's two ends


class Features:
    """Positions on the axes as vectors, columns scaled by how much their parameter matters.

    A number is its unit coordinate, a choice is one-hot, scaled so that two different ones are at
    distance one. A parameter that a trial does not have lies in the middle of the numbers, apart
    from all values.

    Args:
        axes: name -> axis.
        relevances: the inverse length scale of each parameter, shape (d,).
    """

    def __init__(self, axes: Mapping[str, Axis], relevances: Array) -> None:
        self._axes, self.relevances = list(axes.values()), relevances
        self.owner = np.concatenate(
            [
                np.full(1 + (a.n_values if isinstance(a, CategoricalAxis) else 1), j)
                for j, a in enumerate(self._axes)
            ]
        ).astype(np.int64)  # each column's parameter
        self._scale = relevances[self.owner]

    def plain(self, positions: Array) -> Array:
        """The vectors before scaling, shape (n, columns), of positions of shape (n, d)."""
        blocks = []
        for j, axis in enumerate(self._axes):
            column = positions[:, j]
            known = ~np.isnan(column)
            blocks.append(_SHARE * ~known[:, None])
            if isinstance(axis, CategoricalAxis):
                chosen = np.arange(axis.n_values) == np.where(known, column, -1.0)[:, None]
                blocks.append(_SHARE * chosen)
            else:
                u = np.full(len(column), 0.5)
                u[known] = axis.center(column[known])
                blocks.append(u[:, None])
        return np.concatenate(blocks, axis=1).astype(np.float64)

    def __call__(self, positions: Array) -> Array:
        """The vectors, shape (n, columns), of positions of shape (n, d), NaN where missing."""
        return self.plain(positions) * self._scale

    def scaled(self, plain: Array, relevances: Array) -> Array:
        """Vectors of `plain` under other relevances."""
        return plain * relevances[self.owner]


def matern(a: Array, b: Array) -> Array:
    """Matérn's kernel with ν = 5/2 of vectors (..., n, c) and (..., m, c), shape (..., n, m).

    Rasmussen and Williams 2006, Gaussian processes for machine learning, eq. 4.17.
    """
    squares = (a * a).sum(-1)[..., :, None] + (b * b).sum(-1)[..., None, :]
    squares -= 2.0 * (a @ np.swapaxes(b, -1, -2))
    np.maximum(squares, 0.0, out=squares)
    r = np.sqrt(5.0 * squares)
    return (1.0 + r + (5.0 / 3.0) * squares) * np.exp(-r)


def spread(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of n indices, evenly spread."""
    if n <= most:
        return np.arange(n)
    return np.unique(np.linspace(0, n - 1, most).round().astype(np.int64))
