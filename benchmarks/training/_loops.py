"""Who trains networks in the benchmarks of the trainer, all alike; and the floor of their seconds.

A loop trains points of a space on a task for so many epochs and gives each network's accuracy on
the test rows after the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks._common import matmul_rate

EPOCHS, RECORD = 27, (1, 3, 9, 27)
Params = dict[str, Any]
Loop = Callable[[Any, list[Params], int], list[float]]
"""(task, points, epochs) -> test accuracy of each network."""


def evaluated(epochs: int) -> tuple[int, ...]:
    """The epochs after which networks are evaluated on all parts."""
    return (*(e for e in RECORD if e < epochs), epochs)


def space_of(point: Params) -> Any:
    from infoprior.spaces import get_space

    return get_space("tabular" if "inputs" in point else "mlp")


def ours(
    task: Any, points: list[Params], epochs: int = EPOCHS, engine: str = "auto", device: str = "cpu"
) -> list[float]:
    from infoprior.training import train_many

    trained = train_many(
        task, [(point, 0) for point in points], space=space_of(points[0]), epochs=epochs,
        record=evaluated(epochs), engine=engine, device=device, progress=False,
    )  # fmt: skip
    return [float(one.curve[-1]["test_accuracy"]) for one in trained]


def one_by_one(task: Any, points: list[Params], epochs: int = EPOCHS) -> list[float]:
    from infoprior.training import train

    trained = [train(task, point, space=space_of(point), epochs=epochs) for point in points]
    return [float(one.curve[-1]["test_accuracy"]) for one in trained]


def parts_of(task: Any, point: Params) -> list[list[Any]]:
    """Rows and labels of the three parts as tensors, encoded as the point says."""
    import torch

    parts = [[torch.from_numpy(a) for a in task.split(p)] for p in ("train", "validation", "test")]
    inputs = space_of(point).fit_inputs(point, parts[0][0].numpy())
    return parts if inputs is None else [[inputs(x), y] for x, y in parts]


def layer_inputs(task: Any, point: Params) -> list[int]:
    """What the layers of a point's network read, from the first to the output layer."""
    from torch import nn

    space = space_of(point)
    inputs = space.fit_inputs(point, task.split("train")[0])
    network = space.build(point, task.shape, task.n_classes, inputs=inputs)
    return [m.in_features for m in network.modules() if isinstance(m, nn.Linear)]


def plain(task: Any, points: list[Params], epochs: int = EPOCHS) -> list[float]:
    """The loop of a tutorial, with what a point of the space asks for."""
    import torch
    from torch import nn

    from infoprior.spaces._mlp import ACTIVATIONS, NORMALIZATIONS, FeatureScale

    class Block(nn.Module):
        def __init__(self, n_in: int, n_out: int, point: Params) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(n_in, n_out),
                NORMALIZATIONS[point["normalization"]](n_out),
                ACTIVATIONS[point["activation"]](),
                nn.Dropout(point["dropout"]),
            )
            self.residual = point["residual"] and n_in == n_out

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = self.body(x)
            return out + x if self.residual else out

    accuracies = []
    for point in points:
        torch.manual_seed(0)
        parts = parts_of(task, point)
        x, y = parts[0]
        widths = layer_inputs(task, point)
        blocks = [Block(a, b, point) for a, b in pairwise(widths)]
        scale = [FeatureScale(widths[0])] if point.get("feature_scale") else []
        network = nn.Sequential(*scale, *blocks, nn.Linear(widths[-1], task.n_classes))
        rate = point["learning_rate"]
        groups: list[dict[str, Any]] = [
            {"params": [p for b in network[len(scale) :] for p in b.parameters()]}
        ]
        if scale:
            groups.append({"params": scale[0].parameters(), "lr": 6 * rate, "weight_decay": 0.0})
        optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=point["weight_decay"])
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda epoch, point=point: decay(point.get("schedule", "constant"), epoch, epochs),
        )
        criterion = nn.CrossEntropyLoss(label_smoothing=point.get("label_smoothing", 0.0))
        for epoch in range(1, epochs + 1):
            network.train()
            for batch in torch.randperm(len(y)).split(point["batch_size"]):
                if len(batch) == 1:
                    continue  # batch normalization refuses it
                optimizer.zero_grad()
                criterion(network(x[batch]), y[batch]).backward()
                optimizer.step()
            schedule.step()
            if epoch in evaluated(epochs):
                network.eval()
                with torch.no_grad():
                    for inputs, labels in parts:
                        logits = network(inputs)
                        criterion(logits, labels).item()
                        accuracy = (logits.argmax(1) == labels).float().mean().item()
        accuracies.append(accuracy)  # of the test rows after the last epoch
    return accuracies


def decay(schedule: str, done: int, epochs: int) -> float:
    """The share of the learning rate that a schedule leaves after `done` of all epochs."""
    past = {"constant": 0, "cosine": done, "flat-cosine": max(0, 2 * done - epochs)}[schedule]
    return (1 + math.cos(math.pi * past / epochs)) / 2


def sklearn(task: Any, points: list[Params], epochs: int = EPOCHS) -> list[float]:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    accuracies = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="Got `batch_size` less than 1 or larger")
        for point in points:
            parts = [[part.numpy() for part in pair] for pair in parts_of(task, point)]
            tanh = point["activation"] == "tanh"
            model = MLPClassifier(
                layer_inputs(task, point)[1:], activation="tanh" if tanh else "relu",
                solver="adam", alpha=point["weight_decay"], batch_size=point["batch_size"],
                learning_rate_init=point["learning_rate"], max_iter=epochs, tol=0.0,
                n_iter_no_change=epochs, random_state=0,
            )  # fmt: skip
            model.fit(*parts[0])
            for inputs, labels in parts:
                accuracy = float((model.predict_proba(inputs).argmax(1) == labels).mean())
            accuracies.append(accuracy)
    return accuracies


# The floor -----------------------------------------------------------------------------------


@cache
def rate(rows: int, width: int) -> float:
    """FLOP/s of a product of a batch and a square matrix."""
    return 1e9 * matmul_rate(1, rows, width, width)


def floor(task: Any, points: list[Params]) -> float:
    """Seconds for the multiplications alone."""
    n = len(task.train)
    rows = n + len(task.validation) + len(task.test)
    seconds = 0.0
    for point in points:
        sizes = [*layer_inputs(task, point), task.n_classes]
        widths = sizes[1:-1]
        weights = sum(a * b for a, b in pairwise(sizes))
        # Forward, and backward to weights and inputs; nobody needs that to the features.
        steps = EPOCHS * n * (6 * weights - 2 * sizes[0] * sizes[1])
        nearest = 2 ** round(median(widths)).bit_length() // 2
        seconds += steps / rate(min(point["batch_size"], n), nearest)
        seconds += 2 * len(RECORD) * rows * weights / rate(1024, nearest)
    return seconds
