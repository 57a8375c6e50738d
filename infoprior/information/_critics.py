"""Critics of two hidden layers, K of them in one stack of batched matrix products."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from infoprior.information._inputs import generator
from infoprior.information._objective import log_mean_exp, log_mean_exp_enumerated

Scores = tuple[Tensor, Tensor]
"""Scores of the joint, shape (K, n), and log mean exp of the marginals' scores, shape (K,)."""


def _draw(
    rng: np.random.Generator, n_in: int, n_rows: int, n_out: int, fan_in: int
) -> Tensor:  # fmt: skip
    """Weights uniform in +-1/sqrt(fan_in), shape (n_rows, n_out), zero below row n_in."""
    bound = 1.0 / math.sqrt(fan_in)
    weights = np.zeros((n_rows, n_out), dtype=np.float32)
    weights[:n_in] = rng.uniform(-bound, bound, size=(n_in, n_out))
    return torch.from_numpy(weights)


@dataclass
class Stack:
    """Parameters stacked along the first dimension, one entry per critic.

    A critic is drawn from a generator of its own and from its own number of inputs. Weights of
    padded inputs start at zero, and get no gradient since those inputs are zero: what else is in
    the stack does not matter. The output layer starts at zero, so that an untrained critic is a
    constant one and worth exactly 0 nats.
    """

    parameters: list[Tensor]

    def copy(self) -> Self:
        return type(self)([p.detach().clone() for p in self.parameters])

    def keep(self, rows: Tensor) -> Self:
        """The critics of those numbers only."""
        return type(self)([p.detach()[rows].clone() for p in self.parameters])

    def put(self, rows: Tensor, other: Stack, other_rows: Tensor) -> None:
        """Overwrite critics with some of another stack's."""
        for mine, theirs in zip(self.parameters, other.parameters, strict=True):
            mine[rows] = theirs.detach()[other_rows]


class PairCritics(Stack):
    """Scores f(x, y) of two continuous sides. Parameters: Wx, Wy, b1, W2, b2, w3.

    The first layer is linear in x and y apart, so its two products are computed once and paired
    in many ways: (x_i, y_i) for the joint, (x_i, y_{i+s}) for the product of the marginals. Rows
    are in random order, so a shift by s >= 1 pairs independent rows, and never a row with itself.
    """

    @classmethod
    def draw(cls, widths: list[tuple[int, int]], hidden: int, seed: int) -> PairCritics:
        dx, dy = (max(side) for side in zip(*widths, strict=True))
        drawn = []
        for kx, ky in widths:
            rng = generator(seed, "critic")
            wx = _draw(rng, kx, dx, hidden, kx + ky)
            wy = _draw(rng, ky, dy, hidden, kx + ky)
            b1 = _draw(rng, 1, 1, hidden, kx + ky)
            w2 = _draw(rng, hidden, hidden, hidden, hidden)
            b2 = _draw(rng, 1, 1, hidden, hidden)
            drawn.append((wx, wy, b1, w2, b2, torch.zeros(hidden, 1)))
        return cls([torch.stack(p) for p in zip(*drawn, strict=True)])

    def scores(self, x: Tensor, y: Tensor, shifts: range = range(1, 2)) -> Scores:
        """x: (K, n, dx), y: (K, n, dy), the pairing of row i with row i + s for each s."""
        wx, wy, b1, w2, b2, w3 = self.parameters
        from_x, from_y = torch.baddbmm(b1, x, wx), torch.bmm(y, wy)
        n = x.shape[1]
        pairs = [from_x + from_y] + [from_x + from_y.roll(-s, dims=1) for s in shifts]
        hidden = torch.cat(pairs, dim=1).relu_()
        hidden = torch.baddbmm(b2, hidden, w2).relu_()
        scores = torch.bmm(hidden, w3)[..., 0]
        return scores[:, :n], log_mean_exp(scores[:, n:])


class LabelCritics(Stack):
    """Scores f(t, c), one per class, of a continuous side. Parameters: W1, b1, W2, b2, W3, b3.

    With every class scored, the expectation over the marginal of Y is an exact sum: no negative
    samples.
    """

    @classmethod
    def draw(cls, widths: list[int], n_classes: int, hidden: int, seed: int) -> LabelCritics:
        drawn = []
        for k in widths:
            rng = generator(seed, "critic")
            w1 = _draw(rng, k, max(widths), hidden, k)
            b1 = _draw(rng, 1, 1, hidden, k)
            w2 = _draw(rng, hidden, hidden, hidden, hidden)
            b2 = _draw(rng, 1, 1, hidden, hidden)
            w3, b3 = torch.zeros(hidden, n_classes), torch.zeros(1, n_classes)
            drawn.append((w1, b1, w2, b2, w3, b3))
        return cls([torch.stack(p) for p in zip(*drawn, strict=True)])

    def scores(self, t: Tensor, y: Tensor, log_shares: Tensor) -> Scores:
        """t: (K, n, d), y: (n,) int64 class numbers, log_shares: (C,)."""
        w1, b1, w2, b2, w3, b3 = self.parameters
        hidden = torch.baddbmm(b1, t, w1).relu_()
        hidden = torch.baddbmm(b2, hidden, w2).relu_()
        scores = torch.baddbmm(b3, hidden, w3)
        joint = scores.gather(2, y.expand(len(scores), -1)[..., None])[..., 0]
        return joint, log_mean_exp_enumerated(scores, log_shares)
