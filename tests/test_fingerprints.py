"""Fingerprints: another one for every other value, the same one in every process."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import json
import os
import subprocess
import sys
import uuid
import zoneinfo
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from infoprior.fingerprints import FingerprintError, SourceError, fingerprint, source_fingerprint
from infoprior.parallel import run_jobs

TOP = Path(__file__).parents[1]
FACE = "\N{GRINNING FACE}"
HALVES = "\ud83d\ude00"  # what JSON writes for it


@dataclasses.dataclass
class Settings:
    rate: Any
    steps: int = 3


@dataclasses.dataclass(frozen=True)
class Others:
    rate: Any
    steps: int = 3


@dataclasses.dataclass
class Scaled:
    rate: float
    scale: dataclasses.InitVar[float] = 1.0

    def __post_init__(self, scale: float) -> None:
        self.scaled = self.rate * scale

    @functools.cached_property
    def square(self) -> float:
        return self.rate**2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    ONE = "1"


Pair = collections.namedtuple("Pair", ["x", "y"])
Point = collections.namedtuple("Point", ["x", "z"])
ZURICH = zoneinfo.ZoneInfo("Europe/Zurich")


def changed(array: np.ndarray, place: Any, value: Any) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


BIG = np.zeros((300, 50))
FRAME = pd.DataFrame({"v": range(200), "w": "x"})

DIFFERENT: dict[str, list[Any]] = {
    "ones": [1, 1.0, True, "1", b"1", bytearray(b"1"), 1 + 0j, [1], (1,), {1}, frozenset({1}),
             decimal.Decimal(1), decimal.Decimal("1.0"), fractions.Fraction(1), Level.LOW, Word.ONE,
             Path("1"), PurePosixPath("1"), range(1), slice(1), uuid.UUID(int=1)],
    "numbers": [0, -0.0, 0.0, 2**53, 2**53 + 1, float(2**53), 0.1, 0.1 + 2**-56, 10**6000,
                10**6000 + 1, float("nan"), float("inf"), -float("inf"), "NaN", "Infinity", None,
                "null", False, "false"],
    "decimals": [*map(decimal.Decimal, ("1e5", "100000", "NaN", "-NaN", "Infinity", "-0", "0"))],
    "texts": [FACE, HALVES, HALVES[:1], HALVES[1:], "é", "e\u0301", "\\u00e9", "", " ", "a", "A"],
    "keys": [{"1": 0}, {1: 0}, {1.0: 0}, {True: 0}, {None: 0}, {"null": 0}, {(1,): 0}, {"(1,)": 0},
             {FACE: 0}, {HALVES: 0}, {b"1": 0}, {"1": 0, 1: 0}, {Level.LOW: 0}],
    "nesting": [[], {}, (), set(), [[]], [{}], [[1], 2], [1, [2]], [1, 2], ["1,2"],
                [[1, 2]], [1, 2, []], {"a": {"b": 1}}, {"a": 1, "b": 1}, {"a": [{"b": 1}]},
                {"a": ({"b": 1},)}],
    "sets": [{1, 2}, {"1", "2"}, {1, 2, 3}, frozenset({1, 2}), [1, 2]],
    "times": [datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1), "2020-01-01",
              datetime.datetime(2020, 1, 1, fold=1), datetime.datetime(2020, 1, 1, 0, 0, 0, 1),
              datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
              datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
              datetime.datetime(2020, 1, 1, tzinfo=ZURICH), datetime.time(1), datetime.timedelta(1),
              datetime.timezone(datetime.timedelta(hours=1)), ZURICH,
              pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01T00:00:00.000000001"),
              pd.Timestamp("2020-01-01", tz="Europe/Zurich"), np.datetime64("2020-01-01"),
              np.datetime64("2020-01-01", "ns"), np.datetime64("NaT"), pd.NaT, pd.NA,
              pd.Timedelta(1), pd.Timedelta(2), pd.Period("2020", "Y"), pd.Period("2020", "M"),
              pd.Interval(0, 1)],
    "dataclasses": [Settings(1), Settings(1.0), Settings(1, 4), Others(1), Settings([1]),
                    Settings(BIG), Settings(changed(BIG, (150, 25), 1e-9)), {"rate": 1, "steps": 3},
                    Scaled(2.0), Scaled(2.0, 3.0), Pair(1, 2), Point(1, 2), (1, 2)],
    "scalars": [1, *(kind(1) for kind in (np.int8, np.int64, np.uint64, np.float16, np.float32,
                np.float64, np.longdouble, np.complex128, np.bool_, np.str_, np.bytes_)),
                np.array(1), np.array([1]), torch.tensor(1),
                np.longdouble(1) + np.longdouble(2)**-60],
    "arrays": [BIG, changed(BIG, (150, 25), 1e-300), changed(BIG, (150, 26), 1e-300), BIG.T,
               BIG.ravel(), BIG.astype(np.float32), BIG.astype(int), BIG.tolist(), -BIG,
               BIG.astype(">f8"),
               changed(BIG, (150, 25), np.nan), np.zeros((0, 2)), np.zeros((2, 0)), np.array([]),
               np.array([0.123456789]), np.array([0.1234567891]), str(BIG)],
    "arrays of other things": [
        np.array(["1"]), np.array(["1"], object), np.array([1], object), np.array([True], object),
        np.array(["1"], np.dtypes.StringDType()), np.array([b"1"]), np.array([[1], [2, 3]], object),
        np.array([("1", 1)], [("a", "U1"), ("b", int)]),
        np.array([("1", 1)], [("a", "U1"), ("c", int)]),
        np.array([("1", 2)], [("a", "U1"), ("b", int)]), np.array(["2020"], "M8[D]"),
        np.array(["2020"], "M8[s]"), np.array([18262], "m8[D]"), np.ma.array([1], mask=[False]),
        np.ma.array([1], mask=[True]), np.dtype("f4"), np.dtype("f8")],
    "tensors": [torch.zeros(5000), torch.zeros(5000).index_fill(0, torch.tensor([2500]), 1e-9),
                torch.zeros(50, 100), torch.zeros(5000, dtype=torch.float64),
                torch.zeros(5000, dtype=torch.bfloat16), torch.zeros(5000, dtype=torch.float16),
                torch.nn.Parameter(torch.zeros(5000)), torch.zeros(0), torch.zeros(0, 2),
                np.zeros(5000), torch.tensor([1 + 1j]), torch.tensor([1 + 1j]).conj(),
                torch.tensor([True]),
                torch.float32, torch.float64, "torch.float32"],
    "frames": [FRAME, FRAME.replace({"v": {100: -1}}), FRAME.astype({"v": float}),
               FRAME.rename(columns={"w": "u"}), FRAME[["w", "v"]],
               FRAME.set_index("v", drop=False),
               FRAME.astype({"w": "category"}), FRAME.astype({"w": "string"}), FRAME.iloc[::-1],
               FRAME.astype({"v": "Int64"}),
               FRAME.astype({"v": "Int64"}).replace({"v": {100: pd.NA}}),
               pd.DataFrame([[1, 2]], columns=["a", "a"]),
               pd.DataFrame([[2, 2]], columns=["a", "a"]),
               pd.DataFrame(), pd.DataFrame(index=[0]), FRAME.to_dict("list")],
    "series": [pd.Series([1]), pd.Series([1.0]), pd.Series(["1"]), pd.Series([1], name="a"),
               pd.Series([1], index=["0"]), pd.Series([1], dtype="Int64"),
               pd.Series([None], dtype="Int64"),
               pd.Series([0], dtype="Int64"), pd.Series([True], dtype="boolean"),
               pd.Series([1], dtype="category"), pd.Series(pd.Categorical(["1"], ordered=True)),
               pd.Series(pd.Categorical(["1"], ["1", "2"])), pd.Series([[1]]), pd.Index([1]),
               pd.Index([1], name="a"), pd.Index([1.0]), pd.RangeIndex(1, 2), pd.array([1]),
               pd.MultiIndex.from_tuples([(1, 2)]), pd.MultiIndex.from_tuples([(1, 3)]),
               pd.date_range("2020", periods=2), pd.date_range("2020", periods=2, tz="UTC"),
               pd.Series(pd.date_range("2020", periods=2, tz="UTC")),
               pd.Series(pd.date_range("2020", periods=2, tz="Europe/Zurich")),
               pd.period_range("2020", periods=2, freq="D"), pd.interval_range(0, 2)],
}  # fmt: skip


@pytest.mark.parametrize("kind", DIFFERENT)
def test_values_that_differ_have_different_fingerprints(kind: str) -> None:
    values = DIFFERENT[kind]
    prints = [fingerprint(value) for value in values]
    for i, print_ in enumerate(prints):
        assert prints.index(print_) == i, f"{values[i]!r} and {values[prints.index(print_)]!r}"
        assert fingerprint(values[i]) == print_
        # Wherever they stand.
        assert fingerprint([values[i]]) != print_
        assert fingerprint({"a": [0, values[i]]}) == fingerprint({"a": [0, values[i]]})
    nested = {fingerprint({"a": (value, 0)}) for value in values}
    assert len(nested) == len(values)


def test_parts_are_not_run_together() -> None:
    parts = [("ab", "c"), ("a", "bc"), ("abc",), (["ab", "c"],), ("ab,c",), ('ab","c',), (), ([],)]
    assert len({fingerprint(*some) for some in parts}) == len(parts)


def test_what_says_the_same_has_the_same_fingerprint(tmp_path: Path) -> None:
    assert fingerprint({"a": 1, "b": 2.0}) == fingerprint({"b": 2.0, "a": 1})
    assert fingerprint({1: "x", "1": "y"}) == fingerprint({"1": "y", 1: "x"})
    assert fingerprint({"a", "b", "c"}) == fingerprint({"c", "b", "a"})
    array = np.arange(24.0).reshape(4, 6)
    np.save(tmp_path / "a.npy", array)
    strided = np.repeat(array, 2, axis=1)[:, ::2]
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    same = [np.asfortranarray(array), strided, mapped, array[::-1][::-1]]
    assert {fingerprint(other) for other in same} == {fingerprint(array)}
    tensor = torch.arange(24.0).reshape(4, 6)
    assert fingerprint(tensor) == fingerprint(tensor.T.contiguous().T)
    one, two = Scaled(2.0, 3.0), Scaled(2.0, 3.0)
    assert two.square == 4.0  # what is only cached does not count
    assert fingerprint(one) == fingerprint(two)
    gaps = np.dtype({"names": ["a"], "formats": ["i1"], "offsets": [3], "itemsize": 8})
    full, empty = np.full(8, 255, np.uint8).view(gaps), np.zeros(8, np.uint8).view(gaps)
    full["a"] = 0
    assert fingerprint(full) == fingerprint(empty)  # between the fields is nothing


def test_plain_json_keeps_the_fingerprints_that_published_rows_have() -> None:
    parts = [2, "mlp", {"b": [1.5, None, True], "a": {"é": "é", "z": -0.0}}, 10**30, 1e22, []]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    sha = hashlib.sha256(text.encode()).hexdigest()
    assert fingerprint(*parts) == sha[:16]
    assert fingerprint(*parts, length=64) == sha


def test_another_process_gives_the_same() -> None:
    values = '{"b", "a", "c"}, frozenset("xyz"), {"k": {1, "1"}}, np.array(["a", None], object)'
    program = "import numpy as np; from infoprior.fingerprints import fingerprint; print({})"
    program = program.format(f"[fingerprint(v) for v in [{values}]]")
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(TOP)}
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, env=environment, cwd=TOP, capture_output=True, check=True)
    here = [fingerprint(value) for value in eval(values)]
    assert out.stdout.decode().strip() == str(here)


class Thing:
    pass


class Numbers(np.ndarray):
    pass


class Many(list):
    pass


def refused() -> dict[str, Any]:
    holds_itself: list[Any] = []
    holds_itself.append(holds_itself)
    deep: list[Any] = []
    for _ in range(10**5):
        deep = [deep]
    return {
        "an object": Thing(),
        "a class": Thing,
        "a function": len,
        "a lambda": lambda: 1,
        "a generator": (x for x in ()),
        "a network": torch.nn.Linear(1, 1),
        "a random generator": np.random.default_rng(0),
        "a subclass of list": Many([1]),
        "a subclass of ndarray": np.zeros(1).view(Numbers),
        "a default dict": collections.defaultdict(int),
        "sparse": torch.ones(2).to_sparse(),
        "without numbers": torch.empty(2, device="meta"),
        "an array of objects": np.array([Thing()]),
        "a series of objects": pd.Series([Thing()]),
        "itself": holds_itself,
        "deep": deep,
    }


@pytest.mark.parametrize("name", refused())
def test_what_does_not_say_what_is_in_it_is_refused(name: str) -> None:
    value = refused()[name]
    with pytest.raises(FingerprintError, match=r"^fingerprint: parts"):
        fingerprint(1, value)
    with pytest.raises(ValueError, match=r"^fingerprint: parts"):
        fingerprint({"a": [value]})


def test_the_message_says_where_it_is_and_what_to_give_instead() -> None:
    says = r"parts\[1\]\['model'\]\[0\] is a .*\.Thing, which has no fingerprint: give the values"
    with pytest.raises(FingerprintError, match=says):
        fingerprint(1, {"model": [Thing()]})


@pytest.mark.parametrize("length", [0, -1, 7, 65, 16.0, "16", None, True])
def test_lengths_that_cannot_be_are_refused(length: Any) -> None:
    with pytest.raises(FingerprintError, match=r"^length: needs a whole number, 8 to 64"):
        fingerprint(1, length=length)
    with pytest.raises(FingerprintError, match=r"^length: "):
        source_fingerprint("infoprior.spaces", length=length)


def total(values: np.ndarray) -> float:
    return float(np.sum(values))


def test_every_job_gets_the_result_of_its_own_data(tmp_path: Path) -> None:
    for i in range(5):
        data = changed(BIG, (150, 25), i)
        key = f"total-{fingerprint(data)}"
        (result,) = run_jobs(total, {key: (data,)}, directory=tmp_path, progress=False).values()
        assert result == i


# ---- sources


def test_sources_follow_every_file_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_sources"
    (package / "inner" / "deep").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/deep/__init__.py", "inner/deep/a.py"):
        (package / name).write_text("")
    (tmp_path / "one_module.py").write_text("")
    (tmp_path / "no_init").mkdir()
    (tmp_path / "no_init" / "b.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ("some_sources", "some_sources.inner", "one_module", "no_init")
    before = {name: source_fingerprint(name) for name in names}
    assert len(set(before.values())) == len(names)
    (package / "inner/deep/a.py").write_text("A = 1\n")
    after = {name: source_fingerprint(name) for name in names}
    differ = {name for name in names if before[name] != after[name]}
    assert differ == {"some_sources", "some_sources.inner"}
    # A line that moves to the next file, or a file that moves to another folder, is a change.
    (package / "inner/deep/a.py").write_text("")
    (package / "inner/a.py").write_text("A = 1\n")
    moved = source_fingerprint("some_sources")
    assert len({moved, before["some_sources"], after["some_sources"]}) == 3
    (package / "inner/notes.txt").write_text("no source")
    assert source_fingerprint("some_sources") == moved
    assert source_fingerprint("one_module", "no_init") == source_fingerprint(
        "no_init", "one_module"
    )
    both = source_fingerprint("some_sources", "one_module")
    assert both not in (moved, source_fingerprint("one_module"))


def test_code_in_a_folder_below_counts() -> None:
    # infoprior.information has two, `known` and `_neural`.
    from infoprior.fingerprints._fingerprint import _source_files

    names = {name for name, _ in _source_files("infoprior.information")}
    assert "_api.py" in names
    assert {"known/__init__.py", "_neural/critics.py"} <= names


@pytest.mark.parametrize(
    "name", ["nothing_here", "nothing.here", "infoprior.nothing", "sys", "__main__"]
)
def test_packages_that_have_no_source_are_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    with pytest.raises(SourceError, match=f"No package '{name}'"):
        source_fingerprint("infoprior.spaces", name)


@pytest.mark.parametrize("name", ["", ".tasks", "a..b", None, 3, Path("x"), ["infoprior"]])
def test_what_is_no_package_s_name_is_refused(name: Any) -> None:
    with pytest.raises(FingerprintError, match=r"^packages: needs names such as"):
        source_fingerprint(name)
    with pytest.raises(FingerprintError, match=r"^packages: source_fingerprint needs"):
        source_fingerprint()
