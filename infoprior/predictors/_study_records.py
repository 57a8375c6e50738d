"""What an Optuna study's trials are evidence of: the learning curves that they reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from infoprior._arguments import instance_of, real_number, whole_number
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._records import Record
from infoprior.priors import resumed_from

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

N_VALIDATION = "n_validation"
"""The study's user attribute that says how many rows its values were counted on."""


def check_study(study: object) -> Study:
    """The study, if its trials can be read as evidence.

    Raises:
        PredictorError: it is none, has several objectives, or minimises.
    """
    import optuna

    remedy = "give an optuna.Study, as optuna.create_study returns it"
    instance_of(study, optuna.study.Study, "study", remedy, PredictorError)
    assert isinstance(study, optuna.study.Study)
    if len(study.directions) != 1 or study.direction != optuna.study.StudyDirection.MAXIMIZE:
        raise PredictorError(
            "study: its values are read as validation accuracies, which a study with one objective "
            "maximises; this one has "
            + (f"{len(study.directions)}." if len(study.directions) != 1 else "a minimum to reach.")
        )
    return study


def rows_of(study: Study) -> int | None:
    """How many rows its values are of, where the study says so."""
    rows = study.user_attrs.get(N_VALIDATION)
    name = f"the study's user attribute {N_VALIDATION}"
    return None if rows is None else whole_number(rows, name, 1, PredictorError)


def study_records(
    study: Study, epochs: int | None, fixed: Mapping[str, Any] | None
) -> Iterator[Record]:
    """A record for every value between 0 and 1 that a trial reported; see `Evidence.of_study`.

    Raises:
        PredictorError: a value is no accuracy, or an argument is invalid.
    """
    import optuna

    if epochs is not None:
        epochs = whole_number(epochs, "epochs", 1, PredictorError)
    if fixed is not None:
        instance_of(fixed, Mapping, "fixed", "give a dict of params", PredictorError)
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    for trial in trials.values():
        if trial.state == optuna.trial.TrialState.WAITING or not trial.params:
            continue
        architecture = tuple(sorted({**(fixed or {}), **trial.params}.items()))
        seed, where = _network(trial, trials), f"study, trial {trial.number}"
        values = {step: value for step, value in trial.intermediate_values.items() if step > 0}
        if epochs is not None and trial.state == optuna.trial.TrialState.COMPLETE:
            values.setdefault(epochs, float(trial.values[0]))
        for step, value in sorted(values.items()):
            if np.isfinite(value):
                value = real_number(value, f"{where}, step {step}", 0.0, 1.0, error=PredictorError)
                yield Record(architecture, seed, step, value, float("nan"))


def _network(trial: FrozenTrial, trials: Mapping[int, FrozenTrial]) -> int:
    """Which network a trial trains: a promoted one is that of the first trial that it continues."""
    while (paused := resumed_from(trial)) is not None and paused.number in trials:
        trial = trials[paused.number]
    return trial.number
