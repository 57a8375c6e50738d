"""Splits: stratified, seeded, equal rows together; encoding by training rows only."""

from __future__ import annotations

import numpy as np
import pytest

from infoprior.tasks import TaskError, load_task
from infoprior.tasks._encode import Caps, Column, encode, make_task
from infoprior.tasks._split import cap_rows, group_rows, split_rows
from infoprior.tasks._task import PARTS


def _make(columns, labels, seed=0, **settings):
    return make_task(
        name="t/t", family="t", source="here", kind="real", columns=columns, labels=labels,
        seed=seed, **settings,
    )  # fmt: skip


def _rows(task, part):
    return {row.tobytes() for row in task.split(part)[0]}


def test_groups_are_numbered_by_first_occurrence_and_ignore_the_sign_of_zero():
    keys = np.array([[3.0, 0.0], [1.0, 1.0], [3.0, -0.0], [np.nan, 1.0], [np.nan, 1.0]])
    assert group_rows(keys).tolist() == [0, 1, 0, 2, 2]


def test_shares_and_strata():
    y = np.repeat([0, 1, 2], [500, 300, 200])
    parts = split_rows(np.arange(1000), y, seed=3)
    assert [len(parts[p]) for p in PARTS] == [600, 200, 200]
    for part, share in zip(PARTS, (0.6, 0.2, 0.2), strict=True):
        np.testing.assert_array_equal(
            np.bincount(y[parts[part]]), np.array([500, 300, 200]) * share
        )


def test_every_class_of_three_groups_is_in_every_part():
    y = np.array([0] * 50 + [1] * 3 + [2] * 5)
    for seed in range(20):
        parts = split_rows(np.arange(len(y)), y, seed)
        for part in PARTS:
            assert set(y[parts[part]]) == {0, 1, 2}


def test_groups_stay_whole_and_shares_hold_with_large_groups():
    rng = np.random.default_rng(0)
    groups = group_rows(np.sort(rng.geometric(0.02, size=3000))[:, None].astype(float))
    y = rng.integers(2, size=len(groups))
    parts = split_rows(groups, y, seed=0)
    seen = [set(groups[parts[p]]) for p in PARTS]
    assert not (seen[0] & seen[1])
    assert not (seen[0] & seen[2])
    assert not (seen[1] & seen[2])
    assert len(parts["train"]) / len(y) == pytest.approx(0.6, abs=0.03)


def test_caps_are_stratified_and_keep_every_class():
    y = np.repeat([0, 1, 2], [900, 95, 5])
    kept = cap_rows(np.arange(1000), y, 100, np.random.default_rng(0))
    assert np.bincount(y[kept]).tolist() == [89, 10, 1] or np.bincount(y[kept]).tolist() == [
        90,
        9,
        1,
    ]
    assert len(np.unique(kept)) == 100
    assert set(y[cap_rows(np.arange(1000), y, 3, np.random.default_rng(0))]) == {0, 1, 2}
    with pytest.raises(TaskError, match="cap of 2 rows is fewer than the 3 classes"):
        cap_rows(np.arange(1000), y, 2, np.random.default_rng(0))


def test_load_task_caps_sizes_and_refuses_nonsense():
    task = load_task("sklearn/digits", max_train=200, max_validation=100, max_test=50)
    assert [len(getattr(task, p)) for p in PARTS] == [200, 100, 50]
    assert len(task.X) == 350
    assert (
        task.digest
        == load_task("sklearn/digits", max_train=200, max_validation=100, max_test=50).digest
    )
    whole = load_task("sklearn/digits")
    assert len(whole.train) > 1000
    with pytest.raises(TaskError, match="max_train must be a positive"):
        load_task("sklearn/digits", max_train=0)


def test_a_split_is_stable_for_a_seed_and_differs_between_seeds():
    a, b, c = (load_task("sklearn/breast_cancer", seed=s) for s in (1, 1, 2))
    assert a.digest == b.digest
    assert _rows(a, "test") != _rows(c, "test")
    assert len(a.X) == len(c.X)


@pytest.mark.parametrize("labels", ["same", "conflicting"])
def test_repeated_rows_never_leak(labels):
    rng = np.random.default_rng(5)
    values = rng.integers(0, 4, size=(2, 800)).astype(float)
    city = np.array([None, "a", "b", "c"], dtype=object)[rng.integers(4, size=800)]
    columns = [Column("p", values[0]), Column("q", values[1]), Column("city", city)]
    own = values.sum(0) > 3 if labels == "same" else rng.random(800) < 0.5
    for seed in range(5):
        task = _make(columns, [str(v) for v in own], seed)
        train, validation, test = (_rows(task, p) for p in PARTS)
        assert not (train & validation)
        assert not (train & test)
        assert not (validation & test)
        assert len(task.X) == sum(len(getattr(task, p)) for p in PARTS)


def test_rows_made_equal_by_the_encoding_leave_the_later_part():
    # Categories absent from training all become the same zeros.
    words = np.array([f"w{k // 2}" for k in range(60)], dtype=object)
    columns = [Column("word", words), Column("level", np.arange(60) % 10.0)]
    task = _make(columns, ["a", "b"] * 30)
    train, validation, test = (_rows(task, p) for p in PARTS)
    assert not (train & validation)
    assert not (train & test)
    assert not (validation & test)
    assert len(task.X) < 60
    unique = [Column("word", np.array([f"w{k}" for k in range(60)], dtype=object))]
    with pytest.raises(TaskError, match="every test row equals a row of an earlier part"):
        _make(unique, ["a", "b"] * 30)


def test_preprocessing_uses_training_rows_only():
    rng = np.random.default_rng(1)
    values = rng.normal(size=300)
    values[rng.random(300) < 0.1] = np.nan
    color = np.array(["red", "green", "blue", None], dtype=object)[rng.integers(4, size=300)]
    labels = [str(v) for v in rng.integers(3, size=300)]
    unique = Column("id", np.arange(300.0))
    task = _make([unique, Column("v", values), Column("color", color)], labels)
    outside = np.setdiff1d(np.arange(300), task.train)
    changed, recolored = values.copy(), color.copy()
    changed[outside] = 1e6
    recolored[outside] = "violet"
    other = _make([unique, Column("v", changed), Column("color", recolored)], labels)
    assert other.feature_names == task.feature_names
    np.testing.assert_array_equal(other.train, task.train)
    np.testing.assert_array_equal(other.X[other.train], task.X[task.train])
    assert not np.array_equal(other.X[other.test], task.X[task.test])
    assert np.abs(other.X).max() <= 10


def test_encoding_by_hand():
    train = np.array([True, True, True, True, False])
    X, names = encode(
        [
            Column("v", np.array([1.0, 3.0, np.nan, 3.0, 1e9])),
            Column("c", np.array(["a", "b", None, "a", "z"], dtype=object)),
            Column("two", np.array(["n", "y", "y", "n", "y"], dtype=object)),
            Column("flat", np.array([7.0, 7.0, 7.0, 7.0, 8.0])),
            Column("gone", np.array([np.nan] * 4 + [1.0])),
        ],
        train,
    )
    assert names == ["v", "c=a", "c=b", "c=missing", "two=y"]
    assert X.dtype == np.float32
    imputed = np.array([1.0, 3.0, 3.0, 3.0])
    np.testing.assert_allclose(X[:4, 0], (imputed - imputed.mean()) / imputed.std(), rtol=1e-6)
    assert X[4, 0] == 10
    np.testing.assert_allclose(X[:, 1], [1, -1, -1, 1, -1], atol=1e-6)
    np.testing.assert_allclose(X[:, 4], [-1, 1, 1, -1, 1], atol=1e-6)


def test_capped_tasks_are_standardised_by_the_capped_training_rows():
    task = _make([Column("v", np.arange(500.0) ** 2)], ["a", "b"] * 250, caps=Caps(train=50))
    X, _ = task.split("train")
    assert len(X) == 50
    assert X.mean() == pytest.approx(0, abs=1e-6)
    assert X.std() == pytest.approx(1, abs=1e-6)
