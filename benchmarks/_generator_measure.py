"""What is measured of real and synthetic tasks for the generator's fit: kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from _common import ROOT, write

from infoprior.tasks import METAFEATURES, Task, TaskError, catalogue, load_task, metafeatures
from infoprior.tasks._synthetic import Concept, task_of
from infoprior.tasks._synthetic_mix import draw_recipe

CACHE = ROOT / "benchmarks" / "cache" / "generator"
MIN_ROWS = 500
CAPS = {"max_train": 600, "max_validation": 200, "max_test": 1000}
DESCRIBED = {"max_train": 2000, "max_validation": 1000, "max_test": 1000}
ARCHITECTURES = 24
# What a task is compared by: meta-features without the number of rows, which the generator
# spreads on purpose, and the landmarkers as skill above the commonest class.
SKILLS = ("nearest", "linear", "tree", "bayes")
COMPARED = (
    "log_features", "log_classes", "class_entropy", "minority_share", "binary_fraction",
    "mode_share", "skewness", "kurtosis", "correlation", "pca_95", "class_signal_mean",
    "class_signal_max", *(f"skill_{name}" for name in SKILLS), "best_skill", "tree_gain",
    "nearest_gain",
)  # fmt: skip


def real_names() -> list[str]:
    return sorted(info.name for info in catalogue() if info.kind == "real")


def describe(task: Task) -> dict[str, float]:
    """The numbers a task is compared by, and its meta-features."""
    return with_skills(metafeatures(task))


def with_skills(values: Mapping[str, float]) -> dict[str, float]:
    """Meta-features, and landmarkers as skill above the commonest class."""
    majority = values["majority_share"]
    skills = {
        f"skill_{name}": (values[f"landmark_{name}"] - majority) / max(1 - majority, 0.02)
        for name in SKILLS
    }
    # A skill far below zero (naive Bayes on rare classes) would stand for all else.
    skills = {name: float(np.clip(value, -0.5, 1.0)) for name, value in skills.items()}
    best = max(skills.values())
    return {
        **values,
        **skills,
        "best_skill": best,
        "tree_gain": skills["skill_tree"] - skills["skill_linear"],
        "nearest_gain": skills["skill_nearest"] - skills["skill_linear"],
    }


def described_real() -> pd.DataFrame:
    """One row a real task of at least 500 rows."""
    rows = []
    for name in real_names():
        row = _kept(f"real-{name}", lambda name=name: _describe_real(name))
        if row["n"] >= MIN_ROWS:
            rows.append(row)
    return pd.DataFrame(rows)


def described_concepts(numbers: Sequence[int]) -> pd.DataFrame:
    """One row a concept, by its number of the draw from the mix."""
    rows = [_kept(f"concept-{k}-{_settings(k)}", lambda k=k: _describe_concept(k)) for k in numbers]
    return pd.DataFrame(rows)


def trained(tasks: Sequence[tuple[str, int | str]]) -> pd.DataFrame:
    """Final accuracies of the shared design: columns key, architecture, train and test accuracy.

    tasks: ("real", name) or ("concept", number)
    """
    frames = []
    for kind, key in tasks:
        name = f"trained-real-{key}" if kind == "real" else f"trained-{key}-{_settings(int(key))}"
        rows = _kept(name, lambda kind=kind, key=key: _train(kind, key))
        frames.append(pd.DataFrame(rows).assign(key=key))
    return pd.concat(frames, ignore_index=True)


def _describe_real(name: str) -> dict:
    info = next(i for i in catalogue() if i.name == name)
    n = len(load_task(name).y)
    task = load_task(name, **DESCRIBED) if n >= MIN_ROWS else None
    return {"key": name, "family": info.family, "n": n, **(describe(task) if task else {})}


def _describe_concept(number: int) -> dict:
    recipe = draw_recipe(number)
    n_train = min(recipe.n_train, DESCRIBED["max_train"])
    n_validation = min(recipe.n_validation, DESCRIBED["max_validation"])
    sizes = {"n_train": n_train, "n_validation": n_validation, "n_test": 1}
    try:
        task = task_of(Concept(recipe), f"concept/{number}", **sizes)
    except TaskError:  # a class too rare, or too few distinct rows: such a concept is not kept
        return {"key": number}
    return {"key": number, **describe(task)}


def _train(kind: str, key: int | str) -> list[dict]:
    from infoprior.spaces import get_space
    from infoprior.training import train_many

    if kind == "real":
        task = load_task(str(key), **CAPS)
    else:
        recipe = draw_recipe(int(key))
        sizes = {
            "n_train": min(recipe.n_train, CAPS["max_train"]),
            "n_validation": min(recipe.n_validation, CAPS["max_validation"]),
            "n_test": CAPS["max_test"],
        }
        task = task_of(Concept(recipe), f"concept/{key}", **sizes)
    space = get_space("mlp")
    points = space.design(ARCHITECTURES, seed=0)
    networks = [(point, 0) for point in points]
    results = train_many(task, networks, space=space, epochs=27, record=(3, 27))
    return [
        {
            "architecture": k,
            "epoch": row["epoch"],
            "train_accuracy": row["train_accuracy"],
            "test_accuracy": row["test_accuracy"],
        }
        for k, result in enumerate(results)
        for row in result.curve
    ]


def _settings(number: int) -> str:
    """Hash of the generator's code and of a concept's settings: what a kept row is of."""
    folder = ROOT / "infoprior" / "tasks"
    text = "".join(
        (folder / f"_synthetic{part}.py").read_text() for part in ("_columns", "_scores")
    )
    text += repr(draw_recipe(number))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _kept(name: str, make) -> dict | list:
    path = CACHE / (name.replace("/", "--") + ".json")
    if not path.exists():
        write(path, json.dumps(make()))
    return json.loads(Path(path).read_text())


__all__ = [
    "COMPARED",
    "METAFEATURES",
    "described_concepts",
    "described_real",
    "trained",
    "with_skills",
]
