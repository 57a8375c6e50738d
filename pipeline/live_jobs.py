"""The live studies of the stage `hyperband`: one a job, whose networks are trained for real."""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, SHARDS, code_version, file_name, workers, write_parquet,
)  # fmt: skip

import json
from itertools import product
from typing import Any

import pandas as pd

from infoprior.evaluation import RecordedCurves, live_regret
from infoprior.fingerprints import fingerprint
from infoprior.metadataset import MetaDataset, published_task
from infoprior.parallel import run_jobs
from infoprior.priors import Prior
from infoprior.spaces import get_space
from infoprior.tasks import Task
from pipeline.choice import Choice
from pipeline.variants import Variant

CODE = (
    "pipeline.live_jobs",
    "infoprior.evaluation",
    "infoprior.priors",
    "infoprior.training",
    "infoprior.spaces",
)
_TASK_FILE = ".safetensors"
SEARCHES = {"live": True, "pruned": False}
"""Name of a search -> whether it promotes; Optuna's pruner stops the trials of the other one."""


def live_one(
    source: str,
    space: str,
    prior: dict | None,
    seed: int,
    cost: float,
    promote: bool,
    params: dict,
) -> list:
    """One study as `hyperband_study` makes it, with real networks: the rows of its trials.

    Args:
        source: the file of a task that was measured here, or the name of a published one.
        space: name of what is searched.
        prior: as a dict; None for the base sampler alone.
        seed: of the study.
        cost: of the prior, in full trainings.
        promote: whether trials are promoted; otherwise Optuna's pruner stops them.
        params: live_budget and epochs of the stage.
    """
    import optuna

    from infoprior.evaluation import live_study

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = live_study(
        Task.load(source) if source.endswith(_TASK_FILE) else published_task(source),
        None if prior is None else Prior.from_dict(prior),
        space=get_space(space),
        promote=promote,
        seed=seed,
        # Every search gets the same number of epochs; what came before is charged afterwards.
        budget_epochs=int((params["live_budget"] + cost) * params["epochs"]),
        max_epochs=params["epochs"],
        start_cost=cost,
    )
    return rows.to_dict("records")


def plan_live(
    tasks: list[str], space: str, variants: list[Variant], params: dict[str, Any], code: list[str]
) -> dict[str, tuple[tuple[Any, ...], tuple[str, Variant, int, str]]]:
    """Every live study.

    Returns:
        key -> (arguments of `live_one`, (task, variant, seed, search)).
    """
    table = pd.read_parquet(DATA / "tasks" / "tasks.parquet")
    measured = dict(zip(table["task"], table["digest"], strict=True))
    settings = {name: params[name] for name in ("live_budget", "epochs")}
    jobs = {}
    for task in tasks:
        here = task in measured
        source = str(DATA / "tasks" / f"{file_name(task)}{_TASK_FILE}") if here else task
        digest = measured[task] if here else published_task(task).digest
        for variant in variants:
            path = DATA / "priors" / file_name(task) / f"{variant.name}.json"
            uniform = variant.predictor == "uniform"
            prior = None if uniform else json.loads(path.read_text("utf-8"))
            cost = variant.start_cost(params["costs"])
            for seed, (search, promote) in product(range(params["live_seeds"]), SEARCHES.items()):
                arguments = (source, space, prior, seed, cost, promote, settings)
                key = f"{file_name(task)}.{variant.name}.{search}.s{seed}."
                key += fingerprint(digest, code, *arguments[1:])
                jobs[key] = arguments, (task, variant, seed, search)
    return jobs


def search_live(meta: MetaDataset, tasks: list[str], choice: Choice, params: dict) -> pd.DataFrame:
    """The chosen variants' regret in live studies on held-out tasks, on the recorded scale."""
    compared = list(choice.searched().values())
    planned = plan_live(tasks, meta.space.name, compared, params, code_version(*CODE))
    results = run_jobs(
        live_one, {key: arguments for key, (arguments, _) in planned.items()},
        directory=SHARDS / "live", workers=workers(), description="live studies",
    )  # fmt: skip
    budgets = [b for b in params["budgets"] if b <= params["live_budget"]]
    trials, curves = [], []
    for key, (_, (task, variant, seed, search)) in planned.items():
        about: dict[str, Any] = dict(zip(("predictor", "inputs"), variant.key, strict=True))
        about |= {"task": task, "seed": seed}
        rows = pd.DataFrame(results[key])
        trials.append(rows.assign(**about, search=search))
        recorded = RecordedCurves.from_frame(
            meta.curves[meta.curves["task"] == task],
            max_epochs=params["epochs"],
            min_gap=params["min_gap"],
        )
        cost = variant.start_cost(params["costs"])
        regret = live_regret(rows, budgets, start_cost=cost, scale=recorded.scale, search=search)
        names = regret.pop("search")
        curves.append(regret.assign(**about, search=names, part="test"))
    write_parquet(pd.concat(trials, ignore_index=True), DATA / "hyperband" / "live_trials.parquet")
    return pd.concat(curves, ignore_index=True)
