"""Families stay whole; shares and folds are as even as that allows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from infoprior.evaluation import EvaluationError, family_folds, hold_out


def some_tasks(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for f in range(25):
        kind = "real" if f < 10 else "enumerated" if f < 13 else "synthetic"
        for t in range(int(rng.integers(1, 5))):
            rows.append((f"f{f}/t{t}", f"f{f}", kind))
    return pd.DataFrame(rows, columns=["task", "family", "kind"])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_hold_out_partitions_whole_families(seed, fraction):
    tasks = some_tasks()
    development, test = hold_out(tasks, fraction, seed)
    assert development
    assert test
    assert sorted(development + test) == sorted(tasks["task"])
    family = dict(zip(tasks["task"], tasks["family"], strict=True))
    assert not {family[t] for t in development} & {family[t] for t in test}


@pytest.mark.parametrize("seed", range(10))
def test_hold_out_meets_the_share_in_each_kind(seed):
    tasks = some_tasks()
    _, test = hold_out(tasks, 0.3, seed)
    largest = tasks.groupby("family").size().max()
    for kind, rows in tasks.groupby("kind"):
        held = rows["task"].isin(test).sum()
        assert abs(held - 0.3 * len(rows)) <= largest / 2, kind


def test_hold_out_of_one_kind_only():
    tasks = some_tasks()
    _, test = hold_out(tasks, 0.4, 0, kinds=("real",))
    assert set(tasks.loc[tasks["task"].isin(test), "kind"]) == {"real"}
    with pytest.raises(EvaluationError, match="kinds"):
        hold_out(tasks, 0.4, 0, kinds=("images",))


def test_splits_hang_on_the_seed_and_not_on_the_order_of_rows():
    tasks = some_tasks()
    shuffled = tasks.sample(frac=1.0, random_state=1)
    assert hold_out(tasks, 0.3, 5) == hold_out(shuffled, 0.3, 5)
    assert family_folds(tasks, 4, 5) == family_folds(shuffled, 4, 5)
    assert len({tuple(hold_out(tasks, 0.3, s)[1]) for s in range(10)}) > 5
    assert len({tuple(map(tuple, family_folds(tasks, 4, s))) for s in range(10)}) > 5


@pytest.mark.parametrize("seed", range(10))
def test_folds_are_whole_families_of_even_size(seed):
    tasks = some_tasks(seed)
    folds = family_folds(tasks, 4, seed)
    assert sorted(name for fold in folds for name in fold) == sorted(tasks["task"])
    family = dict(zip(tasks["task"], tasks["family"], strict=True))
    seen = [{family[t] for t in fold} for fold in folds]
    assert sum(map(len, seen)) == tasks["family"].nunique()
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= tasks.groupby("family").size().max()


def test_a_fold_per_family_is_leave_one_family_out():
    tasks = some_tasks()
    folds = family_folds(tasks, tasks["family"].nunique(), 0)
    expected = tasks.groupby("family")["task"].apply(lambda names: tuple(sorted(names)))
    assert {tuple(fold) for fold in folds} == set(expected)


def test_split_errors():
    tasks = some_tasks()
    with pytest.raises(EvaluationError, match="fewer folds"):
        family_folds(tasks, 26, 0)
    with pytest.raises(EvaluationError, match="n_folds = 1"):
        family_folds(tasks, 1, 0)
    with pytest.raises(EvaluationError, match="fraction"):
        hold_out(tasks, 1.0, 0)
    with pytest.raises(EvaluationError, match="two families"):
        hold_out(tasks[tasks["family"] == "f1"], 0.5, 0)
    with pytest.raises(EvaluationError, match="lacks"):
        hold_out(tasks.drop(columns="family"), 0.5, 0)
    with pytest.raises(EvaluationError, match="more than once"):
        family_folds(pd.concat([tasks, tasks]), 2, 0)


def test_kept_families_are_never_held_out():
    tasks = pd.DataFrame(
        {"task": [f"t{i}" for i in range(20)], "family": [f"f{i // 2}" for i in range(20)]}
    ).assign(kind="real")
    kept = {"f0", "f3", "f4", "f7"}
    for seed in range(10):
        development, test = hold_out(tasks, 0.3, seed, keep=kept)
        assert {f"f{int(name[1:]) // 2}" for name in test}.isdisjoint(kept)
        assert len(test) == 6
        assert len(development) == 14
    with pytest.raises(EvaluationError, match="may hold out no family"):
        hold_out(tasks, 0.3, 0, keep=set(tasks["family"]))
