"""What a run shows, written to the store in as few calls as MLflow takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from infoprior.tracking._runs import Run

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

T = TypeVar("T")

_PREVIEW = 200  # rows of a table that the UI is given: it stands still over ten thousand
_BATCH = {"metrics": 1000, "params": 100}  # what MLflow takes in one call


def write_run(
    client: MlflowClient, run_id: str, run: Run, when: int, about: Mapping[str, Any]
) -> None:
    """Write a run's metrics, settings, tables and files.

    Args:
        client: of the store.
        run_id: of the run, which is there already.
        run: what to write.
        when: the metrics' time, in milliseconds.
        about: the model and the data set that the metrics are of, as MLflow's `Metric` takes them.
    """
    from mlflow.entities import Metric, Param

    values = [(name, value, 0) for name, value in run.metrics.items()]
    for name, points in run.curves.items():
        values += [(name, value, step) for step, value in points.items()]
    metrics = [Metric(name, float(value), when, step, **about) for name, value, step in values]
    for some in _batches(metrics, _BATCH["metrics"]):
        client.log_batch(run_id, metrics=some)
    params = [Param(name, str(value)) for name, value in run.params.items()]
    for part in _batches(params, _BATCH["params"]):
        client.log_batch(run_id, params=part)
    for path, table in run.tables.items():
        _log_table(client, run_id, table, path)
    for folder, files in run.files.items():
        for file in files:
            client.log_artifact(run_id, str(file), folder or None)


def _log_table(client: MlflowClient, run_id: str, table: pd.DataFrame, path: str) -> None:
    client.log_table(run_id, table.head(_PREVIEW), path)
    if len(table) > _PREVIEW:
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / Path(path).with_suffix(".parquet").name
            table.to_parquet(whole, index=False, compression="zstd")
            parent = Path(path).parent.as_posix()
            client.log_artifact(run_id, str(whole), None if parent == "." else parent)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
