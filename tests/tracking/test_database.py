"""Making the store: killed half-way, at once by several, over what others left."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from infoprior.tracking import TrackingError, _database
from infoprior.tracking._database import HOST, ready_database

OPEN = "from infoprior.tracking import Tracker; Tracker('mlruns', 'infoprior')"


def half_made(path, template, *, statements=()):
    """A store whose last steps were not taken, and which nobody is making any more."""
    shutil.copy(template, path)
    with sqlite3.connect(path) as database:
        for statement in ("delete from experiments", "drop table webhooks", *statements):
            database.execute(statement)
    database.close()
    os.utime(path, (1e9, 1e9))
    return path.read_bytes()


def finished(path):
    with sqlite3.connect(path) as database:
        (n,) = database.execute("select count(*) from experiments").fetchone()
    database.close()
    return n == 1


@pytest.mark.parametrize("tables", ["some", "none", "no bytes"])
def test_a_store_that_was_never_finished_is_replaced(tmp_path, template, quick, tables):
    path = tmp_path / "mlflow.db"
    if tables == "some":
        half_made(path, template)
    else:
        with sqlite3.connect(path) as database:
            database.execute("create table t (a integer)")
            database.execute("drop table t")
        database.close()
        if tables == "no bytes":
            path.write_bytes(b"")
        os.utime(path, (1e9, 1e9))
    ready_database(path)
    assert finished(path)
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize(
    "row",
    [
        "insert into runs (run_uuid) values ('r')",
        "insert into registered_models (name, workspace) values ('m', 'default')",
        "create table mine as select 1",
    ],
)
def test_an_unfinished_store_that_holds_anything_is_left_as_it_is(tmp_path, template, quick, row):
    path = tmp_path / "mlflow.db"
    before = half_made(path, template, statements=[row])
    ready_database(path)
    assert path.read_bytes() == before


def test_a_finished_store_is_left_as_it_is(folder, quick):
    before = (folder / "mlflow.db").read_bytes()
    ready_database(folder / "mlflow.db")
    assert (folder / "mlflow.db").read_bytes() == before


def test_a_file_that_is_no_database_is_named_and_left_as_it_is(tmp_path, quick):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"notes of mine " * 100)
    with pytest.raises(TrackingError, match=r"mlflow\.db cannot be read .* Nothing was changed"):
        ready_database(path)
    assert path.read_bytes() == b"notes of mine " * 100


def test_a_store_that_another_program_is_making_is_waited_for(
    tmp_path, template, quick, monkeypatch
):
    path = tmp_path / "mlflow.db"
    half_made(path, template)
    monkeypatch.setattr(_database, "_STILL", 1.0)
    os.utime(path)  # it was written to a moment ago

    def finish():
        time.sleep(0.5)
        with sqlite3.connect(path) as database:
            database.execute("create table theirs (a integer)")
            database.execute("insert into theirs values (1)")
        database.close()

    other = threading.Thread(target=finish)
    other.start()
    ready_database(path)
    other.join()
    with sqlite3.connect(path) as database:
        assert database.execute("select a from theirs").fetchall() == [(1,)]
    database.close()


@pytest.mark.parametrize("left", ["nothing", "half"])
def test_of_two_that_make_a_store_at_once_the_first_stays(
    tmp_path, template, quick, monkeypatch, left
):
    """The second finds it in use when its own is ready: a run was logged meanwhile."""
    path = tmp_path / "mlflow.db"
    if left == "half":
        half_made(path, template)

    @contextmanager
    def slowly(where):
        with quick(where) as fresh:
            other = tmp_path / "other.db"
            shutil.copy(template, other)
            with sqlite3.connect(other) as database:
                database.execute("insert into runs (run_uuid) values ('first')")
            database.close()
            os.replace(other, path)
            yield fresh

    monkeypatch.setattr(_database, "_fresh_database", slowly)
    ready_database(path)
    with sqlite3.connect(path) as database:
        assert database.execute("select run_uuid from runs").fetchall() == [("first",)]
    database.close()
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_store_replaced_while_it_was_waited_for_is_not_replaced_again(
    tmp_path, template, quick, monkeypatch
):
    """The lock is on the old file then, and the new one may hold runs already."""
    path = tmp_path / "mlflow.db"
    half_made(path, template)
    locked = _database._locked

    @contextmanager
    def late(where):
        with locked(where) as database:
            other = tmp_path / "other.db"
            shutil.copy(template, other)
            os.replace(other, path)
            yield database

    monkeypatch.setattr(_database, "_locked", late)
    ready_database(path)
    other = path.stat().st_ino
    ready_database(path)
    assert path.stat().st_ino == other
    assert finished(path)


def test_temporary_stores_of_killed_processes_are_removed_those_of_others_stay(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    gone, alive, abroad, mine = (
        tmp_path / name
        for name in (
            f".mlflow.db.0a.{HOST}-{process.pid}.tmp",
            f".mlflow.db.0b.{HOST}-{os.getpid()}.tmp",
            f".mlflow.db.0c.elsewhere-{process.pid}.tmp",
            ".notes.tmp",
        )
    )
    journal = gone.with_name(f"{gone.name}-journal")
    for path in (gone, journal, alive, abroad, mine):
        path.write_bytes(b"")
    _database._remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, abroad.name, mine.name}
    os.utime(abroad, (1e9, 1e9))
    _database._remove_leftovers(tmp_path)
    assert not abroad.exists()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0, 4.0])
def test_killed_while_it_is_made_a_store_is_made_by_the_next_run(tmp_path, seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("mlruns/.*.tmp")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([sys.executable, "-c", OPEN], cwd=tmp_path, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "mlruns").iterdir()] == ["mlflow.db"]


@pytest.mark.slow
def test_two_processes_that_open_a_store_at_once_share_it(tmp_path):
    command = [
        sys.executable,
        "-c",
        f"{OPEN.replace('Tracker(', 't = Tracker(')}; print(t.experiment_id)",
    ]
    both = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    answers = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0][0] == answers[1][0] != b""
    assert [path.name for path in (tmp_path / "mlruns").iterdir()] == ["mlflow.db"]
