"""Weights and alpha of a supernet with their optimisers: the steps that a search takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from infoprior.search.darts.bilevel import (
    first_order_gradient,
    gradients,
    second_order_gradient,
)
from infoprior.search.darts.eigenvalue import Hessian, largest_eigenvalue
from infoprior.search.darts.settings import DartsSettings
from infoprior.search.darts.supernet import Supernet
from infoprior.spaces._cells import Cell
from infoprior.training._data import CHUNK, batches

if TYPE_CHECKING:
    from infoprior.tasks import Task

BETAS = (0.5, 0.999)
"""Of alpha's Adam (Liu et al., appendix A.1.1)."""

HESSIAN_ROWS = 512
"""Validation rows, at most, that the Hessian is of."""

Rows = tuple[Tensor, Tensor]
"""x, shape (n, ...), float32, and their classes, shape (n,), int64."""


class Learner:
    """A supernet that learns a task.

    Args:
        task: its training and validation rows are read.
        cell: of the supernet.
        order: 1 or 2, of alpha's gradient.
        epochs: that the cosine of the learning rate spans.
        seed: draws weights, alpha and the order of rows.
        settings: of both optimisers.

    Attributes:
        supernet: as it is now.
        hessian_rows: validation rows that `eigenvalue` reads.
        hessian_products: that the last `eigenvalue` has taken.
    """

    def __init__(
        self, task: Task, cell: Cell, *, order: int, epochs: int, seed: int, settings: DartsSettings
    ) -> None:
        self.order, self.epochs, self.seed, self.settings = order, epochs, seed, settings
        self.train, self.validation = (_rows(task, part) for part in ("train", "validation"))
        self.supernet = Supernet(cell, task.shape, task.n_classes, seed, settings.alpha_scale)
        self._alpha = self.supernet.alpha
        self._names = [name for name, _ in self.supernet.named_parameters()]
        self._weights = list(self.supernet.parameters())
        self._velocity = [torch.zeros_like(weight) for weight in self._weights]
        self._adam = torch.optim.Adam(
            [self._alpha], settings.alpha_learning_rate, BETAS,
            weight_decay=settings.alpha_weight_decay,
        )  # fmt: skip
        self._adam.state[self._alpha] = {
            "step": torch.tensor(0.0),
            "exp_avg": torch.zeros_like(self._alpha),
            "exp_avg_sq": torch.zeros_like(self._alpha),
        }
        draw = torch.Generator().manual_seed(seed)
        self._eigenvector = torch.randn(self._alpha.shape, generator=draw)
        self.hessian_rows = min(HESSIAN_ROWS, len(self.validation[1]))
        self.hessian_products = 0

    # Steps -----------------------------------------------------------------------------------

    def epoch(self, number: int, *, rate: float | None = None, moves_alpha: bool = True) -> float:
        """A step of alpha and a step of the weights for each batch of training rows.

        Args:
            number: of the epoch, from 1; the order of rows is a function of it and the seed.
            rate: learning rate of the weights; None: `learning_rate` of the epoch.
            moves_alpha: False: only the weights learn.

        Returns:
            the mean training loss of the batches' rows, each before its step, in nats.
        """
        self.supernet.train()
        rng = np.random.default_rng([self.seed, 3, number])
        rows = torch.from_numpy(rng.permutation(len(self.train[1])))
        others = torch.from_numpy(rng.permutation(len(self.validation[1])))
        rate = self.learning_rate(number) if rate is None else rate
        total = 0.0
        for start, stop in batches(len(rows), self.settings.batch_size):
            batch = self._batch(self.train, rows[start:stop])
            if moves_alpha:
                # Validation rows in turn, round and round: there may be fewer of them.
                length = min(stop - start, len(others))
                at = torch.arange(start, start + length) % len(others)
                self.alpha_step(batch, self._batch(self.validation, others[at]), rate)
            total += self.weight_step(batch, rate) * (stop - start)
        return total / len(rows)

    def learning_rate(self, epoch: int) -> float:
        """Of the weights: half a cosine from the first epoch to the last."""
        first, last = self.settings.learning_rate, self.settings.last_learning_rate
        return last + 0.5 * (first - last) * (1.0 + math.cos(math.pi * (epoch - 1) / self.epochs))

    def alpha_step(self, train: Rows, validation: Rows, rate: float) -> None:
        """Move alpha by one step of Adam.

        Args:
            train: rows of the step of the weights that the second order looks ahead.
            validation: rows whose loss falls.
            rate: xi, learning rate of the weights.
        """
        if self.order == 1:
            gradient = first_order_gradient(lambda: self.loss(validation), self._alpha)
        else:
            gradient = second_order_gradient(
                lambda: self.loss(train), lambda: self.loss(validation), self._weights,
                self._alpha, step=rate, direction=self._direction,
            )  # fmt: skip
        self._alpha.grad = gradient
        self._adam.step()
        self._alpha.grad = None

    def weight_step(self, train: Rows, rate: float) -> float:
        """Move the weights by one step of gradient descent with momentum.

        Args:
            train: rows whose loss falls.
            rate: the learning rate.

        Returns:
            their loss before the step, in nats.
        """
        loss = self.loss(train)
        steps = gradients(loss, self._weights)
        norm = float(torch.stack([step.norm() for step in steps]).norm())
        if norm > self.settings.clip:
            steps = [step * (self.settings.clip / norm) for step in steps]
        self._velocity = self._direction(steps)
        with torch.no_grad():
            for weight, velocity in zip(self._weights, self._velocity, strict=True):
                weight.sub_(velocity, alpha=rate)
        return float(loss.detach())

    @torch.no_grad()
    def _direction(self, steps: Sequence[Tensor]) -> list[Tensor]:
        """What the optimiser moves the weights by, less the learning rate: the next velocity."""
        momentum, decay = self.settings.momentum, self.settings.weight_decay
        return [
            torch.add(step, weight, alpha=decay).add_(velocity, alpha=momentum)
            for step, weight, velocity in zip(steps, self._weights, self._velocity, strict=True)
        ]

    # Looking ---------------------------------------------------------------------------------

    def alpha(self) -> np.ndarray:
        """Alpha as it is now, a copy, float32."""
        return self._alpha.detach().numpy().copy()

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float]:
        """Loss, in nats, and accuracy of the supernet on all validation rows."""
        self.supernet.eval()
        x, y = self.validation
        logits = torch.cat([self.supernet(part) for part in x.split(CHUNK)])
        right = (logits.argmax(1) == y).double().mean()
        return float(functional.cross_entropy(logits, y)), float(right)

    def eigenvalue(self) -> float:
        """The dominant one of the validation loss's Hessian in alpha (`dominant_eigenvalue`)."""
        rng = np.random.default_rng([self.seed, 4])
        rows = torch.from_numpy(rng.permutation(len(self.validation[1]))[: self.hessian_rows])
        batch = self._batch(self.validation, rows)
        hessian = Hessian(lambda: self.loss(batch), self._alpha)
        value, self._eigenvector = largest_eigenvalue(hessian, self._eigenvector)
        self.hessian_products = hessian.products
        return value

    def loss(self, rows: Rows) -> Tensor:
        """The cross-entropy of the supernet as it is, in nats a row."""
        return functional.cross_entropy(self.supernet(rows[0]), rows[1])

    @staticmethod
    def _batch(rows: Rows, index: Tensor) -> Rows:
        return rows[0][index], rows[1][index]

    # Its state -------------------------------------------------------------------------------

    def state(self, alphas: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """All that the next epoch depends on, as tensors by name, `alphas` among them."""
        adam = self._adam.state[self._alpha]
        return {
            "alphas": torch.from_numpy(np.stack(alphas)),
            "eigenvector": self._eigenvector,
            **{f"adam.{name}": adam[name] for name in adam},
            **{f"weight.{n}": w for n, w in zip(self._names, self._weights, strict=True)},
            **{f"velocity.{n}": v for n, v in zip(self._names, self._velocity, strict=True)},
            **{f"buffer.{name}": value for name, value in self.supernet.named_buffers()},
            "alpha": self._alpha,
        }

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a state.

        Args:
            tensors: of `state`, of the same task, cell and settings.
        """
        self._alpha.copy_(tensors["alpha"])
        self._eigenvector = tensors["eigenvector"]
        for name, value in self._adam.state[self._alpha].items():
            value.copy_(tensors[f"adam.{name}"])
        for i, name in enumerate(self._names):
            self._weights[i].copy_(tensors[f"weight.{name}"])
            self._velocity[i].copy_(tensors[f"velocity.{name}"])
        for name, value in self.supernet.named_buffers():
            value.copy_(tensors[f"buffer.{name}"])


def _rows(task: Task, part: str) -> Rows:
    x, y = task.split(part)
    return torch.from_numpy(x), torch.from_numpy(y)
