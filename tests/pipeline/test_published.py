"""The build of the published meta-dataset: its plan, and that killing it changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from infoprior.metadataset import chosen_tasks, load_metadataset
from infoprior.metadataset._publication import read_publication
from infoprior.profiles import INPUT_FEATURES
from infoprior.tasks import catalogue, image_catalogue
from pipeline.published import __main__ as command
from pipeline.published import jobs as planned
from pipeline.published.build import build
from pipeline.published.publish import publish

TOP = Path(__file__).parents[2]
PARAMS = yaml.safe_load((TOP / "params.yaml").read_text())
KEPT = ("sklearn/wine", "digits-image/18/8")
OTHERS = [i.name for i in catalogue() if i.name not in KEPT]
OTHERS += [i.name for i in image_catalogue() if i.name not in KEPT]
SMALL = {
    **PARAMS["published"], "synthetic": 4, "shared": 3, "own": 1, "thesis": 2, "cnn": 2,
    "tabular": 3, "tabular_synthetic": 1,
    "epochs": 3, "max_rows": 100, "exclude": OTHERS, "min_rows": 100,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return _folder(tmp_path / "whole", monkeypatch)


def _folder(folder: Path, monkeypatch: pytest.MonkeyPatch | None = None, workers: int = 1) -> Path:
    folder.mkdir()
    parallel = {"workers": workers}
    (folder / "params.yaml").write_text(yaml.safe_dump({"published": SMALL, "parallel": parallel}))
    if monkeypatch:
        monkeypatch.chdir(folder)
    return folder


def test_small_tasks_have_more_draws() -> None:
    rows = (150, 299, 300, 999, 1000, 5000)
    assert [planned.draws_of("synthetic", n, 2) for n in rows] == [6, 6, 4, 4, 2, 2]
    assert [planned.draws_of("real", n, 2) for n in (300, 1499, 1500, 2000)] == [6, 6, 4, 4]
    assert planned.draws_of("enumerated", 150, 2) == 2
    assert planned.draws_of("real", 5000, 5) == 5


def test_a_fraction_is_part_of_the_whole_and_about_as_large_as_asked() -> None:
    whole = planned.task_names(PARAMS["published"])
    part = planned.task_names(PARAMS["published"], 0.1)
    assert set(part) < set(whole)
    assert 0.05 < len(part) / len(whole) < 0.15
    assert len(whole) == len(set(whole)) >= 1090
    assert planned.task_names(SMALL) == [*sorted(KEPT), *chosen_tasks(4), "synthetic2/0"]


def test_every_job_has_a_key_of_its_own_that_says_what_it_depends_on(folder: Path) -> None:
    names = planned.task_names(SMALL)
    first, jobs = planned.plan(SMALL, names)
    keys = [job.key for job in jobs]
    assert len(set(keys)) == len(keys)
    assert {(j.kind, j.task, j.draw) for j in jobs if j.kind in ("mlp", "cnn")} == {
        ("cnn" if name.startswith("digits") else "mlp", name, draw)
        for name, row in first.items()
        if not name.startswith("synthetic2")
        for kind in ["images" if name.startswith("digits") else row["columns"]["kind"]]
        for draw in range(planned.draws_of(kind, row["columns"]["n_train"], 2))
    }
    assert {j.task for j in jobs if j.kind == "thesis"} == {"sklearn/wine"}
    assert [j.task for j in jobs if j.kind == "profiles"] == names[:-1]
    tables = [n for n in names if not n.startswith(("digits", "synthetic/"))]
    assert [j.task for j in jobs if j.kind == "inputs"] == tables
    assert {j.task for j in jobs if j.kind == "tabular"} == set(tables)
    assert {j.draw for j in jobs if j.task == "synthetic2/0"} == {0, 1}
    again = planned.plan(SMALL, names)[1]
    assert [job.key for job in again] == keys
    longer = planned.plan({**SMALL, "epochs": 9}, names)[1]
    same = set(keys) & {job.key for job in longer}
    assert same == {job.key for job in jobs if job.kind == "inputs"}  # which trains nothing
    wider = planned.plan({**SMALL, "thesis": 3}, names)[1]
    changed = {j.kind for j in wider} - {j.kind for j in wider if j.key in set(keys)}
    assert changed == {"thesis"}


def test_the_command_line_refuses_what_would_lose_tasks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, said in (
        (["publish", "--fraction", "0.5"], "give --out"),
        (["build", "--fraction", "0.00001"], "no task is in so small a part"),
        (["build", "--fraction", "2"], "at most 1"),
    ):
        monkeypatch.setattr("sys.argv", ["published", *options])
        with pytest.raises(SystemExit):
            command.main()
        assert said in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["published", "publish", "--known", "nowhere", "--out", "here"])
    monkeypatch.setattr(command, "plan", lambda params, names: ({}, []))
    monkeypatch.setattr("pipeline.published.__main__.publish", lambda *args: print(args[4]))
    monkeypatch.setattr("pipeline.published.__main__.compare", lambda *both: "compared")
    command.main()
    out = capsys.readouterr().out
    assert "None\ncompared" in out  # no rows are known


def test_tasks_of_the_second_generator_alone_are_a_publication_of_their_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, jobs = planned.plan(SMALL, ["synthetic2/0"])
    jobs = [job for job in jobs if job.draw == 0]
    with pytest.raises(SystemExit, match="No task is finished"):
        publish(folder / "built", SMALL, first, jobs, None, set(), planned.FOLDER)
    assert not (folder / "built").exists()
    build(jobs, list(planned.KINDS), set())
    _, in_shards = planned.finished(jobs, None)
    publish(folder / "built", SMALL, first, jobs, None, in_shards, planned.FOLDER)
    published = read_publication(folder / "built")
    of_space = {f"tabular/{name}" for name in ("curves", "architectures", "layers", "tasks")}
    assert set(published.tables) == {*of_space, "jobs"}
    n_layers = len(published.tables["tabular/layers"])
    assert f"1 tasks, networks {{'tabular': 3}}, {n_layers} layers" in capsys.readouterr().out
    meta = load_metadataset("tabular", directory=folder / "built")
    assert list(meta.tasks["task"]) == ["synthetic2/0"]
    assert len(meta.networks(3)) == 3
    # Published once more, with the rows that are there.
    publish(folder / "again", SMALL, first, jobs, published, set(), planned.FOLDER)
    names = {p.name for p in (folder / "built").iterdir()}
    assert {p.name for p in (folder / "again").iterdir()} == names


@pytest.mark.slow  # three pools of processes that load everything: half a minute
def test_rows_of_tabular_depend_neither_on_workers_nor_on_the_order_of_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    names = ["sklearn/wine", *(f"synthetic2/{i}" for i in range(4))]
    first, jobs = planned.plan(SMALL, names)
    jobs = [job for job in jobs if job.kind in ("tabular", "inputs")]
    # More jobs of each call than workers, and both kinds of them: so that a worker runs several.
    jobs = [job for job in jobs if job.draw == 0 or job.task == "synthetic2/0"]
    files: dict[str, bytes] = {}
    table = pd.DataFrame()
    for name, workers in (("1", 1), ("backwards", 1), ("2", 2), ("4", 4), ("2, again", 2)):
        place = _folder(tmp_path / name, monkeypatch, workers)
        run = jobs[::-1] if name == "backwards" else jobs
        shards = place / planned.FOLDER  # absolute: pools of workers stay where they began
        build(run, ["tabular", "inputs"], set(), shards)
        assert len(list(shards.glob("tabular/*.json"))) == 6
        keys = {job.key for job in run}
        published = publish(place / "built", SMALL, first, run, None, keys, shards)
        written = {p.name: p.read_bytes() for p in (place / "built").glob("tabular-*")}
        assert len(written) == 4
        done = published.tables["jobs"].drop(columns=["cpu", "seconds"])
        files, table = files or written, done if table.empty else table
        assert written == files, name
        pd.testing.assert_frame_equal(done, table)


def test_tasks_with_too_few_rows_are_no_jobs(folder: Path) -> None:
    assert planned.plan({**SMALL, "min_rows": 100_000}, ["synthetic2/0"]) == ({}, [])


def _run(folder: Path, what: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.published", what, "--afresh", *options],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(TOP)}, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _whole(folder: Path, what: str, *options: str) -> str:
    process = _run(folder, what, *options)
    text, _ = process.communicate()
    assert process.returncode == 0, text
    return text


@pytest.mark.slow  # several processes that load everything: half a minute
def test_a_build_killed_at_any_moment_ends_with_the_same_bytes(
    tmp_path: Path, folder: Path
) -> None:
    killed = _folder(tmp_path / "killed")
    shards = killed / "data" / "shards" / "published-afresh"
    for finished in (3, 12):  # during the descriptions of tasks, and during training
        process = _run(killed, "build")
        deadline = time.monotonic() + 120
        while len(list(shards.glob("*/*.json"))) < finished:
            assert time.monotonic() < deadline, "the build does not get going"
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = {p: p.stat().st_mtime_ns for p in shards.glob("*/*.json")}
    for place in (killed, folder):
        _whole(place, "build")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    tables = {}
    for place in (killed, folder):
        _whole(place, "publish", "--out", "built")
        tables[place] = read_publication(place / "built").tables
    files = {p.name for p in (folder / "built").iterdir()}
    for name, table in tables[folder].items():
        if name == "jobs":  # the seconds they took
            table, other = (
                t.drop(columns=["cpu", "seconds"]) for t in (table, tables[killed][name])
            )
            pd.testing.assert_frame_equal(table, other)
            continue
        (file,) = (f for f in files if f.startswith(f"{name.replace('/', '-')}."))
        assert (folder / "built" / file).read_bytes() == (killed / "built" / file).read_bytes()


@pytest.mark.slow  # several processes that load everything: half a minute
def test_what_is_published_is_not_run_again_and_keeps_its_rows(folder: Path) -> None:
    _whole(folder, "build", "--fraction", "0.5")
    _whole(folder, "publish", "--fraction", "0.5", "--out", "built")
    part = read_publication(folder / "built").tables
    assert 0 < len(part["tasks"]) < 6
    jobs = planned.plan(SMALL, planned.task_names(SMALL))[1]
    shards = folder / "data" / "shards" / "published-afresh"
    in_package, in_shards = planned.finished(jobs, read_publication(folder / "built"), shards)
    assert len(in_package) == len(part["jobs"])
    assert not in_shards
    _whole(folder, "build")
    for shard in shards.glob("[mptc]*/*.json"):
        if shard.stem in in_package and shard.parent.name != "tasks":
            shard.unlink()  # as on another machine, which has the published files alone
    first, jobs = planned.plan(SMALL, planned.task_names(SMALL))
    published = read_publication(folder / "built")
    left = planned.finished(jobs, published, shards)[1]
    fewer = [job for job in jobs if job.task != part["tasks"]["task"].iloc[0]]
    with pytest.raises(SystemExit, match=r"1 published tasks .* would be lost"):
        publish(folder / "built", SMALL, first, fewer, published, left, shards)
    of_generator = [t for t in part["tasks"]["task"] if t.startswith("synthetic/")]
    fewer = [job for job in jobs if job.task != of_generator[0]]
    with pytest.raises(SystemExit, match=r"1 published tasks \(synthetic/.* would be lost"):
        publish(folder / "built", SMALL, first, fewer, published, left, shards)
    publish(folder / "built", SMALL, first, jobs, published, left, shards)
    whole = read_publication(folder / "built").tables
    assert len(whole["tasks"]) == 6
    tabular = load_metadataset("tabular", directory=folder / "built")
    assert set(tabular.tasks["task"]) >= {"sklearn/wine", "synthetic2/0"}
    networks = tabular.networks(3)
    assert len(networks) == 3 * len(tabular.tasks)  # of the first draw
    assert networks["layer1_mi_ty_validation_rows"].notna().any()
    assert set(tabular.input_features().columns) == set(INPUT_FEATURES)
    assert tabular.profile("synthetic2/0").inputs["n_numeric"] > 0
    for name in ("mlp/curves", "profiles"):
        old = whole[name][whole[name]["task"].isin(part["tasks"]["task"])]
        pd.testing.assert_frame_equal(
            old.reset_index(drop=True), part[name].reset_index(drop=True), check_like=True
        )
