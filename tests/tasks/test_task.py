"""The Task type: validation of itself, its digest, its file."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from infoprior.tasks import Task, TaskError, load_task


@pytest.fixture(scope="module")
def wine() -> Task:
    return load_task("sklearn/wine")


def _index(*rows: int) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {"X": t.X.astype(np.float64)}, "float32"),
        (lambda t: {"X": np.where(t.X > 2, np.float32(np.nan), t.X)}, "not finite"),
        (lambda t: {"y": t.y[:-1]}, "shape"),
        (lambda t: {"y": t.y - 1}, "must lie in 0..2"),
        (lambda t: {"test": t.train}, "share one with another part"),
        (lambda t: {"train": np.repeat(t.train, 2)}, "repeat a row"),
        (lambda t: {"test": _index(10_000)}, "0..177"),
        (lambda t: {"test": _index(-1)}, "0..177"),
        (lambda t: {"validation": _index()}, "non-empty"),
        (lambda t: {"train": t.train[t.y[t.train] != 0]}, "every class"),
        (lambda t: {"feature_names": ("a",)}, "feature names"),
        (lambda t: {"kind": "imagined"}, "kind"),
    ],
)
def test_a_task_refuses_arrays_that_break_its_promises(wine, change, message):
    with pytest.raises(TaskError, match=message) as caught:
        dataclasses.replace(wine, **change(wine))
    assert "sklearn/wine" in str(caught.value)


def test_split_returns_the_indexed_rows_as_copies(wine):
    X, y = wine.split("validation")
    np.testing.assert_array_equal(X, wine.X[wine.validation])
    np.testing.assert_array_equal(y, wine.y[wine.validation])
    before = wine.digest
    X[:] = 0
    assert wine.digest == before
    with pytest.raises(TaskError, match="no part 'holdout'"):
        wine.split("holdout")


@pytest.mark.parametrize("field", ["X", "y", "test", "name"])
def test_the_digest_sees_every_change(wine, field):
    if field == "name":
        other = dataclasses.replace(wine, name="sklearn/other")
    elif field == "test":
        other = dataclasses.replace(wine, test=wine.test[:-1])
    else:
        array = getattr(wine, field).copy()
        first, second = (
            wine.train[wine.y[wine.train] == 0][0],
            wine.train[wine.y[wine.train] == 1][0],
        )
        array[[first, second]] = array[[second, first]]
        other = dataclasses.replace(wine, **{field: array})
    assert other.digest != wine.digest


def test_save_and_load_give_the_same_task_and_the_same_bytes(wine, tmp_path):
    wine.save(tmp_path / "a.safetensors")
    copy = Task.load(tmp_path / "a.safetensors")
    copy.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert copy.digest == wine.digest
    for field in dataclasses.fields(Task):
        ours, theirs = getattr(wine, field.name), getattr(copy, field.name)
        if isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert ours == theirs
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_a_failed_save_leaves_the_old_file_and_nothing_else(wine, tmp_path, monkeypatch):
    path = tmp_path / "task.safetensors"
    wine.save(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        load_task("sklearn/iris").save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_load_refuses_other_files_by_name(wine, tmp_path):
    from safetensors.numpy import save_file

    with pytest.raises(TaskError, match=r"gone\.safetensors: no such file"):
        Task.load(tmp_path / "gone.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(TaskError, match=r"text\.safetensors: not a readable task file"):
        Task.load(tmp_path / "text.safetensors")
    save_file({"X": wine.X}, tmp_path / "tensors.safetensors")
    with pytest.raises(TaskError, match=r"tensors\.safetensors: not a task file"):
        Task.load(tmp_path / "tensors.safetensors")
    wine.save(tmp_path / "task.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "task.safetensors").read_bytes()[:-100])
    with pytest.raises(TaskError, match=r"cut\.safetensors"):
        Task.load(tmp_path / "cut.safetensors")


def test_a_task_travels_to_another_process(wine):
    # What joblib does to send arguments to its workers; the bytes are this test's own.
    assert pickle.loads(pickle.dumps(wine)).digest == wine.digest  # own bytes, no file
