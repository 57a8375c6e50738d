"""The fan-out over workers: every finished job is a file, so a killed run is resumed."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

from infoprior._arguments import is_whole
from infoprior._progress import progress_line
from infoprior.files import remove_leftovers, write_atomically
from infoprior.parallel._errors import EngineError, JobError, ParallelError
from infoprior.parallel._job import run_job, type_said
from infoprior.parallel._options import check_engine
from infoprior.parallel._processes import sigterm_cleans_up, worker_pool

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
        ParallelError: (a `ValueError`) an argument is invalid, and is named; a key cannot name a
            file, or differs from another in capital letters only; engine and address do not go
            together.
        JobError: a job raised, or returned what JSON does not give back as it was; the message
            names it. Or a file of a finished one is damaged. The others are kept.
        EngineError: the engine is not installed, not reachable, or would give other results (other
            code or package versions on a worker), or it went away.
    """
    check_engine(engine, address)
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
            from infoprior.parallel import _clusters

            for key, text in _clusters.run(calls, engine, str(address), function):
                write_atomically(folder / f"{key}.json", text)
                stage.advance()
    return _read(folder, list(jobs), progress)


def _check_arguments(
    function: Any, jobs: Any, directory: Any, workers: Any, description: Any, progress: Any
) -> None:
    if not callable(function):
        raise ParallelError(f"function: needs a function, got {function!r}.")
    if not isinstance(jobs, Mapping):
        raise ParallelError(f"jobs: needs a dict, key -> arguments, got one {type_said(jobs)}.")
    if not isinstance(directory, str | os.PathLike) or not isinstance(os.fspath(directory), str):
        raise ParallelError(f"directory: needs a path, got {directory!r}.")
    if not is_whole(workers):
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
                f"jobs: the arguments of {key!r} are {type_said(arguments)}: give a tuple, as (x,)."
            )


def _made(directory: str | os.PathLike[str]) -> Path:
    """The folder of the results, made if missing."""
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParallelError(f"directory: {folder} cannot be made: {error.strerror}.") from error
    return folder


def _local(
    calls: Iterable[tuple[Callable[..., Any], str, tuple[Any, ...]]], folder: Path, workers: int
) -> Generator[str]:
    """Run jobs in worker processes of this machine; the key of each as it finishes."""
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


def _read(folder: Path, keys: list[str], progress: bool) -> dict[str, Any]:
    """The results, from their files."""
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
