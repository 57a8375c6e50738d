"""A finished store to copy: making one takes seconds."""

import shutil
from contextlib import contextmanager

import pytest

from infoprior.tracking import _database


@pytest.fixture(autouse=True)
def _no_other_store(monkeypatch):
    """What the tests' own environment names is not meant."""
    for name in ("TRACKING_URI", "REGISTRY_URI", "EXPERIMENT_NAME"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """The file of an empty store."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    _database.ready_database(path)
    return path


@pytest.fixture
def quick(template, monkeypatch):
    """Stores are made by copying."""

    @contextmanager
    def copied(path):
        fresh = path.with_name(f".{path.name}.tmp")
        shutil.copy(template, fresh)
        try:
            yield fresh
        finally:
            fresh.unlink(missing_ok=True)

    monkeypatch.setattr(_database, "_fresh_database", copied)
    return copied


@pytest.fixture
def folder(tmp_path, template):
    """A folder with an empty store."""
    path = tmp_path / "mlruns"
    path.mkdir()
    shutil.copy(template, path / "mlflow.db")
    return path
