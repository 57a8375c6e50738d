"""What a step of structural evolution costs: assessing a network's layers, and surgery on one.

Three layers of 64 units with batch normalization, 20 inputs, three classes. Milliseconds are the
least of the repeats, one thread; beside them the same as a multiple of one epoch's training of that
network on the same 1,500 rows, in the same run.

    python benchmarks/search/evolution_speed.py [--repeats 5]

Written: benchmarks/results/search/evolution_speed.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import torch

from benchmarks._common import RESULTS, machine, threads, write
from infoprior.search.evolution import assess, deepen, prune, widen
from infoprior.spaces._mlp import MLP

ROWS, WIDTH = 1500, 64


def calls() -> dict[str, Callable[[], Any]]:
    """Name -> what is timed; the first is the floor that the others are compared with."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(ROWS, 20)).astype(np.float32))
    y = torch.from_numpy(rng.integers(0, 3, ROWS))
    network = MLP(20, 3, (WIDTH, WIDTH, WIDTH), "relu", "batch")
    trained = MLP(20, 3, (WIDTH, WIDTH, WIDTH), "relu", "batch")
    optimizer = torch.optim.AdamW(trained.parameters())

    def epoch() -> None:
        trained.train()
        for first in range(0, ROWS, 64):
            rows = slice(first, first + 64)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(trained(x[rows]), y[rows]).backward()
            optimizer.step()

    return {
        "an epoch of training, autograd": epoch,
        "assess three layers": lambda: assess(network, x.numpy(), y.numpy()),
        "widen by 8 units": lambda: widen(network, "hidden_2", WIDTH + 8),
        "deepen": lambda: deepen(network, "hidden_2"),
        "prune one unit": lambda: prune(network, "hidden_2", WIDTH - 1, x[:500]),
        "prune half of the units": lambda: prune(network, "hidden_2", WIDTH // 2, x[:500]),
    }


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
    measured = {name: milliseconds(call, repeats) for name, call in calls().items()}
    floor = next(iter(measured.values()))
    lines = [
        f"`python benchmarks/search/evolution_speed.py`, {machine()}, torch {torch.__version__}; "
        f"{ROWS:,} rows, three layers of {WIDTH} units.\n",
        "| | ms | epochs |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {ms:.1f} | {ms / floor:.2f} |" for name, ms in measured.items()),
    ]
    print("\n".join(lines))
    write(RESULTS / "search" / "evolution_speed.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
