"""A task and a cell space in which the best operation is known by construction."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infoprior.search.darts import Cell, CellSpace
from infoprior.spaces._cells import none, skip
from infoprior.tasks import Task


class Apply(nn.Module):
    """A function without weights."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def known_space() -> CellSpace:
    """One edge, whose operation is all that a linear classifier gets to see the rows through."""
    operations = {
        "none": none,
        "skip": skip,
        "sine": lambda width, generator, supernet: Apply(torch.sin),
        "square": lambda width, generator, supernet: Apply(torch.square),
        "cube": lambda width, generator, supernet: Apply(lambda x: x**3),
    }
    return CellSpace("known", Cell(operations, lambda *_: nn.Identity(), width=4, nodes=2))


def ball(seed: int) -> Task:
    """Inside or outside a ball: linear in squares; odd functions of the columns know nothing."""
    rng = np.random.default_rng([seed, 9])
    x = rng.normal(size=(600, 4)).astype(np.float32)
    y = ((x**2).sum(1) > 3.36).astype(np.int64)  # the median of chi-squared with 4 degrees
    parts = np.split(np.arange(600), [300, 500])
    names = ("a", "b", "c", "d")
    return Task("ball", "ball", "made", "synthetic", x, y, *parts, names, ("inside", "outside"))
