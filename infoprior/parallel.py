"""The fan-out over workers: every finished job is a file, so a killed run is resumed."""

from __future__ import annotations

import contextlib
import json
import numbers
import os
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

from infoprior._canonical import FingerprintError
from infoprior._files import remove_leftovers, write_atomically
from infoprior._fingerprint import fingerprint, source_fingerprint
from infoprior._parallel_errors import EngineError, JobError, ParallelError, SourceError
from infoprior._processes import Terminated, sigterm_cleans_up, worker_pool
from infoprior._progress import progress_line

__all__ = [
    "ENGINES",
    "EngineError",
    "FingerprintError",
    "JobError",
    "ParallelError",
    "SourceError",
    "engine_options",
    "fingerprint",
    "remove_leftovers",
    "run_job",
    "run_jobs",
    "source_fingerprint",
    "worker_pool",
    "write_atomically",
]

ENGINES = ("local", "dask", "ray")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]*")
_LONGEST_KEY = 180  # characters; file systems take names of 255, and temporary ones are longer


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
    workers need no common file system. `docs/cluster.md` says what a cluster needs. Workers of the
    engine "local" end with this process, however it ends.

    Args:
        function: a module-level function that returns something JSON can hold: None, bools,
            numbers, texts, lists, and dicts whose keys are texts. (A tuple comes back as a list.
            Floats that are not finite travel as JSON's NaN and Infinity, which only this module
            reads.) It must not depend on which worker runs it.
        jobs: key -> tuple of arguments. The key names the file (180 letters, digits and "._=+-" at
            most). It must say all that the result depends on (see `fingerprint`): which function it
            is, too, where several share a directory.
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
        ParallelError: (a `ValueError`) an argument cannot be, with its name; a key cannot name a
            file, or is another one but for capital letters; engine and address do not go together.
        JobError: a job raised, or returned what JSON does not give back as it was; the message
            names it. Or a file of a finished one is damaged. The others are kept.
        EngineError: the engine is not installed, not reachable, or would give other results (other
            code or package versions on a worker), or it went away.
    """
    _check_engine(engine, address)
    _check_arguments(function, jobs, directory, workers, description, progress)
    folder = _made(directory)
    remove_leftovers(folder)
    done = {entry.name for entry in os.scandir(folder)}
    missing = [key for key in jobs if f"{key}.json" not in done]
    # Looked up again as it is dispatched: another run on this directory may have been quicker.
    calls = ((function, key, jobs[key]) for key in missing if not (folder / f"{key}.json").exists())
    at_first = len(jobs) - len(missing)
    with progress_line(description, len(jobs), show=progress, done=at_first) as stage:
        if not missing:
            pass
        elif engine == "local":
            # Closed whatever happens here: closing ends the workers.
            with contextlib.closing(_local(calls, folder, int(workers))) as finished:
                for _ in finished:
                    stage.advance()
        else:
            from infoprior import _engines

            for key, text in _engines.run(calls, engine, str(address), function):
                write_atomically(folder / f"{key}.json", text)
                stage.advance()
    return _read(folder, list(jobs), progress)


def _check_arguments(
    function: Any, jobs: Any, directory: Any, workers: Any, description: Any, progress: Any
) -> None:
    if not callable(function):
        raise ParallelError(f"function: needs a function, got {function!r}.")
    if not isinstance(jobs, Mapping):
        raise ParallelError(f"jobs: needs a dict, key -> arguments, got one {_kind(jobs)}.")
    if not isinstance(directory, str | os.PathLike) or not isinstance(os.fspath(directory), str):
        raise ParallelError(f"directory: needs a path, got {directory!r}.")
    if not _is_whole(workers):
        raise ParallelError(f"workers: needs a whole number, got {workers!r}.")
    if workers < 1:
        raise ParallelError(f"workers = {workers}: at least one is needed.")
    if not isinstance(description, str):
        raise ParallelError(f"description: needs a text, got {description!r}.")
    if not isinstance(progress, bool):
        raise ParallelError(f"progress: needs to be True or False, got {progress!r}.")
    alike: dict[str, str] = {}
    for key, arguments in jobs.items():
        if not isinstance(key, str):
            raise ParallelError(f"jobs: the key {key!r} is no text: it names the result's file.")
        if len(key) > _LONGEST_KEY:
            raise ParallelError(
                f"The job key {key[:40]!r}... cannot name a file: it has {len(key)} characters, "
                f"and {_LONGEST_KEY} are the most. fingerprint() makes a short one."
            )
        if not _KEY.fullmatch(key):
            raise ParallelError(
                f"The job key {key!r} cannot name a file: use letters, digits, '._=+-' only, and "
                "begin with a letter or digit."
            )
        if alike.setdefault(key.lower(), key) != key:
            raise ParallelError(
                f"The job keys {alike[key.lower()]!r} and {key!r} differ in capital letters only: "
                "they name one file where these do not count."
            )
        if not isinstance(arguments, tuple | list):
            raise ParallelError(
                f"jobs: the arguments of {key!r} are {_kind(arguments)}: give a tuple, as (x,)."
            )


def _made(directory: str | os.PathLike[str]) -> Path:
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParallelError(f"directory: {folder} cannot be made: {error.strerror}.") from error
    return folder


def _is_whole(value: Any) -> bool:
    """An int and no bool; NumPy's too."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return f"of type {type(value).__name__}"


def engine_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """The section `parallel` of params.yaml as keyword arguments of `run_jobs`.

    Args:
        params: `workers` (0: one a core; never more than there are cores), and, if wanted, `engine`
            and `address` (kept but unused where the engine is local).

    Raises:
        ParallelError: (a `ValueError`) a value that cannot be, with the setting's name.
    """
    if not isinstance(params, Mapping):
        raise ParallelError(f"parallel: needs settings by name, got {params!r}.")
    unknown = sorted(map(str, set(params) - {"workers", "engine", "address"}))
    if unknown:
        raise ParallelError(f"parallel.{unknown[0]}: there are workers, engine and address only.")
    workers, cores = params.get("workers", 0), os.cpu_count() or 1
    if not _is_whole(workers) or workers < 0:
        raise ParallelError(f"parallel.workers = {workers!r}: a whole number, 0 for one a core.")
    engine, address = params.get("engine"), params.get("address")
    engine = ENGINES[0] if engine in (None, "") else engine
    try:
        _check_engine(engine, address)
    except ParallelError as error:
        raise ParallelError(f"parallel: {error}") from None
    return {
        "workers": min(int(workers), cores) if workers else cores,
        "engine": engine,
        "address": address or None,
    }


def _check_engine(engine: Any, address: Any) -> None:
    if not isinstance(engine, str) or engine not in ENGINES:
        raise ParallelError(f"engine = {engine!r}: one of {', '.join(ENGINES)} is needed.")
    if address is not None and not isinstance(address, str):
        raise ParallelError(f"address = {address!r}: a text is needed, as host:port.")
    if engine == "dask" and not address:
        raise ParallelError("engine = 'dask' needs the scheduler's address, as tcp://host:8786.")
    if engine == "ray" and not address:
        raise ParallelError("engine = 'ray' needs an address: host:6379, or auto on a node of it.")


def _local(
    calls: Iterable[tuple[Callable[..., Any], str, tuple[Any, ...]]], folder: Path, workers: int
) -> Generator[str]:
    from joblib import delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if workers == 1:
        yield from (_run_and_write(*call, str(folder)) for call in calls)
        return
    pool = worker_pool(workers, ordered=False)
    try:
        with sigterm_cleans_up():
            yield from pool(delayed(_run_and_write)(*call, str(folder)) for call in calls)
    except TerminatedWorkerError as error:
        raise EngineError(
            "A worker process was killed, perhaps for want of memory. What had finished is kept: "
            "start again, with fewer workers if memory is short."
        ) from error
    finally:
        remove_leftovers(folder)  # of workers that were ended as they wrote


def _run_and_write(
    function: Callable[..., Any], key: str, arguments: tuple[Any, ...], folder: str
) -> str:
    write_atomically(Path(folder) / f"{key}.json", run_job(function, key, arguments))
    return key


def run_job(function: Callable[..., Any], key: str, arguments: tuple[Any, ...]) -> str:
    """One job's result as JSON text: the bytes are the same wherever it runs.

    Raises:
        JobError: the job raised, or JSON does not give its result back as it was.
    """
    try:
        with progress_line(key, show=False):
            result = function(*arguments)
    except Terminated:
        raise
    except (Exception, SystemExit) as error:
        raise JobError(f"The job {key} failed: {type(error).__name__}: {error}") from error
    try:
        text = json.dumps(result)
        changed = _changed(result, json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        changed = f": {error}"
    if changed is not None:
        raise JobError(
            f"The job {key} returned what JSON cannot hold as it is{changed}. Return numbers, "
            "texts, lists, and dicts with texts as keys (of an array: array.tolist())."
        )
    return text


def _changed(result: Any, back: Any) -> str | None:
    """Where JSON gives something else back, " at [place]"; a tuple may come back as a list."""
    if isinstance(result, dict):
        if result.keys() != back.keys():
            (key, *_) = [key for key in result if key not in back]
            return f": the key {key!r} is {_kind(key)}"
        return _first_changed((key, value, back[key]) for key, value in result.items())
    if isinstance(result, list | tuple):
        return _first_changed(zip(range(len(back)), result, back, strict=True))
    return None if result == back or (result != result and back != back) else f": {result!r}"


def _first_changed(items: Iterable[tuple[Any, Any, Any]]) -> str | None:
    for place, result, back in items:
        if (changed := _changed(result, back)) is not None:
            return f"[{place!r}]{changed}"
    return None


def _read(folder: Path, keys: list[str], progress: bool) -> dict[str, Any]:
    results, damaged = {}, []
    with progress_line("reading", len(keys), show=progress) as stage:
        for key in keys:
            path = folder / f"{key}.json"
            try:
                with open(path, encoding="utf-8") as file:
                    results[key] = json.load(file)
            except (ValueError, RecursionError):
                damaged.append(path)
            except FileNotFoundError:
                raise JobError(
                    f"{path} has gone since it was finished: start again, and leave the files of "
                    "a run alone."
                ) from None
            stage.advance()
    if damaged:
        more = f" The same for {', '.join(path.name for path in damaged[1:])}." * bool(damaged[1:])
        raise JobError(
            f"{damaged[0]} is not whole, as after a crash of the machine: delete it, start again."
            + more
        )
    return results
