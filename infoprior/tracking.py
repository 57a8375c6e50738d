"""MLflow, in one place: runs, their nested folds, tables, figures, models and the registry."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import pandas as pd

RESULTS_TAG = "infoprior.results"
"""Tag of every run: the hash of the results that it shows, so that none is logged twice."""
CURRENT_TAG = "infoprior.current"
"""Tag of every top-level run: "true" where it shows the latest results."""


@dataclass(frozen=True)
class Run:
    """What one MLflow run shows.

    Attributes:
        name: in the run list.
        params: settings; logged as strings.
        metrics: finite numbers, written in one batch.
        tags: further tags.
        tables: artifact path ending in .json -> data frame (MLflow's table view).
        files: artifact folder -> files to copy there.
        children: nested runs, one a fold.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    children: Sequence[Run] = ()


@dataclass(frozen=True)
class Model:
    """A model to log with a run: code and data files, never a pickle.

    Attributes:
        code: a Python file that ends in `mlflow.models.set_model(...)`.
        artifacts: name -> file or folder that the code's `load_context` finds.
        example: an input, one row a prediction.
        output: what the model answers to it (for the signature).
        requirements: pip requirements of the model.
        packages: folders of Python packages to keep beside it, so that it loads elsewhere.
    """

    code: Path
    artifacts: Mapping[str, Path]
    example: pd.DataFrame
    output: pd.DataFrame
    requirements: Sequence[str]
    packages: Sequence[Path] = ()


class Tracker:
    """An MLflow experiment whose store and artifacts lie in one folder.

    Args:
        folder: holds mlflow.db and artifacts/; made if missing.
        experiment: its name; made if missing.
    """

    def __init__(self, folder: str | os.PathLike[str], experiment: str) -> None:
        # MLflow reports how it is used unless told not to; the project sends nothing anywhere.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "true")
        import mlflow

        logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.uri = store_uri(self.folder)
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        self._mlflow = mlflow
        self._last_dataset: tuple[pd.DataFrame, tuple[str, str | None], Any] | None = None
        self.client = mlflow.MlflowClient(self.uri, self.uri)
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            location = (self.folder / "artifacts").as_uri()
            self.experiment_id = self.client.create_experiment(
                experiment,
                location,
                # The UI's view for models rather than for chat agents.
                tags={"mlflow.experimentKind": "custom_model_development"},
            )
        else:
            self.experiment_id = found.experiment_id

    def logged(self, results: str) -> dict[str, str]:
        """Name -> id of the finished top-level runs that show these results."""
        found = self.client.search_runs(
            [self.experiment_id],
            f"tags.`{RESULTS_TAG}` = '{results}' and attributes.status = 'FINISHED'",
            max_results=5000,
        )
        return {
            run.info.run_name: run.info.run_id
            for run in found
            if "mlflow.parentRunId" not in run.data.tags
        }

    def mark_current(self, results: str) -> None:
        """Tag the top-level runs of these results as current, and all earlier ones as not."""
        for run in self.client.search_runs([self.experiment_id], max_results=5000):
            if "mlflow.parentRunId" in run.data.tags:
                continue
            current = str(run.data.tags.get(RESULTS_TAG) == results).lower()
            if run.data.tags.get(CURRENT_TAG) != current:
                self.client.set_tag(run.info.run_id, CURRENT_TAG, current)

    def log(
        self,
        run: Run,
        *,
        results: str,
        dataset: pd.DataFrame | None = None,
        dataset_name: str = "metadataset",
        dataset_digest: str | None = None,
        model: Model | None = None,
    ) -> str:
        """Write one run with its nested runs; it counts as finished only when all of it is there.

        Args:
            run: what to show.
            results: the hash of the results (see `logged`).
            dataset: what the predictor learnt from, logged as an input with its digest.
            dataset_name: of that input.
            dataset_digest: of that input; MLflow keeps its first 36 characters.
            model: logged as a pyfunc model with signature and input example.

        Returns:
            the run's id.
        """
        with warnings.catch_warnings():
            # Rows of a table have whole numbers, and predictors take profiles: both are meant so.
            warnings.filterwarnings("ignore", message="(?s).*Inferred schema contains integer")
            warnings.filterwarnings("ignore", message="(?s).*Add type hints to the")
            return self._log(run, results, dataset, dataset_name, dataset_digest, model)

    def _log(
        self,
        run: Run,
        results: str,
        dataset: pd.DataFrame | None,
        dataset_name: str,
        dataset_digest: str | None,
        model: Model | None,
    ) -> str:
        from mlflow.entities import DatasetInput, InputTag

        run_id = self._create(run, results, parent=None)
        for child in run.children:
            child_id = self._create(child, results, parent=run_id)
            self.client.set_terminated(child_id)
        if dataset is not None:
            entity = self._dataset(dataset, dataset_name, (dataset_digest or "")[:36] or None)
            self.client.log_inputs(
                run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])]
            )
        if model is not None:
            self._log_model(run_id, model)
        self.client.set_terminated(run_id)
        return run_id

    def _dataset(self, frame: pd.DataFrame, name: str, digest: str | None) -> Any:
        """The entity of a data set. MLflow looks at every cell: done once for the runs of one."""
        last, called = self._last_dataset, (name, digest)
        if last is None or digest is None or last[0] is not frame or last[1] != called:
            source = self._mlflow.data.from_pandas(  # type: ignore[attr-defined]
                frame, name=name, digest=digest
            )
            last = self._last_dataset = (frame, called, source._to_mlflow_entity())
        return last[2]

    def register(self, run_id: str, name: str, alias: str) -> str:
        """Make the model of a run a version of the registered model `name`, under an alias.

        Repeating it makes no further version; the alias goes to this run's.

        Returns:
            the version.
        """
        models = self.client.search_logged_models(
            [self.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
        if not models:
            raise ValueError(f"The run {run_id} has no model to register as {name!r}.")
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        known = self.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        version = known[0] if known else self.client.create_model_version(
            name, source=models[0].model_uri, run_id=run_id, model_id=models[0].model_id
        )  # fmt: skip
        self.client.set_registered_model_alias(name, alias, version.version)
        return str(version.version)

    def _create(self, run: Run, results: str, parent: str | None) -> str:
        from mlflow.entities import Metric, Param, RunTag

        tags = {**run.tags, RESULTS_TAG: results}
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        created = self.client.create_run(self.experiment_id, run_name=run.name, tags=tags)
        run_id, when = created.info.run_id, created.info.start_time
        self.client.log_batch(
            run_id,
            metrics=[Metric(key, float(value), when, 0) for key, value in run.metrics.items()],
            params=[Param(key, str(value)) for key, value in run.params.items()],
            tags=[RunTag(key, value) for key, value in run.tags.items()],
        )
        for path, table in run.tables.items():
            self.client.log_table(run_id, table, path)
        for folder, files in run.files.items():
            for file in files:
                self.client.log_artifact(run_id, str(file), folder or None)
        return run_id

    def _log_model(self, run_id: str, model: Model) -> None:
        from mlflow.models import infer_signature

        with self._mlflow.start_run(run_id=run_id):
            self._mlflow.pyfunc.log_model(
                name="predictor",
                python_model=str(model.code),
                artifacts={name: str(path) for name, path in model.artifacts.items()},
                signature=infer_signature(model.example, model.output),
                input_example=model.example,
                pip_requirements=list(model.requirements),
                code_paths=[str(path) for path in model.packages] or None,
            )


def runs_url(experiment_id: str, port: int | str, order_by: str) -> str:
    """The UI's list of an experiment's current runs, the smallest value of a metric first."""
    shown = quote(f"tags.`{CURRENT_TAG}` = 'true'")
    query = f"searchFilter={shown}&orderByKey={quote(f'metrics.`{order_by}`')}&orderByAsc=true"
    return f"http://127.0.0.1:{port}/#/experiments/{experiment_id}/runs?{query}"


def store_uri(folder: str | os.PathLike[str]) -> str:
    """The tracking URI of the SQLite store in a folder (MLflow 3 has no file store any more)."""
    return f"sqlite:///{Path(folder).resolve() / 'mlflow.db'}"
