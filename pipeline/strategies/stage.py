"""The comparison on tasks of this project: run, and what the pipeline's stage leaves of it."""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, REPORTS, read_params, write_csv, write_parquet,
)  # fmt: skip

import pandas as pd

from infoprior.evaluation import RecordedCurves, tasks_for_live_studies
from infoprior.metadataset import MetaDataset
from infoprior.report import save_figure, strategies_figure
from pipeline.choice import Choice
from pipeline.strategies import jobs, summary

SEARCHES = DATA / "strategies" / "searches.parquet"
FIGURE = REPORTS / "figures" / "strategies.png"


def compared(tasks: int, seeds: int, budgets: list[float]) -> pd.DataFrame:
    """Run what is missing: the rows of every strategy, with regret."""
    hyperband, networks = read_params("hyperband"), read_params("networks")
    meta, choice = MetaDataset.load(DATA / "metadataset"), Choice.load()
    predictions = pd.read_parquet(
        DATA / "predictions" / "predictions.parquet", columns=["task", "split"]
    )
    held_out = sorted(set(predictions["task"][predictions["split"] == "test"]))
    chosen = tasks_for_live_studies(meta.tasks, meta.final(), held_out, tasks, hyperband["min_gap"])
    rows = jobs.run(
        chosen, meta.space.name, choice, seeds=seeds, budgets=budgets,
        epochs=networks["epochs"], costs=hyperband["costs"],
    )  # fmt: skip
    curves = dict(iter(meta.curves.groupby("task", sort=False)))
    scales = {
        task: RecordedCurves.from_frame(
            curves[task], max_epochs=networks["epochs"], min_gap=hyperband["min_gap"]
        ).scale
        for task in chosen
    }
    family = meta.tasks.set_index("task")["family"]
    return summary.with_regret(rows, scales, dict(family))


def run_stage() -> None:
    """What `dvc repro` runs."""
    params = read_params("strategies", whole=True)
    rows = compared(params["tasks"], params["seeds"], params["budgets"])
    # Seconds and memory differ from run to run: no output of a stage.
    kept = rows.drop(columns=["seconds", "cpu_seconds", "peak_mb", "params"])
    write_parquet(kept, SEARCHES)
    report = summary.summarize(rows)
    write_csv(report, REPORTS / "strategies.csv")
    figure = strategies_figure(report, summary.ranks(rows))
    save_figure(figure, FIGURE)
    print(f"{rows['strategy'].nunique()} strategies on {sorted(set(rows['task']))}")


def log_stage() -> None:
    """Let MLflow show what the stage left."""
    from pipeline.strategies.mlflow_log import SMALL, log_strategies

    rows = pd.read_parquet(SEARCHES)
    report, ranks = summary.summarize(rows), summary.ranks(rows)
    log_strategies(rows, report, ranks, [FIGURE], suffix=SMALL)
