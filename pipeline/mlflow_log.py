"""What the stage `track` logs to MLflow, which runs it marks, and who gets the registry's alias."""

from __future__ import annotations

from pipeline import mlflow_runs as runs  # isort: skip  # before what loads NumPy

import os
import subprocess
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from infoprior.tracking import Run, Tracker
from pipeline.project import MLRUNS, VIEW, Project, hash_of

EXPERIMENT_TAG = "dvc_experiment"
"""Tag of runs: the name of DVC's experiment."""
DESCRIPTION = (
    "One run per predictor and input set, the best first; nested runs are folds; the run "
    "`overview` has figures and tables. `static`, the same prior for every data set, is the "
    "opponent; `...-shuffled` are controls, with the MI of other tasks."
)


def log_and_follow(project: Project, params: dict[str, Any], digest: str) -> None:
    """Log the workspace's results, mark their runs, and let the alias name the chosen one."""
    tracker = Tracker(project.root / MLRUNS, params["experiment"])
    tracker.close_unfinished()
    results = runs.Results.load()
    run_ids = log_results(tracker, project, results, digest)
    follow(tracker, project, results, run_ids, params["model"], params["alias"])


def git_commit() -> str:
    """The commit that the results were made on, or its parent in an experiment."""
    named = os.environ.get("DVC_EXP_BASELINE_REV")
    if named:
        return named
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return head.stdout.strip() or "unknown"


def log_results(
    tracker: Tracker, project: Project, results: runs.Results, digest: str
) -> list[str]:
    """Log what is not there yet: the ids of all runs, the overview's first."""
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
    missing = [variant for variant in runs.worst_first(results) if variant.title not in logged]
    if missing:
        rows = results.meta.rows()
        with runs.models(results) as models:
            for variant in tqdm(missing, desc="MLflow", unit="run", mininterval=1):
                logged[variant.title] = tracker.log(
                    _named(runs.variant_run(results, variant, tags, note), project),
                    results=digest,
                    dataset=rows,
                    dataset_digest=results.meta.digest,
                    model=models.get(variant),
                )
    run_ids = [overviews[runs.OVERVIEW], *(logged[variant.title] for variant in results.variants)]
    if project.experiment:  # also where another one had the same results
        for run_id in run_ids:
            tracker.tag(run_id, EXPERIMENT_TAG, project.experiment)
    return run_ids


def _named(run: Run, project: Project) -> Run:
    """The run under the experiment's name."""
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
    tracker: Tracker,
    project: Project,
    results: runs.Results,
    run_ids: list[str],
    model: str,
    alias: str,
) -> None:
    """Mark the workspace's runs, and let the alias name its chosen predictor."""
    tracker.share_view(VIEW, runs.view(results.choice.metric))
    if project.copied:
        print(f"{model}@{alias} and the list of present runs are left to the workspace")
        return
    tracker.mark_current(run_ids)
    tracker.describe(f"{runs.summary(results)} {DESCRIPTION}")
    choice = results.choice
    chosen = dict(zip(results.variants, run_ids[1:], strict=True))[choice.best]
    before = tracker.aliased(model, alias)
    if project.experiment and not may_lead(tracker, chosen, before, choice.metric):
        print(
            f"{model}@{alias} stays where it was: by {choice.metric} this experiment is worse, or "
            f"is on other data. `make repro` gives it to what the workspace holds."
        )
        return
    text = f"{choice.best.title}, chosen by {choice.metric} on the folds"
    if project.experiment:
        text += f"; experiment {project.experiment}"
    tracker.register(chosen, model, alias, description=text)
