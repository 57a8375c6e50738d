"""Critics of feature maps: convolutions, average pooling, a dense layer; B of them at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from infoprior.information._inputs import generator
from infoprior.information._neural.critics import (
    LabelCritics,
    PairCritics,
    dense,
    draw_pair,
    uniform,
)
from infoprior.information._neural.groups import MAP_CHANNELS as CHANNELS
from infoprior.information._ranks import normal_scores, standardize

GRID = 2
"""The last pooling leaves at most GRID x GRID averages a channel: where things are, coarsely."""
TRUNK = 4
"""Parameters of the convolutions: V1, a1, V2, a2."""

MAPS = {"batch_size": 128, "steps": 300, "learning_rate": 5e-3, "check_every": 20, "patience": 100}
"""`CriticSettings` where a side is maps: a step costs far more than one on vectors."""

Shape = tuple[int, ...]


def prepare(samples: Tensor, ranks: bool) -> Tensor:
    """Vectors (n, d) by rank, or standardised; maps (n, C, H, W) standardised channel by channel.

    Ranks of single pixels would undo what neighbouring pixels have in common.
    """
    if samples.ndim == 4:
        channels = samples.movedim(1, -1)
        return standardize(channels.flatten(0, 2)).view(channels.shape).movedim(-1, 1)
    return normal_scores(samples) if ranks else standardize(samples)


def coarse(maps: Tensor, columns: int) -> Tensor:
    """Averages over the cells of the finest square grid that leaves at most so many columns (but
    one a channel), (n, C g g); maps (n, C, H, W) that have no more are flattened."""
    if maps[0].numel() <= columns:
        return maps.flatten(1)
    grid = max(1, int((columns / maps.shape[1]) ** 0.5))
    height, width = (min(grid, side) for side in maps.shape[2:])
    return functional.adaptive_avg_pool2d(maps, (height, width)).flatten(1)


def _grid(shape: Shape) -> tuple[int, int]:
    """What the last pooling leaves of maps (C, H, W)."""
    height, width = (min(GRID, size) for size in shape[1:])
    return height, width


def _features(shape: Shape) -> int:
    """Columns that a side has for the dense layer."""
    if len(shape) == 1:
        return shape[0]
    height, width = _grid(shape)
    return CHANNELS * height * width


def _draw_trunk(rng: np.random.Generator, shape: Shape) -> tuple[Tensor, ...]:
    first, second = 9 * shape[0], 9 * CHANNELS

    def whole(size: Shape, fan_in: int) -> Tensor:
        return uniform(rng, size, fan_in, size)

    return (
        whole((CHANNELS, shape[0], 3, 3), first),
        whole((CHANNELS,), first),
        whole((CHANNELS, CHANNELS, 3, 3), second),
        whole((CHANNELS,), second),
    )


def convolve(maps: Tensor, trunk: list[Tensor]) -> Tensor:
    """Features (B, n, CHANNELS h w) of maps (B, n, C, H, W), each critic with its own filters.

    3 x 3 convolution, SiLU, average pooling by 2, and again, the second pooling down to the grid.
    The B convolutions are one grouped convolution whose groups are the critics.
    """
    first, first_bias, second, second_bias = trunk
    n_critics, n = maps.shape[:2]
    side_by_side = maps.transpose(0, 1).flatten(1, 2)
    hidden = functional.conv2d(
        side_by_side, first.flatten(0, 1), first_bias.flatten(), padding=1, groups=n_critics
    )
    hidden = functional.silu(hidden)
    hidden = functional.avg_pool2d(hidden, tuple(min(2, size) for size in maps.shape[3:]))
    hidden = functional.conv2d(
        hidden, second.flatten(0, 1), second_bias.flatten(), padding=1, groups=n_critics
    )
    hidden = functional.adaptive_avg_pool2d(functional.silu(hidden), _grid(maps.shape[2:]))
    return hidden.reshape(n, n_critics, -1).transpose(0, 1)


class ConvLabelCritics(LabelCritics):
    """Scores f(t, c) of maps. Parameters: V1, a1, V2, a2, then W1, b1, W2, b2 of the dense layers.

    `hidden` 0 leaves out the hidden dense layer.
    """

    @classmethod
    def draw_maps(
        cls, shape: Shape, number: int, folds: int, n_classes: int, hidden: int, seed: int
    ) -> ConvLabelCritics:
        """One critic per layer and fold, for `number` layers of maps (C, H, W)."""
        width, drawn = _features(shape), []
        for fold in range(folds):
            rng = generator(seed, f"critic {fold}")
            parameters = _draw_trunk(rng, shape)
            if hidden:
                parameters += (
                    uniform(rng, (width, hidden), width, (width, hidden)),
                    uniform(rng, (1, hidden), width, (1, hidden)),
                )
            last = hidden or width
            drawn.append((*parameters, torch.zeros(last, n_classes), torch.zeros(1, n_classes)))
        return cls([torch.stack(p * number) for p in zip(*drawn, strict=True)])

    def scores(self, t: Tensor) -> Tensor:
        """(B, n, C, H, W) -> (B, n, classes)."""
        trunk, layers = self.parameters[:TRUNK], self.parameters[TRUNK:]
        return dense(convolve(t, trunk), layers)


class ConvPairCritics(PairCritics):
    """Scores f(x, y) where x, y or both are maps, the other a vector.

    Parameters: V1, a1, V2, a2 of every side that is maps, x first, then those of `PairCritics`.
    """

    @classmethod
    def draw_maps(
        cls, x: Shape, y: Shape, number: int, folds: int, hidden: int, seed: int
    ) -> ConvPairCritics:
        """One critic per pair and fold, for `number` pairs of those shapes, (C, H, W) or (d,)."""
        drawn = []
        for fold in range(folds):
            rng = generator(seed, f"critic {fold}")
            trunks = [p for shape in (x, y) if len(shape) == 3 for p in _draw_trunk(rng, shape)]
            widths = (_features(x), _features(y))
            drawn.append((*trunks, *draw_pair(rng, widths, widths, hidden)))
        return cls([torch.stack(p * number) for p in zip(*drawn, strict=True)])

    def features(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        trunks = self.parameters
        columns = []
        for side in (x, y):
            if side.ndim == 5:
                side, trunks = convolve(side, trunks[:TRUNK]), trunks[TRUNK:]
            columns.append(side)
        wx, wy, b1 = trunks[:3]
        return torch.baddbmm(b1, columns[0], wx), torch.bmm(columns[1], wy)
