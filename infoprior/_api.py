"""The two calls that most users need: `profile` and `suggest`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, instance_of, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads

if TYPE_CHECKING:
    import pandas as pd

    from infoprior.predictors import Posterior, Predictor
    from infoprior.priors import Prior
    from infoprior.profiles import TaskProfile
    from infoprior.tasks import Task


@dataclass(frozen=True)
class Suggestion:
    """What `suggest` returns.

    Attributes:
        prior: the distribution over good architectures; `PriorSampler(prior)` feeds it to Optuna.
        architectures: points of the search space, the most probable first (each a params dict).
        profile: the probes' information profile and learning curves that the prior was made from;
            None where the predictor reads nothing of a task.
        posterior: how well any architecture will do: expected test accuracies, intervals; None
            where the predictor is not a `PerformancePredictor`.
    """

    prior: Prior
    architectures: list[dict[str, Any]]
    profile: TaskProfile | None
    posterior: Posterior | None = None


@default_settings()
def profile(
    task: Task,
    network: Any = None,
    *,
    seed: int = 0,
    threads: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """The information profile of a task's probes, or of any trained network on that task.

    Args:
        task: the data; its test rows are not read.
        network: a trained module with `layer_names` and `activations(X)`, as `SearchSpace.build`
            returns it; None trains the fixed probes and profiles each.
        seed: of the probes and of what the estimators draw.
        threads: of PyTorch and of matrix products during the call. Where other programs compute
            too, several threads wait for each other. Results are the same only for the same number.
        progress: show on the terminal what is done, if it takes more than two seconds.

    Returns:
        one row a layer: mi_xt = I(X; T + sigma Z) with its sigma, mi_ty = I(T;Y) and h_y = H(Y),
        in nats; width, n, flags, ... (`infoprior.profiles.PROFILE_COLUMNS`).

    Raises:
        ProfileError: (a ValueError) fewer than 50 training and validation rows, a network that
            cannot be read, or another argument that is invalid.
    """
    from infoprior import profiles

    check_rows(task)
    if network is None:
        table = profiles.profile_task(task, seed=seed, threads=threads, progress=progress)
        return table.layers
    return profiles.profile_network(network, task, seed=seed, threads=threads, progress=progress)


@default_settings()
def suggest(
    task: Task | None,
    predictor: Predictor | str | os.PathLike[str] | None = None,
    *,
    n: int = 10,
    seed: int = 0,
    threads: int = 1,
    progress: bool = True,
) -> Suggestion:
    """Architectures to try first on a task: train the probes, profile them, predict the prior.

    The task is profiled as the predictor's training tasks were (`predictor.profiled`): by the same
    probes and recipe, on as many rows at most, after as many epochs. A predictor that reads nothing
    of a task (`load_predictor(static=True)`) answers at once, and needs no task.

    Args:
        task: the data; its test rows are not learned from. None where the predictor reads nothing.
        predictor: a fitted predictor, or the folder it was saved to; None: the one that comes with
            the package (`load_predictor`).
        n: how many architectures.
        seed: of the rows, the probes, the estimators and the draw.
        threads: as of `profile`.
        progress: show on the terminal what is done, if it takes more than two seconds.

    Returns:
        the prior, n architectures drawn from it, the profile that it was predicted from, and what
        accuracies are expected.

    Raises:
        PredictorError: (a ValueError) the folder holds no predictor, or `predictor` is not fitted
            or needs a task and there is none; `n` is less than one.
        ProfileError: (a ValueError) it was fitted on profiles of a recipe that this version does
            not have; fewer than 50 training and validation rows; an invalid seed or number of
            threads.
    """
    from infoprior import predictors, profiles

    n = whole_number(n, "n", 1, predictors.PredictorError)
    seed = check_seed(seed, profiles.ProfileError)
    threads = whole_number(threads, "threads", 1, profiles.ProfileError)
    if predictor is None or isinstance(predictor, str | os.PathLike):
        predictor = predictors.load_predictor(predictor)
    instance_of(
        predictor, predictors.Predictor, "predictor",
        "give a fitted predictor, or the folder it was saved to", predictors.PredictorError,
    )  # fmt: skip
    if not predictor.inputs:
        task = None
    if task is not None:
        check_rows(task)
        task = as_profiled(task, predictor, seed=seed)
    return suggest_for_prepared(task, predictor, n=n, seed=seed, threads=threads, progress=progress)


@default_settings()
def suggest_for_prepared(
    task: Task | None, predictor: Predictor, *, n: int, seed: int, threads: int = 1, progress: bool
) -> Suggestion:
    """`suggest` for a task that has been through `check_rows` and `as_profiled`.

    Args:
        task: the data; None where nothing of it is read.
        predictor: fitted.
        n, seed, threads, progress: as of `suggest`.

    Raises:
        PredictorError: the predictor is not fitted, or reads a task and there is none.
        ProfileError: it was fitted on profiles of a recipe that this version does not have.
    """
    import numpy as np

    from infoprior.predictors import Evidence, PerformancePredictor

    with use_threads(threads), progress_line("suggesting", show=progress):
        task_profile = None if task is None else _profile_for(task, predictor, seed, threads)
        prior = predictor.predict(task_profile)
        posterior = None
        if isinstance(predictor, PerformancePredictor):
            posterior = predictor.posterior(Evidence(task_profile))
        # Distinct draws, best first: a list to try by hand shows the prior's spread, not one peak.
        drawn = prior.sample(max(20 * n, 200), np.random.default_rng(seed))
        order = np.argsort(-np.asarray(prior.log_ratio(drawn)), kind="stable")
    return Suggestion(prior, [drawn[i] for i in order[:n]], task_profile, posterior)


def _profile_for(task: Task, predictor: Predictor, seed: int, threads: int) -> TaskProfile:
    """The profile of a task, made as those of the predictor's training tasks were."""
    from infoprior import profiles

    how: dict[str, Any] = {}
    profiled = predictor.profiled
    how["space"], how["inputs"] = profiled.space, "inputs" in predictor.inputs
    how["train_probes"] = predictor.needs_probes
    if profiled.recipe is not None and profiled.rows is not None:
        how["recipe"] = replace(profiles.get_recipe(profiled.recipe), max_rows=profiled.rows)
    if profiled.epochs is not None:
        how["epochs"] = profiled.epochs
    return profiles.profile_task(task, seed=seed, threads=threads, **how)


def as_profiled(task: Task, predictor: Predictor, *, seed: int = 0) -> Task:
    """The task with no more rows than the predictor's training tasks had; test rows stay.

    Args:
        task: any.
        predictor: fitted.
        seed: draws the training and validation rows that are kept, class by class.

    Returns:
        the task itself where it has no more rows.
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

    Args:
        task: any.
        where: what the message begins with; the task's name if empty.
        remedy: what the message ends with.

    Raises:
        ProfileError: (a ValueError) it is not a task, or has fewer than 50 training and validation
            rows.
    """
    from infoprior.information._inputs import MIN_ROWS
    from infoprior.profiles import ProfileError
    from infoprior.tasks import Task

    instance_of(
        task, Task, "task", "give a Task, as read_table and load_task return it", ProfileError
    )
    n = len(task.train) + len(task.validation)
    if n < MIN_ROWS:
        raise ProfileError(
            f"{where or task.name}: {n} training and validation rows are too few to measure "
            f"information on, at least {MIN_ROWS} are needed; {remedy}"
        )
