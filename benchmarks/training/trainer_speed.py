"""Networks trained per second and core: `train_many` against its peers and a floor.

    python benchmarks/training/trainer_speed.py [--repeats 2] [--tasks 6] [--write-only]

Cases: six networks (depth 2, ReLU or tanh, nothing else) of one width, 16 to 256, on a task of
1,000 training rows; and the meta-dataset's own mixes, 36 points of the space `mlp` and of `tabular`
on each of several synthetic tasks of their own sizes. All train 27 epochs and are evaluated on some
1,000 validation rows and 5,000 test rows after epochs 1, 3, 9 and 27. Peers, one thread each:

- a plain PyTorch loop as people write it: nn.Module, autograd, torch.optim.AdamW, no DataLoader,
  inputs encoded before;
- scikit-learn's MLPClassifier (Adam with L2, evaluated once at the end), for what it can express:
  no normalization, dropout or residual layers, so for the widths and for no point of the mixes; for
  those of `tabular`, what remains of a point without all that, on the encoded inputs;
- `train`, which evaluates every epoch, because its caller may prune;
- `train_many` with a stack a batch size, which is what a GPU gets;
- the floor: multiplications of both passes and of the evaluations, at the rate of matrix products
  measured in the same run at each network's batch size and (rounded) width.

Seconds are CPU seconds of the process (on a GPU: wall seconds), ratios are of the same run. Rows
go to benchmarks/results/training/trainer_speed.csv as they are measured, and a run resumes where
the last one stopped (delete the file to start afresh); the table and the figure are made of what
there is.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import (
    RESULTS,
    append_row,
    machine,
    markdown,
    matmul_rate,
    read_rows,
    threads,
    timed,
    write,
)  # fmt: skip

EPOCHS, RECORD = 27, (1, 3, 9, 27)
WIDTHS = (16, 32, 64, 128, 256)
METHODS = (
    "train_many", "train_many, stacked", "train", "plain PyTorch", "scikit-learn", "GPU",
)  # fmt: skip
MIXES = {"mix": "mix of mlp", "tabular": "mix of tabular"}
CSV = RESULTS / "training" / "trainer_speed.csv"
Params = dict[str, Any]


class Case(NamedTuple):
    """What is trained: points on a task, and who can train them."""

    task: Callable[[], Any]
    points: list[Params]
    methods: tuple[str, ...]


# What is trained -----------------------------------------------------------------------------


def width_points(width: int) -> list[Params]:
    """Six networks of a width that every peer can express."""
    return [
        {
            "depth": 2, "width": width, "shape": "constant", "activation": activation,
            "normalization": "none", "dropout": 0.0, "residual": False, "learning_rate": rate,
            "weight_decay": 1e-4, "batch_size": 64,
        }
        for activation in ("relu", "tanh")
        for rate in (3e-4, 1e-3, 3e-3)
    ]  # fmt: skip


def cases(tasks: int) -> dict[str, Case]:
    """Name -> case."""
    from infoprior.spaces import get_space
    from infoprior.tasks import synthetic_task

    every: dict[str, Case] = {}
    for width in WIDTHS:
        every[f"width {width}"] = Case(
            lambda: synthetic_task(0, n_train=1000, n_validation=1000), width_points(width),
            METHODS,
        )  # fmt: skip
    unknown = {"mix": ("scikit-learn",), "tabular": ("train_many, stacked", "GPU")}
    for mix, space in (("mix", "mlp"), ("tabular", "tabular")):
        points = get_space(space).design(36)
        methods = tuple(m for m in METHODS if m not in unknown[mix])
        for index in range(tasks):
            every[f"{mix}, synthetic/{index}"] = Case(
                lambda index=index: synthetic_task(index), points, methods  # type: ignore[misc]
            )  # fmt: skip
    return every


# Who trains it -------------------------------------------------------------------------------


def space_of(point: Params) -> Any:
    from infoprior.spaces import get_space

    return get_space("tabular" if "inputs" in point else "mlp")


def ours(task: Any, points: list[Params], engine: str = "auto", device: str = "cpu") -> None:
    from infoprior.training import train_many

    networks = [(point, 0) for point in points]
    train_many(
        task, networks, space=space_of(points[0]), epochs=EPOCHS, record=RECORD, engine=engine,
        device=device,
    )  # fmt: skip


def one_by_one(task: Any, points: list[Params]) -> None:
    from infoprior.training import train

    for point in points:
        train(task, point, space=space_of(point), epochs=EPOCHS)


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


def plain(task: Any, points: list[Params]) -> None:
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
            optimizer, lambda epoch, point=point: decay(point.get("schedule", "constant"), epoch)
        )
        criterion = nn.CrossEntropyLoss(label_smoothing=point.get("label_smoothing", 0.0))
        for epoch in range(1, EPOCHS + 1):
            network.train()
            for batch in torch.randperm(len(y)).split(point["batch_size"]):
                if len(batch) == 1:
                    continue  # batch normalization refuses it
                optimizer.zero_grad()
                criterion(network(x[batch]), y[batch]).backward()
                optimizer.step()
            schedule.step()
            if epoch in RECORD:
                network.eval()
                with torch.no_grad():
                    for inputs, labels in parts:
                        logits = network(inputs)
                        criterion(logits, labels).item()
                        (logits.argmax(1) == labels).float().mean().item()


def decay(schedule: str, epochs: int) -> float:
    """The share of the learning rate that a schedule leaves after so many epochs."""
    done = {"constant": 0.0, "cosine": epochs, "flat-cosine": max(0, 2 * epochs - EPOCHS)}[schedule]
    return (1 + math.cos(math.pi * done / EPOCHS)) / 2


def sklearn(task: Any, points: list[Params]) -> None:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="Got `batch_size` less than 1 or larger")
        for point in points:
            parts = [[part.numpy() for part in pair] for pair in parts_of(task, point)]
            tanh = point["activation"] == "tanh"
            model = MLPClassifier(
                layer_inputs(task, point)[1:], activation="tanh" if tanh else "relu",
                solver="adam", alpha=point["weight_decay"], batch_size=point["batch_size"],
                learning_rate_init=point["learning_rate"], max_iter=EPOCHS, tol=0.0,
                n_iter_no_change=EPOCHS, random_state=0,
            )  # fmt: skip
            model.fit(*parts[0])
            for inputs, _ in parts:
                model.predict_proba(inputs)


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


# The table -----------------------------------------------------------------------------------


def measure(tasks: int, repeats: int) -> None:
    import torch

    train: dict[str, Callable[[Any, list[Params]], None]] = {
        "train_many": ours,
        "train_many, stacked": lambda t, p: ours(t, p, "stacked"),
        "plain PyTorch": plain,
        "train": one_by_one,
        "scikit-learn": sklearn,
    }
    if torch.cuda.is_available():
        train["GPU"] = lambda t, p: ours(t, p, "stacked", "cuda")
    done = {(r["case"], r["method"], int(r["repeat"])) for r in read_rows(CSV)}
    for repeat in range(repeats):
        for case, (make, points, methods) in cases(tasks).items():
            if not case.startswith("width") and repeat > 0:
                continue  # the tasks are the repeats
            todo = [m for m in train if m in methods and (case, m, repeat) not in done]
            if not todo:
                continue
            task = make()
            least = floor(task, points)
            for method in todo:
                train[method](task, points[:1])  # caches and lazy imports
                start = time.perf_counter()
                on = "cuda" if method == "GPU" else "cpu"
                _, seconds = timed(lambda m=method, t=task, p=points: train[m](t, p), on)  # type: ignore[misc]
                wall = time.perf_counter() - start
                append_row(CSV, {
                    "case": case, "method": method, "repeat": repeat, "n_train": len(task.train),
                    "networks": len(points), "cpu_s": round(seconds, 4), "wall_s": round(wall, 4),
                    "floor_s": round(least, 4), "machine": machine(on),
                })  # fmt: skip
                print(f"{case:22} {method:20} {len(points) / seconds:7.2f} networks/s", flush=True)


def summary() -> list[dict[str, Any]]:
    """One row a case (a mix: all of its tasks): networks per CPU second, and ratios."""
    rows = read_rows(CSV)
    table = []
    for name in [*(f"width {w}" for w in WIDTHS), *MIXES]:
        mix = name in MIXES
        own = [r for r in rows if r["case"].split(",")[0] == name]
        whole = {r["case"] for r in own}
        if mix:  # tasks that every method has
            for method in {r["method"] for r in own}:
                whole &= {r["case"] for r in own if r["method"] == method}
        own = [r for r in own if r["case"] in whole]
        if not own:
            continue
        line: dict[str, Any] = {"case": f"{MIXES[name]}, {len(whole)} tasks" if mix else name}
        speed = {}
        for method in METHODS:
            of = [r for r in own if r["method"] == method]
            if mix and of:
                speed[method] = sum(int(r["networks"]) for r in of) / total(of, "cpu_s")
            elif of:
                speed[method] = median(int(r["networks"]) / float(r["cpu_s"]) for r in of)
            line[method] = speed.get(method, float("nan"))
        first = [r for r in own if r["method"] == "train_many"]
        line["floor"] = sum(int(r["networks"]) for r in first) / total(first, "floor_s")
        for peer in ("plain PyTorch", "scikit-learn"):
            line[f"× {peer}"] = speed["train_many"] / speed.get(peer, float("nan"))
        line["of the floor"] = speed["train_many"] / line["floor"]
        table.append(line)
    return table


def total(rows: list[dict[str, str]], column: str) -> float:
    return sum(float(row[column]) for row in rows)


def write_report() -> None:
    table = summary()
    if not any(line["GPU"] == line["GPU"] for line in table):
        for line in table:
            del line["GPU"]
    rows = [r for r in read_rows(CSV) if not r["case"].startswith("width")]
    ratios = []
    for case in dict.fromkeys(r["case"] for r in rows):
        of = {r["method"]: r for r in rows if r["case"] == case}
        if {"train_many", "plain PyTorch"} <= set(of):
            ratio = float(of["plain PyTorch"]["cpu_s"]) / float(of["train_many"]["cpu_s"])
            n_train = int(of["train_many"]["n_train"])
            ratios.append({"task": case, "training rows": n_train, "× plain PyTorch": ratio})
    text = [
        f"`python benchmarks/training/trainer_speed.py`, {machine()}, "
        "one thread. Networks per CPU second; "
        f"{EPOCHS} epochs, evaluated after {', '.join(map(str, RECORD))} (`train`: after each). "
        "Widths: median of the repeats. GPU: wall seconds, all networks in stacks.\n",
        markdown(table),
        "\nThe mixes, task by task:\n",
        markdown(ratios),
        "\nThe floor is the multiplications alone, at the measured rate of matrix products of "
        "each network's batch and width. scikit-learn can express none of the mixes (every point "
        "has dropout): of `tabular` it trains networks of the same widths, batches and encoded "
        "inputs without normalization, dropout, residual sums, smoothed labels and schedules.",
    ]
    write(RESULTS / "training" / "trainer_speed.md", "\n".join(text) + "\n")
    figure(table)


def figure(table: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    names = [line["case"] for line in table]
    for method in ("floor", "train_many", "train", "plain PyTorch", "scikit-learn", "GPU"):
        if method in table[0]:
            style = "k--" if method == "floor" else "o-"
            axes.plot(names, [line[method] for line in table], style, label=method)
    axes.set(yscale="log", ylabel="networks per CPU second", title="Training 27 epochs, one core")
    axes.legend(frameon=False, fontsize=8)
    fig.savefig(RESULTS / "training" / "trainer_speed.png", dpi=120)
    plt.close(fig)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--tasks", type=int, default=6)
    parser.add_argument("--write-only", action="store_true")
    arguments = parser.parse_args()
    threads(1)
    if not arguments.write_only:
        measure(arguments.tasks, arguments.repeats)
    write_report()


if __name__ == "__main__":
    main()
