"""One network on one task: AdamW, seeded, one row of the learning curve per epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from infoprior.training._gradients import FlatAdamW, FlatMLP
from infoprior.training._threads import use_threads

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace
    from infoprior.spaces._mlp import MLP
    from infoprior.tasks import Task

RUNGS = (1, 3, 9, 27)
"""The fidelities of Hyperband, in epochs: eta = 3 and at most 27 epochs."""

CURVE_COLUMNS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "diverged",
)


@dataclass
class Training:
    """A trained network and what it did on the way.

    Attributes:
        network: in evaluation mode.
        curve: one dict per epoch with the keys of `CURVE_COLUMNS`; losses are cross-entropies in
            nats per row. From the epoch at which a network diverges, `diverged` is True, its
            losses are NaN and its accuracies are those of the commonest training class.
        diverged: whether that happened.
    """

    network: MLP
    curve: list[dict[str, Any]]
    diverged: bool


def train(
    task: Task,
    params: Mapping[str, Any],
    *,
    space: SearchSpace,
    seed: int = 0,
    epochs: int = RUNGS[-1],
    report: Callable[[int, dict[str, Any]], None] | None = None,
    threads: int = 1,
) -> Training:
    """Train the network at a point of a space on a task.

    AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) on the
    cross-entropy, with the point's learning rate, weight decay and batch size; no schedule, so that
    a curve's first epochs are those of a shorter run.

    Args:
        task: what to learn.
        params: a point of `space`.
        space: builds the network.
        seed: draws weights, dropout masks and the order of rows.
        epochs: passes over the training rows.
        report: called after each epoch with its number and row; what it raises
            (`optuna.TrialPruned`, say) ends the training.
        threads: PyTorch's threads meanwhile; results are the same only for the same number.

    Raises:
        SpaceError: the point does not fit the space.
        ValueError: `epochs` is less than one.
    """
    if epochs < 1:
        raise ValueError(f"epochs = {epochs}: at least one epoch is needed.")
    settings = space.settings(params)
    network = space.build(params, task.n_features, task.n_classes, seed=seed)
    flat = FlatMLP(network)
    optimizer = FlatAdamW(
        flat.values, flat.gradients, settings["learning_rate"], settings["weight_decay"]
    )
    parts = _Parts(task)
    # Rows are shuffled by a generator of their own: dropout does not change their order.
    order = np.random.default_rng([seed, 1])
    curve: list[dict[str, Any]] = []
    with use_threads(threads):
        for epoch in range(1, epochs + 1):
            _epoch(flat, optimizer, parts, settings["batch_size"], order)
            row = parts.evaluate(network)
            if not math.isfinite(row["train_loss"] + row["validation_loss"]):
                row = parts.constant_prediction()
            curve.append({"epoch": epoch, **row})
            if report is not None:
                report(epoch, curve[-1])
            if row["diverged"]:
                curve += [{"epoch": e, **row} for e in range(epoch + 1, epochs + 1)]
                break
    network.eval()
    return Training(network, curve, bool(curve[-1]["diverged"]))


@torch.inference_mode()
def _epoch(
    flat: FlatMLP, optimizer: FlatAdamW, parts: _Parts, batch_size: int, order: np.random.Generator
) -> None:
    """One pass over the training rows, in a new order."""
    n = len(parts.train_y)
    rows = torch.from_numpy(order.permutation(n))
    flat.start_epoch(parts.train_x[rows], parts.train_y[rows])
    # A last batch of one row would break batch normalization: it joins the one before.
    starts = [s for s in range(0, n, batch_size) if s == 0 or n - s > 1]
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        flat.step_gradients(start, stop)
        optimizer.step()


class _Parts:
    """A task's three parts as tensors, evaluated in one pass."""

    def __init__(self, task: Task) -> None:
        index = np.concatenate([task.train, task.validation, task.test])
        self.x = torch.from_numpy(np.ascontiguousarray(task.X[index]))
        self.y = torch.from_numpy(np.ascontiguousarray(task.y[index]))
        self.sizes = [len(task.train), len(task.validation), len(task.test)]
        self.train_x, self.train_y = self.x[: self.sizes[0]], self.y[: self.sizes[0]]
        self.commonest = int(np.bincount(task.y[task.train]).argmax())

    @torch.inference_mode()
    def evaluate(self, network: MLP) -> dict[str, Any]:
        network.eval()
        logits = network(self.x)
        n_train, n_validation, _ = self.sizes
        n_seen = n_train + n_validation
        losses = functional.cross_entropy(logits[:n_seen], self.y[:n_seen], reduction="none")
        train_loss, validation_loss = losses[:n_train].mean(), losses[n_train:].mean()
        return self._row(float(train_loss), float(validation_loss), logits.argmax(1), False)

    def constant_prediction(self) -> dict[str, Any]:
        guess = torch.full_like(self.y, self.commonest)
        return self._row(math.nan, math.nan, guess, True)

    def _row(
        self, train_loss: float, validation_loss: float, guess: Tensor, diverged: bool
    ) -> dict[str, Any]:
        right = (guess == self.y).split(self.sizes)
        accuracies = [int(part.sum()) / len(part) for part in right]
        return {
            "train_loss": train_loss,
            "validation_loss": validation_loss,
            "train_accuracy": accuracies[0],
            "validation_accuracy": accuracies[1],
            "test_accuracy": accuracies[2],
            "diverged": diverged,
        }
