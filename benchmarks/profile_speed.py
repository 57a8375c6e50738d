"""What a profile costs and how far its I(T; Y) is from the truth: prints two markdown tables.

    python benchmarks/profile_speed.py

One thread. CPU seconds are means of three profiles (seeds 0, 1, 2) after a warm-up, for I(X; T)
and I(T; Y) of every layer of an untrained network together, with default settings (1,500 rows);
means and spreads are over layers of what the three seeds gave. The truths of the second table are
analytic, or Monte Carlo over 100,000 points.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch

from infoprior.information import MineSettings, mine, mine_labels
from infoprior.profiles import profile_network
from infoprior.spaces import get_space
from infoprior.tasks import Task

SEEDS = range(3)
ROWS = 1500


def class_gaussians(
    separation: float, d: int, k: int, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Samples, labels, and I(X; Y) in nats."""
    rng = np.random.default_rng([seed, d, k])
    means = rng.normal(size=(k, d)) * separation / math.sqrt(d)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, k, n)
        return means[y] + rng.normal(size=(n, d)), y

    x, y = draw(100_000)
    log_density = x @ means.T - 0.5 * (means**2).sum(axis=1)
    log_ratio = log_density[np.arange(len(y)), y] - np.logaddexp.reduce(log_density, axis=1)
    return *draw(n), float(log_ratio.mean() + math.log(k))


def task(d: int, k: int) -> Task:
    x, y, _ = class_gaussians(3.0, d, k, ROWS + 10, seed=0)
    rows = np.arange(ROWS + 10)
    return Task(
        name=f"synthetic/{d}-{k}",
        family="benchmark",
        source="generator",
        kind="synthetic",
        X=(x / x.std(axis=0)).astype(np.float32),
        y=y.astype(np.int64),
        train=rows[:1200],
        validation=rows[1200:ROWS],
        test=rows[ROWS:],
        feature_names=tuple(f"x{i}" for i in range(d)),
        class_names=tuple(f"c{i}" for i in range(k)),
    )


def speed() -> None:
    heads = ("layers", "width", "d", "classes", "CPU s a network", "CPU s a layer",
             "mean I(X;T)", "sd over seeds", "mean I(T;Y)", "sd over seeds")  # fmt: skip
    print("| " + " | ".join(heads) + " |")
    print("| " + " | ".join("---" for _ in heads) + " |")
    space = get_space("mlp")
    point = space.design(1)[0] | {"shape": "constant", "activation": "relu"}
    for depth, width, d, k in ((1, 32, 30, 3), (3, 48, 30, 6), (3, 48, 64, 10), (5, 256, 30, 6)):
        this = task(d, k)
        network = space.build(point | {"depth": depth, "width": width}, d, k)
        profile_network(network, this, settings=MineSettings(steps=10))
        seconds, xt, ty = [], [], []
        for seed in SEEDS:
            start = time.process_time()
            table = profile_network(network, this, seed=seed)
            seconds.append(time.process_time() - start)
            xt.append(table["mi_xt"])
            ty.append(table["mi_ty"])
        cells = [f"{np.mean(seconds):.2f}", f"{np.mean(seconds) / depth:.2f}"]
        for values in (xt, ty):
            cells += [f"{np.mean(values):.2f}", f"{np.std(values, axis=0, ddof=1).mean():.2f}"]
        print(f"| {depth} | {width} | {d} | {k} | " + " | ".join(cells) + " |")


def accuracy() -> None:
    print("\n| what | truth (nats) | mean estimate | mean absolute error |")
    print("| --- | --- | --- | --- |")
    for d in (1, 5, 20):
        for rho in (0.0, 0.5, 0.8):
            truth = -0.5 * d * math.log(1 - rho**2)
            values = []
            for seed in SEEDS:
                rng = np.random.default_rng([seed, d])
                x, e = rng.normal(size=(2, ROWS, d))
                y = rho * x + math.sqrt(1 - rho**2) * e
                values.append(mine([x], [y], seed=seed)[0].nats)
            _row(f"Gaussians, rho {rho}, d {d}", [truth] * len(values), values)
    for d in (2, 10, 64):
        for k in (2, 10):
            truths, values = [], []
            for seed in SEEDS:
                x, labels, truth = class_gaussians(3.0, d, k, ROWS, seed)
                truths.append(truth)
                values.append(mine_labels([x], labels, seed=seed)[0].nats)
            _row(f"{k} class Gaussians, d {d}", truths, values)


def _row(what: str, truths: list[float], values: list[float]) -> None:
    error = float(np.mean(np.abs(np.subtract(values, truths))))
    print(f"| {what} | {np.mean(truths):.3f} | {np.mean(values):.3f} | {error:.3f} |")


if __name__ == "__main__":
    torch.set_num_threads(1)
    speed()
    accuracy()
