"""A task's rows as tensors, and the row of a learning curve that a network gives on them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from infoprior.spaces._inputs import InputEncoder
from infoprior.training._curves import CurveRow

if TYPE_CHECKING:
    from infoprior.tasks import Task

CHUNK = 1024
"""Rows evaluated at once: activations of that many stay in a core's cache."""


class TaskTensors:
    """The three parts of a task as tensors, evaluated in one pass.

    Args:
        task: what is learned.
        device: where the tensors live.

    Attributes:
        x: rows of training, validation and test, one after the other, shape (n, ...), float32.
        y: their classes, shape (n,), int64.
        sizes: number of rows of the three parts.
        train_x: the training rows, a view of x.
        train_y: their classes, a view of y.
        n_classes: number of classes.
        commonest: the most frequent class of the training rows.
    """

    def __init__(self, task: Task, device: str = "cpu") -> None:
        index = np.concatenate([task.train, task.validation, task.test])
        self.x = torch.from_numpy(np.ascontiguousarray(task.X[index])).to(device)
        self.y = torch.from_numpy(np.ascontiguousarray(task.y[index])).to(device)
        self.sizes = [len(task.train), len(task.validation), len(task.test)]
        self.train_x, self.train_y = self.x[: self.sizes[0]], self.y[: self.sizes[0]]
        self.n_classes = task.n_classes
        self.commonest = int(np.bincount(task.y[task.train]).argmax())
        self._encoded: dict[str, TaskTensors] = {}

    @torch.no_grad()
    def encoded(self, inputs: InputEncoder) -> TaskTensors:
        """The same with encoded rows; every encoder computes them once.

        Args:
            inputs: on the device of the rows.
        """
        if inputs.digest not in self._encoded:
            tensors = copy.copy(self)
            tensors.x = torch.cat([inputs(x) for x in self.x.split(CHUNK)])
            tensors.train_x = tensors.x[: self.sizes[0]]
            self._encoded[inputs.digest] = tensors
        return self._encoded[inputs.digest]

    @torch.inference_mode()
    def evaluate(self, logits: Callable[[Tensor], Tensor]) -> CurveRow:
        """The row of a learning curve of a network in evaluation mode.

        Args:
            logits: maps rows, shape (m, ...), to logits, shape (m, n_classes).

        Returns:
            the columns of `CURVE_COLUMNS` but the epoch.
        """
        return self.curve_row(torch.cat([logits(x) for x in self.x.split(CHUNK)]))

    def curve_row(self, logits: Tensor) -> CurveRow:
        """The row of a learning curve of a network that gives these logits.

        Args:
            logits: shape (n, n_classes).
        """
        losses = functional.cross_entropy(logits, self.y, reduction="none")
        means = [float(part.mean()) for part in losses.split(self.sizes)]
        # Test rows decide nothing, not even whether a network diverged.
        if not math.isfinite(means[0] + means[1]):
            return self.diverged_row()
        return self._row(means, logits.argmax(1), diverged=False)

    def diverged_row(self) -> CurveRow:
        """The row of a network that has diverged: it predicts the most frequent training class."""
        return self._row([math.nan] * 3, torch.full_like(self.y, self.commonest), diverged=True)

    def _row(self, losses: list[float], guess: Tensor, diverged: bool) -> CurveRow:
        right = (guess == self.y).split(self.sizes)
        accuracies = [int(part.sum()) / len(part) for part in right]
        return {
            "train_loss": losses[0],
            "validation_loss": losses[1],
            "test_loss": losses[2] if math.isfinite(losses[2]) else math.nan,
            "train_accuracy": accuracies[0],
            "validation_accuracy": accuracies[1],
            "test_accuracy": accuracies[2],
            "diverged": diverged,
        }


def batches(n: int, batch_size: int) -> list[tuple[int, int]]:
    """First and last (exclusive) row of each batch of an epoch of n rows."""
    # A last batch of one row would break batch normalization: it joins the one before.
    starts = [s for s in range(0, n, batch_size) if s == 0 or n - s > 1]
    return list(zip(starts, [*starts[1:], n], strict=True))
