"""Files that are there whole or not at all, whatever kills the writing."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import socket
import time
from functools import lru_cache
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)\.tmp")
_FORGOTTEN = 3600.0  # seconds; a file takes milliseconds to write, and clocks may differ
_writes = itertools.count()


class FileError(ValueError):
    """A path or a content that no file can have; the message names it."""


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all (temporary file, then rename).

    Args:
        path: of the file; folders that are missing are made.
        content: a text is written as UTF-8.

    Raises:
        FileError: (a `ValueError`) `path` is not a path or is a folder, or `content` is neither
            text nor bytes.
        OSError: the system refuses; the file is as it was.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise FileError(f"path: needs a path, got {path!r}.")
    if not isinstance(content, str | bytes | bytearray | memoryview):
        raise FileError(f"content: needs a text or bytes, got type {type(content).__name__}.")
    try:
        data = content.encode("utf-8") if isinstance(content, str) else content
    except UnicodeEncodeError as error:
        raise FileError(f"content: is a text that UTF-8 cannot hold: {error.reason}.") from None
    path = Path(path)
    if path.is_dir():
        raise FileError(f"path: {path} is a folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Counted: threads may write at once. Cut: the name may be as long as a name can be.
    writer = f"{next(_writes)}.{_machine()}-{os.getpid()}"
    temporary = path.with_name(f".{path.name[:40]}.{writer}.tmp")
    try:
        temporary.write_bytes(data)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # or a power cut may leave the new name and no content
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _machine() -> str:
    """Where numbers of processes mean something: this host, and in it this container."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def remove_leftovers(folder: Path) -> None:
    """Remove what `write_atomically` left in a folder when it was killed.

    Never those of a process that still runs, here or on another machine.

    Args:
        folder: where it wrote.
    """
    for path in folder.glob(".*.tmp"):
        match = _TEMPORARY.fullmatch(path.name)
        try:
            gone = time.time() - path.stat().st_mtime > _FORGOTTEN
        except FileNotFoundError:
            continue
        if match and match[1] == _machine():
            gone = gone or not is_alive(int(match[2]))
        if gone:
            path.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Whether a process runs on this machine; one that has ended and is still listed does not."""
    if os.name != "posix":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:  # one that has ended is listed until its parent, or init, has asked for its status
        status = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:  # no such list, or gone meanwhile
        return True
    return status.rpartition(b")")[2].split()[0] != b"Z"
