"""Meta-features: named, finite, deterministic, blind to test rows, right where known."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from infoprior.tasks import (
    METAFEATURES,
    Task,
    TaskError,
    _metafeatures,
    load_task,
    metafeatures,
    read_table,
    synthetic_task,
    task_columns,
)
from infoprior.tasks._discriminant import WideDiscriminant
from infoprior.tasks._metafeatures import _mean_correlation


def _task(X: np.ndarray, y: np.ndarray) -> Task:
    n = len(X)
    parts = np.split(np.arange(n, dtype=np.int64), [n // 2, 3 * n // 4])
    return Task(
        "t/t", "t", "here", "real", X.astype(np.float32), y.astype(np.int64), *parts,
        tuple(f"x{k}" for k in range(X.shape[1])), tuple(str(c) for c in range(y.max() + 1)),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["sklearn/iris", "sklearn/digits", "synthetic/3", "synthetic/14"])
def test_named_finite_and_deterministic(name):
    task = load_task(name)
    values = metafeatures(task)
    assert tuple(values) == METAFEATURES
    assert all(isinstance(v, float) and np.isfinite(v) for v in values.values())
    assert values == metafeatures(task)


@pytest.mark.parametrize("name", ["sklearn/wine", "synthetic/6"])
def test_test_rows_are_not_read(name):
    task = load_task(name)
    X, y = task.X.copy(), task.y.copy()
    X[task.test] = 9
    y[task.test] = 0
    assert metafeatures(dataclasses.replace(task, X=X, y=y)) == metafeatures(task)


def test_values_known_in_advance():
    rng = np.random.default_rng(0)
    y = np.arange(4000) % 4
    X = rng.normal(size=(4000, 5))
    X[:, 4] = X[:, 3]
    values = metafeatures(_task(X, y))
    assert values["log_rows"] == pytest.approx(np.log(2000))
    assert values["log_classes"] == pytest.approx(np.log(4))
    assert values["class_entropy"] == pytest.approx(1)
    assert values["minority_share"] == pytest.approx(1)
    assert values["kurtosis"] == pytest.approx(np.log(4), abs=0.1)
    assert values["skewness"] < 0.2
    assert values["correlation"] == pytest.approx(0.1, abs=0.04)  # one pair of ten is equal
    assert values["pca_95"] == pytest.approx(0.8)  # four of five components
    assert values["binary_fraction"] == 0
    assert values["class_signal_max"] < 0.05
    for name in METAFEATURES:
        if name.startswith("landmark"):
            assert values[name] == pytest.approx(0.25, abs=0.06)  # nothing to learn


def test_landmarkers_find_what_they_are_made_for():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(2000, 4))
    X[:, 3] = rng.integers(2, size=2000)
    separated = metafeatures(_task(X, (X[:, 0] + X[:, 1] > 0).astype(int)))
    assert separated["landmark_linear"] > 0.95
    assert separated["binary_fraction"] == pytest.approx(0.25)
    stump = metafeatures(_task(X, (X[:, 2] > 0.3).astype(int)))
    assert stump["landmark_tree"] > 0.97
    ring = metafeatures(_task(X, (X[:, 0] ** 2 > 0.5).astype(int)))
    assert ring["landmark_bayes"] > ring["landmark_linear"] + 0.2


def test_fast_at_a_thousand_rows():
    task = synthetic_task(8, n_train=1000, n_validation=333, n_test=10)
    metafeatures(task)  # imports
    begin = time.process_time()
    metafeatures(task)
    assert time.process_time() - begin < 1.0  # 0.1 s alone; room for a busy machine


def _scattered(n_classes: int, rows_per_class: int, path) -> Task:
    n = n_classes * rows_per_class
    lines = [f"{i * 0.377 % 1:.5f},{i * 0.619 % 1:.5f},c{i % n_classes}" for i in range(n)]
    path.write_text("a,b,y\n" + "\n".join(lines) + "\n")
    return read_table(path, "y")


@pytest.mark.parametrize("n_classes", [2, 30])
def test_one_training_row_a_class_leaves_the_discriminant_at_chance(tmp_path, n_classes):
    task = _scattered(n_classes, 3, tmp_path / "t.csv")
    assert len(task.train) == task.n_classes
    values = metafeatures(task)
    assert all(np.isfinite(v) for v in values.values())
    assert values["landmark_linear"] == pytest.approx(1 / n_classes)
    assert task_columns(task)["mf_landmark_linear"] == values["landmark_linear"]


@pytest.mark.parametrize("name", ["sklearn/digits", "digits-image/0123456789/4"])
@pytest.mark.parametrize("rows", [10, 11])
def test_a_cap_at_the_number_of_classes_leaves_a_description(name, rows):
    values = metafeatures(load_task(name, max_train=rows))
    assert all(np.isfinite(v) for v in values.values())


def test_a_cap_below_the_number_of_classes_is_named(tmp_path):
    for load in (
        lambda: load_task("sklearn/digits", max_train=9),
        lambda: load_task("digits-image/0123456789/4", max_validation=9),
    ):
        with pytest.raises(
            TaskError, match=r"max_(train|validation)=9 is fewer rows than .* \(10\)"
        ):
            load()


@pytest.mark.parametrize(("n", "d", "classes"), [(60, 90, 2), (50, 400, 4), (30, 31, 3)])
def test_discriminants_of_wide_tables_are_those_of_scikit_learn(n, d, classes):
    rng = np.random.default_rng(n)
    y, y_new = (np.arange(m) % classes for m in (n, 500))
    X, X_new = (rng.normal(size=(len(labels), d)) for labels in (y, y_new))
    X[:, 0] += y
    X_new[:, 0] += y_new
    own = WideDiscriminant(0.05).fit(X, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05).fit(X, y)
    scores = X_new @ own.coefficients.T + own.intercepts
    decisions = scores[:, 1] - scores[:, 0] if classes == 2 else scores
    np.testing.assert_allclose(decisions, theirs.decision_function(X_new), rtol=1e-7, atol=1e-9)
    assert own.score(X_new, y_new) == theirs.score(X_new, y_new)


def test_discriminants_of_columns_that_only_tell_classes_apart_say_the_commonest_class():
    y = np.array([0, 0, 1])
    own = WideDiscriminant(0.05).fit(np.tile(y[:, None], 7), y)
    assert own.score(np.ones((4, 7)), np.array([0, 0, 1, 1])) == 0.5


@pytest.mark.parametrize("binary", [False, True])
def test_thousands_of_columns_take_seconds(binary):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(200, 5000)) if binary else rng.normal(size=(200, 5000))
    X[:, 0] = np.arange(200) % 3
    start = time.process_time()
    values = metafeatures(_task(X, np.arange(200) % 3))
    assert time.process_time() - start < 10.0  # 45 where a matrix of all columns is inverted
    assert values["landmark_tree"] == 1.0


def test_correlations_are_the_same_in_any_number_of_blocks(monkeypatch):
    z = np.random.default_rng(0).normal(size=(40, 25))
    z = (z - z.mean(0)) / z.std(0)
    whole = np.abs(np.corrcoef(z.T))
    expected = (whole.sum() - 25) / (25 * 24)
    assert _mean_correlation(z) == pytest.approx(expected)
    monkeypatch.setattr(_metafeatures, "_COLUMNS_AT_ONCE", 7)
    assert _mean_correlation(z) == pytest.approx(expected)
