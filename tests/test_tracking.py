"""MLflow: one run a predictor with nested folds, its tables, its input, its model."""

import json
import sqlite3

import pandas as pd
import pytest

from infoprior.tracking import Model, Run, Tracker

CODE = """
import mlflow, pandas as pd, json, pathlib

class Constant(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.value = json.loads(pathlib.Path(context.artifacts["value"]).read_text())

    def predict(self, context, model_input, params=None):
        return pd.DataFrame({"prior": [self.value] * len(model_input)})

mlflow.models.set_model(Constant())
"""


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """One tracker with one run: making the database takes seconds, so it is made once."""
    folder = tmp_path_factory.mktemp("mlruns")
    code, value = folder / "code.py", folder / "value.json"
    code.write_text(CODE)
    value.write_text('"seven"')
    tracker = Tracker(folder / "store", "test")
    run = Run(
        name="trees / mi",
        params={"predictor": "trees"},
        metrics={"kendall_tau": 0.25},
        tags={"stage": "predictor"},
        tables={"tasks.json": pd.DataFrame({"task": ["a", "b"], "tau": [0.1, 0.4]})},
        files={"figures": [value]},
        children=[Run(name="fold-0", metrics={"kendall_tau": 0.1})],
    )
    model = Model(
        code=code,
        artifacts={"value": value},
        example=pd.DataFrame({"profile": ["x"]}),
        output=pd.DataFrame({"prior": ["seven"]}),
        requirements=["infoprior"],
    )
    data = pd.DataFrame({"task": ["a"], "accuracy": [0.5]})
    run_id = tracker.log(
        run, results="abc", dataset=data, dataset_digest="0123456789abcdef", model=model
    )
    return tracker, run_id


def test_the_run_shows_what_it_was_given(logged):
    tracker, run_id = logged
    run = tracker.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["predictor"] == "trees"
    assert run.data.metrics["kendall_tau"] == 0.25
    assert run.inputs.dataset_inputs[0].dataset.digest == "0123456789abcdef"
    table = json.loads(
        (tracker.folder / "artifacts" / run_id / "artifacts" / "tasks.json").read_text()
    )
    assert table["columns"] == ["task", "tau"]
    assert table["data"] == [["a", 0.1], ["b", 0.4]]
    names = [file.path for file in tracker.client.list_artifacts(run_id, "figures")]
    assert names == ["figures/value.json"]


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
        [found] = tracker.client.get_run(run_id).inputs.dataset_inputs
        assert found.dataset.name == name
        return found.dataset.digest

    calls = ((one, "a"), (one, "a"), (two, "a"), (two, "b"))
    assert [logged_digest(*call) for call in calls] == ["a", "a", "a", "b"]
    logged_digest(two, "b", "another name")
    assert made == ["a", "a", "b", "b"]
    before = logged_digest(two, None)  # MLflow's own, of the content
    two["x"] = 3.0
    assert logged_digest(two, None) != before


def test_folds_are_nested(logged):
    tracker, run_id = logged
    found = tracker.client.search_runs(
        [tracker.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"
    )
    assert [run.info.run_name for run in found] == ["fold-0"]


def test_results_are_not_logged_twice(logged):
    tracker, run_id = logged
    assert tracker.logged("abc") == {"trees / mi": run_id}
    assert tracker.logged("other") == {}


def test_the_model_has_a_signature_and_an_alias_and_loads_without_a_pickle(logged):
    import mlflow

    tracker, run_id = logged
    version = tracker.register(run_id, "thing", "best")
    assert tracker.register(run_id, "thing", "best") == version
    found = tracker.client.get_model_version_by_alias("thing", "best")
    assert str(found.version) == version
    model = mlflow.pyfunc.load_model("models:/thing@best")
    assert model.metadata.signature.inputs.input_names() == ["profile"]
    assert model.predict(pd.DataFrame({"profile": ["a", "b"]}))["prior"].tolist() == ["seven"] * 2
    assert not list(tracker.folder.rglob("*.pkl"))


def test_a_run_without_a_model_cannot_be_registered(logged):
    tracker, _ = logged
    bare = tracker.log(Run(name="bare"), results="none")
    with pytest.raises(ValueError, match="no model"):
        tracker.register(bare, "thing", "best")


def test_only_the_runs_of_the_latest_results_are_current(logged):
    tracker, run_id = logged
    later = tracker.log(Run(name="trees / mi"), results="def")
    tracker.mark_current("def")
    tags = [tracker.client.get_run(i).data.tags["infoprior.current"] for i in (run_id, later)]
    assert tags == ["false", "true"]


def test_everything_lies_in_one_folder(logged):
    tracker, _ = logged
    with sqlite3.connect(tracker.folder / "mlflow.db") as store:
        (location,) = store.execute(
            "select artifact_location from experiments where name = 'test'"
        ).fetchone()
    assert location == (tracker.folder / "artifacts").as_uri()
