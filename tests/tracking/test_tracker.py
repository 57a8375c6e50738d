"""MLflow: one run a predictor with nested folds, its tables, its input, its model."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

import pandas as pd
import pytest

from infoprior.tracking import (
    CURRENT_TAG,
    Model,
    Run,
    Tracker,
    TrackingError,
    View,
    store_uri,
)
from infoprior.tracking._database import HOST

CODE = """
import mlflow, pandas as pd, json, pathlib

class Constant(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.value = json.loads(pathlib.Path(context.artifacts["value"]).read_text())

    def predict(self, context, model_input, params=None):
        return pd.DataFrame({"prior": [self.value] * len(model_input)})

mlflow.models.set_model(Constant())
"""


def model_in(folder, name="trees-mi"):
    code, value = folder / "code.py", folder / "value.json"
    code.write_text(CODE)
    value.write_text('"seven"')
    return Model(
        name=name,
        code=code,
        artifacts={"value": value},
        example=pd.DataFrame({"profile": ["x"]}),
        output=pd.DataFrame({"prior": ["seven"]}),
        requirements=["numpy"],
    )


@pytest.fixture(scope="module")
def logged(tmp_path_factory, template):
    """One tracker with one run, in a folder whose name is full of syntax."""
    folder = tmp_path_factory.mktemp("mlruns") / "a b%20c?d#e"
    (folder / "store").mkdir(parents=True)
    shutil.copy(template, folder / "store" / "mlflow.db")
    tracker = Tracker(folder / "store", "test")
    model = model_in(folder)
    run = Run(
        name="trees / mi @ experiment",
        key="trees / mi",
        description="**Trees**",
        params={f"p{i}": i for i in range(120)},
        metrics={"kendall_tau": 0.25},
        curves={"regret": {1: 0.9, 8: 0.4, 16: 0.2}},
        tags={"stage": "predictor"},
        tables={
            "tasks.json": pd.DataFrame({"task": ["a", "b"], "tau": [0.1, 0.4]}),
            "long/rows.json": pd.DataFrame({"i": range(5000)}),
        },
        files={"figures": [folder / "value.json"]},
        children=[Run(name="fold-0", metrics={"kendall_tau": 0.1})],
    )
    data = pd.DataFrame({"task": ["a"], "accuracy": [0.5]})
    run_id = tracker.log(
        run, results="abc", dataset=data, dataset_digest="0123456789abcdef", model=model
    )
    return tracker, run_id


def artifact(tracker, run_id, path):
    return tracker.folder / "artifacts" / run_id / "artifacts" / path


def test_the_run_shows_what_it_was_given(logged):
    tracker, run_id = logged
    run = tracker.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {f"p{i}": str(i) for i in range(120)}
    assert run.data.metrics["kendall_tau"] == 0.25
    assert run.data.tags["mlflow.note.content"] == "**Trees**"
    assert run.inputs.dataset_inputs[0].dataset.digest == "0123456789abcdef"
    table = json.loads(artifact(tracker, run_id, "tasks.json").read_text())
    assert table["columns"] == ["task", "tau"]
    assert table["data"] == [["a", 0.1], ["b", 0.4]]
    names = [file.path for file in tracker.client.list_artifacts(run_id, "figures")]
    assert names == ["figures/value.json"]


def test_a_curve_is_one_metric_with_steps_and_its_last_value_is_listed(logged):
    tracker, run_id = logged
    points = tracker.client.get_metric_history(run_id, "regret")
    assert {point.step: point.value for point in points} == {1: 0.9, 8: 0.4, 16: 0.2}
    assert tracker.client.get_run(run_id).data.metrics["regret"] == 0.2


def test_a_long_table_is_a_short_preview_and_a_parquet_file(logged):
    tracker, run_id = logged
    preview = json.loads(artifact(tracker, run_id, "long/rows.json").read_text())
    assert preview["data"] == [[i] for i in range(200)]
    whole = pd.read_parquet(artifact(tracker, run_id, "long/rows.parquet"))
    assert whole["i"].tolist() == list(range(5000))


def test_a_data_set_is_looked_at_once_for_all_its_runs(logged, monkeypatch):
    import mlflow

    tracker, _ = logged
    made = []
    make = mlflow.data.from_pandas
    monkeypatch.setattr(
        mlflow.data, "from_pandas", lambda *a, **k: made.append(k["digest"]) or make(*a, **k)
    )
    one, two = pd.DataFrame({"x": [1.0]}), pd.DataFrame({"x": [2.0]})

    def logged_digest(frame, digest, name="data"):
        run_id = tracker.log(
            Run(name="r"), results="data sets", dataset=frame, dataset_digest=digest,
            dataset_name=name,
        )  # fmt: skip
        [logged] = tracker.client.get_run(run_id).inputs.dataset_inputs
        assert logged.dataset.name == name
        return logged.dataset.digest

    calls = ((one, "a"), (one, "a"), (two, "a"), (two, "b"))
    assert [logged_digest(*call) for call in calls] == ["a", "a", "a", "b"]
    logged_digest(two, "b", "another name")
    assert made == ["a", "a", "b", "b"]
    before = logged_digest(two, None)  # MLflow's own, of the content
    two["x"] = 3.0
    assert logged_digest(two, None) != before


def test_folds_are_nested_and_dated_before_the_runs_that_the_list_begins_with(logged):
    tracker, run_id = logged
    [fold] = tracker.client.search_runs(
        [tracker.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"
    )
    assert fold.info.run_name == "fold-0"
    assert fold.info.start_time < tracker.client.get_run(run_id).info.start_time


def test_results_are_not_logged_twice_whatever_the_runs_are_called(logged):
    tracker, run_id = logged
    assert tracker.logged("abc") == {"trees / mi": run_id}
    assert tracker.logged("other") == {}


def test_the_model_has_a_signature_and_an_alias_and_loads_without_a_pickle(logged, tmp_path):
    tracker, run_id = logged
    assert tracker.aliased("it's", "best") is None
    version = tracker.register(run_id, "it's", "best", description="what it is")
    assert tracker.register(run_id, "it's", "best") == version
    known = tracker.client.get_model_version_by_alias("it's", "best")
    assert (str(known.version), known.description) == (version, "what it is")
    assert tracker.aliased("it's", "best") == run_id
    code = (
        "import sys, mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        # Into a folder: MLflow cannot load from where the path holds a %, as the store's does here.
        'model = mlflow.pyfunc.load_model("models:/it\'s@best", dst_path=sys.argv[2])\n'
        "assert model.metadata.signature.inputs.input_names() == ['profile']\n"
        "print(model.predict(pd.DataFrame({'profile': ['a', 'b']}))['prior'].tolist())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, tracker.store.tracking_uri, str(tmp_path)],
        cwd="/", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.strip() == "['seven', 'seven']"
    assert not list(tracker.folder.rglob("*.pkl"))


def test_a_logged_model_names_its_data_set_its_run_and_its_registered_version(logged):
    tracker, run_id = logged
    version = tracker.register(run_id, "thing", "best")
    [model] = tracker.client.search_logged_models(
        [tracker.experiment_id], filter_string=f"source_run_id = '{run_id}'"
    )
    assert (model.name, model.status.value) == ("trees-mi", "READY")
    versions = json.loads(model.tags["mlflow.modelVersions"])
    assert {"name": "thing", "version": version} in versions
    assert len(versions) == len({(entry["name"], entry["version"]) for entry in versions})
    assert model.tags["mlflow.note.content"] == "**Trees**"
    assert model.params["p7"] == "7"
    assert {metric.key for metric in model.metrics} == {"kendall_tau", "regret"}
    assert {metric.dataset_digest for metric in model.metrics} == {"0123456789abcdef"}
    outputs = tracker.client.get_run(run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [model.model_id]


def test_a_run_without_a_model_cannot_be_registered(logged):
    tracker, _ = logged
    bare = tracker.log(Run(name="bare"), results="none")
    with pytest.raises(ValueError, match="no model"):
        tracker.register(bare, "thing", "best")


def test_only_the_present_runs_are_current_with_their_folds(logged):
    tracker, run_id = logged
    later = tracker.log(Run(name="trees / mi", children=[Run(name="fold-0")]), results="def")

    def current():
        runs = tracker.client.search_runs([tracker.experiment_id], f"tags.`{CURRENT_TAG}` = 'true'")
        return {run.data.tags.get("mlflow.parentRunId", run.info.run_id) for run in runs}, len(runs)

    for shown in (later, run_id, later):
        tracker.mark_current([shown])
        assert current() == ({shown}, 2)


def test_everything_lies_in_one_folder(logged):
    tracker, _ = logged
    with sqlite3.connect(tracker.folder / "mlflow.db") as store:
        (location,) = store.execute(
            "select artifact_location from experiments where name = 'test'"
        ).fetchone()
    assert location == (tracker.folder / "artifacts").as_uri()
    beside = {path.name for path in tracker.folder.parent.iterdir()}
    assert beside == {"store", "code.py", "value.json"}
    assert [path.name for path in tracker.folder.parent.parent.iterdir()] == ["a b%20c?d#e"]


def test_runs_of_killed_processes_are_marked_those_of_live_ones_are_not(logged):
    tracker, _ = logged
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    runs = {}
    for writer in (f"{HOST}-{process.pid}", f"{HOST}-{os.getpid()}", "elsewhere-1", None):
        tags = {} if writer is None else {"infoprior.process": writer}
        runs[writer] = tracker.client.create_run(tracker.experiment_id, tags=tags).info.run_id
    tracker.close_unfinished()
    status = [tracker.client.get_run(run_id).info.status for run_id in runs.values()]
    assert status == ["KILLED", "RUNNING", "RUNNING", "RUNNING"]


def test_a_view_is_kept_as_the_ui_reads_it(logged):
    tracker, _ = logged
    view = View(filter="tags.x = '1'", columns=["metrics.a", "attributes.Models"], bars=["a"],
                lines=["b"])  # fmt: skip
    tracker.share_view("mine", view)
    tags = tracker.client.get_experiment(tracker.experiment_id).tags
    state = json.loads(tags["mlflow.sharedViewState.mine"])
    assert state["searchFilter"] == "tags.x = '1'"
    assert state["selectedColumns"] == ["metrics.`a`", "attributes.`Models`"]
    # MLflow nests folds below their runs in the order of time alone.
    assert (state["orderByKey"], state["orderByAsc"]) == ("attributes.start_time", False)
    charts = {(chart["type"], chart["metricKey"]) for chart in state["compareRunCharts"]}
    assert charts == {("BAR", "a"), ("LINE", "b")}
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections


def test_mlflows_variables_name_another_store_and_experiment(folder, tmp_path, monkeypatch):
    other = tmp_path / "other.db"
    shutil.copy(folder / "mlflow.db", other)
    before = (folder / "mlflow.db").read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    tracker = Tracker(folder, "ours")
    run_id = tracker.log(Run(name="r"), results="x")
    assert (folder / "mlflow.db").read_bytes() == before
    with sqlite3.connect(other) as store:
        rows = store.execute(
            "select run_uuid, e.name from runs join experiments e using (experiment_id)"
        ).fetchall()
    assert rows == [(run_id, "theirs")]


def test_mlflows_global_settings_stay_as_they_were(folder, tmp_path):
    import mlflow

    before = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
    uri = mlflow.get_tracking_uri()
    tracker = Tracker(folder, "test")
    tracker.register(tracker.log(Run(name="r"), results="x", model=model_in(tmp_path)), "m", "best")
    assert mlflow.get_tracking_uri() == uri != store_uri(folder)
    after = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
    assert after | {"MLFLOW_DISABLE_TELEMETRY": "true"} == before | {
        "MLFLOW_DISABLE_TELEMETRY": "true"
    }


def test_a_deleted_experiment_is_named(folder):
    tracker = Tracker(folder, "test")
    tracker.client.delete_experiment(tracker.experiment_id)
    with pytest.raises(TrackingError, match=r"'test' was deleted. Restore it"):
        Tracker(folder, "test")


def test_a_store_that_mlflow_cannot_open_is_named_and_left_as_it_is(folder):
    path = folder / "mlflow.db"
    with sqlite3.connect(path) as store:
        store.execute("update alembic_version set version_num = 'from the future'")
    store.close()
    before = path.read_bytes()
    with pytest.raises(TrackingError, match=r"MLflow cannot open .*Nothing in it was changed"):
        Tracker(folder, "test")
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_server_that_a_variable_names_gets_runs_models_and_artifacts(tmp_path, monkeypatch):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
         "--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--workers", "1",
         "--artifacts-destination", str(tmp_path / "served")],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        tracker = Tracker(tmp_path / "mlruns", "test")
        run_id = tracker.log(
            Run(name="r", metrics={"a": 1.0}, tables={"t.json": pd.DataFrame({"x": [1]})}),
            results="x",
            dataset=pd.DataFrame({"x": [1.0]}),
            model=model_in(tmp_path),
        )
        version = tracker.register(run_id, "thing", "best")
        assert tracker.aliased("thing", "best") == run_id
        [model] = tracker.client.search_logged_models([tracker.experiment_id])
        assert json.loads(model.tags["mlflow.modelVersions"]) == [
            {"name": "thing", "version": version}
        ]
        assert list((tmp_path / "served").rglob("t.json"))
        assert list((tmp_path / "served").rglob("MLmodel"))
        assert not (tmp_path / "mlruns").exists()
    finally:
        os.killpg(server.pid, 15)
        server.wait()
