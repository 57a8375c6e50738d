"""Where runs are kept: the project's own database and folder, or what MLflow's variables name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

DATABASE = "mlflow.db"


@dataclass(frozen=True)
class Store:
    """A tracking store and the model registry beside it.

    Attributes:
        tracking_uri: of runs: a database's URI, or a server's address.
        registry_uri: of registered models.
        artifact_location: URI of the folder of new experiments' artifacts; None: the server's own.
    """

    tracking_uri: str
    registry_uri: str
    artifact_location: str | None

    @classmethod
    def of(
        cls, folder: str | os.PathLike[str], environment: Mapping[str, str] | None = None
    ) -> Store:
        """The store in a folder, unless MLFLOW_TRACKING_URI or MLFLOW_REGISTRY_URI name another.

        Args:
            folder: holds the artifacts, and the database mlflow.db unless another is named.
            environment: with MLflow's variables; this process's if not given. Relative paths of
                SQLite databases in them are relative to the folder's parent, the project's
                folder, so that it does not matter where a process runs.
        """
        environment = os.environ if environment is None else environment
        folder = Path(folder).resolve()
        tracking = _absolute(environment.get("MLFLOW_TRACKING_URI", ""), folder.parent)
        tracking = tracking or store_uri(folder)
        registry = _absolute(environment.get("MLFLOW_REGISTRY_URI", ""), folder.parent)
        local = _is_database(tracking)
        return cls(
            tracking_uri=tracking,
            registry_uri=registry or tracking,
            artifact_location=(folder / "artifacts").as_uri() if local else None,
        )

    @property
    def server(self) -> str | None:
        """The address of the tracking server, without credentials; None for a database."""
        return without_credentials(self.tracking_uri) if _is_server(self.tracking_uri) else None

    @property
    def databases(self) -> list[Path]:
        """The SQLite files among the two, which are made when they are missing."""
        paths = (_sqlite_path(uri) for uri in (self.tracking_uri, self.registry_uri))
        return list(dict.fromkeys(path for path in paths if path is not None))


def store_uri(folder: str | os.PathLike[str]) -> str:
    """The tracking URI of the SQLite store in a folder (MLflow 3 has no file store any more)."""
    return sqlite_uri(Path(folder).resolve() / DATABASE)


def sqlite_uri(path: Path) -> str:
    """The URI of a SQLite file. SQLAlchemy takes %, ? and # in it for syntax unless quoted."""
    from sqlalchemy.engine import URL

    return _render(URL.create("sqlite", database=str(path)))


def _render(url: URL) -> str:
    uri = url.render_as_string(hide_password=False)
    if url.drivername != "sqlite" or uri.startswith(f"sqlite:///{url.database}"):
        return uri
    # With the driver named, MLflow makes no folder of the quoted name beside the real one.
    return url.set(drivername="sqlite+pysqlite").render_as_string(hide_password=False)


def without_credentials(uri: str) -> str:
    """A URI as it may be printed: without user name and password, and without options."""
    split = urlsplit(uri)
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path, "", ""))


def _is_server(uri: str) -> bool:
    return urlsplit(uri).scheme in ("http", "https")


def _is_database(uri: str) -> bool:
    """Whether MLflow writes to it by SQL: the artifacts' folder is then this side's to say."""
    return urlsplit(uri).scheme.split("+")[0] in ("sqlite", "postgresql", "mysql", "mssql")


def _sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite database; None for other URIs and for databases in memory."""
    if not uri.startswith(("sqlite:", "sqlite+pysqlite:")):
        return None
    from sqlalchemy.engine import make_url

    database = make_url(uri).database
    if not database or database == ":memory:" or database.startswith("file:"):
        return None
    return Path(database)


def _absolute(uri: str, folder: Path) -> str:
    """A URI, with the path of a SQLite file relative to a folder made absolute."""
    uri = uri.strip()
    path = _sqlite_path(uri)
    if path is None or path.is_absolute():
        return uri
    from sqlalchemy.engine import make_url

    return _render(make_url(uri).set(database=str(folder / path)))
