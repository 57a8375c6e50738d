"""Logging to an MLflow experiment, and its models to the registry."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infoprior.files import is_alive
from infoprior.tracking._database import HOST, ready_database
from infoprior.tracking._errors import TrackingError
from infoprior.tracking._runs import Model, Run
from infoprior.tracking._store import Store, without_credentials
from infoprior.tracking._views import VIEW_TAG, View
from infoprior.tracking._writing import write_run

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import LoggedModel


RESULTS_TAG = "infoprior.results"
"""Tag of every run: the hash of the results that it shows, so that none is logged twice."""
KEY_TAG = "infoprior.run"
"""Tag of every run: what it is about (`Run.key`)."""
CURRENT_TAG = "infoprior.current"
"""Tag of every run, nested ones too: "true" where it shows the project's present results."""
PROCESS_TAG = "infoprior.process"
"""Tag of every run: the machine and process that wrote it."""

_PARENT_TAG = "mlflow.parentRunId"
_NOTE_TAG = "mlflow.note.content"
_VERSIONS_TAG = "mlflow.modelVersions"
"""Where MLflow's UI looks for the registered versions of a logged model."""


class Tracker:
    """An MLflow experiment, whose store lies in a folder unless MLflow's variables name another.

    MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI name other stores (see `Store.of`),
    MLFLOW_EXPERIMENT_NAME another experiment. MLflow's global settings are left as they are.

    Args:
        folder: holds mlflow.db and artifacts/; made if missing.
        experiment: its name; made if missing.

    Attributes:
        folder: absolute.
        store: where runs and registered models are kept.
        client: of that store.
        experiment: its name.
        experiment_id: MLflow's.

    Raises:
        TrackingError: the store cannot be opened, or the experiment was deleted.
    """

    def __init__(self, folder: str | os.PathLike[str], experiment: str) -> None:
        # MLflow reports how it is used unless told not to; the project sends nothing anywhere.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "true")
        import mlflow

        logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
        self.folder = Path(folder).resolve()
        self.store = Store.of(self.folder)
        self.experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or experiment
        self._mlflow = mlflow
        self._opened = int(time.time() * 1000)
        self._last_dataset: tuple[pd.DataFrame, tuple[str, str | None], Any] | None = None
        for path in self.store.databases:
            ready_database(path)
        try:
            self.client = mlflow.MlflowClient(self.store.tracking_uri, self.store.registry_uri)
            known = self._experiment()
        except Exception as error:  # of MLflow, SQLAlchemy, requests or a plugin
            where = without_credentials(self.store.tracking_uri)
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            advice = "Is the address in MLFLOW_TRACKING_URI right, and the server up?"
            if self.store.server is None:
                advice = "Nothing in it was changed; move it away, and a new one is created."
            raise TrackingError(f"MLflow cannot open {where}: {reason} {advice}") from error
        if known.lifecycle_stage != "active":
            raise TrackingError(
                f"The MLflow experiment {self.experiment!r} was deleted. Restore it (`mlflow "
                f"experiments restore --experiment-id {known.experiment_id}`), or name another."
            )
        self.experiment_id: str = known.experiment_id

    def _experiment(self) -> Any:
        """The experiment; made if missing, also by another process this very moment."""
        from mlflow.exceptions import MlflowException

        known = self.client.get_experiment_by_name(self.experiment)
        if known is not None:
            return known
        try:
            self.client.create_experiment(
                self.experiment,
                self.store.artifact_location,
                # The UI's view for models rather than for chat agents.
                tags={"mlflow.experimentKind": "custom_model_development"},
            )
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self.client.get_experiment_by_name(self.experiment)

    def tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of a run, unless it has one of this name.

        Args:
            run_id: MLflow's id.
            key: of the tag.
            value: of the tag.
        """
        if key not in self.client.get_run(run_id).data.tags:
            self.client.set_tag(run_id, key, value)

    def logged(self, results: str) -> dict[str, str]:
        """Key -> id of the finished top-level runs that show these results."""
        shown = f"tags.`{RESULTS_TAG}` = '{results}' and attributes.status = 'FINISHED'"
        return {
            run.data.tags.get(KEY_TAG, run.info.run_name): run.info.run_id
            for run in self._runs(shown)
            if _PARENT_TAG not in run.data.tags
        }

    def close_unfinished(self) -> None:
        """Mark the runs of processes of this machine that were killed as such."""
        for run in self._runs("attributes.status = 'RUNNING'"):
            host, _, process = run.data.tags.get(PROCESS_TAG, "").rpartition("-")
            if host == HOST and not is_alive(int(process)):
                self.client.set_terminated(run.info.run_id, "KILLED")

    def mark_current(self, run_ids: Collection[str]) -> None:
        """Tag these top-level runs and their nested ones as current, and all others as not."""
        current = set(run_ids)
        for run in self._runs():
            top = run.data.tags.get(_PARENT_TAG, run.info.run_id)
            now = str(top in current).lower()
            if run.data.tags.get(CURRENT_TAG) != now:
                self.client.set_tag(run.info.run_id, CURRENT_TAG, now)

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
            model: logged as a pyfunc model with signature and input example; it shows the run's
                metrics and parameters, and the data set.

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

        run_id, when = self._create(run, results, parent=None)
        for child in run.children:
            child_id, started = self._create(child, results, parent=run_id)
            write_run(self.client, child_id, child, started, about={})
            self.client.set_terminated(child_id)
        about: dict[str, Any] = {}
        if dataset is not None:
            entity = self._dataset(dataset, dataset_name, (dataset_digest or "")[:36] or None)
            self.client.log_inputs(
                run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])]
            )
            about |= {"dataset_name": entity.name, "dataset_digest": entity.digest}
        if model is not None:
            about |= {"model_id": self._log_model(run_id, run, model), "run_id": run_id}
        write_run(self.client, run_id, run, when, about)
        self.client.set_terminated(run_id)
        return run_id

    def _create(self, run: Run, results: str, parent: str | None) -> tuple[str, int]:
        """A run with its name and tags: its id and the time, in milliseconds."""
        tags = {**run.tags, RESULTS_TAG: results, KEY_TAG: run.key or run.name}
        tags |= {CURRENT_TAG: "false", PROCESS_TAG: f"{HOST}-{os.getpid()}"}
        if run.description:
            tags[_NOTE_TAG] = run.description
        if parent is not None:
            tags[_PARENT_TAG] = parent
        # Nested runs are dated before all others: the UI loads a hundred runs, the newest first.
        created = self.client.create_run(
            self.experiment_id,
            run_name=run.name,
            tags=tags,
            start_time=None if parent is None else self._opened,
        )
        return created.info.run_id, created.info.start_time

    def _dataset(self, frame: pd.DataFrame, name: str, digest: str | None) -> Any:
        """The entity of a data set. MLflow looks at every cell: done once for the runs of one."""
        last, called = self._last_dataset, (name, digest)
        if last is None or digest is None or last[0] is not frame or last[1] != called:
            source = self._mlflow.data.from_pandas(  # type: ignore[attr-defined]
                frame, name=name, digest=digest
            )
            last = self._last_dataset = (frame, called, source._to_mlflow_entity())
        return last[2]

    def _log_model(self, run_id: str, run: Run, model: Model) -> str:
        """The model of a run: its id. As `mlflow.pyfunc.log_model`, for a store of one's own."""
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model as Metadata
        from mlflow.models import infer_signature

        logged = self.client.create_logged_model(
            self.experiment_id,
            name=model.name,
            source_run_id=run_id,
            tags={_NOTE_TAG: run.description} if run.description else None,
            params={name: str(value) for name, value in run.params.items()},
            model_type="prior",
        )
        self.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            self._mlflow.pyfunc.save_model(
                path=str(path),
                mlflow_model=Metadata(
                    artifact_path=logged.artifact_location,
                    model_uuid=logged.model_id,
                    model_id=logged.model_id,
                    run_id=run_id,
                ),
                python_model=str(model.code),
                # As URIs: MLflow takes % and ? in a path for the syntax of one.
                artifacts={name: file.resolve().as_uri() for name, file in model.artifacts.items()},
                signature=infer_signature(model.example, model.output),
                input_example=model.example,
                pip_requirements=list(model.requirements),
            )
            self.client.log_model_artifacts(logged.model_id, str(path))
        self.client.finalize_logged_model(logged.model_id, "READY")
        return logged.model_id

    def register(self, run_id: str, name: str, alias: str, *, description: str = "") -> str:
        """Make the model of a run a version of the registered model `name`, under an alias.

        Repeating it makes no further version; the alias goes to this run's.

        Args:
            run_id: of a run with a logged model.
            name: of the registered model.
            alias: that then names this version.
            description: of the version, Markdown.

        Returns:
            the version.

        Raises:
            ValueError: the run has no model.
        """
        from mlflow.exceptions import MlflowException

        model = self._model_of(run_id)
        if model is None:
            raise ValueError(f"The run {run_id} has no model to register as {name!r}.")
        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        of_run = self.client.search_model_versions(f"run_id = '{run_id}'")
        known = [version for version in of_run if version.name == name]
        # A registry in a database resolves models:/ by MLflow's global store, not by this one.
        source = model.model_uri if self.store.server else model.artifact_location
        version = known[0] if known else self.client.create_model_version(
            name, source=source, run_id=run_id, model_id=model.model_id,
            description=description or None,
        )  # fmt: skip
        link = {"name": name, "version": str(version.version)}
        links = [
            {"name": entry["name"], "version": str(entry["version"])}
            for entry in json.loads(model.tags.get(_VERSIONS_TAG, "[]"))
        ]
        if link not in links:
            tags = {_VERSIONS_TAG: json.dumps([*links, link])}
            self.client.set_logged_model_tags(model.model_id, tags)
        if self.aliased(name, alias) != run_id:
            self.client.set_registered_model_alias(name, alias, version.version)
        return str(version.version)

    def aliased(self, name: str, alias: str) -> str | None:
        """The run whose model a registered model's alias names; None where there is none.

        Args:
            name: of the registered model.
            alias: in the registry.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_model_version_by_alias(name, alias).run_id
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def share_view(self, key: str, view: View) -> None:
        """Keep a view of the runs under a key that `runs_url` takes.

        Args:
            key: of the view.
            view: its columns, filter and charts.
        """
        self.set_experiment_tag(f"{VIEW_TAG}{key}", json.dumps(view.state()))

    def describe(self, text: str) -> None:
        """Show Markdown as the experiment's description."""
        self.set_experiment_tag(_NOTE_TAG, text)

    def set_experiment_tag(self, key: str, value: str) -> None:
        """Set a tag of the experiment, unless it has this value already.

        Args:
            key: of the tag.
            value: of the tag.
        """
        if self.client.get_experiment(self.experiment_id).tags.get(key) != value:
            self.client.set_experiment_tag(self.experiment_id, key, value)

    def _model_of(self, run_id: str) -> LoggedModel | None:
        models = self.client.search_logged_models(
            [self.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
        return models[0] if models else None

    def _runs(self, shown: str = "") -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], shown, max_results=5000, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return
