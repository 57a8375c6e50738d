"""Layers of trained networks, their order and I(X; T + sigma Z), for `fast_recipe.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks._common import timed

ROWS, VALIDATION = 1500, 375
SPREADS = (0.05, 0.1, 0.2)
"""Nats between a network's layers, above which their order is judged."""
QUERIES = (128, 256, 512, ROWS)


@dataclass
class Layer:
    """A layer of a trained network, (n, d), and its references; the last rows are validation."""

    network: tuple[str, int, int]
    t: np.ndarray
    y: np.ndarray
    n_train: int
    tabular: tuple[float, float]


def part_of(n: int, n_train: int) -> np.ndarray:
    """0 for training rows, 1 for the validation rows that follow."""
    return (np.arange(n) >= n_train).astype(np.int64)


def mean_error(errors: Any) -> str:
    """Mean absolute error (mean error)."""
    return f"{np.abs(errors).mean():.3f} ({np.mean(errors):+.3f})"


def trained(
    tasks: Sequence[str], n_networks: int, *, least_depth: int = 2, seed: int = 0
) -> list[Layer]:
    """Layers of networks of random points on tasks, with what "tabular" says of them.

    Args:
        tasks: names.
        n_networks: of each task.
        least_depth: hidden layers, at least.
        seed: of the first task's points, later tasks' are one higher each; and of all weights.
    """
    import optuna

    from infoprior.information import estimate, without_rounding_noise
    from infoprior.profiles import RECIPES
    from infoprior.profiles._reading import read_activations
    from infoprior.spaces import get_space
    from infoprior.tasks import load_task
    from infoprior.training import train_many

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = get_space("mlp")
    layers = []
    for number, name in enumerate(tqdm(tasks, desc="networks")):
        task = load_task(name, max_train=ROWS - VALIDATION, max_validation=VALIDATION)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed + number))
        points: list[dict[str, Any]] = []
        while len(points) < n_networks:
            point = study.ask(dict(space)).params
            if point["depth"] >= least_depth and point["width"] <= 128:
                points.append(dict(point))
        rows = np.concatenate([task.train, task.validation])
        networks = train_many(
            task, [(point, seed) for point in points], space=space, snapshots=(3, 27), record=(27,),
            progress=False,
        )  # fmt: skip
        read = [
            ((name, k, epoch), t)
            for k, network in enumerate(networks)
            for epoch in (3, 27)
            for t in read_activations(network.snapshots[epoch], task.X[rows]).values()
            if np.isfinite(t).all()
        ]
        tabular = [
            estimate(
                [without_rounding_noise(t) for _, t in read], task.y[rows], "hybrid-labels", True,
                seed, progress=False, **RECIPES["tabular"].ty_options,
            ).nats
            for seed in (0, 1)
        ]  # fmt: skip
        for (key, t), first, second in zip(read, *tabular, strict=True):
            layers.append(
                Layer(key, t, task.y[rows], len(task.train), (float(first), float(second)))
            )
    return layers


def orders(layers: list[Layer]) -> list[dict[str, Any]]:
    """Rows: how "fast" and another seed of "tabular" order layers, against "tabular"."""
    from scipy.stats import spearmanr

    from infoprior.information import measure_layers

    networks: dict[tuple[str, int, int], list[Layer]] = {}
    for layer in layers:
        networks.setdefault(layer.network, []).append(layer)
    values: dict[str, list[np.ndarray]] = {
        name: [] for name in ("tabular, another seed", "fast: all rows", "fast: training rows",
                              "fast: validation rows")
    }  # fmt: skip
    references, firsts = [], []
    for members in tqdm(networks.values(), desc="fast"):
        y, part = members[0].y, part_of(len(members[0].y), members[0].n_train)
        measured = measure_layers([layer.t for layer in members], y, part)
        both = np.array([layer.tabular for layer in members])
        references.append(both.mean(axis=1))
        firsts.append(both[:, 0])
        for name, column in zip(
            values,
            (
                both[:, 1],
                [m.ty.nats for m in measured],
                [m.ty_parts[0] for m in measured],
                [m.ty_parts[1] for m in measured],
            ),
            strict=True,
        ):
            values[name].append(np.asarray(column))
    rows = []
    for name, columns in values.items():
        row: dict[str, Any] = {"compared with tabular": name}
        own = name.startswith("tabular")
        against = firsts if own else references
        for spread in SPREADS:
            correlations = [
                float(spearmanr(one, column)[0])
                for one, reference, column in zip(against, references, columns, strict=True)
                if len(column) >= 3 and np.ptp(reference) > spread
            ]
            row[f"differ by > {spread:g} nat ({len(correlations)} networks)"] = float(
                np.mean(np.nan_to_num(correlations))
            )
        flat, reference = np.concatenate(columns), np.concatenate(against)
        row["difference, nats"] = mean_error(flat - reference)
        row["over all layers"] = float(spearmanr(reference, flat)[0])
        row["less their network's mean"] = float(
            spearmanr(*(np.concatenate([v - v.mean() for v in of]) for of in (against, columns)))[0]
        )
        rows.append(row)
    return rows


def queries(layers: list[Layer]) -> list[dict[str, Any]]:
    """Rows: error of I(X; T + sigma Z) by the number of queries."""
    from infoprior.information import estimate

    some = [layer.t for layer in layers[::8] if layer.t.std() > 0]

    def noisy(t: np.ndarray, seed: int, number: int | None) -> float:
        return float(
            estimate(t, t, "noisy", False, seed, relative=2.0, queries=number, progress=False).nats
        )

    references = [np.mean([noisy(t, seed, None) for seed in range(10, 14)]) for t in some]
    rows = []
    for number in QUERIES:
        errors, seconds = [], []
        for t, reference in zip(some, references, strict=True):
            for seed in (0, 1):
                value, took = timed(lambda t=t, s=seed, q=number: noisy(t, s, q))
                errors.append(value - reference)
                seconds.append(took)
        rows.append({
            "queries": number, "error, nats": mean_error(errors),
            "of a mean value of": float(np.mean(references)),
            "ms a layer": f"{1e3 * float(np.median(seconds)):.1f}",
        })  # fmt: skip
    return rows
