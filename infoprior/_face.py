"""The two calls that most users need: `profile` and `suggest`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from infoprior.predictors import Predictor
    from infoprior.priors import Prior
    from infoprior.profiles import TaskProfile
    from infoprior.tasks import Task


@dataclass(frozen=True)
class Suggestion:
    """What `suggest` found for a task.

    Attributes:
        prior: the distribution over good architectures; `PriorSampler(prior)` feeds it to Optuna.
        architectures: points of the search space, the most probable first (each a params dict).
        profile: the probes' information profile and learning curves that the prior was made from;
            None where the predictor reads nothing of a task.
    """

    prior: Prior
    architectures: list[dict[str, Any]]
    profile: TaskProfile | None


def profile(task: Task, network: Any = None, *, seed: int = 0) -> pd.DataFrame:
    """The information profile of a task's probes, or of any trained network on that task.

    Args:
        task: the data; its test rows are not read.
        network: a trained module with `layer_names` and `activations(X)`, as `SearchSpace.build`
            returns it; None trains the fixed probes and profiles each.
        seed: of the probes and of what the estimators draw.

    Returns:
        one row a layer: mi_xt = I(X; T + sigma Z) with its sigma, mi_ty = I(T;Y) and h_y = H(Y),
        in nats; width, n, flags, ... (`infoprior.profiles.PROFILE_COLUMNS`).

    Raises:
        ValueError: fewer than 50 training and validation rows.
    """
    from infoprior import profiles

    check_rows(task)
    if network is None:
        return profiles.profile_task(task, seed=seed).layers
    return profiles.profile_network(network, task, seed=seed)


def suggest(
    task: Task | None,
    predictor: Predictor | str | os.PathLike[str] | None = None,
    *,
    n: int = 10,
    seed: int = 0,
) -> Suggestion:
    """Architectures to try first on a task: train the probes, profile them, predict the prior.

    The task is profiled as the predictor's training tasks were (`predictor.profiled`): by the same
    recipe, on as many rows at most, after as many epochs. A predictor that reads nothing of a task
    (`load_predictor(static=True)`) answers at once, and needs no task.

    Args:
        task: the data; its test rows are not learned from. None where the predictor reads nothing.
        predictor: a fitted predictor, or the folder it was saved to; None: the one that comes with
            the package (`load_predictor`).
        n: how many architectures.
        seed: of the rows, the probes, the estimators and the draw.

    Raises:
        ValueError: `n` is less than one; the folder holds no predictor; it was fitted on profiles
            of a recipe that this version does not have; it reads a task and there is none, or one
            of fewer than 50 training and validation rows.
    """
    import numpy as np

    from infoprior import predictors

    if n < 1:
        raise ValueError(f"n = {n}: ask for at least one architecture.")
    if predictor is None or isinstance(predictor, str | os.PathLike):
        predictor = predictors.load_predictor(predictor)
    task_profile = _read(task, predictor, seed) if task is not None and predictor.inputs else None
    prior = predictor.predict(task_profile)
    # Distinct draws, best first: a list to try by hand shows the prior's spread, not one peak.
    drawn = prior.sample(max(20 * n, 200), np.random.default_rng(seed))
    order = np.argsort(-np.asarray(prior.log_ratio(drawn)), kind="stable")
    return Suggestion(prior, [drawn[i] for i in order[:n]], task_profile)


def _read(task: Task, predictor: Predictor, seed: int) -> TaskProfile:
    """The profile of a task, made as those of the predictor's training tasks were."""
    from infoprior import profiles

    check_rows(task)
    how: dict[str, Any] = {}
    profiled = predictor.profiled
    if profiled.recipe is not None and profiled.rows is not None:
        how["recipe"] = replace(profiles.get_recipe(profiled.recipe), max_rows=profiled.rows)
    if profiled.epochs is not None:
        how["epochs"] = profiled.epochs
    return profiles.profile_task(as_profiled(task, predictor, seed=seed), seed=seed, **how)


def as_profiled(task: Task, predictor: Predictor, *, seed: int = 0) -> Task:
    """The task with no more rows than the predictor's training tasks had; test rows stay.

    Args:
        task: any.
        predictor: fitted.
        seed: draws the training and validation rows that are kept, class by class.
    """
    import numpy as np

    from infoprior.tasks._split import cap_rows

    rng = np.random.default_rng([seed, 0xCA9])

    def keep(rows: np.ndarray, cap: int) -> np.ndarray:
        # At least one row a class: a task may have more classes than a training task had rows.
        return cap_rows(rows, task.y, max(cap, len(np.unique(task.y[rows]))), rng)

    train = keep(task.train, predictor.profiled.train)
    validation = keep(task.validation, predictor.profiled.validation)
    if train is task.train and validation is task.validation:
        return task
    return replace(task, train=train, validation=validation)


def check_rows(task: Task, where: str = "", remedy: str = "give a table with more") -> None:
    """Refuse a task too small to measure information on, before its probes are trained.

    Raises:
        ValueError: it has fewer than 50 training and validation rows.
    """
    from infoprior.information._inputs import MIN_ROWS

    n = len(task.train) + len(task.validation)
    if n < MIN_ROWS:
        raise ValueError(
            f"{where or task.name}: {n} training and validation rows are too few to measure "
            f"information on, at least {MIN_ROWS} are needed; {remedy}"
        )
