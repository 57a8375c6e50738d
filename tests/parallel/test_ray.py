"""The fan-out on a real Ray cluster of one node on the loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infoprior.parallel import run_jobs
from tests.parallel import clusters

NO_RAY = clusters.missing("ray")
ray_only = pytest.mark.skipif(NO_RAY is not None, reason=f"a real Ray cluster: {NO_RAY}")
pytestmark = [pytest.mark.slow, ray_only]


def third(i: int, folder: str) -> dict:
    time.sleep(0.1)
    with open(Path(folder) / f"{i}-{os.getpid()}", "w"):
        return {"i": i, "third": i / 3}


SCRIPT = """
from infoprior.parallel import run_jobs
from tests.parallel.test_ray import third
jobs = {{f"k{{i:02d}}": (i, {log!r}) for i in range(40)}}
run_jobs(third, jobs, directory={store!r}, engine="ray", address={address!r}, progress=False)
"""


def test_a_killed_worker_loses_no_row_and_doubles_none(tmp_path):
    log, store = tmp_path / "log", tmp_path / "there"
    log.mkdir()
    with clusters.ray(cores=2) as address:
        # In a process of its own: Ray reads its settings as it is imported.
        script = SCRIPT.format(log=str(log), store=str(store), address=address)
        client = subprocess.Popen(
            [sys.executable, "-c", script],
            env=clusters.environment(**clusters.RAY_LOCAL),
            cwd=clusters.ROOT,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 120
        while len(list(store.glob("*.json"))) < 20 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert client.poll() is None
        workers = {int(path.name.split("-")[1]) for path in log.iterdir()}
        assert len(workers) == 2
        os.kill(min(workers), 9)
        assert clusters.open_to_others([client.pid, max(workers)]) == []
        _, errors = client.communicate(timeout=120)
        assert client.returncode == 0, errors.decode()
    jobs = {f"k{i:02d}": (i, str(log)) for i in range(40)}
    run_jobs(third, jobs, directory=tmp_path / "local", progress=False)
    here, there = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path / "local", store)
    )
    assert there == here
