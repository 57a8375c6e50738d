"""Critics of two hidden layers, B of them in one stack of batched matrix products."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from infoprior.information._inputs import generator


def uniform(
    rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, padded: tuple[int, ...]
) -> Tensor:
    """Weights uniform in +-1/sqrt(fan_in), of `shape`, zeros beyond it up to `padded`."""
    bound = 1.0 / math.sqrt(fan_in)
    weights = np.zeros(padded, dtype=np.float32)
    weights[tuple(slice(s) for s in shape)] = rng.uniform(-bound, bound, size=shape)
    return torch.from_numpy(weights)


@dataclass
class CriticStack:
    """Parameters stacked along the first dimension, one entry per critic.

    A critic is drawn from a generator of its own and from its own number of inputs. Weights of
    padded inputs start at zero, and get no gradient since those inputs are zero: what else is in
    the stack does not matter. The output layer starts at zero, so that an untrained critic is a
    constant one.
    """

    parameters: list[Tensor]

    def __len__(self) -> int:
        return len(self.parameters[0])

    def to(self, device: torch.device) -> Self:
        return type(self)([p.to(device) for p in self.parameters])

    def copy(self) -> Self:
        return type(self)([p.detach().clone() for p in self.parameters])

    def keep(self, rows: Tensor) -> Self:
        """The critics of those numbers only."""
        return type(self)([p.detach()[rows].clone() for p in self.parameters])

    def put(self, rows: Tensor, other: CriticStack, other_rows: Tensor) -> None:
        """Overwrite critics with some of another stack's."""
        for mine, theirs in zip(self.parameters, other.parameters, strict=True):
            mine[rows] = theirs.detach()[other_rows]


def draw_pair(
    rng: np.random.Generator, widths: tuple[int, int], padded: tuple[int, int], hidden: int
) -> tuple[Tensor, ...]:
    """The parameters of one critic of pairs."""
    total = sum(widths)
    return (
        uniform(rng, (widths[0], hidden), total, (padded[0], hidden)),
        uniform(rng, (widths[1], hidden), total, (padded[1], hidden)),
        uniform(rng, (1, hidden), total, (1, hidden)),
        uniform(rng, (hidden, hidden), hidden, (hidden, hidden)),
        uniform(rng, (1, hidden), hidden, (1, hidden)),
        torch.zeros(hidden, 1),
    )


def dense(inputs: Tensor, parameters: list[Tensor]) -> Tensor:
    """Layers W, b, W, b, ... with SiLU between them: (B, n, d) -> (B, n, last)."""
    *inner, w, b = parameters
    for weights, bias in zip(inner[::2], inner[1::2], strict=True):
        inputs = functional.silu(torch.baddbmm(bias, inputs, weights))
    return torch.baddbmm(b, inputs, w)


class PairCritics(CriticStack):
    """Scores f(x, y) of two continuous sides. Parameters: Wx, Wy, b1, W2, b2, w3.

    The first layer is linear in x and y apart, so its two products are computed once and paired
    in many ways: (x_i, y_i) for the joint, (x_i, y_{i+s}) for the product of the marginals. Rows
    are in random order, so a shift by s >= 1 pairs independent rows, and never a row with itself.
    SiLU units: smooth, they need fewer rows than ReLU ones where the density ratio is smooth.
    """

    @classmethod
    def draw(cls, widths: list[tuple[int, int]], folds: int, hidden: int, seed: int) -> PairCritics:
        """One critic per pair and fold, pair by pair; widths (dx, dy) of each pair."""
        dx, dy = (max(side) for side in zip(*widths, strict=True))
        drawn = []
        for kx, ky in widths:
            for fold in range(folds):
                rng = generator(seed, f"critic {fold}")
                drawn.append(draw_pair(rng, (kx, ky), (dx, dy), hidden))
        return cls([torch.stack(p) for p in zip(*drawn, strict=True)])

    def features(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """What the second layer needs of x, (B, n, dx), and of y, (B, n, dy), each (B, n, h)."""
        wx, wy, b1 = self.parameters[:3]
        return torch.baddbmm(b1, x, wx), torch.bmm(y, wy)

    def head(self, sums: Tensor) -> Tensor:
        """Scores of pairs, shape (B, n), from the sum of their sides' features, (B, n, h)."""
        w2, b2, w3 = self.parameters[-3:]
        hidden = functional.silu(sums)
        hidden = functional.silu(torch.baddbmm(b2, hidden, w2))
        return torch.bmm(hidden, w3)[..., 0]


class LabelCritics(CriticStack):
    """Scores f(t, c), one per class, of a continuous side. Parameters: W1, b1, W2, b2, W3, b3.

    `hidden` 0 leaves out the hidden layers: a linear probe, with parameters W, b.
    """

    @classmethod
    def draw(
        cls, widths: list[int], folds: int, n_classes: int, hidden: int, seed: int
    ) -> LabelCritics:
        """One critic per layer and fold, layer by layer."""
        drawn = []
        for k in widths:
            for fold in range(folds):
                rng = generator(seed, f"critic {fold}")
                last = hidden or max(widths)
                out = (torch.zeros(last, n_classes), torch.zeros(1, n_classes))
                if hidden:
                    w1 = uniform(rng, (k, hidden), k, (max(widths), hidden))
                    b1 = uniform(rng, (1, hidden), k, (1, hidden))
                    w2 = uniform(rng, (hidden, hidden), hidden, (hidden, hidden))
                    b2 = uniform(rng, (1, hidden), hidden, (1, hidden))
                    out = (w1, b1, w2, b2, *out)  # type: ignore[assignment]
                drawn.append(out)
        return cls([torch.stack(p) for p in zip(*drawn, strict=True)])

    def scores(self, t: Tensor) -> Tensor:
        """(B, n, d) -> (B, n, C)."""
        return dense(t, self.parameters)
