"""An Optuna objective that trains networks of a space on a task, prunable at every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import optuna

from infoprior._arguments import check_seed, whole_number
from infoprior.training._curves import RUNGS, CurveRow
from infoprior.training._errors import TrainingError
from infoprior.training._setup import check_task_and_space
from infoprior.training._train import train

if TYPE_CHECKING:
    from infoprior.spaces import SearchSpace
    from infoprior.tasks import Task

_PROMOTES = "infoprior:promotes"  # of `infoprior.priors`: the paused trial that is promoted


def objective(
    task: Task, space: SearchSpace, *, epochs: int = RUNGS[-1], seed: int = 0
) -> Callable[[optuna.Trial], float]:
    """What `study.optimize` takes: suggest a point, train it, report every epoch, obey the pruner.

    Args:
        task: what to learn.
        space: what is searched; its parameters are suggested under their own names.
        epochs: of a full training: `HyperbandPruner`'s max_resource.
        seed: trial t trains with the seed (seed, t), and a promotion (see
            `infoprior.hyperband_study`) with that of the trial it continues: it is that network,
            trained from the start and further.

    Returns:
        an objective to *maximise*: validation accuracy, in [0, 1], after the last epoch. The
        trial's user attribute `test_accuracy` holds that of the same network; no search should look
        at it.

    Raises:
        TrainingError: (a ValueError) `task` or `space` is of another type, or a seed or a number of
            epochs is invalid.
    """
    check_task_and_space(task, space)
    epochs = whole_number(epochs, "epochs", 1, TrainingError)
    seed = check_seed(seed, TrainingError)

    def run(trial: optuna.Trial) -> float:
        def report(epoch: int, row: CurveRow) -> None:
            trial.report(row["validation_accuracy"], epoch)
            trial.set_user_attr("test_accuracy", row["test_accuracy"])
            if trial.should_prune():
                raise optuna.TrialPruned(f"pruned after epoch {epoch}")

        params = space.suggest(trial)
        # A seed of its own unless it is a promotion: trials of one point differ as networks that
        # are trained again do.
        own = int(np.random.SeedSequence([seed, _first(trial)]).generate_state(1)[0])
        trained = train(
            task, params, space=space, seed=own, epochs=epochs, report=report, progress=False
        )
        return float(trained.curve[-1]["validation_accuracy"])

    return run


def _first(trial: optuna.Trial) -> int:
    """The first of the trials that this one continues, by number; its own if it continues none."""
    number, paused, params = trial.number, trial.user_attrs.get(_PROMOTES), trial.params
    trials = trial.study.get_trials(deepcopy=False) if paused is not None else []
    # Not one that was copied from another study, nor one of a space that has changed since.
    while paused is not None and paused < number and trials[paused].params == params:
        number, paused = int(paused), trials[int(paused)].user_attrs.get(_PROMOTES)
    return number
