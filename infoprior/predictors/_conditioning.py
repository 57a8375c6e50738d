"""Conditioning a Gaussian whose parts meet only in a few common coordinates.

Common to all architectures are the task's factors z and what its validation rows do to every
network of it. Given these, architectures are independent: evidence enters one small block at a
time, whatever the number of trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Block:
    """What was observed of one architecture, m numbers, and how they depend on the rest.

    Attributes:
        values: less their means, shape (m,).
        loadings: on the u common coordinates, shape (m, u).
        covariance: given the common coordinates, shape (m, m).
        with_final: covariance with the architecture's f final results, given the same, (m, f).
    """

    values: np.ndarray
    loadings: np.ndarray
    covariance: np.ndarray
    with_final: np.ndarray

    @cached_property
    def scaled(self) -> np.ndarray:
        """covariance^-1 loadings, shape (m, u)."""
        return np.linalg.solve(self.covariance, self.loadings)

    @cached_property
    def precision(self) -> np.ndarray:
        """What it says of the common coordinates: loadings' covariance^-1 loadings, (u, u)."""
        return self.loadings.T @ self.scaled

    @cached_property
    def gain(self) -> np.ndarray:
        """covariance^-1 with_final, shape (m, f)."""
        return np.linalg.solve(self.covariance, self.with_final)


@dataclass(frozen=True, eq=False)
class Final:
    """The f final results of one architecture: offset + row @ common + a rest of their own.

    Attributes:
        offset: shape (f,).
        row: shape (f, u).
        rest: covariance of the rest, shape (f, f).
    """

    offset: np.ndarray
    row: np.ndarray
    rest: np.ndarray


def condition(
    mean: np.ndarray, covariance: np.ndarray, blocks: Sequence[Block]
) -> tuple[np.ndarray, np.ndarray]:
    """The common coordinates, given what was observed.

    Args:
        mean: before, shape (u,).
        covariance: before, shape (u, u).
        blocks: of different architectures.

    Returns:
        mean and covariance after.
    """
    if not blocks:
        return mean, covariance
    precision = np.zeros_like(covariance)
    shift = np.zeros_like(mean)
    for block in blocks:
        precision += block.precision
        shift += block.scaled.T @ block.values
    shift -= precision @ mean
    # covariance may be singular (a task without shared noise): it is never inverted.
    after = np.linalg.solve(np.eye(len(mean)) + covariance @ precision, covariance)
    after = (after + after.T) / 2.0
    return mean + after @ shift, after


def final_given(block: Block, prior: Final) -> Final:
    """The final results of an architecture that something was observed of.

    Args:
        block: what was.
        prior: its final results before.
    """
    gain = block.gain
    return Final(
        offset=prior.offset + gain.T @ block.values,
        row=prior.row - gain.T @ block.loadings,
        rest=prior.rest - gain.T @ block.with_final,
    )
