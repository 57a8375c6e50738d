"""Jobs on a cluster, through joblib's backends for Dask and Ray (see docs/cluster.md).

Workers return a result's JSON text and the client writes it. Before a worker runs its first job it
shows that it would compute what the client would: same sources, same versions, same settings of the
numerical libraries, one job at a time.
"""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any

from infoprior.parallel._errors import EngineError, JobError
from infoprior.parallel._worker import (
    SETTINGS,
    Facts,
    compare,
    describe,
    first_line,
    other_packages,
    run_checked,
)

_PATIENCE = 5  # seconds for a connection
_FIRST_WORKER = 60  # seconds for the first worker to come
_IN_FLIGHT = 1000  # jobs handed to Dask ahead, so that workers that come later find some


Call = tuple[Callable[..., Any], str, tuple[Any, ...]]


def run(
    calls: Iterable[Call], engine: str, address: str, function: Callable[..., Any]
) -> Iterator[tuple[str, str]]:
    """Run jobs on a cluster.

    Args:
        calls: (function, key, arguments) of each job.
        engine: "dask" or "ray".
        address: of the cluster.
        function: that the jobs run; its package is compared with the workers'.

    Yields:
        (key, JSON text) of each job as it finishes.

    Raises:
        JobError: a job raised; the message names it.
        EngineError: see `infoprior.parallel.run_jobs`.
    """
    facts = describe(*_top_package(function))
    yield from (_dask if engine == "dask" else _ray)(calls, address, facts)


def _dask(calls: Iterable[Call], address: str, facts: Facts) -> Iterator[tuple[str, str]]:
    _require_package("dask", "distributed")
    from distributed import Client, TimeoutError
    from joblib import Parallel, delayed, parallel_config

    from infoprior.parallel._dask import Backend

    _check_reachable("Dask scheduler", address)
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
        names = other_packages(facts)
        for worker, theirs in client.run(describe, *names, on_error="return").items():
            compare(facts, theirs, worker)
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
            raise _gave_up(f"Dask at {address}", error) from error
    finally:
        client.close(timeout=2)


def _ray(calls: Iterable[Call], address: str, facts: Facts) -> Iterator[tuple[str, str]]:
    _require_package("ray", "ray")
    import ray
    from joblib import Parallel, delayed, parallel_config

    from infoprior.parallel._ray import Backend

    mine = not ray.is_initialized()
    if mine:
        _check_reachable("Ray cluster", address)
        try:
            # Workers are started anew for this run, so that their settings can be the client's.
            settings = {name: value for name, value in facts if name in SETTINGS}
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.WARNING,
                runtime_env={"env_vars": {k: v for k, v in settings.items() if v != "unset"}},
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"No Ray cluster can be joined at {address}: is it running, and this machine a "
                f"node of it? ({first_line(error)})"
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
            raise _gave_up(f"Ray at {address}", error) from error
    finally:
        if mine:
            ray.shutdown()


def _require_package(extra: str, module: str) -> None:
    """Refuse an engine whose package is not installed."""
    if find_spec(module) is None:
        raise EngineError(
            f"engine = {extra!r} needs packages that are not installed: "
            f'pip install "infoprior[{extra}]".'
        )


def _check_reachable(engine: str, address: str) -> None:
    """Refuse an address where nothing listens.

    There, Ray tries for minutes or ends the process, and Dask gives up slowly.
    """
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
    """Refuse a Dask worker that would run several jobs in one process."""
    if threads != 1:
        raise EngineError(
            f"The Dask worker {worker} runs {threads} jobs at once, in threads of one process that "
            "share the state of the numerical libraries: start it with --nthreads 1 (and "
            f"--nworkers {threads})."
        )


def _gave_up(where: str, error: Exception) -> EngineError:
    """The error where an engine gave a job up."""
    return EngineError(
        f"{where} gave a job up: {first_line(error)}. What had finished is kept: start again."
    )


def _on_dask(
    function: Callable[..., Any], key: str, arguments: tuple[Any, ...], facts: Facts
) -> tuple[str, str]:
    """On a Dask worker: (key, JSON text) of a job."""
    from distributed import get_worker

    worker = get_worker()
    _refuse_threads(worker.address, worker.state.nthreads)
    return run_checked(function, key, arguments, facts)


def _top_package(function: Callable[..., Any]) -> list[str]:
    """The top-level package of a function; none for one of a script, which travels by itself."""
    top = (getattr(function, "__module__", None) or "__main__").partition(".")[0]
    return [top] if top not in ("__main__", "infoprior") else []
