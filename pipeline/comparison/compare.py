"""Every strategy on held-out tasks of the project: rows with regret."""

from __future__ import annotations

from pipeline.common import DATA, read_params  # isort: skip

import pandas as pd

from infoprior.evaluation import RecordedCurves, tasks_for_live_studies
from infoprior.metadataset import MetaDataset
from pipeline.choice import Choice
from pipeline.comparison import jobs, summary


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
