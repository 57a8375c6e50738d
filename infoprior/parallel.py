"""The fan-out over workers: every finished job is a file, so a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,180}")


class JobError(RuntimeError):
    """A job failed; the finished ones are kept."""


def run_jobs(
    function: Callable[..., Any],
    jobs: Mapping[str, tuple[Any, ...]],
    *,
    directory: str | os.PathLike[str],
    workers: int = 1,
    description: str = "jobs",
    progress: bool = True,
) -> dict[str, Any]:
    """Run `function(*arguments)` for every job that has no result in `directory` yet.

    Each result is written as `directory/<key>.json` by the worker that made it, atomically, as soon
    as it is there: whatever kills the run, the next one does only what is missing. Results are
    read back from the files, so a resumed run returns exactly what an uninterrupted one does.

    Args:
        function: a module-level function that returns something JSON can hold (floats that are not
            finite travel as JSON's NaN and Infinity, which only this module reads). It must not
            depend on which worker runs it.
        jobs: key -> arguments. The key names the file; it must say all that the result depends on
            (see `fingerprint`).
        directory: of the results; made if missing.
        workers: processes; 1 runs in this one.
        description: before the progress bar.
        progress: show a bar with the time left (off a terminal it is redrawn only now and then).

    Returns:
        key -> result, in the order of `jobs`.

    Raises:
        ValueError: a key cannot name a file, or there are no workers.
        JobError: a job raised; the message names it. The others that had finished are on disk.
    """
    from joblib import Parallel, delayed, parallel_config
    from tqdm import tqdm

    if workers < 1:
        raise ValueError(f"workers = {workers}: at least one is needed.")
    for key in jobs:
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"The job key {key!r} cannot name a file: use letters, digits, '._=+-' only."
            )
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob("*.tmp"):
        leftover.unlink()
    missing = [key for key in jobs if not (folder / f"{key}.json").exists()]
    with tqdm(
        total=len(jobs),
        initial=len(jobs) - len(missing),
        desc=description,
        unit="job",
        smoothing=0.05,
        mininterval=0.5 if sys.stderr.isatty() else 15.0,
        disable=not progress,
        file=sys.stderr,
    ) as bar:
        calls = (delayed(_run)(function, key, jobs[key], str(folder)) for key in missing)
        finished: Iterable[str]
        if workers == 1:
            finished = (_run(function, key, jobs[key], str(folder)) for key in missing)
        else:
            with parallel_config(backend="loky", inner_max_num_threads=1):
                finished = Parallel(
                    n_jobs=workers, return_as="generator_unordered", batch_size="auto"
                )(calls)
        for _ in finished:
            bar.update()
    return {key: json.loads((folder / f"{key}.json").read_text("utf-8")) for key in jobs}


def _run(function: Callable[..., Any], key: str, arguments: tuple[Any, ...], folder: str) -> str:
    try:
        text = json.dumps(function(*arguments))
    except Exception as error:
        raise JobError(f"The job {key} failed: {type(error).__name__}: {error}") from error
    write_atomically(Path(folder) / f"{key}.json", text)
    return key


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all (temporary file, then rename)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
