"""Storages of past studies, opened for reading: nothing is written, whatever they turn out to be.

Optuna's own way to open a storage makes its tables in any database, and an empty file at any path.
Here SQLite is opened read-only, any other database is left alone unless it holds Optuna's tables
in the version that this Optuna reads, and a journal needs to be one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from ._checks import short
from ._errors import PriorError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL, Engine

_RECORD = b'{"op_code":'  # how a journal begins
_SQLITE = b"SQLite format 3\x00"
_TABLES = {"studies", "trials", "version_info"}
_PATIENCE = "10"  # s, for a server that does not answer
_WITH_PATIENCE = ("psycopg", "psycopg2", "pymysql", "mysqldb")  # drivers that take it in the URL


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


def _reason(error: Exception, url: str = "") -> str:
    """The error's first line, without what may be a password."""
    original = getattr(error, "orig", None) or error  # SQLAlchemy's errors show the statement too
    lines = str(original).strip().splitlines() or [""]
    reason = f"{type(original).__name__}: {lines[0]}".rstrip(": .")
    if "@" in url:  # a password may hold the characters that end it
        login = url.split("://", 1)[1].rsplit("@", 1)[0]
        for part in (login, *re.split("[:@/]", login)[1:], *re.split("[:@/]", unquote(login))[1:]):
            if part:
                reason = reason.replace(part, "***")
    return reason


def _journal(path: str | os.PathLike[str]) -> JournalStorage:
    shown = short(os.fspath(path))
    try:
        is_file, is_directory = Path(path).is_file(), Path(path).is_dir()
    except (OSError, ValueError):  # too long a name, for one
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

    scheme = short(text.split("://", 1)[0])[1:-1]
    # Neither the URL nor a cause is shown: either may hold a password.
    try:
        url = make_url(text)
        sqlite = url.get_backend_name() == "sqlite"
        url = _read_only(url) if sqlite else _with_patience(url)
        engine = create_engine(url)
    except (ImportError, NoSuchModuleError):
        raise PriorError(
            f"studies: there is no driver for {scheme}; for PostgreSQL "
            "pip install 'psycopg[binary]' and start the URL with postgresql+psycopg://."
        ) from None
    except (ArgumentError, ValueError, TypeError) as error:
        if isinstance(error, PriorError):
            raise
        raise PriorError(f"studies: the database's URL is malformed ({scheme}).") from None
    name = short(unquote(url.database or "").removeprefix("file:")) if sqlite else f"({scheme})"
    where = f"the database {name}"
    with reading(where, text):
        try:
            _check_tables(engine, where)
        finally:
            engine.dispose()
        # Braces are a template of Optuna's.
        plain = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
        try:
            return RDBStorage(plain, skip_table_creation=True)
        except RuntimeError as error:  # of the tables' version
            older = "storage upgrade" in str(error)
            raise PriorError(f"studies: {where} {_of_another_release(older)}") from None


def _read_only(url: URL) -> URL:
    """An SQLite URL that opens an existing file for reading."""
    name = url.database or ""
    query = dict(url.query)
    if name.startswith("file:"):  # SQLite's own form of URL
        path, address = unquote(name[len("file:") :]), name
    else:
        path, address = name, f"file:{quote(name)}"
    if name in ("", ":memory:"):
        raise PriorError(
            "studies: a database in memory is seen by the storage only that made it; pass that."
        )
    if query.get("mode") != "memory":
        if not os.path.isfile(path):
            raise PriorError(f"studies: there is no file {short(path)}.")
        query["mode"] = "ro"
    return url.set(database=address, query={**query, "uri": "true"})


def _with_patience(url: URL) -> URL:
    if url.get_driver_name() not in _WITH_PATIENCE or "connect_timeout" in url.query:
        return url
    return url.update_query_dict({"connect_timeout": _PATIENCE})


def _check_tables(engine: Engine, where: str) -> None:
    """PriorError unless these are Optuna's tables, with the versions they have since 2020."""
    from sqlalchemy import inspect, text

    with engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
        if not tables >= _TABLES:
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
