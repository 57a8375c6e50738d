"""Where runs are kept."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from infoprior.tracking import Store, store_uri

NAMES = ["plain", "two words", "feature%2Fnew", "a%20b", "100%", "why?", "a#b", "x;y&z=1", "für@:+"]


@pytest.mark.parametrize("name", NAMES)
def test_the_uri_of_a_folder_leads_into_it_whatever_its_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    with create_engine(store_uri(folder)).begin() as connection:
        connection.execute(text("create table t (a integer)"))
    assert [path.name for path in folder.iterdir()] == ["mlflow.db"]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert Store.of(folder, {}).databases == [folder / "mlflow.db"]


def test_without_variables_everything_is_in_the_folder(tmp_path):
    store = Store.of(tmp_path / "a b%?#", {"MLFLOW_TRACKING_URI": ""})
    assert store.tracking_uri == store.registry_uri == store_uri(tmp_path / "a b%?#")
    assert store.artifact_location == (tmp_path / "a b%?#" / "artifacts").as_uri()
    assert store.server is None


def test_a_server_keeps_runs_models_and_artifacts(tmp_path):
    store = Store.of(tmp_path, {"MLFLOW_TRACKING_URI": "https://me:secret@host:8443/mlflow"})
    assert store.tracking_uri == store.registry_uri == "https://me:secret@host:8443/mlflow"
    assert store.artifact_location is None
    assert store.databases == []
    assert store.server == "https://host:8443/mlflow"


def test_the_registry_may_be_elsewhere(tmp_path):
    store = Store.of(tmp_path, {"MLFLOW_REGISTRY_URI": "http://host:5000"})
    assert store.tracking_uri == store_uri(tmp_path)
    assert store.registry_uri == "http://host:5000"
    assert store.databases == [tmp_path / "mlflow.db"]


def test_artifacts_of_a_named_database_lie_in_the_folder(tmp_path):
    store = Store.of(tmp_path, {"MLFLOW_TRACKING_URI": "postgresql+psycopg://u:p@h/db"})
    assert store.artifact_location == (tmp_path / "artifacts").as_uri()
    assert store.databases == []


def test_relative_databases_are_the_projects_wherever_a_process_runs(tmp_path, monkeypatch):
    project = tmp_path / "pro%ject"
    (project / "elsewhere").mkdir(parents=True)
    monkeypatch.chdir(project / "elsewhere")
    for uri in ("sqlite:///runs.db", "sqlite+pysqlite:///runs.db", f"sqlite:///{tmp_path}/runs.db"):
        [path] = Store.of(project / "mlruns", {"MLFLOW_TRACKING_URI": uri}).databases
        assert path == Path(tmp_path if str(tmp_path) in uri else project, "runs.db")
