"""Networks trained per second and core: `train_many` against its peers and a floor.

    python benchmarks/training/trainer_speed.py [--repeats 2] [--tasks 6] [--points 3]
        [--parts mlp tabular realmlp] [--write-only]

Part `mlp`: six networks (depth 2, ReLU or tanh, nothing else) of one width, 16 to 256, on a task of
1,000 training rows; and a mix, 36 points of the space `mlp` on each of several synthetic tasks of
their own sizes. All train 27 epochs and are evaluated on some 1,000 validation rows and 5,000 test
rows after epochs 1, 3, 9 and 27. Parts `tabular`, `realmlp`: see `_tabular_mix.py`. Peers, one
thread each:

- a plain PyTorch loop as people write it: nn.Module, autograd, torch.optim.AdamW, no DataLoader,
  inputs encoded before;
- scikit-learn's MLPClassifier (Adam with L2, evaluated once at the end), for what it can express:
  no normalization, dropout or residual layers, so for the widths and for no point of the mixes; for
  those of `tabular`, what remains of a point without all that, on the encoded inputs;
- pytabkit's RealMLP, part `realmlp`, in an environment of its own (`make bench-peers`);
- `train`, which evaluates every epoch, because its caller may prune;
- `train_many` with a stack a batch size, which is what a GPU gets;
- the floor: multiplications of both passes and of the evaluations, at the rate of matrix products
  measured in the same run at each network's batch size and (rounded) width.

Seconds are CPU seconds of the process (on a GPU: wall seconds), ratios are of the same run. Rows
go to benchmarks/results/training/trainer_speed*.csv as they are measured, and a run resumes where
the last one stopped (delete a file to start its part afresh); tables and figure are made of what
there is.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import (
    RESULTS,
    append_row,
    machine,
    markdown,
    read_rows,
    threads,
    timed,
    write,
)
from benchmarks.training import _tabular_mix
from benchmarks.training._loops import (
    EPOCHS,
    RECORD,
    Loop,
    Params,
    floor,
    one_by_one,
    ours,
    plain,
    sklearn,
)

PARTS = ("mlp", "tabular", "realmlp")
WIDTHS = (16, 32, 64, 128, 256)
METHODS = (
    "train_many", "train_many, stacked", "train", "plain PyTorch", "scikit-learn", "GPU",
)  # fmt: skip
CSV = RESULTS / "training" / "trainer_speed.csv"


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
    points = get_space("mlp").design(36)
    methods = tuple(m for m in METHODS if m != "scikit-learn")
    for index in range(tasks):
        every[f"mix, synthetic/{index}"] = Case(
            lambda index=index: synthetic_task(index),
            points,
            methods,  # type: ignore[misc]
        )
    return every


# The table -----------------------------------------------------------------------------------


def measure(tasks: int, repeats: int) -> None:
    import torch

    train: dict[str, Loop] = {
        "train_many": ours,
        "train_many, stacked": lambda t, p, e: ours(t, p, e, "stacked"),
        "plain PyTorch": plain,
        "train": one_by_one,
        "scikit-learn": sklearn,
    }
    if torch.cuda.is_available():
        train["GPU"] = lambda t, p, e: ours(t, p, e, "stacked", "cuda")
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
                train[method](task, points[:1], EPOCHS)  # caches and lazy imports
                start = time.perf_counter()
                on = "cuda" if method == "GPU" else "cpu"
                _, seconds = timed(lambda m=method, t=task, p=points: train[m](t, p, EPOCHS), on)  # type: ignore[misc]
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
    for name in [*(f"width {w}" for w in WIDTHS), "mix"]:
        mix = name == "mix"
        own = [r for r in rows if r["case"].split(",")[0] == name]
        whole = {r["case"] for r in own}
        if mix:  # tasks that every method has
            for method in {r["method"] for r in own}:
                whole &= {r["case"] for r in own if r["method"] == method}
        own = [r for r in own if r["case"] in whole]
        if not own:
            continue
        line: dict[str, Any] = {"case": f"mix of mlp, {len(whole)} tasks" if mix else name}
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
        "\nThe mix of `mlp`, task by task:\n",
        markdown(ratios),
        "\nThe floor is the multiplications alone, at the measured rate of matrix products of "
        "each network's batch and width. scikit-learn can express none of the mix (every point "
        "has dropout).",
        *_tabular_mix.report(),
    ]
    write(RESULTS / "training" / "trainer_speed.md", "\n".join(text) + "\n")
    figure(table)


def figure(table: list[dict[str, Any]]) -> None:
    """Lines over the widths; the mix, which has no width, as points in a panel of its own."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    by_width = {
        int(line["case"].split()[1]): line for line in table if line["case"].startswith("width")
    }
    mix = [line for line in table if not line["case"].startswith("width")]
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(7, 3.6), layout="constrained", sharey=True, width_ratios=(5, 1)
    )
    for method in ("floor", "train_many", "train", "plain PyTorch", "scikit-learn", "GPU"):
        if method not in table[0]:
            continue
        style = "k--" if method == "floor" else "o-"
        (drawn,) = left.plot(
            list(by_width), [line[method] for line in by_width.values()], style, label=method
        )
        marker = "_" if method == "floor" else "o"
        right.plot(
            range(len(mix)), [line[method] for line in mix], marker, color=drawn.get_color(),
            markersize=14 if method == "floor" else None, linestyle="none",
        )  # fmt: skip
    left.set_xscale("log", base=2)
    left.set_xticks(list(by_width), [str(width) for width in by_width])
    left.set(yscale="log", xlabel="width of both hidden layers", ylabel="networks per CPU second")
    right.set_xticks(range(len(mix)), [line["case"].replace(", ", "\n") for line in mix])
    right.set_xlim(-0.6, len(mix) - 0.4)
    left.set_title("Training 27 epochs, one core", loc="left")
    left.legend(frameon=False, fontsize=8)
    fig.savefig(RESULTS / "training" / "trainer_speed.png", dpi=120)
    plt.close(fig)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--tasks", type=int, default=6)
    parser.add_argument("--points", type=int, default=3, help="tabular: a task and encoding")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--write-only", action="store_true", help="the report of what was measured")
    arguments = parser.parse_args()
    threads(1)
    if "mlp" in arguments.parts and not arguments.write_only:
        measure(arguments.tasks, arguments.repeats)
    if "tabular" in arguments.parts and not arguments.write_only:
        _tabular_mix.measure(arguments.points, arguments.repeats)
    if "realmlp" in arguments.parts and not arguments.write_only:
        _tabular_mix.measure_one(arguments.repeats)
    write_report()


if __name__ == "__main__":
    main()
