"""A fan-out that is killed: its workers end with it, and nothing half-written stays."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from infoprior import files
from infoprior.parallel import _processes, run_jobs, worker_pool

TOP = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds, for what takes two or three on a machine with nothing else to do
GONE = 5.0  # seconds that workers have to end

SCRIPT = """
import sys
from infoprior.parallel import run_jobs, worker_pool
from tests.parallel.test_killed import hold_the_lock, note, quick
{body}
"""


def note(x: float, folder: str) -> float:
    """Says that it has begun, and sleeps."""
    Path(folder, f"begun-{os.getpid()}").touch()
    time.sleep(x)
    return x


def hold_the_lock(x: float, folder: str) -> float:
    """Says that it has begun, and sleeps in compiled code that keeps the interpreter's lock."""
    Path(folder, f"begun-{os.getpid()}").touch()
    ctypes.PyDLL(None).sleep(int(x))
    return x


def quick(x: int) -> dict[str, float]:
    time.sleep(0.02)
    return {"x": x, "third": x / 3, "many": [x] * 200}  # type: ignore[dict-item]


def start(body: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(body=body)],
        cwd=TOP,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stderr=subprocess.PIPE,
    )


def workers_of(process: subprocess.Popen[bytes], folder: Path, n: int) -> list[psutil.Process]:
    """The processes that have begun a job in `folder`, when there are n."""
    deadline = time.monotonic() + PATIENCE
    while len(begun := [*folder.glob("begun-*")]) < n:
        assert time.monotonic() < deadline, "the run does not get going"
        assert process.poll() is None, process.stderr.read().decode()  # type: ignore[union-attr]
        time.sleep(0.02)
    return [psutil.Process(int(path.name.partition("-")[2])) for path in begun]


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE  # which nobody may have waited for
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + GONE
    while alive := [process for process in processes if lives(process)]:
        if time.monotonic() > deadline:
            for process in alive:
                process.kill()
            raise AssertionError(f"{len(alive)} workers outlived their parent by {GONE} s")
        time.sleep(0.02)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    folder = tmp_path / "begun"
    folder.mkdir()
    return folder


JOBS = "run_jobs({job}, {{f'k{{i}}': (60, {begun!r}) for i in range(6)}}, "
JOBS += "directory={store!r}, workers=2, progress=False)"
CALLS = "list(worker_pool(2)((note, (60, {begun!r}), {{}}) for i in range(6)))"


@pytest.mark.parametrize("job", ["hold_the_lock", "pool"])
def test_the_workers_of_a_killed_parent_end_within_seconds(
    tmp_path: Path, begun: Path, job: str
) -> None:
    body = CALLS if job == "pool" else JOBS
    parent = start(body.format(job=job, begun=str(begun), store=str(tmp_path / "store")))
    workers = workers_of(parent, begun, 2)
    children = psutil.Process(parent.pid).children(recursive=True)
    assert {worker.pid for worker in workers} <= {child.pid for child in children}
    parent.kill()
    parent.wait()
    wait_until_gone(children)
    if job != "pool":
        assert [*(tmp_path / "store").iterdir()] == []


def test_workers_end_by_themselves_where_the_kernel_does_not_end_them(tmp_path: Path) -> None:
    # As where there is no /proc: what is opened there does not exist.
    body = "from infoprior.parallel._processes import end_with_parent; import os, time\n"
    body += "end_with_parent(os.getppid(), 10**6); print(flush=True); time.sleep(60)"
    middle = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {body!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""
    parent = subprocess.Popen([sys.executable, "-c", middle], stdout=subprocess.PIPE, cwd=TOP)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(1.5 * _processes._CHECK)
    assert lives(child)  # as long as its parent does
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until_gone([child])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_end_ends_its_workers_and_removes_what_they_left(
    tmp_path: Path, begun: Path, number: signal.Signals
) -> None:
    store = tmp_path / "store"
    body = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    parent = start(body + JOBS.format(job="note", begun=str(begun), store=str(store)))
    workers = workers_of(parent, begun, 2)
    for worker in workers:  # as if both were writing a result
        name = f".k0.json.0.{files._machine()}-{worker.pid}.tmp"
        (store / name).write_text("half")
    parent.send_signal(number)
    parent.wait(PATIENCE)
    assert parent.returncode == (143 if number == signal.SIGTERM else -signal.SIGINT)
    wait_until_gone(workers)
    assert [*store.iterdir()] == []


def test_kills_at_random_moments_end_in_the_same_files(tmp_path: Path) -> None:
    n, store = 40, tmp_path / "store"
    jobs = {f"k{i:02d}": (i,) for i in range(n)}
    body = f"run_jobs(quick, {jobs!r}, directory={str(store)!r}, workers=2, progress=False)"
    rng = random.Random(0)
    for finished in sorted(rng.sample(range(1, n - 10), 2)):
        parent = start(body)
        deadline = time.monotonic() + PATIENCE
        while len([*store.glob("*.json")]) < finished:
            assert time.monotonic() < deadline, "the run does not get going"
            assert parent.poll() is None, parent.stderr.read().decode()  # type: ignore[union-attr]
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.05))
        children = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
        parent.wait()
        wait_until_gone(children)
    before = {path: path.stat().st_mtime_ns for path in store.glob("*.json")}
    assert 1 <= len(before) < n
    resumed = run_jobs(quick, jobs, directory=store, workers=2, progress=False)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    whole = run_jobs(quick, jobs, directory=tmp_path / "whole", progress=False)
    assert resumed == whole
    files = {path.name: path.read_bytes() for path in store.iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}


def test_a_pool_of_the_same_process_is_used_again() -> None:
    first = set(worker_pool(2)((os.getpid, (), {}) for _ in range(8)))
    again = set(worker_pool(2, ordered=False)((os.getpid, (), {}) for _ in range(8)))
    assert os.getpid() not in first
    assert len(first | again) <= 2
