"""Round trips are exact; anything else than a prior's file is refused, naming the field."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.priors import Prior, PriorError
from infoprior.priors._mixture.json_file import MAX_BYTES
from tests.priors.spaces import EVERY_KIND, prior_over


def test_round_trip_is_exact(prior: Prior, tmp_path: Path) -> None:
    prior = prior.with_metadata(task="keel/letter", seed=3, score=0.1 + 0.2)
    path = tmp_path / "prior.json"
    prior.save(path)
    back = Prior.load(path)
    assert back == prior
    assert back.to_dict() == prior.to_dict() == Prior.from_dict(prior.to_dict()).to_dict()
    assert back.space == prior.space
    points = prior.sample(100, np.random.default_rng(0))
    assert np.array_equal(back.log_prob(points), prior.log_prob(points))
    assert back.sample(100, np.random.default_rng(0)) == points
    first = path.read_bytes()
    back.save(path)
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["prior.json"]


@pytest.mark.parametrize("make", [Prior.uniform, lambda space: prior_over(space, n=1)])
def test_small_priors_round_trip(make: Callable[..., Prior], tmp_path: Path) -> None:
    prior = make(EVERY_KIND)
    prior.save(tmp_path / "prior.json")
    assert Prior.load(tmp_path / "prior.json") == prior


def test_the_file_is_readable(prior: Prior, tmp_path: Path) -> None:
    prior.save(tmp_path / "prior.json")
    text = (tmp_path / "prior.json").read_text()
    assert json.loads(text)["format"] == "infoprior.prior"
    assert max(len(line) for line in text.splitlines()) < 2000
    assert len(text.splitlines()) > len(EVERY_KIND) + prior.n_components


def test_a_failed_save_leaves_the_old_file(
    prior: Prior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prior.json"
    path.write_text("old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        prior.save(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["prior.json"]


def document() -> dict[str, Any]:
    space = {
        "x": FloatDistribution(0.0, 1.0),
        "k": IntDistribution(1, 9, step=2),
        "c": CategoricalDistribution(["a", "b"]),
    }
    points = [{"x": 0.5, "k": 3, "c": "a"}, {"x": 0.1, "k": 1, "c": "b"}]
    return json.loads(json.dumps(Prior.from_points(space, points).to_dict()))


def put(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(target: Any) -> None:
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value

    return edit


def drop(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def edit(target: Any) -> None:
        for key in keys[:-1]:
            target = target[key]
        del target[keys[-1]]

    return edit


FIRST = ("components", 0)
X, K, C = (("space", n, "attributes") for n in "xkc")
HOSTILE: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("format", put("format", value="pickle")),
    ("format", drop("format")),
    ("version", put("version", value=3)),
    ("version", put("version", value=True)),
    ("version", put("version", value=1.0)),
    ("document.*unknown.*extra", put("extra", value=1)),
    ("document.*missing.*metadata", drop("metadata")),
    ("floor", put("floor", value=0)),
    ("floor", put("floor", value=-0.1)),
    ("floor", put("floor", value=1.5)),
    ("floor", put("floor", value=True)),
    ("floor", put("floor", value="0.1")),
    ("floor", put("floor", value=float("nan"))),
    ("floor", put("floor", value=10**400)),
    ("floor", put("floor", value=None)),
    ("metadata", put("metadata", value=[])),
    ("metadata.*'a'", put("metadata", value={"a": {}})),
    ("metadata.*'a'", put("metadata", value={"a": True})),
    ("metadata.*'a'", put("metadata", value={"a": float("inf")})),
    ("space", put("space", value=[])),
    ("space", put("space", value={})),
    ("space: 'x'", put("space", "x", value=1)),
    ("space: 'x'.*unknown", put("space", "x", "z", value=1)),
    ("space: 'x'.*distribution", put("space", "x", "name", value="UniformDistribution")),
    ("space: 'x'.*distribution", put("space", "x", "name", value=["os.system"])),
    ("space: 'x'.*low", put(*X, "low", value="0")),
    ("space: 'x'.*low", put(*X, "low", value=float("-inf"))),
    ("space: 'x'.*low", put(*X, "low", value=5.0)),
    ("space: 'x'.*log", put(*X, "log", value=1)),
    ("space: 'x'.*low", put(*X, "log", value=True)),
    ("space: 'x'.*step", put(*X, "step", value=-1.0)),
    ("space: 'x'.*unknown.*__class__", put(*X, "__class__", value="x")),
    ("space: 'k'.*high", put(*K, "high", value=9.0)),
    ("space: 'k'.*high", put(*K, "high", value=True)),
    ("space: 'k'", put(*K, "high", value=10)),
    ("space: 'k'.*step", put(*K, "step", value=None)),
    ("'k'", put(*K, "high", value=10**60 + 1)),
    ("space: 'c'.*choices", put(*C, "choices", value=[])),
    ("space: 'c'.*choices", put(*C, "choices", value="ab")),
    ("space: 'c'.*choices", put(*C, "choices", value=[["a"], "b"])),
    ("'c'.*equal", put(*C, "choices", value=["a", "a"])),
    ("components", put("components", value={})),
    ("components", put("components", value=[])),
    ("components.*10000", put("components", value=[{}] * 10_001)),
    (r"components\[0\]", put(*FIRST, value=3)),
    (r"components\[0\].*missing.*weight", drop(*FIRST, "weight")),
    (r"components\[0\].*unknown", put(*FIRST, "extra", value=3)),
    (r"components\[0\]: weight", put(*FIRST, "weight", value=-0.5)),
    (r"components\[0\]: weight", put(*FIRST, "weight", value=True)),
    (r"components\[0\]: weight", put(*FIRST, "weight", value=float("nan"))),
    ("weights.*sum", put(*FIRST, "weight", value=0.9)),
    (r"components\[0\]: kernels", put(*FIRST, "kernels", value=None)),
    (r"components\[0\]: kernels.*missing.*'x'", drop(*FIRST, "kernels", "x")),
    (r"components\[0\]: kernels.*unknown.*'z'", put(*FIRST, "kernels", "z", value={})),
    (r"\[0\].*'x'.*keys", put(*FIRST, "kernels", "x", value={"probabilities": [1.0]})),
    (r"\[0\].*'c'.*keys", put(*FIRST, "kernels", "c", value={"center": 0.5, "width": 0.1})),
    (r"\[0\].*'x'.*center", put(*FIRST, "kernels", "x", "center", value=1.01)),
    (r"\[0\].*'x'.*center", put(*FIRST, "kernels", "x", "center", value=-1e-9)),
    (r"\[0\].*'x'.*center", put(*FIRST, "kernels", "x", "center", value=False)),
    ("'x'.*width", put(*FIRST, "kernels", "x", "width", value=0.0)),
    ("'x'.*width", put(*FIRST, "kernels", "x", "width", value=1e9)),
    (r"\[0\].*'x'.*width", put(*FIRST, "kernels", "x", "width", value="wide")),
    (r"\[0\].*'c'.*prob", put(*FIRST, "kernels", "c", "probabilities", value=[1.0])),
    (r"'c'.*prob", put(*FIRST, "kernels", "c", "probabilities", value=[0.5, 0.6])),
    (r"'c'.*prob", put(*FIRST, "kernels", "c", "probabilities", value=[1.5, -0.5])),
    (r"\[0\].*'c'.*prob", put(*FIRST, "kernels", "c", "probabilities", value=[True, 0])),
    (r"\[0\].*'c'.*prob", put(*FIRST, "kernels", "c", "probabilities", value={"a": 1})),
]


@pytest.mark.parametrize(("message", "edit"), HOSTILE)
def test_hostile_documents_are_refused(
    message: str, edit: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    good = document()
    bad = copy.deepcopy(good)
    edit(bad)
    with pytest.raises(PriorError, match=message):
        Prior.from_dict(bad)
    path = tmp_path / "prior.json"
    path.write_text(json.dumps(bad))  # NaN and inf as Python's json writes them
    with pytest.raises(PriorError):
        Prior.load(path)
    assert Prior.from_dict(good).to_dict() == good


def second_version() -> dict[str, Any]:
    """A file with a centre outside [0, 1], a large width and a table."""
    prior = Prior.from_dict(document()).restrict(
        {
            "x": FloatDistribution(0.3, 0.3005),
            "k": IntDistribution(1, 9, step=4),
            "c": CategoricalDistribution("ab"),
        }
    )
    return json.loads(json.dumps(prior.to_dict()))


TABLE = ("components", 0, "kernels", "k")
SECOND: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    (r"components\[0\].*'x'", put("version", value=1)),
    (r"components\[0\].*'k'.*keys", put(*TABLE, value={"center": 0.5})),
    (r"components\[1\].*'k'.*keys", put(*TABLE, value={"center": 0.5, "width": 1.0})),
    (r"\[0\].*'k'.*list of 3", put(*TABLE, "probabilities", value=[1.0])),
    (r"\[0\].*'k'.*prob", put(*TABLE, "probabilities", value=[True, 0, 0])),
    ("'k'.*sum to one", put(*TABLE, "probabilities", value=[0.5, 0.5, 0.5])),
    ("'k'.*outside", put(*TABLE, "probabilities", value=[1.5, -0.5, 0.0])),
    (r"\[0\].*'x'.*keys", put(*FIRST, "kernels", "x", value={"probabilities": [1.0]})),
    (r"\[0\].*'x'.*center", put(*FIRST, "kernels", "x", "center", value=float("nan"))),
    ("'x'.*center more than", put(*FIRST, "kernels", "x", "center", value=-1e9)),
    ("'x'.*width", put(*FIRST, "kernels", "x", "width", value=1e13)),
    ("'x'.*width", put(*FIRST, "kernels", "x", "width", value=0.0)),
    (r"components\[0\]", put(*FIRST, value=3)),
    (r"components\[0\]: kernels", put(*FIRST, "kernels", value=[])),
]


@pytest.mark.parametrize(("message", "edit"), SECOND)
def test_hostile_documents_of_the_second_version_are_refused(
    message: str, edit: Callable[[dict[str, Any]], None]
) -> None:
    good = second_version()
    assert good["version"] == 2
    assert not 0.0 <= good["components"][0]["kernels"]["x"]["center"] <= 1.0
    assert good["components"][0]["kernels"]["x"]["width"] > 100
    assert Prior.from_dict(good).to_dict() == good
    edit(good)
    with pytest.raises(PriorError, match=message):
        Prior.from_dict(good)


def test_what_version_one_can_hold_is_written_as_version_one(prior: Prior) -> None:
    """So that older releases read it, and files of priors as they were keep their bytes."""
    assert prior.to_dict()["version"] == 1
    assert Prior.uniform(prior.space).to_dict()["version"] == 1
    assert Prior.from_dict({**prior.to_dict(), "version": 2}) == prior


@pytest.mark.parametrize("value", [None, 3, "prior", [], True])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(PriorError, match="document"):
        Prior.from_dict(value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"\x80\x04\x95pickle", "not JSON"),
        (b'{"format": "infoprior.prior"', "not JSON"),
        (b'{"floor": NaN}', "NaN"),
        (b'{"floor": -Infinity}', "Infinity"),
        (b'{"floor": 0.1, "floor": 0.9}', "'floor' is there twice"),
        (b"[" * 200_000 + b"]" * 200_000, "nested too deeply|document"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply|format"),
        (b'{"floor": ' + b"9" * 10_000 + b"}", "not JSON|format"),
        (b" " * (MAX_BYTES + 1), "larger than"),
    ],
    ids=[
        "empty",
        "pickle",
        "cut",
        "nan",
        "inf",
        "twice",
        "deep-list",
        "deep-dict",
        "digits",
        "big",
    ],
)
def test_hostile_files_are_refused(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "prior.json"
    path.write_bytes(data)
    with pytest.raises(PriorError, match=message):
        Prior.load(path)


def test_numbers_that_overflow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "prior.json"
    path.write_text(json.dumps(document()).replace('"floor": 0.1', '"floor": 1e999'))
    with pytest.raises(PriorError, match="floor"):
        Prior.load(path)
