"""Splits of tasks into development and test, and into folds, that never part a family.

Near-duplicate data sets (the red and the white wine, the slices of one collection) share a
family. With one of them in training and the other in testing a predictor could look clever by
remembering, so whole families move together.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from infoprior._arguments import check_seed, data_frame, name_list, real_number, whole_number
from infoprior.evaluation._errors import EvaluationError

# Real tasks are dealt out first, so that they are spread best over folds.
_KIND_ORDER = {"real": 0, "enumerated": 1, "synthetic": 2}


def hold_out(
    tasks: pd.DataFrame,
    fraction: float,
    seed: int,
    *,
    kinds: tuple[str, ...] | None = None,
    keep: Collection[str] = (),
) -> tuple[list[str], list[str]]:
    """Names of the development tasks and of the test tasks, whole families apart.

    The share is met as nearly as whole families allow, within each kind of task separately
    (so that a test set isn't all synthetic by chance). The result depends on the names, the
    families and the seed, not on the order of the rows.

    Args:
        tasks: one row per task; columns ``task``, ``family`` and ``kind``.
        fraction: share of the tasks to hold out, above 0 and below 1.
        seed: which split.
        kinds: hold out only families with a task of these kinds, e.g. ``("real",)``; the rest
            stays in development. Default: every kind. A family counts as its realest kind.
        keep: families that stay in development, whatever their kind; the share is of all tasks
            of a kind, those included.

    Returns:
        (development, test): sorted names; both non-empty, disjoint, together all tasks.

    Raises:
        EvaluationError: columns missing, a task named twice, a fraction out of range, an
            unknown kind, or fewer than two families.
    """
    families = _families(tasks)
    fraction = real_number(
        fraction, "fraction", 0.0, 1.0, above=True, below=True, error=EvaluationError
    )
    seed = check_seed(seed, EvaluationError)
    keep = name_list(keep, "keep", EvaluationError)
    if len(families) < 2:
        raise EvaluationError("hold_out needs tasks of at least two families, there is one")
    present = sorted({kind for kind, _ in families.values()}, key=_kind_key)
    wanted = present if kinds is None else name_list(kinds, "kinds", EvaluationError)
    chosen_kinds = [kind for kind in present if kind in wanted]
    if not chosen_kinds:
        raise EvaluationError(f"no family counts as one of the kinds {kinds}; there are {present}")
    rng = np.random.default_rng([seed, 0])
    test: set[str] = set()
    remaining: list[str] = []
    for kind in chosen_kinds:
        names = sorted(name for name, (own, _) in families.items() if own == kind)
        target = fraction * sum(len(families[name][1]) for name in names)
        names = [name for name in names if name not in keep]
        taken = 0
        for index in rng.permutation(len(names)):
            size = len(families[names[index]][1])
            # Take a family only if that brings the count nearer to the target.
            if abs(taken + size - target) < abs(taken - target):
                test.add(names[index])
                taken += size
            else:
                remaining.append(names[index])
    if not test and not remaining:
        raise EvaluationError("hold_out may hold out no family: all of those kinds are kept")
    if not test:  # every family is too large for so small a share: the smallest one it is
        test.add(min(remaining, key=lambda name: (len(families[name][1]), name)))
    if len(test) == len(families):  # the opposite: keep the largest for development
        test.discard(max(test, key=lambda name: (len(families[name][1]), name)))
    held = sorted(task for name in test for task in families[name][1])
    rest = sorted(task for name in families if name not in test for task in families[name][1])
    return rest, held


def family_folds(tasks: pd.DataFrame, n_folds: int, seed: int) -> list[list[str]]:
    """Folds of task names for cross-validation: whole families, nearly equal numbers of tasks.

    Largest families first (real ones before synthetic), each goes to the fold that holds the
    fewest tasks, then the fewest of its kind, ties at random: fold sizes differ by at most the
    size of the largest family.

    Args:
        tasks: one row per task; columns ``task``, ``family`` and ``kind``.
        n_folds: number of folds, 2 or more.
        seed: which split.

    Returns:
        ``n_folds`` non-empty sorted lists; each task is in exactly one.

    Raises:
        EvaluationError: columns missing, a task named twice, fewer than 2 folds, or fewer
            families than folds.
    """
    families = _families(tasks)
    n_folds = whole_number(n_folds, "n_folds", 2, EvaluationError)
    seed = check_seed(seed, EvaluationError)
    if len(families) < n_folds:
        raise EvaluationError(
            f"{n_folds} folds of whole families need at least {n_folds} families, "
            f"there are {len(families)}; ask for fewer folds"
        )
    rng = np.random.default_rng([seed, 1])
    names = sorted(families)
    jitter = dict(zip(names, rng.permutation(len(names)), strict=True))
    # All sizes first, kinds within equal sizes: largest-first keeps the folds' totals level.
    order = sorted(
        names,
        key=lambda name: (-len(families[name][1]), _kind_key(families[name][0]), jitter[name]),
    )
    folds: list[list[str]] = [[] for _ in range(n_folds)]
    of_kind: list[dict[str, int]] = [{} for _ in range(n_folds)]
    fold_jitter = rng.permutation(n_folds)
    for name in order:
        kind, members = families[name]
        best = min(
            range(n_folds),
            key=lambda f: (len(folds[f]), of_kind[f].get(kind, 0), fold_jitter[f]),
        )
        folds[best].extend(members)
        of_kind[best][kind] = of_kind[best].get(kind, 0) + len(members)
    return [sorted(fold) for fold in folds]


def held_out_splits(
    tasks: pd.DataFrame,
    n_folds: int,
    test_fraction: float,
    seed: int,
    *,
    keep: Collection[str] = (),
) -> dict[str, tuple[list[str], list[str]]]:
    """The splits that predictors are judged on: folds to choose by, and a test set.

    The test families are held out first; the folds cut the other real families. What is chosen is
    chosen on the folds, and the test tasks are predicted once, by predictors fitted on all the
    others. Tasks that are not real help to learn, in every split, and judge nothing.

    Args:
        tasks: one row per task; columns ``task``, ``family`` and ``kind``.
        n_folds: number of folds, 2 or more.
        test_fraction: share of the real tasks to hold out for testing, above 0 and below 1.
        seed: which split.
        keep: families that are never held out for testing; they are in the folds.

    Returns:
        "fold-0", "fold-1", ..., "test" -> (training tasks, held-out tasks).

    Raises:
        EvaluationError: as `hold_out` and `family_folds`.
    """
    development, test = hold_out(tasks, test_fraction, seed, kinds=("real",), keep=keep)
    real = set(tasks["family"][tasks["kind"] == "real"])
    table = tasks[tasks["task"].isin(development) & tasks["family"].isin(real)]
    folds = family_folds(table, n_folds, seed)
    splits = {
        f"fold-{i}": ([t for t in development if t not in set(fold)], fold)
        for i, fold in enumerate(folds)
    }
    return {**splits, "test": (development, test)}


def _kind_key(kind: str) -> tuple[int, str]:
    return _KIND_ORDER.get(kind, len(_KIND_ORDER)), kind


def _families(tasks: pd.DataFrame) -> dict[str, tuple[str, list[str]]]:
    """family -> (its kind, the sorted names of its tasks)."""
    data_frame(tasks, "tasks", ("task", "family", "kind"), EvaluationError)
    if len(tasks) == 0:
        raise EvaluationError("the table of tasks is empty")
    if tasks[["task", "family", "kind"]].isna().any().any():
        raise EvaluationError("the table of tasks has rows without a task, a family or a kind")
    twice = sorted(set(tasks.loc[tasks["task"].duplicated(), "task"].astype(str)))
    if twice:
        raise EvaluationError(f"the table of tasks names a task more than once: {twice[:5]}")
    families: dict[str, tuple[str, list[str]]] = {}
    for family, rows in tasks.groupby("family", sort=True):
        kind = min((str(kind) for kind in rows["kind"]), key=_kind_key)
        families[str(family)] = (kind, sorted(str(name) for name in rows["task"]))
    return families
