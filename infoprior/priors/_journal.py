"""A study's storage: a journal file that survives killed workers, or a database.

Optuna guards a journal by a lock file. A worker that is killed while it holds the lock leaves it
behind, and all others wait half a minute for it; one that is killed in the middle of a line leaves
half a line, the next worker's line is appended to it, and from then on the journal can't be read.
Here the operating system holds the lock, and drops it with the process; who gets it next cuts off
what is left of an unfinished line.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from ._errors import PriorError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

try:
    import fcntl
except ImportError:  # Windows: Optuna's own lock file
    fcntl = None  # type: ignore[assignment]

_ATTEMPTS = 6  # to open a database: 3 s in all
_RECORD = b'{"op_code":'  # how every line of a journal begins
_FOREIGN_WRITE = 0.05  # s; a line that didn't grow for so long is no write under way


class KernelLock(JournalFileOpenLock):
    """Excludes other writers of a journal by `flock` on the journal itself.

    Processes that write the same journal need the same kind of lock: open it by `hyperband_study`
    or `open_storage` everywhere. Readers need none. On NFS, the server has to support locks.

    Args:
        path: of the journal, which need not exist.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path
        self._held = -1

    def acquire(self) -> bool:
        """Wait for the lock, and leave the journal ending in a whole line."""
        # Opened anew each time: `flock` tells threads apart only by their open files.
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _cut_torn_line(file, self._path)
        except BaseException:
            os.close(file)
            raise
        self._held = file
        return True

    def release(self) -> None:
        """Let the next one in."""
        file, self._held = self._held, -1
        # Not by closing alone: a forked child holds the same open file.
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def _cut_torn_line(file: int, path: str) -> None:
    size = os.fstat(file).st_size
    if size == 0 or os.pread(file, 1, size - 1) == b"\n":
        return
    time.sleep(_FOREIGN_WRITE)
    if os.fstat(file).st_size != size:  # by a writer with another lock
        return
    torn, start = b"", size
    while start > 0 and b"\n" not in torn:
        block = min(start, 4096)
        start -= block
        torn = os.pread(file, block, start) + torn
    torn = torn[torn.rfind(b"\n") + 1 :]
    # Nobody's other file is cut because it was taken for a journal.
    if torn[: len(_RECORD)] != _RECORD[: len(torn)]:
        raise PriorError(f"storage: {path} is no Optuna journal; nothing was changed.")
    os.ftruncate(file, size - len(torn))


def journal(path: str | Path) -> JournalStorage:
    """Optuna's journal storage on a file, made where there is none; its directory must exist.

    Raises:
        PriorError: there is no such directory, or the file is no journal or cannot be opened.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise PriorError(f"storage: there is no directory {path.parent} for the journal.")
    if path.is_dir():
        raise PriorError(f"storage: {path} is a directory; name a file in it for the journal.")
    lock = None if fcntl is None else KernelLock(str(path))
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except (ValueError, KeyError, TypeError) as error:
        raise PriorError(f"storage: {path} is no Optuna journal ({error}).") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise PriorError(f"storage: the journal {path} cannot be opened: {reason}.") from error


def open_storage(
    storage: str | Path | BaseStorage | None, name: str, heartbeat: int | None = None
) -> BaseStorage:
    """The storage of a study.

    Args:
        storage: a journal's path; a database's URL ("sqlite:///...", "postgresql+psycopg://...");
            "memory"; an Optuna storage, which is returned; None for a journal named after the
            study in the working directory.
        name: of the study.
        heartbeat: for a URL, the seconds between signs of life, see `hyperband_study`.

    Raises:
        PriorError: it cannot be opened, its driver is missing, or it has no signs of life.
    """
    url = isinstance(storage, str) and "://" in storage
    if heartbeat is not None and not url:
        raise PriorError(
            "heartbeat: only a database opened by its URL keeps signs of life; "
            "for a journal there is `fail_stale`."
        )
    if heartbeat is not None and (
        isinstance(heartbeat, bool) or not isinstance(heartbeat, int) or heartbeat < 1
    ):
        raise PriorError(f"heartbeat: needs to be an int of 1 or more, got {heartbeat!r}.")
    if isinstance(storage, BaseStorage):
        return storage
    if storage == "memory":
        return InMemoryStorage()
    if storage is None:
        return journal(re.sub(r"[^\w.-]+", "-", name) + ".journal")
    if isinstance(storage, str) and url:
        return _database(storage, heartbeat)
    if isinstance(storage, (str, Path)) and str(storage):
        return journal(storage)
    raise PriorError(
        "storage: needs a journal's path, a database's URL, 'memory' or an Optuna storage, "
        f"got {storage!r}."
    )


def _database(url: str, heartbeat: int | None) -> RDBStorage:
    # Not at the top of the module: it takes 0.3 s, and a journal needs none of it.
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

    # The URL is not shown: it may hold a password.
    scheme = url.split("://", 1)[0]
    # A connection that the server dropped, e.g. in a restart, is replaced.
    engine = {} if scheme.startswith("sqlite") else {"pool_pre_ping": True}
    for attempt in range(_ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs=engine, heartbeat_interval=heartbeat)
        except (ImportError, NoSuchModuleError) as error:
            raise PriorError(
                f"storage: there is no driver for {scheme}; for PostgreSQL "
                "pip install 'psycopg[binary]' and start the URL with postgresql+psycopg://."
            ) from error
        except (ArgumentError, ValueError) as error:
            raise PriorError(f"storage: the database's URL is malformed ({scheme}).") from error
        except DBAPIError as error:
            # Workers that start at once on an empty database all make its tables: one can.
            if attempt == _ATTEMPTS - 1:
                reason = str(error.orig).strip().splitlines()[0]
                raise PriorError(f"storage: the database cannot be opened: {reason}.") from error
            time.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")
