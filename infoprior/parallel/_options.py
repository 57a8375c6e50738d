"""The settings of the fan-out: which engine, where it is, how many workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from infoprior._arguments import is_whole
from infoprior.parallel._errors import ParallelError

ENGINES = ("local", "dask", "ray")


def engine_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """The section `parallel` of params.yaml as keyword arguments of `run_jobs`.

    Args:
        params: `workers` (0: one a core; never more than there are cores), and, if wanted, `engine`
            and `address` (kept but unused where the engine is local).

    Returns:
        `workers`, `engine` and `address`.

    Raises:
        ParallelError: (a `ValueError`) a value is invalid; the message names the setting.
    """
    if not isinstance(params, Mapping):
        raise ParallelError(f"parallel: needs settings by name, got {params!r}.")
    unknown = sorted(map(str, set(params) - {"workers", "engine", "address"}))
    if unknown:
        raise ParallelError(f"parallel.{unknown[0]}: there are workers, engine and address only.")
    workers, cores = params.get("workers", 0), os.cpu_count() or 1
    if not is_whole(workers) or workers < 0:
        raise ParallelError(f"parallel.workers = {workers!r}: a whole number, 0 for one a core.")
    engine, address = params.get("engine"), params.get("address")
    engine = ENGINES[0] if engine in (None, "") else engine
    try:
        check_engine(engine, address)
    except ParallelError as error:
        raise ParallelError(f"parallel: {error}") from None
    return {
        "workers": min(int(workers), cores) if workers else cores,
        "engine": engine,
        "address": address or None,
    }


def check_engine(engine: Any, address: Any) -> None:
    """Refuse an engine and an address that do not go together.

    Raises:
        ParallelError: (a `ValueError`) then.
    """
    if not isinstance(engine, str) or engine not in ENGINES:
        raise ParallelError(f"engine = {engine!r}: one of {', '.join(ENGINES)} is needed.")
    if address is not None and not isinstance(address, str):
        raise ParallelError(f"address = {address!r}: a text is needed, as host:port.")
    if engine == "dask" and not address:
        raise ParallelError("engine = 'dask' needs the scheduler's address, as tcp://host:8786.")
    if engine == "ray" and not address:
        raise ParallelError("engine = 'ray' needs an address: host:6379, or auto on a node of it.")
