"""One job a task, seed and group of strategies; a finished one is never run again."""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, SHARDS, code_version, fan_out, file_name, read_params,
)  # fmt: skip

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from infoprior.fingerprints import fingerprint
from infoprior.metadataset import published_task
from infoprior.parallel import run_jobs
from infoprior.priors import Prior
from infoprior.spaces import get_space
from infoprior.tasks import Task
from pipeline.choice import Choice
from pipeline.comparison import searches, systems
from pipeline.comparison.resources import measured
from pipeline.comparison.summary import REFERENCE
from pipeline.variants import STATIC, Variant, variants

CHEAP = Variant("trees", "meta-features")
"""A predicted prior for which no network is trained first."""

_HYPERBAND = ("infoprior.evaluation", "infoprior.priors", "infoprior.training", "infoprior.spaces")
CODE = {
    "full trainings": ("pipeline.comparison.searches", *_HYPERBAND),
    "hyperband": ("pipeline.comparison.searches", *_HYPERBAND),
    "evolution": ("pipeline.comparison.systems", "infoprior.search.evolution"),
    "darts": ("pipeline.comparison.systems", "infoprior.search.darts"),
}
"""Kind of a job -> what its result depends on beside its arguments."""


@dataclass(frozen=True)
class Job:
    """One call of `search_one`.

    Attributes:
        kind: a key of `CODE`.
        strategy: whose rows it gives; that of the first where it gives several.
        prior: as a dict, of Hyperband's; None: none.
        point: that it begins with, of "static default" and evolution.
        cost: of the prior, in full trainings.
        order: of DARTS.
    """

    kind: str
    strategy: str
    prior: dict[str, Any] | None = None
    point: dict[str, Any] | None = None
    cost: float = 0.0
    order: int = 0


def search_one(
    source: str, space: str, job: dict[str, Any], seed: int, budgets: list[float], epochs: int
) -> list[dict[str, Any]]:
    """Run a job.

    Args:
        source: the file of a task that was measured here, or the name of a published one.
        space: of all strategies but DARTS.
        job: a `Job` as a dict.
        seed: of the search.
        budgets: in full trainings.
        epochs: of a full training.

    Returns:
        the strategies' rows, with strategy, seconds, cpu_seconds, peak_mb (of the whole job).
    """
    task = Task.load(source) if source.endswith(".safetensors") else published_task(source)
    used: dict[str, float | None] = {}
    with measured(used):
        rows = _search(task, get_space(space), Job(**job), seed, budgets, epochs)
    return [{**row, "strategy": strategy, **used} for strategy, own in rows.items() for row in own]


def _search(
    task: Task, space: Any, job: Job, seed: int, budgets: Sequence[float], epochs: int
) -> Mapping[str, searches.Rows]:
    if job.kind == "evolution":
        assert job.point is not None
        return systems.evolution(task, space, job.point, seed, budgets, epochs)
    if job.kind == "darts":
        return {job.strategy: systems.darts(task, job.order, seed, budgets, epochs)}
    if job.kind == "hyperband":
        prior = None if job.prior is None else Prior.from_dict(job.prior)
        rows = searches.hyperband(task, space, prior, seed, budgets, epochs, job.cost)
        return {job.strategy: rows}
    if job.point is None:
        return {job.strategy: searches.random_search(task, space, seed, budgets, epochs)}
    rows = searches.default_again(task, space, job.point, seed, budgets, epochs)
    return {job.strategy: rows}


def jobs_of(task: str, choice: Choice, costs: Mapping[str, float]) -> list[Job]:
    """The jobs of one task: every strategy is in one of them."""

    def read(variant: Variant) -> dict[str, Any]:
        path = DATA / "priors" / file_name(task) / f"{variant.name}.json"
        prior: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return prior

    static = read(STATIC)
    default = Prior.from_dict(static).mode()
    compared = variants(read_params("predictors"))
    predicted = [one for one in dict.fromkeys((CHEAP, choice.best)) if one in compared]
    return [
        Job("full trainings", "random search"),
        Job("full trainings", "static default, again", point=default),
        Job("hyperband", "Hyperband, uniform"),
        Job("hyperband", REFERENCE, prior=static),
        *(
            Job("hyperband", f"Hyperband, predicted prior ({variant.inputs})",
                prior=read(variant), cost=variant.start_cost(costs))
            for variant in predicted
        ),
        Job("evolution", "evolution", point=default),
        Job("darts", "DARTS, first order", order=1),
        Job("darts", "DARTS, second order", order=2),
    ]  # fmt: skip


def run(
    tasks: Sequence[str],
    space: str,
    choice: Choice,
    *,
    seeds: int,
    budgets: Sequence[float],
    epochs: int,
    costs: Mapping[str, float],
) -> pd.DataFrame:
    """Every strategy on every task, with every seed.

    Returns:
        one row for each strategy, task, seed and budget: what `search_one` gives, and the task
        and the seed.
    """
    table = pd.read_parquet(DATA / "tasks" / "tasks.parquet")
    measured_here = dict(zip(table["task"], table["digest"], strict=True))
    code = {kind: code_version(*modules) for kind, modules in CODE.items()}
    calls: dict[str, tuple[Any, ...]] = {}
    about: dict[str, tuple[str, int]] = {}
    for seed in range(seeds):  # all tasks with one seed before the next: of use if it is stopped
        for task in tasks:
            here = task in measured_here
            source = str(DATA / "tasks" / f"{file_name(task)}.safetensors") if here else task
            digest = measured_here[task] if here else published_task(task).digest
            for job in jobs_of(task, choice, costs):
                arguments = (source, space, job.__dict__, seed, list(budgets), epochs)
                key = f"{file_name(task)}.{file_name(job.strategy.replace(' ', '-'))}.s{seed}."
                key += fingerprint(digest, code[job.kind], *arguments[1:])
                calls[key], about[key] = arguments, (task, seed)
    results = run_jobs(
        search_one, calls, directory=SHARDS / "strategies", description="strategies", **fan_out()
    )
    rows = [
        {**row, "task": about[key][0], "seed": about[key][1]}
        for key, result in results.items()
        for row in result
    ]
    return pd.DataFrame(rows)
