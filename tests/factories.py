"""A small made-up meta-dataset in which the MI of the probes decides which networks are good.

Every task has a latent z in [-1, 1]. It moves the best width and the best learning rate, and it
moves the probes' I(X; T + sigma Z) and I(T;Y). Meta-features and the probes' accuracies say nothing
of z, so what a predictor gains over the static average it has from the MI.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from infoprior.metadataset import MetaDataset
from infoprior.profiles import INPUT_FEATURES, PART_COLUMNS, PROFILE_COLUMNS, TABULAR_PROBES
from infoprior.spaces import get_space

EPOCHS = 27
PROBE_WIDTHS = {"probe-a": (64,), "probe-b": (64, 32), "probe-c": (32, 32, 32)}
KINDS = ("real", "synthetic", "real", "enumerated")
SOURCES = {"real": "made-up 1.0", "synthetic": "generator", "enumerated": "made-up 1.0"}


def task_latents(n_tasks: int, seed: int = 0) -> np.ndarray:
    """The z of each task, shape (n_tasks,), spread evenly over [-1, 1] in random order."""
    grid = np.linspace(-1.0, 1.0, n_tasks) if n_tasks > 1 else np.zeros(1)
    return np.random.default_rng([seed, 1]).permutation(grid)


def true_quality(latent: float, points: Sequence[dict[str, Any]]) -> np.ndarray:
    """How good each architecture is on a task of that latent, shape (n,), without noise."""
    space = get_space("mlp")
    encoded = pd.DataFrame(space.encode(list(points)), columns=list(space.encoded_names))
    width, rate = encoded["width"].to_numpy(), encoded["learning_rate"].to_numpy()
    common = -1.0 * encoded["dropout"].to_numpy() + 0.5 * encoded["normalization=batch"].to_numpy()
    common = common - 1.0 * (rate - 0.5) ** 2
    moved = -3.0 * (width - (0.5 + 0.45 * latent)) ** 2
    moved = moved - 3.0 * (rate - (0.5 - 0.35 * latent)) ** 2
    return common + moved


def make_metadataset(
    n_tasks: int = 12, n_architectures: int = 16, seed: int = 0, noise: float = 0.1
) -> MetaDataset:
    """A meta-dataset of the mlp space: names "made/0", ...; every third family holds two tasks."""
    rng = np.random.default_rng([seed, 2])
    space = get_space("mlp")
    points = space.design(n_architectures, seed=seed)
    names = [f"made/{i}" for i in range(n_tasks)]
    latents = task_latents(n_tasks, seed)
    classes = rng.integers(2, 8, size=n_tasks)
    ids = [f"a{i:03d}" for i in range(n_architectures)]
    kinds = [KINDS[i % len(KINDS)] for i in range(n_tasks)]
    tasks = pd.DataFrame({
        "task": names,
        "family": [f"family-{i - (i % 4 == 3)}" for i in range(n_tasks)],
        "source": [SOURCES[kind] for kind in kinds],
        "kind": kinds,
        "n_train": rng.integers(300, 2000, size=n_tasks),
        "n_validation": 300,
        "n_test": 500,
        "n_features": rng.integers(4, 60, size=n_tasks),
        "n_classes": classes,
        "mf_log_classes": np.log(classes),
        "mf_class_entropy": np.log(classes),
        "mf_noise_1": rng.normal(size=n_tasks),
        "mf_noise_2": rng.normal(size=n_tasks),
    })  # fmt: skip
    rows = [{"architecture": i, **point} for i, point in zip(ids, points, strict=True)]
    curves, probe_curves = [], []
    for name, latent, n_classes in zip(names, latents, classes, strict=True):
        quality = true_quality(float(latent), points) + noise * rng.normal(size=n_architectures)
        ease = rng.normal()
        for architecture, q in zip(ids, quality, strict=True):
            curves.append(_curve(name, architecture, q + 0.3 * ease, q < -4.0, n_classes, rng))
        for probe in PROBE_WIDTHS:
            q = rng.normal() + 0.3 * ease
            probe_curves.append(_curve(name, probe, q, False, n_classes, rng))
    return MetaDataset(
        space=space,
        tasks=tasks,
        architectures=pd.DataFrame(rows),
        curves=_table(curves),
        profiles=_profiles(names, latents, np.log(classes), rng),
        probe_curves=_table(probe_curves),
    )


def make_tabular(n_tasks: int = 12, n_architectures: int = 8, seed: int = 0) -> MetaDataset:
    """The same of the space tabular: some of its networks are the probes, and inputs were read.

    As `load_metadataset` gives it: the probes' layers at epochs 3 and 27, the second half of the
    tasks of the second generator.
    """
    meta = make_metadataset(n_tasks, n_architectures, seed)
    rng, space = np.random.default_rng([seed, 3]), get_space("tabular")
    ids = [*TABULAR_PROBES, *(f"a{i:03d}" for i in range(n_architectures))][:n_architectures]
    points = space.shared_design(48)
    architectures = [{"architecture": name, **points[int(name[1:])]} for name in ids]
    names = [f"made/{i}" if i < n_tasks // 2 else f"synthetic2/{i - n_tasks // 2}"
             for i in range(n_tasks)]  # fmt: skip
    kinds = ["real" if name.startswith("made") else "synthetic" for name in names]
    said = {f"in_{name}": rng.normal(size=n_tasks) for name in INPUT_FEATURES}
    tasks = meta.tasks.assign(task=names, kind=kinds)
    tasks = pd.concat([tasks, pd.DataFrame(said)], axis=1)
    named = dict(zip(meta.tasks["task"], names, strict=True))
    renamed = dict(zip(sorted(meta.architectures["architecture"]), ids, strict=True))
    curves = meta.curves.assign(
        task=meta.curves["task"].map(named), architecture=meta.curves["architecture"].map(renamed)
    )
    layer = meta.profiles.iloc[0]
    rows = [
        {**layer, **dict.fromkeys(PART_COLUMNS, 0.25), "task": task, "architecture": probe,
         "epoch": epoch, "layer": f"hidden_{index + 1}", "layer_index": index, "recipe": "fast-1",
         "mi_ty": layer["h_y"] * rng.random(), "mi_xt": rng.random()}
        for task in names for probe, params in TABULAR_PROBES.items()
        for epoch in (3, 27) for index in range(params["depth"])
    ]  # fmt: skip
    layers = pd.DataFrame(rows)
    probes = curves["architecture"].isin(TABULAR_PROBES) & curves["epoch"].isin((1, 3, 9, 27))
    return MetaDataset(
        space=space,
        tasks=tasks,
        architectures=pd.DataFrame(architectures),
        curves=curves[curves["epoch"].isin((1, 3, 9, 27))],
        profiles=layers[list(PROFILE_COLUMNS)],
        probe_curves=curves[probes],
        layers=layers,
    )


def _curve(
    task: str, architecture: str, quality: float, diverged: bool, n_classes: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The columns of a learning curve that rises to 1/k + (1 - 1/k) sigmoid(quality)."""
    epoch = np.arange(1, EPOCHS + 1)
    chance = 1.0 / n_classes
    rise = 1.0 - np.exp(-epoch / 3.0)
    skill = 0.0 if diverged else 1.0 / (1.0 + np.exp(-quality))

    def accuracy(level: float) -> np.ndarray:
        wobble = 0.0 if diverged else 0.004 * rng.normal(size=EPOCHS)
        return np.clip(chance + (1 - chance) * level * rise + wobble, 0.0, 1.0)

    train, validation, test = accuracy(min(1.0, 1.05 * skill)), accuracy(skill), accuracy(skill)
    loss = np.full(EPOCHS, np.nan) if diverged else np.log(n_classes) * (1 - 0.9 * skill * rise)
    columns = {
        "task": task,
        "architecture": architecture,
        "seed": 0,
        "epoch": epoch,
        "train_loss": 0.9 * loss,
        "validation_loss": loss,
        "test_loss": loss,
        "train_accuracy": train,
        "validation_accuracy": validation,
        "test_accuracy": test,
        "diverged": diverged,
    }
    return {name: np.broadcast_to(value, EPOCHS) for name, value in columns.items()}


def _table(curves: Sequence[dict[str, np.ndarray]]) -> pd.DataFrame:
    return pd.DataFrame({name: np.concatenate([c[name] for c in curves]) for name in curves[0]})


def _profiles(
    names: Sequence[str], latents: np.ndarray, h_y: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    rows = []
    for name, z, h in zip(names, latents, h_y, strict=True):
        for probe, widths in PROBE_WIDTHS.items():
            for index, width in enumerate(widths):
                ty = h * np.clip(0.5 + 0.35 * z + 0.03 * index + 0.03 * rng.normal(), 0.0, 1.0)
                xt = np.exp(1.0 - 0.8 * z - 0.1 * index + 0.1 * rng.normal())
                rows.append({
                    "task": name, "architecture": probe, "seed": 0, "epoch": EPOCHS,
                    "layer": f"hidden_{index + 1}", "layer_index": index, "recipe": "tabular-1",
                    "width": width, "n": 1000, "mi_xt": xt, "mi_xt_lower": xt - 0.1,
                    "mi_xt_upper": xt + 0.1, "sigma": 0.4, "mi_ty": ty, "h_y": h,
                    "mi_ty_train": ty + 0.02, "mi_ty_validation": ty, "mi_ty_test": ty - 0.02,
                    "mi_ty_fold_spread": 0.03, "step_ty": 80.0, "effective_rank": width / 2,
                    "dead_units": 0.0, "activation_entropy": 0.9, "flags": "",
                })  # fmt: skip
    return pd.DataFrame(rows)
