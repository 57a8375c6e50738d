"""A seeded generator of classification tasks of many kinds, with as many rows as asked for.

An index fixes the concept: how the classes arise, how variables are measured, how much label noise
there is. A seed draws training and validation rows, a draw the test rows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from infoprior._ambient import default_settings
from infoprior._arguments import is_whole
from infoprior.tasks._arguments import check_rows, check_seed
from infoprior.tasks._encode import encode
from infoprior.tasks._split import group_rows
from infoprior.tasks._synthetic import GENERATORS
from infoprior.tasks._synthetic.column_concept import ColumnConcept
from infoprior.tasks._synthetic.concept import Concept
from infoprior.tasks._synthetic.kept import concept_of
from infoprior.tasks._synthetic.mix import COLUMN_MIX, Recipe, draw_recipe
from infoprior.tasks._task import Task, TaskError

TEST_ROWS = 5000
_SECOND = 1_000_000_000  # concepts of the second generator are numbered from here on
_BATCH = 4000
_MOST_BATCHES = 25


def recipe(index: int, generator: str = GENERATORS[0]) -> Recipe:
    """The settings of the concept behind "<generator>/<index>".

    Args:
        index: from 0 on.
        generator: one of `GENERATORS`.

    Raises:
        TaskError: there is no such index or generator.
    """
    if not isinstance(generator, str) or generator not in GENERATORS:
        raise TaskError(f"no generator {generator!r}; choose one of {', '.join(GENERATORS)}")
    if not is_whole(index) or index < 0:
        raise TaskError(f"synthetic tasks are numbered from 0 by whole numbers, not {index!r}")
    if generator == GENERATORS[0]:
        return draw_recipe(concept_of(int(index)))
    return draw_recipe(_SECOND + int(index), COLUMN_MIX)


@default_settings()
def synthetic_task(
    index: int,
    *,
    seed: int = 0,
    draw: int = 0,
    n_train: int | None = None,
    n_validation: int | None = None,
    n_test: int = TEST_ROWS,
    generator: str = GENERATORS[0],
) -> Task:
    """Task "synthetic/<index>", or one of another generator.

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
        generator: "synthetic", or "synthetic2", whose classes mostly arise from the columns as
            they are measured, linearly, by steps, curves, waves or pairs, where columns have
            outliers, codes, gaps and clumps: encodings of inputs differ as on real tables.

    Returns:
        the task.

    Raises:
        TaskError: (a ValueError) there is no such generator, or an index, a seed, a draw or a size
            is no whole number or too small: every class has to occur among the training rows.
    """
    concept = concept_from(recipe(index, generator))
    return task_of(
        concept,
        f"{generator}/{index}",
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


@lru_cache(maxsize=8)
def concept_from(recipe: Recipe) -> Concept:
    """The concept of these settings."""
    return (ColumnConcept if recipe.mechanism == "columns" else Concept)(recipe)


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
