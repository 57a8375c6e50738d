"""The stages `networks` and `profiles`, killed: the same bytes in the end, and nothing else."""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from infoprior import files
from infoprior.tasks import synthetic_task
from pipeline import networks, profiles
from pipeline.common import file_name, write_csv, write_parquet

TOP = Path(__file__).parents[2]
PARAMS = yaml.safe_load((TOP / "params.yaml").read_text())
STAGES = {"networks": networks, "profiles": profiles}
TASKS = 5


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small tasks and a params.yaml, as the stage `tasks` leaves them."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "data" / "tasks").mkdir(parents=True)
    rows = []
    for i in range(TASKS):
        task = synthetic_task(i, n_train=120, n_validation=60, n_test=100)
        task.save(folder / "data" / "tasks" / f"{file_name(task.name)}.safetensors")
        rows.append({"task": task.name, "digest": task.digest})
    pd.DataFrame(rows).to_parquet(folder / "data" / "tasks" / "tasks.parquet")
    params = {
        **PARAMS,
        "networks": {**PARAMS["networks"], "architectures": 4, "epochs": 3},
        "profiles": {**PARAMS["profiles"], "epochs": 3, "max_rows": 100},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def copy(tasks: Path, folder: Path, workers: int) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "tasks").symlink_to(tasks / "data" / "tasks")
    params = yaml.safe_load((tasks / "params.yaml").read_text())
    text = yaml.safe_dump({**params, "parallel": {"workers": workers}})
    (folder / "params.yaml").write_text(text)
    return folder


def outputs(folder: Path, stage: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data" / stage).iterdir()}


def fake_curves(path: str, space: str, points: list[Any], *_: Any) -> dict[str, Any]:
    row = {"epoch": 3, "test_accuracy": 0.5, "diverged": False}
    return {"curves": [[row] for _ in points], "seconds": 1.0}


def fake_profile(path: str, *_: Any) -> dict[str, Any]:
    rows = [{"task": Path(path).stem, "architecture": "probe-a", "mi_xt": 0.1}]
    return {"layers": rows, "curves": rows, "inputs": {"mi_mean": 0.2}, "seconds": 1.0}


class Killed(BaseException):
    """No error that anything would catch."""


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_any_change_of_a_file_ends_with_the_same_files(
    tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(networks, "train_all", fake_curves)
    monkeypatch.setattr(profiles, "profile_one", fake_profile)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.chdir(copy(tasks, tmp_path / "whole", 1))
    STAGES[stage].main()
    whole = outputs(tmp_path / "whole", stage)
    assert len(whole) == {"networks": 2, "profiles": 3}[stage]
    changes = {name: getattr(os, name) for name in ("fsync", "replace", "unlink")}
    for step in itertools.count():
        folder = copy(tasks, tmp_path / f"killed-{step}", 1)
        monkeypatch.chdir(folder)
        count = 0

        def change(name: str, *arguments: Any, last: int = step, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count > last:  # and nothing more, such as tidying up, is done
                raise Killed
            return changes[name](*arguments, **options)

        with monkeypatch.context() as patched:
            # As another process's, which has gone when the stage is started again.
            patched.setattr(os, "getpid", lambda: ended.pid)
            for name in changes:
                patched.setattr(os, name, lambda *a, n=name, c=change, **o: c(n, *a, **o))
            try:
                STAGES[stage].main()
                done = True
            except Killed:
                done = False
        STAGES[stage].main()
        assert outputs(folder, stage) == whole
        shards = [path.name for path in (folder / "data" / "shards" / stage).iterdir()]
        assert len(shards) == TASKS
        assert not list(folder.rglob("*.tmp"))
        if done:
            break
    assert step > 2 * (TASKS + 3)


@pytest.mark.slow  # the stage a dozen times, each of which loads everything: a minute
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_random_moments_ends_with_the_same_bytes(
    tasks: Path, tmp_path: Path, stage: str
) -> None:
    def start(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", f"pipeline.{stage}"],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(TOP)}, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def finish(folder: Path) -> float:
        started = time.monotonic()
        process = start(folder)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        return time.monotonic() - started

    whole, killed = (copy(tasks, tmp_path / name, 2) for name in ("whole", "killed"))
    seconds = finish(whole)
    rng = random.Random(stage)
    stamps: dict[Path, int] = {}
    for _ in range(4):
        process = start(killed)
        time.sleep(rng.uniform(0.2, 1.0) * seconds)
        # The main process alone: its workers have to end by themselves.
        process.send_signal(signal.SIGKILL)
        process.communicate()  # as soon as nobody has its standard error open
        shards = [*(killed / "data" / "shards" / stage).glob("*.json")]
        assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
        stamps = {path: path.stat().st_mtime_ns for path in shards}
    finish(killed)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert outputs(killed, stage) == outputs(whole, stage)
    assert len([*(killed / "data" / "shards" / stage).iterdir()]) == TASKS
    assert not list(killed.rglob("*.tmp"))


@pytest.mark.parametrize("write", [write_parquet, write_csv])
def test_what_a_killed_stage_left_beside_a_table_goes_with_the_next_one(
    tmp_path: Path, write: Any
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".other.parquet.0.{files._machine()}-{ended.pid}.tmp"
    left.write_text("half")
    write(pd.DataFrame({"a": [1]}), tmp_path / "table")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_any_task_s_name_makes_a_file_s_and_a_job_s() -> None:
    names = ["keel/letter", "digits-image/18/8", "openml/a+b_c.d", "table/a b", "table/a=20b"]
    names += ["table/é", "table/e\u0301", "table/~x", "table/%20", "table/A", "table/-", "table/a"]
    names += ["table/" + "x" * 200, "table/" + "x" * 201, "table/" + "é" * 80]
    files = [file_name(name) for name in names]
    assert files[:3] == ["keel--letter", "digits-image--18--8", "openml--a+b_c.d"]
    assert files[3] == "table--a=20b"
    assert len(set(files)) == len(names)
    for file in files:
        assert len(file) <= 80
        assert re.fullmatch(r"[A-Za-z0-9=._+-]+", file)
