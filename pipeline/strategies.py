"""Stage `strategies`: every system of the source documents beside Hyperband, at equal cost.

The stage compares on the few tasks of params.yaml and writes reports/strategies.csv and a figure.
With --tasks it is what `make strategies` calls: more tasks and seeds, tables in a folder; killed,
it resumes. Both use what the stages before left: the tasks, the priors of held-out tasks, the
choice of a predictor.
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, REPORTS, read_params, write_csv, write_parquet,
)  # fmt: skip

import argparse
from pathlib import Path

import pandas as pd

from infoprior.evaluation import RecordedCurves, tasks_for_live_studies
from infoprior.metadataset import MetaDataset
from infoprior.report import save_figure, strategies_figure
from pipeline.choice import Choice
from pipeline.comparison import jobs, summary

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
    from pipeline.comparison.mlflow_log import SMALL, log_strategies

    rows = pd.read_parquet(SEARCHES)
    report, ranks = summary.summarize(rows), summary.ranks(rows)
    log_strategies(rows, report, ranks, [FIGURE], suffix=SMALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, help="held-out tasks; without it: the stage")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budgets", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0, 16.0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/search"))
    options = parser.parse_args()
    if options.tasks is None:
        run_stage()
        return
    from pipeline.comparison.publish import publish

    publish(compared(options.tasks, options.seeds, options.budgets), options.out)


if __name__ == "__main__":
    main()
