"""A SQLite store that is there whole or not at all, whoever makes it and whenever they are killed.

MLflow makes its tables in some fifty steps that take seconds. Killed between two of them it leaves
a file that it can neither finish nor open. So the file is made under another name, and an
unfinished one that others left is replaced, if nothing was ever logged to it.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from infoprior.files import is_alive
from infoprior.tracking._errors import TrackingError
from infoprior.tracking._store import sqlite_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = re.sub(r"\W", "_", platform.node()) or "host"
_LEFTOVER = re.compile(r"\..+\.(?P<host>\w+)-(?P<process>\d+)\.tmp(-journal)?")
_FORGOTTEN = 3600.0  # seconds; making a store takes ten
_BUSY = 20.0  # seconds to wait for another process's lock, as MLflow does
_STILL = 3.0  # seconds without a change after which nobody is making a store any more
_PATIENCE = 60.0


def ready_database(path: Path) -> None:
    """Make an empty MLflow store, or replace one that was never finished; others stay untouched.

    Several processes may do so at once: the first to finish is the one whose file stays.

    Raises:
        TrackingError: the file is no SQLite database, or its folder cannot be written to.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with _fresh_database(path) as fresh:
                _link(fresh, path)
        elif _unfinished(path):
            _wait_for_its_maker(path)
            _replace(path)
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"{path} cannot be read as an MLflow store ({error}). Nothing was changed: end what "
            f"else uses it, or move the file away, and a new one is made."
        ) from error
    except OSError as error:
        raise TrackingError(f"{path.parent} cannot hold the MLflow store: {error}") from error


def _unfinished(path: Path) -> bool:
    """Whether MLflow's last step is missing, the experiment that every store has."""
    with closing(sqlite3.connect(path, timeout=_BUSY)) as database:
        return _row_counts(database).get("experiments", 0) == 0


def _wait_for_its_maker(path: Path) -> None:
    """Wait while a file changes: another program may be making it this very moment."""
    end = time.monotonic() + _PATIENCE
    while time.time() - path.stat().st_mtime < _STILL and time.monotonic() < end:
        time.sleep(0.1)


def _replace(path: Path) -> None:
    """Put an empty store in the place of an unfinished one, if nothing was ever written to it."""
    with _fresh_database(path) as fresh:
        before = path.stat()
        with _locked(path) as database:
            # The lock is on the file that was opened: another process may have replaced that.
            same = os.path.samestat(before, path.stat())
            if same and not _holds_more(database, fresh):
                os.replace(fresh, path)


@contextmanager
def _fresh_database(path: Path) -> Iterator[Path]:
    """An empty store under a temporary name in the folder of `path`, removed at the end."""
    import mlflow

    _remove_leftovers(path.parent)
    # Another name each time: MLflow remembers the stores that this process has opened.
    fresh = path.with_name(f".{path.name}.{uuid4().hex}.{HOST}-{os.getpid()}.tmp")
    try:
        mlflow.MlflowClient(sqlite_uri(fresh)).search_experiments(max_results=1)
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _link(fresh: Path, path: Path) -> None:
    """Give a file its name, if that is free."""
    try:
        os.link(fresh, path)  # unlike os.replace, it never overwrites
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not path.exists():
            os.replace(fresh, path)


@contextmanager
def _locked(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that no other process reads or writes beside."""
    with closing(sqlite3.connect(path, timeout=_BUSY, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield database


def _holds_more(database: sqlite3.Connection, fresh: Path) -> bool:
    """Whether any table has more rows than in an empty store."""
    with closing(sqlite3.connect(fresh)) as empty:
        usual = _row_counts(empty)
    return any(n > usual.get(table, 0) for table, n in _row_counts(database).items())


def _row_counts(database: sqlite3.Connection) -> dict[str, int]:
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    count = 'SELECT count(*) FROM "{}"'
    return {name: database.execute(count.format(name)).fetchone()[0] for (name,) in names}


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary stores whose maker is gone."""
    for path in folder.glob(".*.tmp*"):
        match = _LEFTOVER.fullmatch(path.name)
        if match is None:
            continue
        try:
            forgotten = time.time() - path.stat().st_mtime > _FORGOTTEN
        except FileNotFoundError:
            continue
        if forgotten or (match["host"] == HOST and not is_alive(int(match["process"]))):
            path.unlink(missing_ok=True)
