"""The recipe "fast": its errors against seconds, beside other quick estimates and "tabular".

    python benchmarks/information/fast_recipe.py [--parts known costs orders queries memorised
        confirmation] [--tasks 11] [--networks 6]

1. I(T; Y) of the 49 layers of `infoprior.information.known.known_layers` at 1,500 rows, two
   seeds (one for candidates from elsewhere and for "tabular"): mean absolute error (bias) of the
   development and the confirmation group, CPU
   milliseconds a layer, each in a call of its own. "fast" is `measure_layers` with everything else
   that it measures, a random quarter of the rows a part of its own, as validation rows are.
2. Milliseconds a layer by width and classes, four layers a call, everything measured: the least of
   several tries, since other programs on a machine disturb times upwards.
3. Trained networks of the space "mlp", of three layers and more to read, on packaged tasks after 3
   and 27 epochs: Spearman's correlation of "fast" and "tabular" over the layers of a network, by
   how far the network's layers differ by "tabular"; beside it "tabular" with another seed, which is
   what "tabular" knows of the order itself. The reference is the mean of two seeds. Two more
   columns pool all layers: over networks and tasks, and less their network's mean.
4. I(X; T + sigma Z) of those layers with fewer queries: error against four draws of all rows.
5. What is memorised: networks after 27 epochs on few rows of generated tasks; the reference is
   "hybrid-labels" on the training rows, and on 4,000 rows that nothing was fitted to.
6. As 3 (of which it is the confirmation), with tasks, points and seeds that nothing was chosen on:
   networks of three hidden layers and more; `--parts confirmation --networks 3`.

Writes the sections of the parts into benchmarks/results/information/fast_recipe.md; those of other
parts stay as they are there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
from tqdm import tqdm

from benchmarks._common import RESULTS, machine, markdown, threads, timed, write_sections
from benchmarks.information._fast_networks import (
    ROWS,
    VALIDATION,
    Layer,
    mean_error,
    orders,
    part_of,
    queries,
    trained,
)

TASKS = (
    "keel/letter", "keel/vowel", "keel/segment", "keel/vehicle", "keel/movement_libras",
    "keel/satimage", "keel/phoneme", "keel/penbased", "keel/splice", "keel/german", "keel/saheart",
)  # fmt: skip
CONFIRMATION = (
    "keel/texture", "keel/optdigits", "keel/magic", "keel/banana", "keel/contraceptive",
    "keel/spambase", "keel/ring", "common/page-blocks", "common/car", "common/dermatology",
)  # fmt: skip
"""Tasks that the recipe was not tuned on."""


def fast(t: np.ndarray, y: np.ndarray, seed: int, which: str) -> float:
    """I(T; Y) of all rows, or of one part of them."""
    from infoprior.information import measure_layers

    order = np.random.default_rng(seed).permutation(len(y))
    (one,) = measure_layers([t[order]], y[order], part_of(len(y), len(y) - VALIDATION), seed=seed)
    return float(
        {"all": one.ty.nats, "train": one.ty_parts[0], "validation": one.ty_parts[1]}[which]
    )


def known() -> list[dict[str, Any]]:
    from benchmarks.information._fast_candidates import CANDIDATES
    from infoprior.information import estimate
    from infoprior.information.known import known_layers
    from infoprior.profiles import RECIPES

    def method(name: str, **options: Any) -> Callable[[np.ndarray, np.ndarray, int], float]:
        return lambda t, y, seed: estimate(t, y, name, True, seed, **options).nats

    methods: dict[str, Callable[[np.ndarray, np.ndarray, int], float]] = {
        "fast: all rows": lambda t, y, seed: fast(t, y, seed, "all"),
        "fast: training rows (1,125)": lambda t, y, seed: fast(t, y, seed, "train"),
        "fast: validation rows (375)": lambda t, y, seed: fast(t, y, seed, "validation"),
        "flexible-lda": method("flexible-lda"),
        "flexible-lda, functions=False": method("flexible-lda", functions=False),
        "lda": method("lda"),
        **{
            name: (lambda t, y, seed, candidate=candidate: candidate(t, y))
            for name, candidate in CANDIDATES.items()
        },
        "tabular: hybrid-labels": method("hybrid-labels", **RECIPES["tabular"].ty_options),
    }
    samples = [
        (layer.group, layer.nats, seed, *layer.sample(ROWS, seed))
        for layer in tqdm(known_layers(), desc="samples")
        for seed in range(2)
    ]
    rows = []
    for name, function in methods.items():
        errors: dict[str, list[float]] = {"development": [], "confirmation": []}
        seconds = []
        once = name in CANDIDATES or name.startswith("tabular")
        for group, truth, seed, t, y in tqdm(samples[:: 1 + once], desc=name):
            nats, took = timed(
                lambda t=t, y=y, seed=seed, function=function: function(
                    t.astype(np.float32), y, seed
                )
            )
            errors[group].append(nats - truth)
            seconds.append(took)
        every = np.concatenate(list(errors.values()))
        rows.append({
            "estimate": name,
            **{group: mean_error(e) for group, e in errors.items()},
            "all 49": mean_error(every),
            "worst": float(np.abs(every).max()),
            "ms a layer": f"{1e3 * float(np.median(seconds)):.1f}",
        })  # fmt: skip
    return rows


def costs() -> list[dict[str, Any]]:
    from infoprior.information import measure_layers

    rows = []
    for width, classes in ((16, 3), (32, 3), (64, 5), (128, 2), (128, 10), (128, 20)):
        rng = np.random.default_rng(0)
        y = rng.integers(classes, size=ROWS)
        means = rng.normal(size=(classes, width))
        layers = [(means[y] + rng.normal(size=(ROWS, width))).astype(np.float32) for _ in range(4)]
        part = part_of(ROWS, ROWS - VALIDATION)
        tries = [
            timed(lambda layers=layers, y=y, part=part: measure_layers(layers, y, part))[1]
            for _ in range(30)
        ]
        least, middle = (f"{1e3 * float(f(tries)) / 4:.1f}" for f in (np.min, np.median))
        rows.append({"width": width, "classes": classes, "least ms": least, "median ms": middle})
    return rows


def memorised() -> list[dict[str, Any]]:
    from infoprior.information import estimate, measure_layers
    from infoprior.profiles._reading import read_activations
    from infoprior.spaces import get_space
    from infoprior.tasks import synthetic_task
    from infoprior.training import train_many

    point = {
        "depth": 3, "width": 64, "shape": "constant", "activation": "relu", "dropout": 0.0,
        "normalization": "none", "residual": False, "learning_rate": 3e-3, "weight_decay": 1e-5,
        "batch_size": 32,
    }  # fmt: skip
    rows = []
    for n_train in (400, 1125):
        truth, told = [], []
        for index in tqdm(range(12), desc=f"memorised, {n_train} rows"):
            task = synthetic_task(index, n_train=n_train, n_validation=VALIDATION, n_test=4000)
            (network,) = train_many(
                task, [(point, 0)], space=get_space("mlp"), snapshots=(27,), record=(27,),
                progress=False,
            )  # fmt: skip
            known_rows = np.concatenate([task.train, task.validation])
            read = read_activations(network.snapshots[27], task.X)
            layers = list(read.values())
            measured = measure_layers(
                [t[known_rows] for t in layers], task.y[known_rows],
                part_of(len(known_rows), len(task.train)),
            )  # fmt: skip
            reference = [
                estimate(
                    [t[rows_of] for t in layers], task.y[rows_of], "hybrid-labels", True,
                    progress=False,
                ).nats
                for rows_of in (task.train, task.test)
            ]  # fmt: skip
            truth += list(zip(*reference, strict=True))
            told += [m.ty_parts for m in measured]
        a, b = np.array(truth), np.array(told)
        gap = (a[:, 0] - a[:, 1], b[:, 0] - b[:, 1])
        rows.append({
            "training rows": n_train,
            "training rows' I(T;Y): error": mean_error(b[:, 0] - a[:, 0]),
            "validation rows': error": mean_error(b[:, 1] - a[:, 1]),
            "memorised, reference": float(gap[0].mean()),
            "memorised, fast": float(gap[1].mean()),
            "correlation": float(np.corrcoef(*gap)[0, 1]),
            "layers": len(a),
        })  # fmt: skip
    return rows


TITLES = {
    "known": f"I(T; Y) of layers with known information, n = {ROWS:,}; nats",
    "costs": f"Milliseconds a layer, everything measured, n = {ROWS:,}, four layers a call",
    "orders": "Order of the layers of trained networks (Spearman's correlation)",
    "queries": "I(X; T + sigma Z) with fewer queries",
    "memorised": "What layers memorised, after 27 epochs",
    "confirmation": "Order of the layers, on tasks that the recipe was not tuned on",
}
"""Part -> the title of its section, in order."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="*", choices=TITLES, default=tuple(TITLES))
    parser.add_argument("--tasks", type=int, default=len(TASKS))
    parser.add_argument("--networks", type=int, default=6)
    options = parser.parse_args()
    threads(1)
    import torch

    assert torch.get_num_threads() == 1

    @cache
    def layers() -> list[Layer]:
        return trained(TASKS[: options.tasks], options.networks)

    def confirmation() -> list[dict[str, Any]]:
        tasks = CONFIRMATION[: options.tasks]
        return orders(trained(tasks, options.networks, least_depth=3, seed=1000))

    tables: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "known": known,
        "costs": costs,
        "orders": lambda: orders(layers()),
        "queries": lambda: queries(layers()),
        "memorised": memorised,
        "confirmation": confirmation,
    }
    path = RESULTS / "information" / "fast_recipe.md"
    head = (
        "# The recipe \"fast\"\n\n`python benchmarks/information/fast_recipe.py`; 1 thread, "
        f"{machine()}. What the tables are is in the script's head.\n"
    )  # fmt: skip
    for part in options.parts:
        section = markdown(tables[part]())
        print(f"\n## {TITLES[part]}\n\n{section}", flush=True)
        write_sections(path, head, TITLES, {part: section})


if __name__ == "__main__":
    main()
