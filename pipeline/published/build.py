"""Runs the jobs of the published meta-dataset that are neither published nor finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from infoprior.metadataset import _jobs
from infoprior.parallel import run_jobs
from pipeline.common import fan_out
from pipeline.published.jobs import FOLDER, Job

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "profiles": _jobs.profile_job,
    "inputs": _jobs.inputs_job,
}
"""Kind of a job -> what it calls; all others train networks."""


def build(jobs: list[Job], kinds: list[str], done: set[str], folder: Path = FOLDER) -> None:
    """Run what is missing, kind by kind and draw by draw."""
    for draw in sorted({job.draw for job in jobs}):
        for kind in kinds:
            todo = {
                job.key: job.arguments
                for job in jobs
                if job.kind == kind and job.draw == draw and job.key not in done
            }
            if todo:
                function = FUNCTIONS.get(kind, _jobs.train_job)
                run_jobs(
                    function, todo, directory=folder / kind, description=f"{kind}, draw {draw}",
                    **fan_out(),
                )  # fmt: skip
