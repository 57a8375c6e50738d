"""What a step of structural evolution costs: assessing a network's layers, and surgery on one.

First, three layers of 64 units with batch normalization, 20 inputs, three classes, 1,500 rows: what
is done in a step. Milliseconds are the least of the repeats, one thread; beside them the same as a
multiple of one epoch's training of that network on the same rows, in the same run.

Then what `evolve` charges for an assessment (`costs.assessment_epochs`), against what it takes, in
epochs of the same network on the same rows: other numbers of rows, widths and depths, and a small
convolutional network of three blocks of 32 filters on images of 8 x 8 pixels.

Last, a product with a 512 x 512 matrix of which half or nine tenths are zeros, dense and sparse:
whether sparse representations would pay at the largest width that `evolve` allows.

    python benchmarks/search/evolution_speed.py [--repeats 5]

Written: benchmarks/results/search/evolution_speed.md.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import torch
from torch import nn

from benchmarks._common import RESULTS, machine, markdown, threads, write
from infoprior.profiles import get_recipe
from infoprior.search.evolution import (
    EvolutionSettings,
    assess,
    assessment_epochs,
    change_kernel,
    deepen,
    prune,
    widen,
)
from infoprior.search.evolution.costs import RECIPE
from infoprior.search.evolution.states import assess_structure
from infoprior.spaces._cnn import CNN
from infoprior.spaces._mlp import MLP

ROWS, WIDTH = 1500, 64
RECIPES = {"evolution": RECIPE, "tabular": get_recipe("tabular")}
SHAPES = (
    (100, 3, 64), (300, 3, 64), (1500, 3, 64), (6000, 3, 64),
    (1500, 3, 16), (1500, 3, 128), (1500, 1, 64), (1500, 6, 64),
)  # fmt: skip
"""Rows, layers, units."""


def data(n: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random rows and labels of three classes."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(n, *shape)).astype(np.float32))
    return x, torch.from_numpy(rng.integers(0, 3, n))


def epoch(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Callable[[], None]:
    """An epoch of training, by autograd in batches of 64."""
    optimizer = torch.optim.AdamW(network.parameters())

    def train() -> None:
        network.train()
        for first in range(0, len(x), 64):
            rows = slice(first, first + 64)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()

    return train


def calls() -> dict[str, Callable[[], Any]]:
    """Name -> what is timed; the first is the floor that the others are compared with."""
    x, y = data(ROWS, 20)
    images, _ = data(ROWS, 1, 8, 8)
    network = MLP(20, 3, (WIDTH, WIDTH, WIDTH), "relu", "batch")
    cnn = CNN((1, 8, 8), 3, (32, 32, 32))
    return {
        "an epoch of training, autograd": epoch(MLP(20, 3, (WIDTH,) * 3, "relu", "batch"), x, y),
        "assess three layers, as profiles do": lambda: assess(network, x.numpy(), y.numpy()),
        "assess three layers, as `evolve` does": lambda: assess_structure(
            network, x, y.numpy(), EvolutionSettings(), 0, RECIPE
        ),
        "widen by 8 units": lambda: widen(network, "hidden_2", WIDTH + 8),
        "deepen": lambda: deepen(network, "hidden_2"),
        "prune one unit": lambda: prune(network, "hidden_2", WIDTH - 1, x[:500]),
        "prune half of the units": lambda: prune(network, "hidden_2", WIDTH // 2, x[:500]),
        "a kernel of 3 pixels becomes one of 5": lambda: change_kernel(cnn, "block_1", 5),
        "a kernel of 3 pixels becomes one of 1": lambda: change_kernel(
            cnn, "block_1", 1, x=images[:500]
        ),
    }


def charges(repeats: int) -> list[dict[str, Any]]:
    """What an assessment takes and what it is charged at, in epochs."""
    rows = []
    for n, depth, width in SHAPES:
        x, y = data(n, 20)
        name = f"{depth} x {width} units"
        rows.append(_charge(name, MLP(20, 3, (width,) * depth, "relu", "batch"), x, y, repeats))
    x, y = data(ROWS, 1, 8, 8)
    network = CNN((1, 8, 8), 3, (32, 32, 32))
    rows.append(_charge("3 blocks of 32 filters", network, x, y, repeats, ("evolution",)))
    return rows


def _charge(
    name: str,
    network: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    repeats: int,
    recipes: tuple[str, ...] = tuple(RECIPES),
) -> dict[str, Any]:
    row: dict[str, Any] = {"network": name, "rows": len(x)}
    unit = milliseconds(epoch(network, x, y), repeats)
    for recipe in RECIPES:
        taken = None
        if recipe in recipes:
            taken = milliseconds(
                lambda recipe=recipe: assess_structure(
                    network, x, y.numpy(), EvolutionSettings(), 0, RECIPES[recipe]
                ),
                repeats,
            )
        row[f"{recipe}: taken"] = "" if taken is None else f"{taken / unit:.2f}"
        row[f"{recipe}: charged"] = (
            f"{assessment_epochs(RECIPES[recipe], len(x), len(x)):.2f}" if taken else ""
        )
    return row


def sparse(zeros: float, repeats: int) -> float:
    """Time of a sparse product over that of the dense one."""
    rng = np.random.default_rng(0)
    x, _ = data(64, 512)
    weight = torch.from_numpy(rng.normal(size=(512, 512)).astype(np.float32))
    weight = weight * torch.from_numpy(rng.random((512, 512)) >= zeros)
    compressed = weight.to_sparse_csr()

    def many(product: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(200):
                product()

        return run

    dense = milliseconds(many(lambda: weight @ x.T), repeats)
    return milliseconds(many(lambda: compressed @ x.T), repeats) / dense


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    """The least of the repeats, after one that does not count."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return 1e3 * min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    threads(1)
    warnings.filterwarnings("ignore", "Sparse CSR")  # PyTorch calls it a beta
    measured = {name: milliseconds(call, repeats) for name, call in calls().items()}
    floor = next(iter(measured.values()))
    lines = [
        f"`python benchmarks/search/evolution_speed.py`, {machine()}, torch {torch.__version__}.\n",
        f"## A step\n\n{ROWS:,} rows, three layers of {WIDTH} units; kernels: of three blocks of "
        "32 filters on images of 8 x 8 pixels.\n",
        "| | ms | epochs |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {ms:.1f} | {ms / floor:.2f} |" for name, ms in measured.items()),
        "\n## An assessment, in epochs of the same network\n",
        markdown(charges(repeats)),
        "\n## Sparse products\n\nOf 512 x 512 with 64 rows, in times of the dense product:",
        f"{sparse(0.5, repeats):.1f} where half are zeros, {sparse(0.9, repeats):.1f} where nine "
        "tenths are.",
    ]
    print("\n".join(lines))
    write(RESULTS / "search" / "evolution_speed.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
