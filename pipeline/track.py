"""Stage `track`: MLflow shows what the workspace holds, whatever DVC had cached.

DVC runs it every time, since the store is no output that DVC could bring back: after results were
discarded or brought back, it marks the runs that show them, or logs them. Where nothing changed it
is done in a second.

In an experiment (`dvc exp run`) the runs carry its name. The registry's alias moves to its model
only where the workspace holds it and it is no worse than the one before; `dvc repro` moves the
alias to whatever the workspace holds then. Experiments in copies of the project (`--temp`,
`--queue`) log to the project's store, and leave the rest as it is.
"""

from __future__ import annotations

from pipeline.common import DATA, MODELS, REPORTS, read_params  # isort: skip

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infoprior.files import write_atomically
from infoprior.fingerprints import fingerprint
from pipeline.project import Project, settings

if TYPE_CHECKING:
    from infoprior.tracking import Tracker
    from pipeline.mlflow_runs import Results

MLRUNS = "mlruns"
STAMP = ".tracked.json"
"""In mlruns/: which results the store was left with, and the database's size and time then."""
VIEW = "infoprior"
EXPERIMENT_TAG = "dvc_experiment"
"""Tag of runs: the name of DVC's experiment."""
DESCRIPTION = (
    "One run per predictor and input set, the best first; nested runs are folds; the run "
    "`overview` has figures and tables. `static`, the same prior for every data set, is the "
    "opponent; `...-shuffled` are controls, with the MI of other tasks."
)
RESULTS = (
    DATA / "evaluation" / "tasks.parquet",
    DATA / "evaluation" / "comparisons.parquet",
    DATA / "hyperband" / "replay.parquet",
    DATA / "hyperband" / "live.parquet",
    MODELS / "best.json",
    REPORTS / "predictors.csv",
    REPORTS / "hyperband.csv",
)


def hash_of(*parts: Path | str) -> str:
    """Of files' contents and of texts, each by itself."""
    return fingerprint([p.read_bytes() if isinstance(p, Path) else p for p in parts])


def git_commit() -> str:
    """The commit that the results were made on, or its parent in an experiment."""
    named = os.environ.get("DVC_EXP_BASELINE_REV")
    if named:
        return named
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return head.stdout.strip() or "unknown"


def stamp(store: Any, experiment: str, results: str) -> str | None:
    """What says that nothing changed since; None for stores that are not one file here."""
    if store.server or len(store.databases) != 1 or not store.databases[0].exists():
        return None
    state = store.databases[0].stat()
    return json.dumps(
        [results, experiment, store.tracking_uri, state.st_ino, state.st_size, state.st_mtime_ns]
    )


def log_results(tracker: Tracker, project: Project, results: Results, digest: str) -> list[str]:
    """Log what is not there yet: the ids of all runs, the overview's first."""
    from tqdm import tqdm

    from pipeline import mlflow_runs as runs

    commit = git_commit()
    tags = {
        "git_commit": commit,
        "mlflow.source.git.commit": commit,
        "mlflow.source.name": "pipeline/track.py",
        "mlflow.source.type": "LOCAL",
        "data_hash": results.meta.digest,
    }
    note = f"\n\nCommit {commit[:10]}."
    if project.experiment:
        tags[EXPERIMENT_TAG] = project.experiment
        note += f" Experiment `{project.experiment}` of DVC."
    overview_digest = hash_of(digest, *runs.figures())
    logged = tracker.logged(digest)
    overviews = tracker.logged(overview_digest)
    if runs.OVERVIEW not in overviews:
        run = _named(runs.overview_run(results, tags, note), project)
        overviews[runs.OVERVIEW] = tracker.log(run, results=overview_digest)
    note += f" Figures: [overview](#/experiments/{tracker.experiment_id}/runs/"
    note += f"{overviews[runs.OVERVIEW]}?workflowType=machine_learning)."
    missing = [arm for arm in runs.worst_first(results) if runs.title(arm) not in logged]
    if missing:
        rows = results.meta.rows()
        with runs.models(results) as models:
            for arm in tqdm(missing, desc="MLflow", unit="run", mininterval=1):
                logged[runs.title(arm)] = tracker.log(
                    _named(runs.arm_run(results, arm, tags, note), project),
                    results=digest,
                    dataset=rows,
                    dataset_digest=results.meta.digest,
                    model=models.get(arm.name),
                )
    run_ids = [overviews[runs.OVERVIEW], *(logged[runs.title(arm)] for arm in results.arms)]
    if project.experiment:  # also where another one had the same results
        for run_id in run_ids:
            tracker.tag(run_id, EXPERIMENT_TAG, project.experiment)
    return run_ids


def _named(run: Any, project: Project) -> Any:
    """The run under the experiment's name."""
    from dataclasses import replace

    if not project.experiment:
        return run
    children = [_named(child, project) for child in run.children]
    name = f"{run.name} @ {project.experiment}"
    return replace(run, name=name, key=run.name, children=children)


def may_lead(tracker: Tracker, run_id: str, before: str | None, select: str) -> bool:
    """Whether an experiment's chosen predictor does as well as the one that has the alias.

    Values of a metric compare only where both learned from, and were judged on, the same data.
    """
    if before is None or before == run_id:
        return True
    new, old = (tracker.client.get_run(run).data for run in (run_id, before))
    same = new.tags.get("data_hash") == old.tags.get("data_hash")
    value, value_before = new.metrics.get(select), old.metrics.get(select)
    return same and value is not None and value_before is not None and value <= value_before


def follow(
    tracker: Tracker, project: Project, results: Results, run_ids: list[str], model: str, alias: str
) -> None:
    """Mark the workspace's runs, and let the alias name its chosen predictor."""
    from pipeline import mlflow_runs as runs

    tracker.share_view(VIEW, runs.view(results.select))
    if project.copied:
        print(f"{model}@{alias} and the list of present runs are left to the workspace")
        return
    tracker.mark_current(run_ids)
    tracker.describe(f"{runs.summary(results)} {DESCRIPTION}")
    by_arm = {arm.name: run for arm, run in zip(results.arms, run_ids[1:], strict=True)}
    chosen = by_arm[results.best]
    before = tracker.aliased(model, alias)
    if project.experiment and not may_lead(tracker, chosen, before, results.select):
        print(
            f"{model}@{alias} stays where it was: by {results.select} this experiment is worse, or "
            f"is on other data. `make repro` gives it to what the workspace holds."
        )
        return
    text = f"{results.best.replace('__', ' / ')}, chosen by {results.select} on the folds"
    if project.experiment:
        text += f"; experiment {project.experiment}"
    tracker.register(chosen, model, alias, description=text)


def main() -> None:
    from infoprior.tracking import Store

    project, params = Project.here(), read_params("track")
    digest = hash_of(*RESULTS, json.dumps(settings(), sort_keys=True, default=str))
    folder = project.root / MLRUNS
    names = json.dumps(params, sort_keys=True)
    store, mark = Store.of(folder), folder / STAMP
    # In an experiment, who has the alias depends on more than the results.
    known = None if project.experiment else stamp(store, names, digest)
    if known is None or not mark.exists() or mark.read_text("utf-8") != known:
        log_and_follow(project, params, digest)
        after = None if project.experiment else stamp(store, names, digest)
        if after is not None:
            write_atomically(mark, after)
    chosen = json.loads((MODELS / "best.json").read_text("utf-8"))["predictor"]
    schema = json.loads((DATA / "metadataset" / "schema.json").read_text("utf-8"))
    summary = {
        "experiment": params["experiment"],
        "metadataset": schema["digest"][:16],
        "results": digest,
        "model": f"{params['model']}@{params['alias']}",
        "best": chosen.split("/")[-1],
    }
    write_atomically(REPORTS / "tracked.json", json.dumps(summary, indent=1) + "\n")
    print(f"{summary['model']} and the runs of {digest} are in MLflow; `make ui` shows them")


def log_and_follow(project: Project, params: dict[str, Any], digest: str) -> None:
    from infoprior.tracking import Tracker
    from pipeline.mlflow_runs import Results

    tracker = Tracker(project.root / MLRUNS, params["experiment"])
    tracker.close_unfinished()
    results = Results.load()
    run_ids = log_results(tracker, project, results, digest)
    follow(tracker, project, results, run_ids, params["model"], params["alias"])


if __name__ == "__main__":
    main()
