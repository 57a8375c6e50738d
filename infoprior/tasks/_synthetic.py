"""A seeded generator of classification tasks of many kinds, with as many rows as asked for.

An index fixes the concept: how the classes arise, how many features are informative, how they
are distorted, how much label noise there is. A seed draws the rows. Five kinds take turns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from infoprior.tasks._encode import Column, encode
from infoprior.tasks._task import PARTS, Task, TaskError

MECHANISMS = ("linear", "mixture", "network", "trees", "radial")
WARPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "exponential": lambda x: np.exp(np.clip(1.2 * x, -20, 20)),
    "cubic": lambda x: x**3,
    "saturated": lambda x: np.tanh(2 * x),
    "rounded": lambda x: np.round(np.clip(1.5 * x, -4, 4)),
    "binary": lambda x: (x > 0.3).astype(np.float64),
}
_CALIBRATION_ROWS = 4000


@dataclass(frozen=True)
class Recipe:
    """The drawn settings of one concept.

    noise: the share of labels replaced by another class, drawn uniformly: no classifier's
        expected accuracy is above 1 - noise
    """

    mechanism: str
    n_classes: int
    n_informative: int
    n_redundant: int
    n_irrelevant: int
    correlation: float
    class_weights: tuple[float, ...]
    noise: float
    complexity: int
    warps: tuple[str, ...]


def recipe(index: int) -> Recipe:
    """The settings of concept `index`; the kind changes with every step of the index."""
    rng = _concept_rng(index)
    n_classes = int(rng.choice([2, 2, 2, 3, 3, 4, 5, 6, 8, 10]))
    n_informative = int(np.round(np.exp(rng.uniform(np.log(3), np.log(20)))))
    if MECHANISMS[index % len(MECHANISMS)] == "radial":
        # Distances say little in many dimensions: more would be beyond any learner's reach.
        n_classes, n_informative = min(n_classes, 4), 2 + n_informative % 5
    n_redundant = int(rng.choice([0, 0, int(rng.integers(1, 1 + n_informative))]))
    n_irrelevant = int(rng.choice([0, 0, int(rng.integers(1, 1 + 2 * n_informative))]))
    balanced = rng.random() < 0.5
    weights = np.ones(n_classes) if balanced else 0.3 + rng.dirichlet(np.ones(n_classes)) * 2.5
    warped = rng.random() < 0.6
    n_features = n_informative + n_redundant + n_irrelevant
    warps = list(rng.choice(list(WARPS), size=n_features)) if warped else ["none"] * n_features
    warps[:2] = ["none", "none"]  # two continuous columns: no two rows are equal
    return Recipe(
        mechanism=MECHANISMS[index % len(MECHANISMS)],
        n_classes=n_classes,
        n_informative=n_informative,
        n_redundant=n_redundant,
        n_irrelevant=n_irrelevant,
        correlation=float(rng.choice([0.0, rng.uniform(0.2, 0.9)])),
        class_weights=tuple(float(w) for w in weights / weights.sum()),
        noise=float(rng.choice([0.0, rng.uniform(0.02, 0.3)])),
        complexity=int(rng.integers(1, 5)),
        warps=tuple(str(w) for w in warps),
    )


def synthetic_task(
    index: int, *, seed: int = 0, n_train: int = 600, n_validation: int = 200, n_test: int = 5000
) -> Task:
    """Task "synthetic/<index>": the index fixes the concept, the seed draws the rows.

    All rows are independent draws from one distribution, label noise included, so a large
    `n_test` gives nearly noise-free test accuracies. Each index is a family of its own.
    Raises `TaskError` for a negative index or sizes too small to show every class in training.
    """
    sizes = dict(zip(PARTS, (n_train, n_validation, n_test), strict=True))
    if index < 0:
        raise TaskError(f"synthetic tasks are numbered from 0, not {index}")
    for part, size in sizes.items():
        if size < 1:
            raise TaskError(f"n_{part} must be a positive number of rows, not {size}")
    concept = _Concept(index)
    n = sum(sizes.values())
    raw, y = concept.draw(n, np.random.default_rng([index, seed, 2]))
    _show_every_class(y, raw, n_train, concept.recipe.n_classes, index)
    train = np.arange(n) < n_train
    columns = [Column(f"x{k}", raw[:, k]) for k in range(raw.shape[1])]
    X, names = encode(columns, train)
    rows = np.split(np.arange(n, dtype=np.int64), np.cumsum([n_train, n_validation]))
    return Task(
        name=f"synthetic/{index}",
        family=f"synthetic-{index}",
        source="generator",
        kind="synthetic",
        X=X,
        y=y,
        train=rows[0],
        validation=rows[1],
        test=rows[2],
        feature_names=tuple(names),
        class_names=tuple(str(c) for c in range(concept.recipe.n_classes)),
    )


class _Concept:
    """A distribution over (raw features, label)."""

    def __init__(self, index: int) -> None:
        self.recipe = r = recipe(index)
        rng = np.random.default_rng([index, 1])
        d = r.n_informative
        loading = rng.normal(size=(d, d)) / np.sqrt(d)
        self.mix = np.sqrt(1 - r.correlation**2) * np.eye(d) + r.correlation * loading
        self.redundant = rng.normal(size=(d, r.n_redundant)) / np.sqrt(d)
        self.order = rng.permutation(d + r.n_redundant + r.n_irrelevant)
        if r.mechanism == "mixture":
            k = r.complexity
            spread = rng.uniform(1.0, 2.2) / np.sqrt(d) * 2
            self.centers = rng.normal(size=(r.n_classes, k, d)) * spread
            self.shapes = rng.normal(size=(r.n_classes, k, d, d)) / np.sqrt(d) * 0.8
        else:
            self.score = _SCORES[r.mechanism](r, rng)
            self.bias = self._calibrated(rng)

    def _calibrated(self, rng: np.random.Generator) -> np.ndarray:
        """Class biases, shape (n_classes,), under which argmax gives about the class weights."""
        target = np.array(self.recipe.class_weights)
        scores = self.score(rng.normal(size=(_CALIBRATION_ROWS, len(self.mix))) @ self.mix)
        bias = np.zeros(len(target))
        step = float(scores.std())
        for _ in range(60):
            share = np.bincount((scores + bias).argmax(1), minlength=len(target)) / len(scores)
            bias += step * (target - share)
            step *= 0.97
        return bias

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        r = self.recipe
        if r.mechanism == "mixture":
            y = rng.choice(r.n_classes, size=n, p=r.class_weights)
            component = rng.integers(r.complexity, size=n)
            normal = rng.normal(size=(n, r.n_informative))
            z = self.centers[y, component] + np.einsum(
                "nij,nj->ni", self.shapes[y, component], normal
            )
        else:
            z = rng.normal(size=(n, r.n_informative)) @ self.mix
            y = (self.score(z) + self.bias).argmax(1)
        redundant = z @ self.redundant + 0.1 * rng.normal(size=(n, r.n_redundant))
        irrelevant = rng.normal(size=(n, r.n_irrelevant))
        raw = np.concatenate([z, redundant, irrelevant], axis=1)[:, self.order]
        for k, warp in enumerate(r.warps):
            raw[:, k] = WARPS[warp](raw[:, k])
        flipped = rng.random(n) < r.noise
        other = (y + rng.integers(1, r.n_classes, size=n)) % r.n_classes
        return raw, np.where(flipped, other, y).astype(np.int64)


_Score = Callable[[np.ndarray], np.ndarray]


def _linear(r: Recipe, rng: np.random.Generator) -> _Score:
    weights = rng.normal(size=(r.n_informative, r.n_classes))
    return lambda z: z @ weights


def _network(r: Recipe, rng: np.random.Generator) -> _Score:
    width, gain = 8 * r.complexity, rng.uniform(1.0, 3.0)
    layers = [rng.normal(size=(r.n_informative, width)) / np.sqrt(r.n_informative) * gain]
    layers += [rng.normal(size=(width, width)) / np.sqrt(width) * gain] * (r.complexity % 2)
    shift = rng.normal(size=width)
    out = rng.normal(size=(width, r.n_classes))

    def score(z: np.ndarray) -> np.ndarray:
        for layer in layers:
            z = np.tanh(z @ layer + shift)
        return z @ out

    return score


def _trees(r: Recipe, rng: np.random.Generator) -> _Score:
    # Oblivious trees: one feature and threshold a level, a random score for every leaf.
    trees = []
    for _ in range(r.complexity):
        depth = int(rng.integers(2, 6))
        features = rng.integers(r.n_informative, size=depth)
        thresholds = rng.normal(size=depth) * 0.7
        trees.append((features, thresholds, rng.normal(size=(2**depth, r.n_classes))))

    def score(z: np.ndarray) -> np.ndarray:
        total = np.zeros((len(z), r.n_classes))
        for features, thresholds, leaves in trees:
            bits = z[:, features] > thresholds
            total += leaves[bits @ (2 ** np.arange(len(features)))]
        return total

    return score


def _radial(r: Recipe, rng: np.random.Generator) -> _Score:
    # Rings around a center, on a few of the dimensions: distance, not direction, decides.
    dims = rng.choice(r.n_informative, size=min(1 + r.complexity, r.n_informative), replace=False)
    center = rng.normal(size=len(dims)) * 0.4
    frequency = rng.uniform(1.0, 2.5)
    phases = np.arange(r.n_classes) * 2 * np.pi / r.n_classes

    def score(z: np.ndarray) -> np.ndarray:
        radius = np.linalg.norm(z[:, dims] - center, axis=1, keepdims=True)
        return np.cos(frequency * radius - phases)

    return score


_SCORES = {"linear": _linear, "network": _network, "trees": _trees, "radial": _radial}


def _concept_rng(index: int) -> np.random.Generator:
    return np.random.default_rng([index, 0])


def _show_every_class(
    y: np.ndarray, raw: np.ndarray, n_train: int, n_classes: int, index: int
) -> None:
    """Where a rare class is absent from training, exchange one of its rows into it, in place."""
    for label in range(n_classes):
        counts = np.bincount(y[:n_train], minlength=n_classes)
        if counts[label]:
            continue
        later = np.flatnonzero(y[n_train:] == label)
        if not len(later) or counts.max() < 2:
            raise TaskError(
                f"synthetic/{index} has {n_classes} classes, too many for {n_train} training rows; "
                "raise n_train (or max_train)"
            )
        give, take = n_train + later[0], np.flatnonzero(y[:n_train] == counts.argmax())[-1]
        raw[[give, take]] = raw[[take, give]]
        y[[give, take]] = y[[take, give]]
