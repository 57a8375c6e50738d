"""A study's storage in a database, which is left alone where it is another program's."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from .._errors import PriorError

if TYPE_CHECKING:
    import sqlalchemy
    from optuna.storages import RDBStorage

SQLITE = b"SQLite format 3\0"  # how its files begin
_ATTEMPTS = 6  # to open a database: 3 s in all


def database(url: str, heartbeat: int | None = None) -> RDBStorage:
    """Optuna's storage in a database, which gets its tables if it has none.

    Raises:
        PriorError: it cannot be opened, its driver is missing, or it holds something else.
    """
    # Not at the top of the module: it takes 0.3 s, and a journal needs none of it.
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

    # The URL is not shown: it may hold a password.
    scheme = url.split("://", 1)[0]
    # A connection that the server dropped, e.g. in a restart, is replaced.
    engine = {} if scheme.startswith("sqlite") else {"pool_pre_ping": True}
    for attempt in range(_ATTEMPTS):
        try:
            check_database(url)
            return RDBStorage(url, engine_kwargs=engine, heartbeat_interval=heartbeat)
        except PriorError:
            raise
        except (ImportError, NoSuchModuleError) as error:
            raise PriorError(
                f"storage: there is no driver for {scheme}; for PostgreSQL "
                "pip install 'psycopg[binary]' and start the URL with postgresql+psycopg://."
            ) from error
        except (ArgumentError, ValueError) as error:
            raise PriorError(f"storage: the database's URL is malformed ({scheme}).") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise PriorError(f"storage: the database cannot be opened: {reason}.") from error
        except RuntimeError as error:  # tables of another version of Optuna
            raise PriorError(f"storage: the database cannot be opened: {error}") from error
        except DBAPIError as error:
            # Workers that start at once on an empty database all make its tables: one can.
            if attempt == _ATTEMPTS - 1:
                reason = str(error.orig).strip().splitlines()[0]
                raise PriorError(f"storage: the database cannot be opened: {reason}.") from error
            time.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")


def check_database(url: str) -> None:
    """PriorError where a database holds tables and they are not Optuna's. Only reads.

    Optuna would make its tables beside them, and take `alembic_version`, which others keep too
    (MLflow does), for its own. A database without tables is fine, and a file that is not there.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, ImportError: it cannot be read.
    """
    import sqlalchemy
    from optuna.storages._rdb.models import BaseModel

    engine = _reading(url)
    if engine is None:
        return
    try:
        inspector = sqlalchemy.inspect(engine)
        names = set(inspector.get_table_names())
        tables = {name: table for name, table in BaseModel.metadata.tables.items() if name in names}
        optuna_s = all(
            {column.name for column in table.primary_key}
            <= {column["name"] for column in inspector.get_columns(name)}
            for name, table in tables.items()
        )
    finally:
        engine.dispose()
    others = sorted(names - tables.keys() - {"alembic_version"})
    # Optuna's may be made right now by another worker, and not be complete.
    if not optuna_s or (names and not tables) or (others and "version_info" not in tables):
        held = ", ".join((others or sorted(names))[:5])
        raise PriorError(
            f"storage: the database holds other tables ({held}) and none of Optuna's; nothing was "
            "changed. Give the study a database of its own."
        )


def _reading(url: str) -> sqlalchemy.Engine | None:
    """An engine to look into a database with; None where there is nothing to look into."""
    import sqlite3

    import sqlalchemy

    parsed = sqlalchemy.make_url(url)
    file = parsed.database
    if parsed.get_backend_name() == "sqlite" and not file:
        return None  # in memory
    if parsed.get_driver_name() != "pysqlite" or file is None or file.startswith("file:"):
        return sqlalchemy.create_engine(parsed)
    if file == ":memory:" or not os.path.isfile(file) or not os.path.getsize(file):
        return None
    with open(file, "rb") as opened:
        if opened.read(len(SQLITE)) != SQLITE:  # SQLite itself takes a byte or two for nothing
            raise PriorError(f"storage: {file} is no SQLite database; nothing was changed.")
    # Read-only: connecting as usual would empty its write-ahead log into it.
    address = f"file:{quote(os.path.abspath(file))}?mode=ro"
    return sqlalchemy.create_engine(
        parsed, creator=lambda: sqlite3.connect(address, uri=True), poolclass=sqlalchemy.NullPool
    )
