"""A seeded generator of classification tasks of many kinds, with as many rows as asked for.

An index fixes the concept: how the classes arise from latent variables, how these are measured,
how much label noise there is. A seed draws training and validation rows, a draw the test rows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from infoprior._ambient import default_settings
from infoprior._arguments import is_whole
from infoprior.tasks._arguments import check_rows, check_seed
from infoprior.tasks._encode import encode
from infoprior.tasks._split import group_rows
from infoprior.tasks._synthetic.columns import Measurement
from infoprior.tasks._synthetic.kept import concept_of
from infoprior.tasks._synthetic.mix import Recipe, draw_recipe
from infoprior.tasks._synthetic.scores import SCORES
from infoprior.tasks._task import Task, TaskError

TEST_ROWS = 5000
_CALIBRATION_ROWS = 4000
_BATCH = 4000
_MOST_BATCHES = 25


def recipe(index: int) -> Recipe:
    """The settings of the concept behind "synthetic/<index>".

    Args:
        index: from 0 on.

    Raises:
        TaskError: there is no such index.
    """
    if not is_whole(index) or index < 0:
        raise TaskError(f"synthetic tasks are numbered from 0 by whole numbers, not {index!r}")
    return draw_recipe(concept_of(int(index)))


@default_settings()
def synthetic_task(
    index: int,
    *,
    seed: int = 0,
    draw: int = 0,
    n_train: int | None = None,
    n_validation: int | None = None,
    n_test: int = TEST_ROWS,
) -> Task:
    """Task "synthetic/<index>".

    All rows are independent draws from one distribution, label noise included, so a large `n_test`
    gives nearly noise-free test accuracies; a validation or test row that equals a row of an
    earlier part is drawn again. Each index is a family of its own.

    Args:
        index: fixes the concept, from 0 on.
        seed: draws the training and validation rows (and, with `draw`, the test rows).
        draw: draws the test rows only.
        n_train: training rows; None is the concept's own number, 150 to 5,000.
        n_validation: validation rows; None is the concept's own number, 100 to 1,000.
        n_test: test rows.

    Returns:
        the task.

    Raises:
        TaskError: (a ValueError) an index, a seed, a draw or a size is no whole number or too
            small: every class has to occur among the training rows.
    """
    concept = _concept(recipe(index))
    return task_of(
        concept,
        f"synthetic/{index}",
        seed=seed,
        draw=draw,
        n_train=concept.recipe.n_train if n_train is None else n_train,
        n_validation=concept.recipe.n_validation if n_validation is None else n_validation,
        n_test=n_test,
    )


def task_of(
    concept: Concept,
    name: str,
    *,
    n_train: int,
    n_validation: int,
    n_test: int,
    seed: int = 0,
    draw: int = 0,
) -> Task:
    """Rows of a concept as a task.

    Args:
        concept: what rows are drawn from.
        name: of the task.
        n_train, n_validation, n_test: rows of each part.
        seed, draw: see `synthetic_task`.

    Raises:
        TaskError: a seed, a draw or a size is invalid.
    """
    r = concept.recipe
    sizes = {"n_train": n_train, "n_validation": n_validation, "n_test": n_test}
    for argument, size in sizes.items():
        check_rows(argument, size)
    check_seed(seed)
    check_seed(draw, "draw")
    if n_train < r.n_classes:
        raise TaskError(
            f"{name} has {r.n_classes} classes, too many for {n_train} training rows; "
            "raise n_train (or max_train)"
        )
    cells, y = concept.rows(n_train, np.random.default_rng([r.concept, seed, 2]))
    _show_every_class(cells, y, concept, np.random.default_rng([r.concept, seed, 3]), name)
    streams = ([r.concept, seed, 4], [r.concept, seed, draw, 5])
    for stream, size in zip(streams, (n_validation, n_test), strict=True):
        more = _fresh_rows(concept, cells, n_train, size, np.random.default_rng(stream), name)
        cells, y = np.concatenate([cells, more[0]]), np.concatenate([y, more[1]])
    X, names = encode(concept.measurement.columns(cells), np.arange(len(y)) < n_train)
    rows = np.split(np.arange(len(y), dtype=np.int64), np.cumsum([n_train, n_validation]))
    return Task(
        name=name,
        family=name.replace("/", "-"),
        source="generator",
        kind="synthetic",
        X=np.ascontiguousarray(X),
        y=y,
        train=rows[0],
        validation=rows[1],
        test=rows[2],
        feature_names=tuple(names),
        class_names=tuple(str(c) for c in range(r.n_classes)),
    )


class Concept:
    """A distribution over rows of a table and their labels.

    Args:
        recipe: its settings.

    Attributes:
        recipe: its settings.
        mix: how latent variables are correlated, shape (n_latent, n_latent).
        measurement: how they give the columns.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = r = recipe
        rng = np.random.default_rng([r.concept, 1])
        d = r.n_latent
        # A few common factors, as tables have; columns keep a standard deviation near 1.
        n_common = int(rng.integers(1, 4))
        common = rng.normal(size=(d, n_common)) / np.sqrt(d)
        shared = common @ (rng.normal(size=(n_common, d)) / np.sqrt(n_common))
        self.mix = np.sqrt(1 - r.correlation**2) * np.eye(d) + r.correlation * shared
        self.clusters = rng.normal(size=(int(rng.integers(2, 8)), d))
        self.measurement = Measurement(r, rng)
        if r.mechanism == "mixture":
            spread = rng.uniform(1.0, 8.0) / np.sqrt(d)
            self.centers = rng.normal(size=(r.n_classes, r.complexity, d)) * spread
            alike = rng.uniform(0.0, 1.0)  # 1: all components have one shape
            own = rng.normal(size=(r.n_classes, r.complexity, d, d)) / np.sqrt(d)
            self.shapes = alike * self.mix + (1 - alike) * own
        else:
            n_scores = 1 if r.ordinal else r.n_classes
            self._raw_score = SCORES[r.mechanism](d, n_scores, r.complexity, rng)
            z = self.latent(_CALIBRATION_ROWS, rng)
            raw = self._raw_score(z)
            self._center, self._scale = raw.mean(0), max(float(raw.std()), 1e-9)
            self._calibrate(self.scores(z), rng)

    def latent(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Latent variables of standard deviation about 1.

        Args:
            n: number of rows.
            rng: draws them.

        Returns:
            shape (n, n_latent), float64.
        """
        kind, size = self.recipe.latent, (n, self.recipe.n_latent)
        if kind == "heavy":
            z = rng.standard_t(3, size=size) / np.sqrt(3)
        elif kind == "uniform":
            z = rng.uniform(-np.sqrt(3), np.sqrt(3), size=size)
        elif kind == "clustered":
            z = 0.5 * rng.normal(size=size)
            z += 0.9 * self.clusters[rng.integers(len(self.clusters), size=n)]
        elif kind == "skewed":
            z = rng.exponential(size=size) - 1
        else:
            z = rng.normal(size=size)
        return z @ self.mix

    def scores(self, z: np.ndarray) -> np.ndarray:
        """Scores of the classes.

        Args:
            z: latent variables, shape (n, n_latent).

        Returns:
            shape (n, n_classes), or (n, 1) where classes are ordinal.
        """
        return (self._raw_score(z) - self._center) / self._scale

    def rows(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Independent draws.

        Args:
            n: number of rows.
            rng: draws them.

        Returns:
            cells, shape (n, n_columns), float64, and labels, shape (n,), int64.
        """
        r = self.recipe
        if r.mechanism == "mixture":
            y = rng.choice(r.n_classes, size=n, p=r.class_weights)
            component = rng.integers(r.complexity, size=n)
            normal = rng.normal(size=(n, r.n_latent))
            z = self.centers[y, component]
            for c, k in np.ndindex(r.n_classes, r.complexity):
                own = (y == c) & (component == k)
                z[own] += normal[own] @ self.shapes[c, k]
        else:
            z = self.latent(n, rng)
            y = self.labels(self.scores(z), rng)
        cells = self.measurement.cells(z, rng)
        flipped = rng.random(n) < r.noise
        other = (y + rng.integers(1, r.n_classes, size=n)) % r.n_classes
        return cells, np.where(flipped, other, y).astype(np.int64)

    def labels(self, scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Labels by the scores, before label noise.

        Args:
            scores: shape (n, n_classes), or (n, 1) where classes are ordinal.
            rng: draws them.

        Returns:
            shape (n,), whole numbers.
        """
        r = self.recipe
        if r.ordinal:
            noisy = scores[:, 0] + r.temperature * rng.normal(size=len(scores))
            return np.searchsorted(self.thresholds, noisy)
        # The largest of scores with Gumbel noise is a draw from their softmax.
        gumbel = r.temperature * rng.gumbel(size=scores.shape) if r.temperature else 0.0
        return (scores + self.bias + gumbel).argmax(1)

    def _calibrate(self, scores: np.ndarray, rng: np.random.Generator) -> None:
        """Thresholds (ordinal) or class biases that give about the class weights."""
        r = self.recipe
        target = np.array(r.class_weights)
        if r.ordinal:
            noisy = scores[:, 0] + r.temperature * rng.normal(size=len(scores))
            self.thresholds = np.quantile(noisy, np.cumsum(target)[:-1])
            return
        noisy = scores + r.temperature * rng.gumbel(size=scores.shape)
        self.bias = np.zeros(len(target))
        step = 1.0 + r.temperature
        for _ in range(60):
            share = np.bincount((noisy + self.bias).argmax(1), minlength=len(target)) / len(noisy)
            self.bias += step * (target - share)
            step *= 0.97
        # Classes still too rare: a bias that lets them win where they come nearest to winning.
        for _ in range(20):
            shares = _shares(noisy + self.bias)
            label = int((shares / target).argmin())
            if shares[label] >= 0.4 * target[label]:
                break
            total = noisy + self.bias
            behind = np.delete(total, label, axis=1).max(1) - total[:, label]
            self.bias[label] += max(0.0, float(np.quantile(behind, target[label]))) + 1e-6


def _shares(scores: np.ndarray) -> np.ndarray:
    """Share of each class, shape (n_classes,), where the largest score decides."""
    return np.bincount(scores.argmax(1), minlength=scores.shape[1]) / len(scores)


@lru_cache(maxsize=8)
def _concept(recipe: Recipe) -> Concept:
    return Concept(recipe)


def _show_every_class(
    cells: np.ndarray, y: np.ndarray, concept: Concept, rng: np.random.Generator, name: str
) -> None:
    """Where a class is absent, a row of the commonest class gives way to one of it, in place."""
    n_classes = concept.recipe.n_classes
    counts = np.bincount(y, minlength=n_classes)
    for _ in range(_MOST_BATCHES):
        if counts.all():
            return
        more, labels = concept.rows(_BATCH, rng)
        for label in np.flatnonzero(counts == 0):
            rows = np.flatnonzero(labels == label)
            if len(rows):
                last = np.flatnonzero(y == counts.argmax())[-1]
                cells[last], y[last] = more[rows[0]], label
                counts = np.bincount(y, minlength=n_classes)
    raise TaskError(f"{name}: class {counts.argmin()} is too rare to be shown in training")


def _fresh_rows(
    concept: Concept,
    known: np.ndarray,
    n_train: int,
    size: int,
    rng: np.random.Generator,
    name: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that, once encoded, equal none of the known ones, of which the first are training's."""
    kept_cells, kept_y, n_kept = [], [], 0
    for _ in range(_MOST_BATCHES):
        cells, y = concept.rows(size, rng)
        both = np.concatenate([known, cells])
        X, _names = encode(concept.measurement.columns(both), np.arange(len(both)) < n_train)
        groups = group_rows(X)
        new = ~np.isin(groups[len(known) :], groups[: len(known)])
        kept_cells.append(cells[new])
        kept_y.append(y[new])
        n_kept += int(new.sum())
        if n_kept >= size:
            return np.concatenate(kept_cells)[:size], np.concatenate(kept_y)[:size]
    raise TaskError(
        f"{name}: {size} rows that differ from those of other parts do not exist; ask for fewer"
    )
