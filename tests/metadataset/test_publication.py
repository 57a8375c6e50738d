"""The published meta-dataset: its jobs, tables and files, and that they are what the code gives."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from infoprior import load_metadataset
from infoprior.fingerprints import fingerprint
from infoprior.metadataset import (
    FITTED_FAMILIES,
    MetaDatasetError,
    _jobs,
    _publication,
    chosen_tasks,
)
from infoprior.metadataset._assemble import (
    CURVE_COLUMNS,
    architecture_table,
    ceilings,
    curve_table,
    layer_table,
)
from infoprior.metadataset._publication import (
    INDEX,
    PUBLISHED,
    Publication,
    read_publication,
    write_publication,
)
from infoprior.spaces import get_space

TASK = "synthetic/3"


@pytest.fixture(scope="module")
def small() -> Publication:
    """A publication of two short tasks."""
    names = ["sklearn/iris", "sklearn/wine"]
    rows = [_jobs.task_row(name, 0)["columns"] | {"licence": "x"} for name in names]
    space = get_space("mlp")
    trained = [(n, d, _jobs.train_job(n, d, "mlp", 3, 1, 3)) for n in names for d in (0, 1)]
    curves = curve_table((n, d, job["curves"]) for n, d, job in trained)
    probed = [(n, _jobs.profile_job(n, 3, 200)) for n in names]
    tasks = pd.DataFrame(rows)
    quality = ceilings(curves).loc[names].reset_index(drop=True)
    return Publication(
        {
            "tasks": pd.concat([tasks, quality], axis=1),
            "mlp/architectures": architecture_table(space, names, 3, 1),
            "mlp/curves": curves,
            "profiles": layer_table((n, job["layers"]) for n, job in probed),
            "probe_curves": curve_table((n, 0, job["curves"]) for n, job in probed),
            "jobs": pd.DataFrame({"key": ["k"], "kind": "mlp", "task": names[0], "draw": 0}),
        },
        {"mlp": space},
        {"build": _jobs.VERSION},
    )


def test_the_shared_design_is_the_same_on_every_task_and_a_longer_one_begins_with_it() -> None:
    space = get_space("mlp")
    here, there = (_jobs.design(space, task, 20, 2) for task in ("a/b", "a/c"))
    assert [*here][:20] == [*there][:20]
    assert {*here}.isdisjoint({"a/c#0"})
    assert all(here[f"a{i:03d}"] == there[f"a{i:03d}"] for i in range(20))
    assert here["a/b#0"] != there["a/c#0"]
    longer = _jobs.design(space, "a/b", 32, 3)
    assert all(longer[name] == point for name, point in here.items())


def test_a_draw_of_a_synthetic_task_changes_its_test_rows_only() -> None:
    one, two = _jobs.published_task(TASK, 0), _jobs.published_task(TASK, 1)
    for part in ("train", "validation"):
        assert all(
            np.array_equal(a, b) for a, b in zip(one.split(part), two.split(part), strict=True)
        )
    assert not np.array_equal(one.split("test")[0], two.split("test")[0])
    assert len(one.test) >= 5000


def test_a_draw_of_real_data_is_another_split() -> None:
    one, two = _jobs.published_task("sklearn/wine", 0), _jobs.published_task("sklearn/wine", 1)
    assert len(one.y) == len(two.y)
    assert set(one.test) != set(two.test)


def test_ceilings_of_labels_with_known_noise() -> None:
    # Quality of variance one and noise of variance 1/4 a draw: two draws agree at 1 / 1.25 = 0.8.
    rng = np.random.default_rng(0)
    n, parts = 400, []
    quality = rng.normal(size=n)
    for draw in range(3):
        for epoch in (1, 27):  # the early epoch is all noise and must not count
            test = quality + 0.5 * rng.normal(size=n) if epoch == 27 else rng.normal(size=n)
            parts.append(pd.DataFrame({
                "task": "t", "architecture": [f"a{i}" for i in range(n)], "seed": draw,
                "epoch": epoch, "test_accuracy": test, "validation_accuracy": quality,
            }))  # fmt: skip
    row = ceilings(pd.concat(parts)).loc["t"]
    assert row["draws"] == 3
    assert row["draw_ceiling"] == pytest.approx(0.8, abs=0.04)
    assert row["noise_ceiling"] == pytest.approx(3 * 0.8 / (1 + 2 * 0.8), abs=0.02)
    assert row["validation_ceiling"] == pytest.approx(1 / 1.25**0.5, abs=0.03)
    one = ceilings(parts[1]).loc["t"]
    assert np.isnan(one["noise_ceiling"])
    assert one["draws"] == 1


def test_jobs_give_the_same_rows_again_in_any_order(small: Publication) -> None:
    _jobs._published_task.cache_clear()
    again = _jobs.train_job("sklearn/wine", 1, "mlp", 3, 1, 3)
    table = curve_table([("sklearn/wine", 1, again["curves"])])
    curves = small.tables["mlp/curves"]
    before = curves[(curves["task"] == "sklearn/wine") & (curves["seed"] == 1)]
    pd.testing.assert_frame_equal(table, before.reset_index(drop=True))
    assert json.loads(json.dumps(again["curves"])) == again["curves"]


def test_files_give_the_tables_back_and_the_same_bytes(small: Publication, tmp_path: Path) -> None:
    write_publication(small, tmp_path / "one")
    shuffled = {
        name: frame.sample(frac=1.0, random_state=0) for name, frame in small.tables.items()
    }
    write_publication(Publication(shuffled, small.spaces, small.about), tmp_path / "two")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    back = read_publication(tmp_path / "one")
    assert back.tables.keys() == small.tables.keys()
    meta = load_metadataset("mlp", directory=tmp_path / "one")
    assert list(meta.curves.columns) == list(CURVE_COLUMNS)
    assert len(meta.curves) == 2 * 2 * 4 * 2  # tasks, draws, architectures, rungs 1 and 3
    assert set(meta.profiles["epoch"]) == {3}
    assert set(meta.tasks) >= {"licence", "noise_ceiling", "kind", "n_train"}


def test_a_damaged_or_unknown_publication_is_refused(small: Publication, tmp_path: Path) -> None:
    with pytest.raises(MetaDatasetError, match=r"index\.json does not exist"):
        load_metadataset("mlp", directory=tmp_path)
    write_publication(small, tmp_path)
    with pytest.raises(MetaDatasetError, match=r"no networks of the space 'thesis'.*\['mlp'\]"):
        load_metadataset("thesis", directory=tmp_path)
    (curves,) = tmp_path.glob("mlp-curves.*.parquet")
    content = curves.read_bytes()
    curves.write_bytes(content[:-1] + b"?")
    with pytest.raises(MetaDatasetError, match=r"mlp-curves\..*\.parquet is not what"):
        load_metadataset("mlp", directory=tmp_path)
    curves.unlink()
    with pytest.raises(MetaDatasetError, match=r"mlp-curves\..*\.parquet does not exist"):
        load_metadataset("mlp", directory=tmp_path)
    (tmp_path / INDEX).write_text('{"format": "infoprior atlas", "version": 99}')
    with pytest.raises(MetaDatasetError, match="version 99"):
        load_metadataset("mlp", directory=tmp_path)


def altered(publication: Publication) -> Publication:
    """The same with other accuracies and licences: two other files among the same ones."""
    tables = {**publication.tables, "tasks": publication.tables["tasks"].assign(licence="other")}
    tables["mlp/curves"] = tables["mlp/curves"].assign(test_accuracy=np.float32(0.5))
    return Publication(tables, publication.spaces, publication.about)


def digests(directory: Path) -> tuple[str, dict[str, int]]:
    """Of what a reader gets in both ways."""
    tables = read_publication(directory).tables
    sizes = {name: len(table) for name, table in tables.items()}
    return load_metadataset("mlp", directory=directory).digest, sizes


class Killed(BaseException):
    """No error that anything would catch."""


STEPS = ("fsync", "replace", "unlink")


def test_writing_that_is_killed_at_any_step_leaves_one_publication_whole(
    small: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, made = altered(small), {}
    for name, publication in (("old", small), ("new", other)):
        write_publication(publication, tmp_path / name)
        made[name] = digests(tmp_path / name)
    assert made["old"] != made["new"]

    def write_until(step: int, directory: Path) -> int:
        """Write the other one until so many changes of the folder; how many there were."""
        count = 0

        def counted(change: Callable[..., Any]) -> Callable[..., Any]:
            def function(*arguments: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                if count > step:  # and nothing more, such as tidying up, is done
                    raise Killed
                return change(*arguments, **options)

            return function

        with monkeypatch.context() as patched:
            for name in STEPS:
                patched.setattr(os, name, counted(getattr(os, name)))
            with contextlib.suppress(Killed):
                write_publication(other, directory)
        return count

    seen = []
    for step in itertools.count():
        directory = tmp_path / f"killed-{step}"
        shutil.copytree(tmp_path / "old", directory)
        (directory / "mine.parquet").write_bytes(b"a table of the user's")
        done = write_until(step, directory) <= step
        now = digests(directory)
        seen.append("old" if now == made["old"] else "new")
        assert now == made[seen[-1]]
        # Temporary files of a process that has gone are removed by the next writing.
        for path in directory.glob(".*.tmp"):
            path.rename(path.with_name(path.name.replace(f"-{os.getpid()}.", f"-{gone_pid()}.")))
        write_publication(other, directory)
        assert digests(directory) == made["new"]
        names = {path.name for path in directory.iterdir()}
        assert names == {path.name for path in (tmp_path / "new").iterdir()} | {"mine.parquet"}
        if done:
            break
    assert seen == sorted(seen, reverse=True)  # "old" until the index is there, "new" from then on
    assert seen.count("old") > 2 * len(other.tables)
    assert seen.count("new") > 2


@cache
def gone_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_who_reads_while_another_one_is_written_gets_one_of_them_whole(
    small: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = altered(small)
    write_publication(other, tmp_path / "new")
    for read in (lambda: read_publication(tmp_path / "old"), lambda: digests(tmp_path / "old")[0]):
        write_publication(small, tmp_path / "old")
        original, calls = _publication._table, []

        def table(
            *arguments: Any, original: Any = original, calls: list[Any] = calls
        ) -> pd.DataFrame:
            calls.append(arguments)
            if len(calls) == 2:  # the first file is read, the others are not yet
                write_publication(other, tmp_path / "old")
            return original(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(_publication, "_table", table)
            result = read()
        if isinstance(result, str):
            assert result == digests(tmp_path / "new")[0]
        else:
            there = read_publication(tmp_path / "new")
            for name, frame in result.tables.items():
                pd.testing.assert_frame_equal(frame, there.tables[name])


def test_of_two_that_write_into_one_folder_one_waits(small: Publication, tmp_path: Path) -> None:
    made = [altered(small), small]
    for i, publication in enumerate(made):
        write_publication(publication, tmp_path / f"{i}")
    wanted = [digests(tmp_path / f"{i}") for i in range(2)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda i: write_publication(made[i % 2], tmp_path / "both"), range(12)))
    assert digests(tmp_path / "both") in wanted


def test_fewer_chosen_tasks_are_among_more_and_like_all_of_them() -> None:
    whole = chosen_tasks()
    assert chosen_tasks(50) == whole[:50]
    assert len(set(whole)) == len(whole)
    indices = [int(name.removeprefix("synthetic/")) for name in whole]
    # In no order of the indices: the first half has as many low ones as the second.
    low = sorted(indices)[len(indices) // 2]
    assert 0.4 < sum(i < low for i in indices[: len(indices) // 2]) / (len(indices) // 2) < 0.6
    for n in (-1, len(whole) + 1):
        with pytest.raises(MetaDatasetError, match=f"are chosen, not {n}|n = {n}"):
            chosen_tasks(n)


class TestPublished:
    """What lies in the package."""

    def test_counts(self) -> None:
        meta = load_metadataset("mlp")
        kinds = meta.tasks.groupby("kind")
        assert len(kinds.get_group("real")) >= 130
        assert kinds.get_group("real")["family"].nunique() >= 110
        assert len(kinds.get_group("synthetic")) >= 1_000
        networks = meta.curves.drop_duplicates(["task", "architecture", "seed"])
        assert len(networks) >= 40_000
        assert len(meta.profiles) >= 18_000
        assert set(meta.curves["epoch"]) == {1, 3, 9, 27}
        assert set(meta.profiles["epoch"]) == {3, 27}
        assert networks.groupby("task").size().min() >= 34
        # Two seeds at least of every real task.
        assert (kinds.get_group("real")["draws"] >= 2).all()
        for space in ("thesis", "cnn"):
            assert len(load_metadataset(space).curves) > 1_000

    def test_counts_of_networks_with_profiles_of_their_own(self) -> None:
        meta = load_metadataset()
        kinds = meta.tasks.groupby("kind")
        assert len(kinds.get_group("real")) >= 130
        assert len(kinds.get_group("synthetic")) >= 800
        assert (kinds.get_group("real")["draws"] >= 2).all()
        assert len(meta.layers) >= 200_000
        assert set(meta.layers["epoch"]) == {3, 27}
        assert set(meta.layers["recipe"]) == {"fast-1"}
        # Every network of the first draw, and encodings of inputs as often as each other.
        early = meta.networks(epoch=3)
        assert len(early) == 48 * len(meta.tasks)
        counts = early.drop_duplicates("architecture")["inputs"].value_counts()
        assert counts.max() - counts.min() <= 1
        assert len(counts) == 7

    def test_synthetic_tasks_are_the_chosen_ones(self) -> None:
        tasks = load_metadataset("mlp").tasks
        assert set(chosen_tasks()) == set(tasks["task"][tasks["source"] == "generator"])
        assert len(chosen_tasks()) >= 1_000
        fitted = tasks[tasks["family"].isin(FITTED_FAMILIES)]
        assert set(fitted["family"]) == set(FITTED_FAMILIES)
        assert set(fitted["kind"]) == {"real"}

    def test_size(self) -> None:
        assert sum(f.stat().st_size for f in PUBLISHED.iterdir()) <= 45e6

    def test_the_design_is_the_published_one(self) -> None:
        settings = read_publication(PUBLISHED).about["settings"]
        published = load_metadataset("mlp").points()
        for task in ("keel/letter", "synthetic/1"):
            points = _jobs.design(get_space("mlp"), task, settings["shared"], settings["own"])
            assert {name: published[name] for name in points} == points

    def test_the_code_still_gives_the_published_rows(self) -> None:
        """Where this fails the code trains otherwise: raise `_jobs.VERSION` and build again."""
        publication = read_publication(PUBLISHED)
        settings = publication.about["settings"]
        assert publication.about["build"] == _jobs.VERSION
        jobs = publication.tables["jobs"]
        here = jobs[(jobs["kind"] == "mlp") & jobs["task"].str.startswith("synthetic/")]
        job = here.sort_values("cpu").iloc[0]
        size = (settings["shared"], settings["own"], settings["epochs"])
        digest = _jobs.published_task(job["task"], int(job["draw"])).digest
        arguments = (job["task"], int(job["draw"]), "mlp", *size)
        assert job["key"].endswith(
            fingerprint(_jobs.VERSION, "mlp", digest, int(job["draw"]), *arguments)
        )
        again = curve_table(
            [(job["task"], int(job["draw"]), _jobs.train_job(*arguments)["curves"])]
        )
        curves = publication.tables["mlp/curves"]
        there = curves[(curves["task"] == job["task"]) & (curves["seed"] == job["draw"])]
        key = ["architecture", "epoch"]
        again, there = (t.sort_values(key).reset_index(drop=True) for t in (again, there))
        assert (again[key] == there[key]).all(axis=None)
        # Other machines round otherwise, and a few networks are chaotic: nearly all agree.
        close = np.isclose(again["test_accuracy"], there["test_accuracy"], atol=0.01)
        assert close.mean() > 0.9
        assert np.median(np.abs(again["test_loss"] - there["test_loss"])) < 1e-3
