"""The stages as DVC sees them, and a networks stage that is killed half-way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from infoprior.tasks import synthetic_task
from tests.test_imports import Graph

TOP = Path(__file__).parents[2]
STAGES = yaml.safe_load((TOP / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((TOP / "params.yaml").read_text())
GRAPH = Graph()
SHARED = {"pipeline.common", "pipeline.params"}
"""What these import checks settings and writes files: no result depends on it."""


def pipeline_modules(script):
    """The scripts that a stage runs."""
    modules, waiting = set(), [script]
    while waiting:
        module = waiting.pop()
        if module in modules or module == "pipeline":
            continue
        modules.add(module)
        if module not in SHARED:
            waiting += [m for m in GRAPH.edges[module] if m.startswith("pipeline.")]
    return modules


def outputs(stage):
    paths = []
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, []):
            paths += list(out) if isinstance(out, dict) else [out]
    return paths


@pytest.mark.parametrize("name", sorted(STAGES))
def test_a_stage_depends_on_its_script_and_on_every_room_that_it_imports(name):
    """Otherwise a change of code would leave stale results behind."""
    stage = STAGES[name]
    assert stage["cmd"] == f"python -m pipeline.{name}"
    deps = stage["deps"]
    assert f"pipeline/{name}.py" in deps
    modules = pipeline_modules(f"pipeline.{name}")
    for module in modules | SHARED:
        path = module.replace(".", "/")
        assert {f"{path}.py", path.rpartition("/")[0], path} & set(deps), module
    imported = {other for module in modules - SHARED for other in GRAPH.edges[module]}
    for room in {m.split(".")[1] for m in imported if m.startswith("infoprior.")}:
        known = f"infoprior/{room}" in deps or f"infoprior/{room}.py" in deps
        assert known, f"{name}: infoprior/{room}"
    for dep in deps:
        made = any(dep == out or dep.startswith(f"{out}/") for s in STAGES.values()
                   for out in outputs(s))  # fmt: skip
        assert made or (TOP / dep).exists(), f"{dep} is neither a file nor an output"


def test_no_stage_depends_on_the_number_of_workers():
    sections = {p.split(".")[0] for stage in STAGES.values() for p in stage.get("params", [])}
    assert "parallel" not in sections
    assert sections <= set(PARAMS)


def test_what_is_resumable_is_persistent_and_mlruns_is_no_output():
    for name in ("networks", "profiles"):
        assert all(next(iter(out.values()))["persist"] for out in STAGES[name]["outs"])
    assert not any("mlruns" in out for stage in STAGES.values() for out in outputs(stage))


def test_predictor_settings_reach_no_training_stage():
    for name in ("tasks", "networks", "profiles", "metadataset"):
        assert not any(p.startswith("predictors") for p in STAGES[name].get("params", []))


def prepare(folder: Path) -> None:
    """Eight small tasks and a params.yaml, as the tasks stage leaves them."""
    rows = []
    for i in range(8):
        task = synthetic_task(i, n_train=240, n_validation=100, n_test=200)
        name = task.name.replace("/", "--")
        (folder / "data" / "tasks").mkdir(parents=True, exist_ok=True)
        task.save(folder / "data" / "tasks" / f"{name}.safetensors")
        rows.append({"task": task.name, "digest": task.digest})
    pd.DataFrame(rows).to_parquet(folder / "data" / "tasks" / "tasks.parquet")
    params = {**PARAMS, "networks": {**PARAMS["networks"], "architectures": 12}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.networks"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def test_networks_killed_half_way_train_only_the_rest_and_give_the_same_bytes(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    prepare(killed)
    prepare(whole)
    shards = killed / "data" / "shards" / "networks"
    process = start(killed)
    deadline = time.monotonic() + 120
    while len(list(shards.glob("*.json"))) < 2:
        assert time.monotonic() < deadline, "the stage does not get going"
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    done = {p.name: p.stat().st_mtime_ns for p in shards.glob("*.json")}
    assert 2 <= len(done) < 8
    assert not (killed / "data" / "networks" / "curves.parquet").exists()

    for folder in (killed, whole):
        process = start(folder)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    for name, stamp in done.items():
        assert (shards / name).stat().st_mtime_ns == stamp, "a finished task was trained again"
    for table in ("curves.parquet", "architectures.parquet"):
        assert (killed / "data" / "networks" / table).read_bytes() == (
            whole / "data" / "networks" / table
        ).read_bytes()
    curves = pd.read_parquet(whole / "data" / "networks" / "curves.parquet")
    assert len(curves) == 8 * 12 * 4
    assert set(curves["epoch"]) == {1, 3, 9, 27}
