"""An objective in a study of several threads finds what it finds in one."""

import optuna
import pytest
import torch

from infoprior.spaces import get_space
from infoprior.tasks import load_task
from infoprior.training import objective


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_trials_of_a_study_with_two_threads_are_those_of_one(default):
    run = objective(load_task("sklearn/iris"), get_space("mlp"), epochs=3)
    points = get_space("mlp").design(6)

    def values(n_jobs):
        # Optuna's default pruner compares with what is finished: in threads, not the same trials.
        pruner = optuna.pruners.NopPruner()
        study = optuna.create_study(direction="maximize", study_name="study", pruner=pruner)
        for point in points:
            study.enqueue_trial(point)
        study.optimize(run, n_trials=len(points), n_jobs=n_jobs)
        return {trial.number: trial.value for trial in study.trials}

    one = values(1)
    torch.set_default_dtype(default)
    try:
        assert values(2) == one
        assert torch.get_default_dtype() == default
    finally:
        torch.set_default_dtype(torch.float32)
