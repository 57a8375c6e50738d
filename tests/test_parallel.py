"""The fan-out: results on disk at once, resumable, the same whatever the number of workers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infoprior.parallel import (
    EngineError,
    JobError,
    fingerprint,
    run_jobs,
    source_fingerprint,
    write_atomically,
)


def square(x, log=None):
    if log is not None:
        with open(log, "a") as file:
            file.write(f"{x}\n")
    return {"x": x, "square": x * x}


def fail_at_three(x):
    if x == 3:
        raise ZeroDivisionError("three")
    return x


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(tmp_path, workers):
    jobs = {f"job{i}": (i,) for i in (3, 1, 2)}
    results = run_jobs(square, jobs, directory=tmp_path, workers=workers, progress=False)
    assert list(results) == ["job3", "job1", "job2"]
    assert results["job2"] == {"x": 2, "square": 4}


def test_only_what_is_missing_runs(tmp_path):
    log = tmp_path / "log"
    store = tmp_path / "store"
    first = {f"k{i}": (i, str(log)) for i in range(3)}
    both = {f"k{i}": (i, str(log)) for i in range(5)}
    run_jobs(square, first, directory=store, progress=False)
    results = run_jobs(square, both, directory=store, progress=False)
    assert sorted(log.read_text().split()) == ["0", "1", "2", "3", "4"]
    assert list(results) == list(both)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_job_is_named_and_the_finished_ones_are_kept(tmp_path, workers):
    jobs = {f"k{i}": (i,) for i in range(4)}
    with pytest.raises(JobError, match="k3 failed: ZeroDivisionError: three"):
        run_jobs(fail_at_three, jobs, directory=tmp_path, workers=workers, progress=False)
    if workers == 1:
        assert sorted(p.name for p in tmp_path.iterdir()) == ["k0.json", "k1.json", "k2.json"]


SCRIPT = """
import os, sys, time
from infoprior.parallel import run_jobs
sys.path.insert(0, {here!r})
from test_parallel import slow_square
run_jobs(slow_square, {{f"k{{i:02d}}": (i,) for i in range(24)}}, directory={store!r}, workers=2)
"""


def slow_square(x):
    time.sleep(0.15)
    return {"x": x, "square": x * x, "third": x / 3}


def test_killed_and_started_again_equals_an_uninterrupted_run(tmp_path):
    store = tmp_path / "store"
    script = SCRIPT.format(here=str(Path(__file__).parent), store=str(store))
    process = subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(list(store.glob("*.json"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.3)
    done = {p.name: p.stat().st_mtime_ns for p in store.glob("*.json")}
    assert 6 <= len(done) < 24
    for name in done:
        json.loads((store / name).read_text())  # whole, every one
    jobs = {f"k{i:02d}": (i,) for i in range(24)}
    resumed = run_jobs(slow_square, jobs, directory=store, workers=2, progress=False)
    for name, stamp in done.items():
        assert (store / name).stat().st_mtime_ns == stamp, "a finished job ran again"
    fresh = run_jobs(slow_square, jobs, directory=tmp_path / "fresh", workers=1, progress=False)
    assert resumed == fresh
    assert not list(store.glob("*.tmp"))


INTERRUPTED = """
import signal, sys
from infoprior.parallel import run_jobs
sys.path.insert(0, {here!r})
from test_parallel import wait_long
signal.signal(signal.SIGINT, signal.default_int_handler)
run_jobs(
    wait_long, {{f"k{{i}}": (i,) for i in range(6)}}, directory={store!r}, workers={workers},
    progress=False,
)
"""


def wait_long(x):
    if x > 2:
        time.sleep(120)
    return x


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_ends_it_and_keeps_what_finished(tmp_path, workers):
    store = tmp_path / "store"
    script = INTERRUPTED.format(here=str(Path(__file__).parent), store=str(store), workers=workers)
    process = subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len(list(store.glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)  # to the main process alone: it has to end the others
    try:
        _, errors = process.communicate(timeout=60)
        assert b"KeyboardInterrupt" in errors
        assert sorted(p.name for p in store.iterdir()) == ["k0.json", "k1.json", "k2.json"]
        deadline = time.monotonic() + 30
        while group_lives(process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not group_lives(process.pid), "a worker outlived the run"
    finally:
        if group_lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def kill_own_process(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def test_a_killed_worker_is_said(tmp_path):
    jobs = {f"k{i}": (i,) for i in range(4)}
    with pytest.raises(EngineError, match="A worker process was killed, perhaps for want of memo"):
        run_jobs(kill_own_process, jobs, directory=tmp_path, workers=2, progress=False)


CLEANING = """
from infoprior.parallel import run_jobs
print("ready", flush=True)
while True:
    run_jobs(len, {{}}, directory={store!r}, progress=False)
"""


def test_two_runs_on_one_directory_leave_each_other_s_files_alone(tmp_path):
    # The other starts over and over, and at each start looks for leftovers.
    script = CLEANING.format(store=str(tmp_path))
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        jobs = {f"k{i}": (i,) for i in range(1500)}
        assert len(run_jobs(square, jobs, directory=tmp_path, progress=False)) == 1500
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


def test_leftovers_go_when_their_writer_has_gone(tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr(os, "replace", lambda source, target: names.append(Path(source).name))
    write_atomically(tmp_path / "k.json", "")
    monkeypatch.undo()
    (name,) = names
    assert str(os.getpid()) in name

    def leave(text, age=0.0):
        path = tmp_path / text
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
        return path

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    live = leave(name)
    old = leave(name.replace("k.json", "old.json"), age=86400.0)
    dead = leave(name.replace(f"-{os.getpid()}.", f"-{ended.pid}."))
    tag = name.split(".")[-2].split("-")[0]
    elsewhere = leave(name.replace(tag, "0" * 8).replace(str(os.getpid()), str(ended.pid)))
    forgotten = leave(name.replace(tag, "1" * 8), age=86400.0)
    run_jobs(square, {}, directory=tmp_path, progress=False)
    assert [live.exists(), elsewhere.exists()] == [True, True]
    assert [old.exists(), dead.exists(), forgotten.exists()] == [False, False, False]


def test_a_job_that_another_run_has_finished_meanwhile_is_not_run_again(tmp_path):
    jobs = {"first": (str(tmp_path),), "second": (str(tmp_path),)}
    results = run_jobs(finish_the_other, jobs, directory=tmp_path, progress=False)
    assert results == {"first": "here", "second": "elsewhere"}


def finish_the_other(folder):
    write_atomically(Path(folder) / "second.json", '"elsewhere"')
    return "here"


def test_a_shard_that_is_not_whole_is_named(tmp_path):
    run_jobs(square, {"k1": (1,)}, directory=tmp_path, progress=False)
    (tmp_path / "k1.json").write_text("")
    with pytest.raises(JobError, match=r"k1\.json is not whole.*delete it"):
        run_jobs(square, {"k1": (1,)}, directory=tmp_path, progress=False)


def test_keys_that_cannot_name_a_file_and_no_workers_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.\./x"):
        run_jobs(square, {"../x": (1,)}, directory=tmp_path, progress=False)
    with pytest.raises(ValueError, match="workers = 0"):
        run_jobs(square, {"x": (1,)}, directory=tmp_path, workers=0, progress=False)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, "old")

    def broken(*_):
        raise OSError("disk")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk"):
        write_atomically(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "old"


def test_fingerprints_depend_on_values_and_not_on_order():
    assert fingerprint({"a": 1, "b": 2.0}) == fingerprint({"b": 2.0, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert source_fingerprint("infoprior.spaces") != source_fingerprint("infoprior.parallel")
    with pytest.raises(ModuleNotFoundError, match="nothing_here"):
        source_fingerprint("nothing_here")
