"""Storages of past studies, opened for reading: nothing is written, whatever they turn out to be.

Optuna's own way to open a storage makes its tables in any database, and an empty file at any path.
Here SQLite is opened read-only, any other database is left alone unless it holds Optuna's tables
in the version that this Optuna reads, and a journal needs to be one.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from .._errors import PriorError
from .._values import short

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL, Engine

_RECORD = b'{"op_code":'  # how a journal begins
_SQLITE = b"SQLite format 3\x00"
_TABLES = {"studies", "trials", "version_info"}
_SQLITE_OPTIONS = ("mode", "cache", "vfs", "immutable", "nolock", "psow")  # of its own URLs
_TIMEOUT = 10  # s, for a server that does not answer
_WITH_TIMEOUT = ("psycopg", "psycopg2", "pymysql", "mysqldb")  # drivers that can be told it


@contextmanager
def opened(source: str | os.PathLike[str] | BaseStorage) -> Iterator[BaseStorage]:
    """The storage at a URL or path, for as long as the block lasts; a storage is itself.

    Raises:
        PriorError: it is none, cannot be opened, or belongs to another release of Optuna.
    """
    if isinstance(source, BaseStorage):
        yield source
    elif isinstance(source, str) and "://" in source:
        storage = _database(source)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()
    else:
        yield _journal(source)


@contextmanager
def reading(what: str, source: Any = None) -> Iterator[None]:
    """PriorError in place of whatever a storage raises; no password of a URL is shown."""
    try:
        yield
    except PriorError:
        raise
    except Exception as error:
        url = source if isinstance(source, str) and "://" in source else ""
        message = f"studies: {what} cannot be read: {_reason(error, url)}."
        # The cause would show what is left out here.
        raise PriorError(message) from (None if url else error)


def _reason(error: BaseException, url: str = "") -> str:
    """The first line of what the database itself says, without what may be a password."""
    while (cause := error.__cause__) is not None and "Storage" in type(error).__name__:
        error = cause  # Optuna's own says only that there is one
    error = getattr(error, "orig", None) or error  # SQLAlchemy's shows the statement too
    lines = str(error).strip().splitlines() or [""]
    reason = f"{type(error).__name__}: {lines[0]}".rstrip(": .")
    _, _, rest = url.partition("://")
    login = rest.rpartition("@")[0]  # a password may hold the characters that end it
    secrets = [login, *re.findall("(?i)pass[^=&]*=([^&]+)", rest)]
    for text in (login, unquote(login)):
        secrets += re.split("[:@/]", text)[1:]
    for secret in filter(None, secrets):
        reason = reason.replace(secret, "***")
    return reason


def _journal(path: str | os.PathLike[str]) -> JournalStorage:
    shown = short(os.fspath(path))
    try:
        is_file, is_directory = os.path.isfile(path), os.path.isdir(path)
    except ValueError:  # a NUL
        is_file = is_directory = False
    if is_directory:
        raise PriorError(f"studies: {shown} is a directory; name a journal file in it.")
    if not is_file:
        raise PriorError(f"studies: {shown} is neither a storage URL nor a journal file.")
    with reading(shown):
        with open(path, "rb") as file:
            start = file.read(1 << 16)
        if start.startswith(_SQLITE):
            raise PriorError(
                f"studies: {shown} is an SQLite database; write sqlite:/// before its path."
            )
        first, newline, _ = start.partition(b"\n")
        torn = not newline and _RECORD.startswith(first)  # one line, not yet whole; or none at all
        if _RECORD[1:] not in first.replace(b" ", b"") and not torn:
            raise PriorError(f"studies: {shown} is no Optuna journal.")
        try:
            return JournalStorage(JournalFileBackend(os.fspath(path)))
        except OSError:
            raise
        except Exception as error:  # a line that is no record ends in any of five
            raise PriorError(
                f"studies: {shown} is no Optuna journal, or a damaged one ({_reason(error)})."
            ) from error


def _database(text: str) -> RDBStorage:
    # Not at the top of the module: SQLAlchemy takes 0.3 s, and a journal needs none of it.
    from optuna.storages import RDBStorage
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    scheme = re.match(r"[\w+]*", text)[0]  # type: ignore[index]
    where = f"the database ({scheme})"
    options: dict[str, Any] = {}
    # Neither the URL nor a cause is shown: either may hold a password.
    try:
        url = make_url(text)
        if url.get_backend_name() == "sqlite" and url.get_driver_name() == "pysqlite":
            address = _read_only(url)
            where = f"the database {short((url.database or '').removeprefix('file:'))}"
            # The URL names the dialect only: what it quotes depends on SQLAlchemy's version.
            text = "sqlite://"
            options["creator"] = lambda: sqlite3.connect(address, uri=True, check_same_thread=False)
        elif url.get_driver_name() in _WITH_TIMEOUT and "connect_timeout" not in url.query:
            options["connect_args"] = {"connect_timeout": _TIMEOUT}
        engine = create_engine(text, **options)
    except PriorError:
        raise
    except (ImportError, NoSuchModuleError):
        raise PriorError(
            f"studies: there is no driver for {scheme}; for PostgreSQL "
            "pip install 'psycopg[binary]' and start the URL with postgresql+psycopg://."
        ) from None
    except (ArgumentError, ValueError, TypeError):
        raise PriorError(f"studies: the database's URL is malformed ({scheme}).") from None
    with reading(where, text):
        try:
            _check_tables(engine, where)
        finally:
            engine.dispose()
        try:
            # Braces are a template of Optuna's.
            template = text.replace("{", "{{").replace("}", "}}")
            return RDBStorage(template, engine_kwargs=options, skip_table_creation=True)
        except RuntimeError as error:  # of the tables' version
            older = "storage upgrade" in str(error)
            raise PriorError(f"studies: {where} {_of_another_release(older)}") from None


def _read_only(url: URL) -> str:
    """SQLite's own URL of a file that exists, to be opened for reading."""
    name, query = url.database or "", {k: v for k, v in url.query.items() if k in _SQLITE_OPTIONS}
    if name in ("", ":memory:"):
        raise PriorError(
            "studies: a database in memory is seen by the storage only that made it; pass that."
        )
    is_url = name.startswith("file:")
    path = unquote(name[len("file:") :]) if is_url else name
    if query.get("mode") != "memory":
        if not os.path.isfile(path):
            raise PriorError(f"studies: there is no file {short(path)}.")
        query["mode"] = "ro"
        with open(path, "rb") as file:
            header = file.read(20)
        # Of write-ahead logging, at rest: even a reader would leave its two files behind.
        if header[18:20] == b"\x02\x02" and not os.path.exists(f"{path}-wal"):
            query["immutable"] = "1"
    return f"{name if is_url else 'file:' + quote(path)}?{urlencode(query)}"


def _check_tables(engine: Engine, where: str) -> None:
    """PriorError unless these are Optuna's tables, with the versions they have since 2020."""
    from sqlalchemy import inspect, text

    with engine.connect() as connection:
        inspector = inspect(connection)
        tables = set(inspector.get_table_names())
        known = tables >= _TABLES and "schema_version" in {
            column["name"] for column in inspector.get_columns("version_info")
        }
        if not known:
            raise PriorError(f"studies: {where} holds no Optuna studies; nothing was changed.")
        queries = ["SELECT schema_version FROM version_info"]
        if "alembic_version" in tables:
            queries.append("SELECT version_num FROM alembic_version")
        rows = [connection.execute(text(query)).first() for query in queries]
    # Optuna would write what is missing there.
    if len(rows) < 2 or None in rows:
        raise PriorError(f"studies: {where} {_of_another_release(older=True)}")


def _of_another_release(older: bool) -> str:
    if older:
        return (
            "was made by an older Optuna, whose tables this one does not read: "
            "`optuna storage upgrade --storage URL` brings them up to date."
        )
    return "was made by a newer Optuna, whose tables this one does not read: update Optuna."
