"""The fan-out: results on disk at once, resumable, the same whatever the number of workers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from infoprior.files import write_atomically
from infoprior.parallel import EngineError, JobError, run_jobs


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
from test_jobs import slow_square
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
from test_jobs import wait_long
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


def test_all_shards_that_are_not_whole_are_named_at_once(tmp_path):
    jobs = {f"k{i}": (i,) for i in range(4)}
    run_jobs(square, jobs, directory=tmp_path, progress=False)
    for name, content in (("k1", b""), ("k2", b'{"x": 2, '), ("k3", b"\0" * 30)):
        (tmp_path / f"{name}.json").write_bytes(content)
    with pytest.raises(JobError, match=r"k1\.json is not whole.* The same for k2\.json, k3\.json"):
        run_jobs(square, jobs, directory=tmp_path, progress=False)
    for name in ("k1", "k2", "k3"):
        (tmp_path / f"{name}.json").unlink()
    assert run_jobs(square, jobs, directory=tmp_path, progress=False)["k3"]["square"] == 9


KEPT = {
    "none": None,
    "int": 10**30,
    "float": 0.1 + 0.2,
    "infinite": [float("inf"), -float("inf"), -0.0],
    "text": "\N{GRINNING FACE} \ud800 \n",
    "nested": [{"a": [[], {}, [True]]}],
    "numpy": np.float64(0.1),
}
CHANGED = {
    "number as key": ({"a": [0, {1: "x"}]}, r"\['a'\]\[1\]: the key 1 is of type int"),
    "key that is there as a text, too": ({1: "x", "1": "y"}, "the key 1 is of type int"),
    "None as key": ({None: 1}, "the key None is of type NoneType"),
    "array": ({"a": np.zeros(2)}, "ndarray is not JSON serializable"),
    "NumPy's int": (np.int64(1), "int64 is not JSON serializable"),
    "set": ({1}, "set is not JSON serializable"),
    "two halves of a character": (["\ud83d\ude00"], r"\[0\]: "),
    "tuple as key": ({(1, 2): 3}, "keys must be str"),
    "path": (Path("x"), "is not JSON serializable"),
}


def give(name):
    if name == "itself":
        value = []
        value.append(value)
        return value
    return KEPT[name] if name in KEPT else CHANGED[name][0]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_resumed_run_returns_what_the_first_did(tmp_path, workers):
    jobs = {name: (name,) for name in KEPT}
    first = run_jobs(give, jobs, directory=tmp_path, workers=workers, progress=False)
    again = run_jobs(give, jobs, directory=tmp_path, workers=workers, progress=False)
    assert repr(first) == repr(again)
    assert first == {**KEPT, "numpy": 0.1}
    assert str(first["infinite"][2]) == "-0.0"
    (nan,) = run_jobs(float, {"nan": ("nan",)}, directory=tmp_path, progress=False).values()
    assert nan != nan
    pairs = run_jobs(divmod, {"tuple": (7, 2)}, directory=tmp_path, progress=False)
    assert pairs == {"tuple": [3, 1]}  # the first time, too


@pytest.mark.parametrize("name", [*CHANGED, "itself"])
def test_a_result_that_a_file_would_change_is_refused(tmp_path, name):
    says = CHANGED[name][1] if name in CHANGED else "Circular reference"
    with pytest.raises(JobError, match=rf"job k returned what JSON cannot hold as it is.*{says}"):
        run_jobs(give, {"k": (name,)}, directory=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_exits_has_failed(tmp_path, workers):
    with pytest.raises(JobError, match="k1 failed: SystemExit: 3"):
        run_jobs(sys.exit, {"k1": (3,)}, directory=tmp_path, workers=workers, progress=False)
