"""What the benchmarks rest on: rows that survive interruption, versions of the code, the tables."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module(name)


def test_interrupted_rows_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = load("_common", monkeypatch)
    path = tmp_path / "rows.csv"
    assert common.read_rows(path) == []
    for i in range(3):
        common.append_row(path, {"task": f"t{i}", "n": i, "nats": 0.5})
    assert [row["task"] for row in common.read_rows(path)] == ["t0", "t1", "t2"]
    path.write_text(path.read_text()[:-6])  # cut off inside the last row
    assert [row["task"] for row in common.read_rows(path)] == ["t0", "t1"]
    common.append_row(path, {"task": "t3", "n": 3, "nats": 0.5})
    common.append_row(path, {"task": "t4", "n": 4, "nats": 0.5})
    assert [row["task"] for row in common.read_rows(path)] == ["t0", "t1", "t4"]


def test_a_version_follows_imports_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = load("_common", monkeypatch)
    room = tmp_path / "infoprior" / "information"
    room.mkdir(parents=True)
    (room / "_inputs.py").write_text("A = 1\n")
    (room / "_ksg.py").write_text("from infoprior.information._inputs import A\n")
    (room / "_other.py").write_text("B = 1\n")
    monkeypatch.setattr(common, "ROOT", tmp_path)
    name = "infoprior.information._ksg"
    first, whole = common.code_version(name), common.code_version()
    (room / "_other.py").write_text("B = 2\n")
    assert common.code_version(name) == first
    assert common.code_version() != whole
    (room / "_inputs.py").write_text("A = 2\n")
    assert common.code_version(name) != first


def test_summary_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    accuracy = load("mi_accuracy", monkeypatch)
    rows = [
        {"task": task, "method": "ksg", "error": str(error), "seconds": "2.0"}
        for task, errors in (("a", (0.1, -0.3, 0.2)), ("b", (0.4, 0.4, 1.0)))
        for error in errors
    ]
    [row] = accuracy._summary(rows)
    assert row["tasks"] == 2
    assert row["mean abs. error"] == pytest.approx((0.2 + 0.4) / 2)
    assert row["bias"] == pytest.approx((0.0 + 0.6) / 2)
    assert row["worst"] == pytest.approx(0.4)
    assert row["seconds"] == pytest.approx(2.0)


def test_methods_meet_the_tasks_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    accuracy = load("mi_accuracy", monkeypatch)
    every = {task.kind: task for task in accuracy.tasks(None)}
    fits = {
        method: [kind for kind, task in every.items() if accuracy.applies(method, task)]
        for method in ("auto", "ksg", "ross", "noisy", "binning")
    }
    assert fits == {
        "auto": ["pairs", "layers"], "ksg": ["pairs"], "ross": ["layers"], "noisy": ["noisy"],
        "binning": ["pairs", "layers"],
    }  # fmt: skip


def test_slope_of_a_power(monkeypatch: pytest.MonkeyPatch) -> None:
    growth = load("mi_growth", monkeypatch)
    rows = [{"n": n, "seconds": 3e-6 * n**2, "megabytes": 0.0} for n in (10, 100, 1000)]
    assert growth.slope(rows, "n", "seconds") == pytest.approx(2.0)
    assert np.isnan(growth.slope(rows, "n", "megabytes"))
