"""Stage `strategies`: every system of the source documents beside Hyperband, at equal cost.

On the few tasks of params.yaml; `make strategies` (`pipeline.comparison`) takes more of them.
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, REPORTS, read_params, write_csv, write_parquet,
)  # fmt: skip

import pandas as pd

from infoprior.evaluation import RecordedCurves, tasks_for_live_studies
from infoprior.metadataset import MetaDataset
from infoprior.report import save_figure, strategies_figure
from pipeline.choice import Choice
from pipeline.comparison import jobs, summary
from pipeline.comparison.summary import FIGURE, SEARCHES


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


def main() -> None:
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


if __name__ == "__main__":
    main()
