"""Clusters for the tests and the benchmark: processes on the loopback device, nothing else."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-dashboard")


def missing(package: str) -> str | None:
    """Why there can be no cluster of this kind; None where there can."""
    if importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    return None


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    """This process's, with the project importable; what is None is left out."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "PYTHONPATH": path, **more}


@dataclass
class DaskCluster:
    """A scheduler and workers without nannies: what is killed stays dead."""

    home: Path
    address: str = ""
    scheduler: subprocess.Popen | None = None
    workers: list[subprocess.Popen] = field(default_factory=list)

    def start(self, program: str, *arguments: str, **settings: str) -> subprocess.Popen:
        with open(self.home / f"{program}.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", *arguments, *HERE],
                env=environment(**settings),
                cwd=self.home,
                stdout=log,
                stderr=log,
            )

    def add_worker(self, *options: str, **settings: str) -> subprocess.Popen:
        options = ("--no-nanny", "--memory-limit", "0", *(options or ("--nthreads", "1")))
        options = (*options, "--local-directory", str(self.home))
        self.workers.append(self.start("dask_worker", self.address, *options, **settings))
        return self.workers[-1]

    def output(self) -> str:
        return "".join(path.read_text() for path in sorted(self.home.glob("*.log")))


@contextlib.contextmanager
def dask(workers: int = 2) -> Iterator[DaskCluster]:
    with tempfile.TemporaryDirectory(prefix="infoprior-dask-") as home:
        port = free_port()
        cluster = DaskCluster(Path(home), f"tcp://127.0.0.1:{port}")
        try:
            cluster.scheduler = cluster.start("dask_scheduler", "--port", str(port))
            wait_until_open(port, cluster)
            for _ in range(workers):
                cluster.add_worker()
            yield cluster
        finally:
            processes = [*cluster.workers, cluster.scheduler]
            end([process for process in processes if process is not None])


def wait_until_open(port: int, cluster: DaskCluster) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"No Dask here:\n{cluster.output()}")
        time.sleep(0.1)


@contextlib.contextmanager
def ray(cores: int = 2) -> Iterator[str]:
    """A Ray cluster of one node; its address."""
    import psutil

    with tempfile.TemporaryDirectory(prefix="infoprior-ray-") as home:
        port = free_port()
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *("--node-ip-address", "127.0.0.1", "--port", str(port), "--num-cpus", str(cores)),
            *("--include-dashboard", "false", "--disable-usage-stats", "--temp-dir", home),
            *("--object-store-memory", str(80 * 2**20)),
        ]
        log = Path(home) / "start.log"
        with open(log, "wb") as file:
            process = subprocess.Popen(
                command, env=environment(**RAY_LOCAL), cwd=home, stdout=file, stderr=file
            )
        family: list = []
        try:
            deadline = time.monotonic() + 60
            while b"Ray runtime started" not in log.read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"No Ray here:\n{log.read_text()}")
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                family = psutil.Process(process.pid).children(recursive=True)
            end([process])
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(family, timeout=10)


RAY_LOCAL = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""The first keeps Ray on 127.0.0.1: elsewhere than on Linux this is what it does."""


def end(processes: Sequence[subprocess.Popen]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def open_to_others(processes: Sequence[int]) -> list[str]:
    """Addresses off the loopback device on which any of these processes listens."""
    import psutil

    addresses = []
    for process in processes:
        for one in psutil.Process(process).net_connections("tcp"):
            ip = re.sub(r"^::ffff:", "", one.laddr.ip)
            if one.status == psutil.CONN_LISTEN and ip not in ("127.0.0.1", "::1"):
                addresses.append(f"{ip}:{one.laddr.port}")
    return addresses
