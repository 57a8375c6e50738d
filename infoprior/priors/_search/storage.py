"""A study's storage: a journal file that survives killed workers, or a database.

Optuna guards a journal by a lock file. A worker that is killed while it holds the lock leaves it
behind, and all others wait half a minute for it; one that is killed in the middle of a line leaves
half a line, the next worker's line is appended to it, and from then on the journal can't be read.
The same becomes of a line that is whole but no record, such as the zeros that a file system leaves
after a crash. Here the operating system holds the lock, and drops it with the process; who gets it
next cuts off what is no record at the end. What is not Optuna's is refused and never written into.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from pathlib import Path
from typing import IO

from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from .._checks import whole
from .._errors import PriorError
from .database import SQLITE, database

try:
    import fcntl
except ImportError:  # Windows: Optuna's own lock file
    fcntl = None  # type: ignore[assignment]

_RECORD = b'{"op_code":'  # how Optuna begins every line of a journal
_FOREIGN_WRITE = 0.05  # s; a line that didn't grow for so long is no write under way
_FIRST_LINE = 2**20  # bytes; no journal's first record, which creates a study, is longer
_BLANK = b" \t\r\n\0"
_LONGEST_NAME = 512  # of a study in a database of Optuna's
_LONGEST_FILE = 255  # bytes of a file's name


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
        """Wait for the lock, and leave the journal ending in a whole record."""
        # Opened anew each time: `flock` tells threads apart only by their open files.
        held = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            with open(held, "r+b", closefd=False) as file:
                _mend_end(file, self._path)
        except BaseException:
            os.close(held)
            raise
        self._held = held
        return True

    def release(self) -> None:
        """Let the next one in."""
        held, self._held = self._held, -1
        # Not by closing alone: a forked child holds the same open file.
        fcntl.flock(held, fcntl.LOCK_UN)
        os.close(held)


class FileLock(JournalFileOpenLock):
    """Excludes other writers of a journal by Optuna's lock file, where there is no `flock`.

    Args:
        path: of the journal, which exists.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path

    def acquire(self) -> bool:
        """Wait for the lock, and leave the journal ending in a whole record."""
        super().acquire()
        try:
            with open(self._path, "r+b") as file:
                _mend_end(file, self._path)
        except BaseException:
            self.release()
            raise
        return True


def _is_record(line: bytes) -> bool:
    """Whether a line is an entry of a journal of Optuna's, of any version."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(record, dict) or not isinstance(record.get("worker_id"), str):
        return False
    return type(record.get("op_code")) is int


def _mend_end(file: IO[bytes], path: str) -> None:
    """Leave a journal ending in a whole record, its lock being held.

    A last line that is no record is cut off, and blank or zero ones around it; a record that lacks
    its newline gets it.

    Raises:
        PriorError: the file is no journal, or more of it than that is no record. Nothing was
            changed then.
    """
    end = -1
    while end != file.seek(0, os.SEEK_END):
        end = file.tell()
        start, line = _last_line(file, end)
        whole = line.endswith(b"\n")
        if end == 0 or (whole and _is_record(line)):
            return
        time.sleep(_FOREIGN_WRITE)  # a writer with another lock may be at it
    if _is_record(line):
        file.seek(end)
        file.write(b"\n")
        file.flush()
        return
    # How Optuna begins its first record, with which the worker was killed.
    torn_first = start == 0 and not whole and line.startswith(_RECORD)
    n_bad = 0
    while not torn_first and not _is_record(line):
        n_bad += bool(line.strip(_BLANK))
        if start == 0 or n_bad > 1:
            raise _not_a_journal(path, _bad_line(file, end))
        end = start
        start, line = _last_line(file, end)
    end = 0 if torn_first else end
    bad = _bad_line(file, end)
    if bad is not None:  # in the middle: nobody can read it, and cutting its end helps nobody
        raise _not_a_journal(path, bad)
    file.truncate(end)


def _last_line(file: IO[bytes], end: int) -> tuple[int, bytes]:
    """Where the line that ends at a byte of the file begins, and the line."""
    size = 4096
    while True:
        begin = max(end - size, 0)
        file.seek(begin)
        block = file.read(end - begin)
        newline = block.rfind(b"\n", 0, max(len(block) - 1, 0))
        if newline >= 0:
            return begin + newline + 1, block[newline + 1 :]
        if begin == 0:
            return 0, block
        size *= 4


def _bad_line(file: IO[bytes], end: int) -> int | None:
    """The number, from 1, of the first line before a byte of the file that is no record."""
    file.seek(0)
    position, number = 0, 0
    while position < end:
        # No line of another kind of file is read whole: it may be all of a disk image.
        line = file.readline() if number else file.readline(_FIRST_LINE)
        position, number = position + len(line), number + 1
        if not _is_record(line):
            return number
    return None


def _not_a_journal(path: str | Path, line: int | None = None) -> PriorError:
    where = "" if line is None else f": line {line} is no record"
    return PriorError(f"storage: {path} is no Optuna journal{where}; nothing was changed.")


def check_journal(path: Path) -> None:
    """PriorError where a file is no journal of Optuna's; an empty one is. Only reads.

    Raises:
        OSError: the file cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise PriorError(f"storage: {path} is no regular file, as a journal needs to be.")
    with path.open("rb") as file:
        line = file.readline(_FIRST_LINE)
    if line.startswith(SQLITE):
        raise PriorError(f"storage: {path} is an SQLite database; its URL is sqlite:///{path}.")
    torn = not line.endswith(b"\n") and line.startswith(_RECORD)
    if line and not torn and not _is_record(line):
        raise _not_a_journal(path, 1)


def journal(path: str | os.PathLike[str]) -> JournalStorage:
    """Optuna's journal storage on a file, made where there is none; its directory must exist.

    Raises:
        PriorError: there is no such directory, or the file is no journal or cannot be opened and
            written. It is as it was then.
    """
    path = Path(path)
    if not os.path.isdir(path.parent):
        raise PriorError(f"storage: there is no directory {path.parent} for the journal.")
    if os.path.isdir(path):
        raise PriorError(f"storage: {path} is a directory; name a file in it for the journal.")
    try:
        if os.path.exists(path):
            check_journal(path)
        lock = FileLock(str(path)) if fcntl is None else KernelLock(str(path))
        backend = JournalFileBackend(str(path), lock_obj=lock)
        lock.acquire()  # what is bad at the end would keep Optuna from reading the rest
        lock.release()
    except (OSError, ValueError) as error:
        if isinstance(error, PriorError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise PriorError(f"storage: the journal {path} cannot be opened: {reason}.") from error
    return _replayed(backend, path)


def _replayed(backend: JournalFileBackend, path: Path) -> JournalStorage:
    try:
        return JournalStorage(backend)
    # A record that lacks a field or contradicts another may raise anything in Optuna.
    except Exception as error:
        with path.open("rb") as file:
            bad = _bad_line(file, path.stat().st_size)
        if bad is not None:
            raise _not_a_journal(path, bad) from error
        raise PriorError(
            f"storage: Optuna cannot read the journal {path} ({type(error).__name__}: {error})."
        ) from error


def _check_opened(storage: BaseStorage) -> None:
    """The same care for a journal that the caller opened: its end is mended, or it is refused."""
    backend = getattr(storage, "_backend", None)
    if not isinstance(storage, JournalStorage) or not isinstance(backend, JournalFileBackend):
        return
    path, lock = backend._file_path, backend._lock
    if isinstance(lock, (KernelLock, FileLock)) or not os.path.exists(path):
        return
    try:
        check_journal(Path(path))
        lock.acquire()
        try:
            with open(path, "r+b") as file:
                _mend_end(file, path)
        finally:
            lock.release()
    except OSError as error:
        reason = error.strerror or str(error)
        raise PriorError(f"storage: the journal {path} cannot be opened: {reason}.") from error


def open_storage(
    storage: str | os.PathLike[str] | BaseStorage | None, name: str, heartbeat: int | None = None
) -> BaseStorage:
    """The storage of a study.

    Args:
        storage: a journal's path; a database's URL ("sqlite:///...", "postgresql+psycopg://...");
            "memory"; an Optuna storage, which is returned; None for a journal named after the
            study in the working directory.
        name: of the study.
        heartbeat: for a URL, the seconds between signs of life, see `hyperband_study`.

    Raises:
        PriorError: it cannot be opened, its driver is missing, it is a file or database of
            something else (which is left as it is), or it has no signs of life.
    """
    url = isinstance(storage, str) and "://" in storage
    if heartbeat is not None:
        if not url:
            raise PriorError(
                "heartbeat: only a database opened by its URL keeps signs of life; "
                "for a journal there is `fail_stale`."
            )
        heartbeat = whole("heartbeat", heartbeat, 1)
    if isinstance(storage, BaseStorage):
        _check_opened(storage)
        return storage
    if storage == "memory":
        return InMemoryStorage()
    if storage is None:
        file = re.sub(r"[^\w.-]+", "-", name) + ".journal"
        if len(os.fsencode(file)) > _LONGEST_FILE:
            raise PriorError(
                f"name: {len(name)} characters are too many to name a journal after; "
                "give its path as storage."
            )
        return journal(file)
    if isinstance(storage, str) and url:
        if len(name) > _LONGEST_NAME:
            raise PriorError(
                f"name: {len(name)} characters are more than the {_LONGEST_NAME} that a database "
                "of Optuna's holds."
            )
        return database(storage, heartbeat)
    path = os.fspath(storage) if isinstance(storage, (str, os.PathLike)) else None
    if isinstance(path, str) and path:
        return journal(path)
    raise PriorError(
        "storage: needs a journal's path, a database's URL, 'memory' or an Optuna storage, "
        f"got {storage!r}."
    )
