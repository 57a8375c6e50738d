"""Wrong arguments are refused by name, with the room's own error."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from infoprior.tasks import (
    Task,
    TaskError,
    load_task,
    metafeatures,
    read_table,
    synthetic_task,
    task_columns,
)

NAN = float("nan")
TABLE = {
    "target": [2, None, ["y"], b"y", "", "Y"],
    "seed": [-1, 1.5, True, None, "0"],
    "drop": [5, None, [1], b"a", ["A"], ["y"]],
    "categorical": [7, [None], ["zip"], ["y"]],
    "max_categories": [0, -3, NAN, 2.5, True, "9"],
    "separator": ["::", "", "\n", '"', 5, "\\t"],
    "decimal": [";", "", 5, True],
    "fractions": [
        (0.5, 0.5, NAN), (1.2, -0.1, -0.1), (0, 0, 0), (0.5, 0.5), (0.6, 0.2, 0.3), 0.5, None,
        "abc", ("0.6", "0.2", "0.2"), (1, 0, 0),
    ],
    "max_train": [0, -1, 1.5, True, "5", 1],
    "max_validation": [0, 1],
    "max_test": [float("inf"), 1],
}  # fmt: skip


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{i * 7 % 11},{i},{'uv'[i % 2]}\n" for i in range(60)))
    return path


@pytest.mark.parametrize(
    ("argument", "value"), [(name, value) for name, values in TABLE.items() for value in values]
)
def test_read_table_names_the_argument(table, argument, value):
    with pytest.raises(TaskError, match=argument):
        read_table(table, **{"target": "y", argument: value})


def test_read_table_takes_numpy_numbers_and_one_name(table):
    given = {"seed": np.int64(3), "max_train": np.int32(20), "fractions": np.array([0.5, 0.3, 0.2])}
    task = read_table(table, "y", drop="a", **given)
    assert task.feature_names == ("b",)
    assert len(task.train) == 20


def test_a_column_cannot_be_dropped_and_categorical(table):
    with pytest.raises(TaskError, match="'a' is named in drop and in categorical"):
        read_table(table, "y", drop=["a"], categorical=["a"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        *[(path, "path must be") for path in (None, 5, b"t.csv", "", "a\0b.csv")],
        ("https://example.org/t.csv", "is an address, not a file"),
        ("nowhere.csv", "no such file"),
        (".", "is not a file"),
        ("x" * 5000 + ".csv", "check the path"),
    ],
)
def test_paths_that_are_no_files(path, message):
    with pytest.raises(TaskError, match=message):
        read_table(path, "y")


@pytest.mark.parametrize("name", [None, 5, ["sklearn/iris"], "", "synthetic/" + "9" * 5000])
def test_load_task_refuses_what_is_no_name(name):
    with pytest.raises(TaskError):
        load_task(name)


@pytest.mark.parametrize("name", ["sklearn/iris", "synthetic/2", "digits-image/01/8"])
@pytest.mark.parametrize(
    "given", [{"seed": -1}, {"seed": 1.5}, {"seed": True}, {"max_train": 1.5}, {"max_test": True}]
)
def test_load_task_names_the_argument(name, given):
    with pytest.raises(TaskError, match=next(iter(given))):
        load_task(name, **given)


@pytest.mark.parametrize(
    "given",
    [
        {"seed": -1},
        {"draw": 1.5},
        {"draw": True},
        {"n_train": 1.5},
        {"n_test": None},
        {"n_test": 0},
    ],
)
def test_synthetic_task_names_the_argument(given):
    with pytest.raises(TaskError, match=next(iter(given))):
        synthetic_task(2, **given)
    for index in (-1, 1.5, True, "3", None):
        with pytest.raises(TaskError, match="numbered from 0"):
            synthetic_task(index)


@pytest.mark.parametrize("call", [metafeatures, task_columns])
def test_meta_features_are_of_tasks(call):
    for thing in (None, "sklearn/iris", np.ones((3, 3))):
        with pytest.raises(TaskError, match="describe a Task"):
            call(thing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": [[1.0]]}, "X must be a NumPy array"),
        ({"y": [0, 1]}, "y must be a NumPy array"),
        ({"train": [0, 1]}, "train must be a NumPy array"),
        ({"name": 5}, "name must be a text"),
        ({"feature_names": "abcd"}, "feature_names must be a tuple"),
        ({"class_names": (1, 2, 3)}, "class_names must be a tuple"),
        ({"class_names": ("a", "a", "b")}, "same name"),
    ],
)
def test_a_task_is_made_of_arrays_and_texts(change, message):
    with pytest.raises(TaskError, match=message):
        dataclasses.replace(load_task("sklearn/iris"), **change)


def test_a_mask_is_not_ignored():
    task = load_task("sklearn/iris")
    with pytest.raises(TaskError, match="without a mask"):
        dataclasses.replace(task, X=np.ma.masked_array(task.X, task.X > 1))


def test_places_that_no_task_can_be_saved_to_or_loaded_from(tmp_path):
    task = load_task("sklearn/iris")
    with pytest.raises(TaskError, match="does not exist; make it first"):
        task.save(tmp_path / "no" / "t.safetensors")
    with pytest.raises(TaskError, match="is a folder"):
        task.save(tmp_path)
    with pytest.raises(TaskError, match="path must be"):
        Task.load(5)
