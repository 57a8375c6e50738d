"""One worker of a shared study: `python -m tests.priors.workers STORAGE NAME N_TRIALS LOG`.

It notes in a file of its own which trials it began and, after Optuna was told, which it finished:
what a storage must not lose when a worker is killed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import optuna

from infoprior.priors import Prior
from infoprior.priors._search.runner import optimize
from infoprior.priors._search.study import hyperband_study

SPACE = {
    "rate": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True),
    "momentum": optuna.distributions.FloatDistribution(0.0, 1.0),
    "depth": optuna.distributions.IntDistribution(1, 5),
}
PRIOR = Prior.from_points(
    SPACE,
    [{"rate": 1e-2, "momentum": 0.8, "depth": 3}, {"rate": 1e-3, "momentum": 0.5, "depth": 2}],
)


def objective(trial: optuna.Trial) -> float:
    """A bowl with its bottom off the prior's modes, seen through fog that lifts with the epochs."""
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    momentum = trial.suggest_float("momentum", 0.0, 1.0)
    depth = trial.suggest_int("depth", 1, 5)
    value = abs(rate - 0.02) + (momentum - 0.7) ** 2 + 0.1 * abs(depth - 4)
    for epoch in (1, 3, 9):
        trial.report(value + 1.0 / epoch, step=epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def open_study(storage: Any, name: str, **more: Any) -> optuna.Study:
    """The study all workers share; one whose name begins so promotes."""
    promote = name.startswith("promoting")
    more = {"prior": PRIOR, "max_resource": 9, "seed": 7, "promote": promote, **more}
    return hyperband_study(name=name, storage=storage, **more)


def main(storage: str, name: str, n_trials: str, log: str) -> None:
    """Work until the study has so many trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = open_study(storage, name)
    with open(log, "a", buffering=1) as file:

        def note(**what: Any) -> None:
            file.write(json.dumps(what) + "\n")
            os.fsync(file.fileno())

        def beginning(trial: optuna.Trial) -> float:
            note(began=trial.number)
            return objective(trial)

        def told(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            note(finished=trial.number, state=trial.state.name, value=trial.value)

        optimize(study, beginning, int(n_trials), callbacks=[told])


if __name__ == "__main__":
    main(*sys.argv[1:])
