"""The fan-out over workers: every finished job is a file, so a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from infoprior._progress import progress_line

ENGINES = ("local", "dask", "ray")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,180}")
_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)\.tmp")
_FORGOTTEN = 3600.0  # seconds; a file takes milliseconds to write, and clocks may differ


class JobError(RuntimeError):
    """A job failed; the finished ones are kept."""


class EngineError(RuntimeError):
    """The engine cannot be used or went away; the finished jobs are kept."""


def run_jobs(
    function: Callable[..., Any],
    jobs: Mapping[str, tuple[Any, ...]],
    *,
    directory: str | os.PathLike[str],
    workers: int = 1,
    engine: str = "local",
    address: str | None = None,
    description: str = "jobs",
    progress: bool = True,
) -> dict[str, Any]:
    """Run `function(*arguments)` for every job that has no result in `directory` yet.

    Each result is written as `directory/<key>.json`, atomically, as soon as it is there: whatever
    kills the run, the next one does only what is missing. Results are read back from the files, so
    a resumed run returns exactly what an uninterrupted one does. One key is one file: no job can be
    there twice, whoever ran it and however often. Several runs may share a directory, also from
    several machines.

    On this machine the worker that made a result writes it; on a cluster this process does, so that
    workers need no common file system. `docs/cluster.md` says what a cluster needs.

    Args:
        function: a module-level function that returns something JSON can hold (floats that are not
            finite travel as JSON's NaN and Infinity, which only this module reads). It must not
            depend on which worker runs it.
        jobs: key -> arguments. The key names the file; it must say all that the result depends on
            (see `fingerprint`).
        directory: of the results; made if missing.
        workers: processes of the engine "local"; 1 runs in this one. A cluster has its own.
        engine: "local", "dask" or "ray".
        address: of the cluster: "tcp://host:8786" for Dask, "host:6379" or "auto" for Ray.
        description: beside the progress bar.
        progress: show a bar with the time left on the terminal, if it takes more than two seconds.
            Of the calls within a job none shows its own.

    Returns:
        key -> result, in the order of `jobs`.

    Raises:
        ValueError: a key cannot name a file, there are no workers, or engine and address do not go
            together.
        JobError: a job raised; the message names it. The others that had finished are on disk.
        EngineError: the engine is not installed, not reachable, or would give other results (other
            code or package versions on a worker), or it went away.
    """
    _check_engine(engine, address)
    if workers < 1:
        raise ValueError(f"workers = {workers}: at least one is needed.")
    for key in jobs:
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"The job key {key!r} cannot name a file: use letters, digits, '._=+-' only."
            )
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    done = {entry.name for entry in os.scandir(folder)}
    missing = [key for key in jobs if f"{key}.json" not in done]
    # Looked up again as it is dispatched: another run on this directory may have been quicker.
    calls = ((function, key, jobs[key]) for key in missing if not (folder / f"{key}.json").exists())
    finished = len(jobs) - len(missing)
    with progress_line(description, len(jobs), show=progress, done=finished) as stage:
        if not missing:
            pass
        elif engine == "local":
            for _ in _local(calls, folder, workers):
                stage.advance()
        else:
            from infoprior import _engines

            for key, text in _engines.run(calls, engine, str(address), function):
                write_atomically(folder / f"{key}.json", text)
                stage.advance()
    return dict(_read(folder, list(jobs), progress))


def engine_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """The section `parallel` of params.yaml as keyword arguments of `run_jobs`.

    Args:
        params: `workers` (0: one a core; never more than there are cores), and, if wanted, `engine`
            and `address` (kept but unused where the engine is local).

    Raises:
        ValueError: a value that cannot be, with the setting's name.
    """
    unknown = sorted(set(params) - {"workers", "engine", "address"})
    if unknown:
        raise ValueError(f"parallel.{unknown[0]}: there are workers, engine and address only.")
    workers, cores = params.get("workers", 0), os.cpu_count() or 1
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 0:
        raise ValueError(f"parallel.workers = {workers!r}: a whole number, 0 for one a core.")
    engine, address = params.get("engine") or "local", params.get("address") or None
    try:
        _check_engine(engine, address)
    except ValueError as error:
        raise ValueError(f"parallel: {error}") from None
    return {
        "workers": min(workers, cores) if workers else cores,
        "engine": engine,
        "address": None if address is None else str(address),
    }


def _check_engine(engine: str, address: str | None) -> None:
    if engine not in ENGINES:
        raise ValueError(f"engine = {engine!r}: one of {', '.join(ENGINES)} is needed.")
    if engine == "dask" and not address:
        raise ValueError("engine = 'dask' needs the scheduler's address, as tcp://host:8786.")
    if engine == "ray" and not address:
        raise ValueError("engine = 'ray' needs an address: host:6379, or auto on a node of it.")


def _local(
    calls: Iterable[tuple[Callable[..., Any], str, tuple[Any, ...]]], folder: Path, workers: int
) -> Iterator[str]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if workers == 1:
        yield from (_run_and_write(*call, str(folder)) for call in calls)
        return
    with parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size="auto")
    try:
        yield from parallel(delayed(_run_and_write)(*call, str(folder)) for call in calls)
    except TerminatedWorkerError as error:
        raise EngineError(
            "A worker process was killed, perhaps for want of memory. What had finished is kept: "
            "start again, with fewer workers if memory is short."
        ) from error


def _run_and_write(
    function: Callable[..., Any], key: str, arguments: tuple[Any, ...], folder: str
) -> str:
    write_atomically(Path(folder) / f"{key}.json", run_job(function, key, arguments))
    return key


def run_job(function: Callable[..., Any], key: str, arguments: tuple[Any, ...]) -> str:
    """One job's result as JSON text: the bytes are the same wherever it runs."""
    try:
        with progress_line(key, show=False):
            return json.dumps(function(*arguments))
    except Exception as error:
        raise JobError(f"The job {key} failed: {type(error).__name__}: {error}") from error


def _read(folder: Path, keys: list[str], progress: bool) -> Iterator[tuple[str, Any]]:
    with progress_line("reading", len(keys), show=progress) as stage:
        for key in keys:
            path = folder / f"{key}.json"
            try:
                with open(path, encoding="utf-8") as file:
                    result = json.load(file)
            except ValueError:
                raise JobError(
                    f"{path} is not whole, as after a crash of the machine: delete it, start again."
                ) from None
            yield key, result
            stage.advance()


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all (temporary file, then rename)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{_machine()}-{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _machine() -> str:
    """Where process numbers mean something: this host, and in it this container."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files whose writer is gone, never those of another live run."""
    for path in folder.glob(".*.tmp"):
        match = _TEMPORARY.fullmatch(path.name)
        try:
            gone = time.time() - path.stat().st_mtime > _FORGOTTEN
        except FileNotFoundError:
            continue
        if match and match[1] == _machine():
            gone = gone or not _alive(int(match[2]))
        if gone:
            path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if os.name != "posix":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def fingerprint(*parts: Any, length: int = 16) -> str:
    """A short hash of JSON-able values: what goes into a job's key for all its settings."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:length]


def source_fingerprint(*packages: str, length: int = 16) -> str:
    """A hash of the source of packages (`"infoprior.training"`): results of other code are others.

    Raises:
        ModuleNotFoundError: there is no such package.
    """
    from importlib.util import find_spec

    digest = hashlib.sha256()
    for package in sorted(packages):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"No package {package!r} to take the fingerprint of.")
        origin = Path(spec.origin)
        files = sorted(origin.parent.glob("*.py")) if origin.name == "__init__.py" else [origin]
        for file in files:
            digest.update(f"{package}/{file.name}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:length]
