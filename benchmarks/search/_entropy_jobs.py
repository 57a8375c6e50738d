"""One job of `entropy_gradient.py`: what the entropy of decisions does on one task, one seed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.priors.record_curves import CAPS
from infoprior.search.entropy_gradient import EntropyLinear, decision_entropy, train_locally
from infoprior.spaces import get_space
from infoprior.tasks import load_task
from infoprior.training._data import TaskTensors, batches
from infoprior.training._engines.autograd import FlatAutograd
from infoprior.training._loop import row_order

BATCH, RATE = 64, 3e-3
POINT = {
    "depth": 2, "width": 128, "shape": "constant", "activation": "relu", "normalization": "none",
    "dropout": 0.0, "residual": False, "learning_rate": RATE, "weight_decay": 1e-6,
    "batch_size": BATCH,
}  # fmt: skip
NONE = ("entropy_weight", 0.0)
# Four values each, besides none. Entropy in nats per bit; AdamW's weight decay is decoupled, so
# that 27 epochs of 8 steps leave exp(-0.65 * value) of a weight.
VALUES: dict[str, tuple[str, tuple[float, ...]]] = {
    "entropy minimised": ("entropy_weight", (0.03, 0.1, 0.3, 1.0)),
    "entropy maximised": ("entropy_weight", (-0.03, -0.1, -0.3, -1.0)),
    "entropy, either sign": ("entropy_weight", (-0.3, -0.1, 0.1, 0.3)),
    "label smoothing": ("label_smoothing", (0.02, 0.05, 0.1, 0.2)),
    "weight decay": ("weight_decay", (0.1, 0.3, 1.0, 3.0)),
}
DIVISIONS = ((0.5, 0.5), (0.9, 0.1), (0.0, 1.0))  # of the step size between w and G
LOCAL_EPOCHS, LOCAL_ETA, HIDDEN = (0, 1, 10, 100), 0.05, 32


def ece(p: np.ndarray, y: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Args:
        p: probabilities of the classes, shape (n, n_classes).
        y: classes, shape (n,).
        bins: of equal width, (0, 1/bins], ..., of the confidence max p.
    """
    confidence = p.max(1).astype(np.float64)
    excess = confidence - (p.argmax(1) == y)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(place, excess)).sum() / len(y))


def scores(logits: Tensor, y: Tensor) -> dict[str, float]:
    """Accuracy, mean log loss in nats, and ECE of logits, (n, n_classes), for classes y, (n,)."""
    p = torch.softmax(logits.double(), 1).numpy()
    return {
        "accuracy": float((logits.argmax(1) == y).double().mean()),
        "log loss": float(functional.cross_entropy(logits.double(), y)),
        "ECE": ece(p, y.numpy()),
    }


class Regularised(FlatAutograd):
    """The package's own training by autograd, with label smoothing, which it has no setting for."""

    def __init__(self, network: nn.Module, setting: str, value: float) -> None:
        settings = {
            "weight_decay": POINT["weight_decay"], "entropy_weight": 0.0, "label_smoothing": 0.0
        }  # fmt: skip
        settings[setting] = value
        self.label_smoothing = settings.pop("label_smoothing")
        super().__init__(network, RATE, **settings)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        if self.label_smoothing:
            return functional.cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        return super().loss(logits, y)


def regularised(
    data: TaskTensors, network: nn.Module, setting: str, value: float, seed: int, epochs: int
) -> dict[str, dict[str, float]]:
    """Scores on validation and test rows after a training with one setting."""
    own, order = Regularised(network, setting, value), row_order(seed)
    n = len(data.train_y)
    for _ in range(epochs):
        rows = torch.from_numpy(order.permutation(n))
        own.epoch(data.train_x[rows], data.train_y[rows], batches(n, BATCH))
    parts = zip(own.logits(data.x).split(data.sizes), data.y.split(data.sizes), strict=True)
    _, validation, test = (scores(logits, y) for logits, y in parts)
    return {"validation": validation, "test": test}


def decide(layers: list[EntropyLinear], x: Tensor) -> Tensor:
    """Activations of the last layer: each reads the decisions of the one before."""
    for layer in layers[:-1]:
        x = torch.sigmoid(layer(x))
    return layers[-1](x)


def alone(data: TaskTensors, seed: int, epochs: int) -> dict[str, dict[str, list[float]]]:
    """Entropies and test accuracies as entropy alone is minimised, from two starts."""
    random = two_layers(data, seed)
    taught = copy.deepcopy(random)
    parameters = [p for layer in taught for p in layer.parameters()]
    optimizer, order = torch.optim.Adam(parameters, lr=RATE), row_order(seed)
    for _ in range(epochs):
        rows = torch.from_numpy(order.permutation(len(data.train_y)))
        for batch in rows.split(BATCH):
            optimizer.zero_grad()
            logits = decide(taught, data.train_x[batch])
            functional.cross_entropy(logits, data.train_y[batch]).backward()
            optimizer.step()
    starts = {"random weights": random, "weights trained by labels": taught}
    return {name: sharpened(data, layers, seed) for name, layers in starts.items()}


def sharpened(data: TaskTensors, layers: list[EntropyLinear], seed: int) -> dict[str, list[float]]:
    """Entropies and test accuracies at `LOCAL_EPOCHS` as layers minimise their own entropy."""
    x, y = data.x[-data.sizes[2] :], data.y[-data.sizes[2] :]
    results: dict[str, list[float]] = {
        name: [] for name in ("hidden bits", "output bits", "accuracy", "same class")
    }
    at_first, done = None, 0
    for epoch in LOCAL_EPOCHS:
        if epoch > done:
            train_locally(
                layers, data.train_x,
                eta=LOCAL_ETA, epochs=epoch - done, batch_size=BATCH, seed=seed + epoch,
            )  # fmt: skip
        done = epoch
        hidden, output = entropies(layers, data.train_x)
        with torch.no_grad():
            guess = decide(layers, x).argmax(1)
        at_first = guess if at_first is None else at_first
        results["hidden bits"].append(hidden)
        results["output bits"].append(output)
        results["accuracy"].append(float((guess == y).double().mean()))
        results["same class"].append(float((guess == at_first).double().mean()))
    return results


@torch.no_grad()
def entropies(layers: list[EntropyLinear], x: Tensor) -> list[float]:
    """Mean entropy of a decision of the hidden and of the last layer, in bits."""
    activations = (layers[0](x), decide(layers, x))
    return [float(decision_entropy(z).mean()) for z in activations]


def two_layers(
    data: TaskTensors, seed: int, dtype: torch.dtype = torch.float32
) -> list[EntropyLinear]:
    n_in = data.x[0].numel()
    return [
        EntropyLinear(n_in, HIDDEN, seed=2 * seed, dtype=dtype),
        EntropyLinear(HIDDEN, data.n_classes, seed=2 * seed + 1, dtype=dtype),
    ]


def redundancy(data: TaskTensors, seed: int) -> dict[str, float]:
    """Greatest distance of w + G from one matrix's trajectory, relative to the way that it went."""
    farthest = {}
    for dtype in (torch.float32, torch.float64):
        x, worst = data.train_x.to(dtype), 0.0
        for share, rest in DIVISIONS:
            both, one = two_layers(data, seed, dtype), two_layers(data, seed, dtype)
            begin = [layer.w.detach().clone() for layer in one]
            for step in range(20):
                options: dict[str, Any] = {"batch_size": BATCH, "seed": step}
                eta = LOCAL_ETA
                train_locally(both, x, eta=(share * eta, rest * eta, eta), **options)
                train_locally(one, x, eta=(eta, 0.0, eta), **options)
                for mine, single, at_first in zip(both, one, begin, strict=True):
                    apart = (mine.w + mine.G - single.w).detach().norm()
                    moved = (single.w.detach() - at_first).norm()
                    worst = max(worst, float(apart / moved))
        farthest[str(dtype).removeprefix("torch.")] = worst
    return farthest


def measure(task_name: str, seed: int, epochs: int) -> dict[str, Any]:
    """All three experiments on one task with one seed."""
    torch.set_num_threads(1)
    task = load_task(task_name, seed=seed, **CAPS)
    data = TaskTensors(task)
    trained: dict[str, Any] = {}
    for setting, value in sorted({NONE, *settings()}):
        network = get_space("mlp").build(POINT, task.shape, task.n_classes, seed=seed)
        trained[f"{setting} {value}"] = regularised(data, network, setting, value, seed, epochs)
    return {
        "family": task.family,
        "regularised": trained,
        "alone": alone(data, seed, epochs),
        "redundancy": redundancy(data, seed),
    }


def settings() -> list[tuple[str, float]]:
    """Every (setting, value) that a method is tuned over."""
    return [(setting, value) for setting, values in VALUES.values() for value in values]
