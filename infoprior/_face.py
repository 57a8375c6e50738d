"""The two calls that most users need: `profile` and `suggest`."""

from __future__ import annotations

import os
from dataclasses import dataclass
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
        profile: the probes' information profile and learning curves that the prior was made from.
    """

    prior: Prior
    architectures: list[dict[str, Any]]
    profile: TaskProfile


def profile(task: Task, network: Any = None, *, seed: int = 0) -> pd.DataFrame:
    """The information profile of a task's probes, or of any trained network on that task.

    Args:
        task: the data; its test rows are not read.
        network: a trained module with `layer_names` and `activations(X)`, as `SearchSpace.build`
            returns it; None trains the fixed probes and profiles each.
        seed: of the probes and the critics.

    Returns:
        one row a layer: mi_xt = I(X;T), mi_ty = I(T;Y) and h_y = H(Y) in nats, width, n, ...
        (`infoprior.profiles.PROFILE_COLUMNS`).
    """
    from infoprior import profiles

    if network is None:
        return profiles.profile_task(task, seed=seed).layers
    return profiles.profile_network(network, task, seed=seed)


def suggest(
    task: Task,
    predictor: Predictor | str | os.PathLike[str] = "models",
    *,
    n: int = 10,
    seed: int = 0,
) -> Suggestion:
    """Architectures to try first on a task: train the probes, profile them, predict the prior.

    Args:
        task: the data; its test rows are not read.
        predictor: a fitted predictor, or the folder it was saved to.
        n: how many architectures.
        seed: of the probes, the critics and the draw.

    Raises:
        ValueError: `n` is less than one; the folder holds no predictor.
    """
    import numpy as np

    from infoprior import predictors, profiles

    if n < 1:
        raise ValueError(f"n = {n}: ask for at least one architecture.")
    if isinstance(predictor, str | os.PathLike):
        predictor = predictors.load_predictor(predictor)
    task_profile = profiles.profile_task(task, seed=seed)
    prior = predictor.predict(task_profile)
    # Distinct draws, best first: a list to try by hand shows the prior's spread, not one peak.
    drawn = prior.sample(max(20 * n, 200), np.random.default_rng(seed))
    order = np.argsort(-np.asarray(prior.log_ratio(drawn)), kind="stable")
    return Suggestion(prior, [drawn[i] for i in order[:n]], task_profile)
