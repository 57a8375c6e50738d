"""What is kept in a study's trials: attributes for other processes to read, and how to read them.

Optuna gives a sampler no way of its own to write into a study: only through the study's storage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ._checks import trial_of
from ._errors import PriorError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

# A trial's user attributes.
SOURCE = "infoprior:source"  # who proposed it: "prior", "uniform", "base" or ENQUEUED
PRIOR_WEIGHT = "infoprior:prior_weight"  # the prior's weight when the trial began
RUNG = "infoprior:rung"  # the step at which it stops
PROMOTES = "infoprior:promotes"  # the number of the paused trial that it continues
PAUSED_STEP = "infoprior:step"  # the paused trial's last step
PAUSED_PARAMS = "infoprior:paused-params"  # a checksum of the paused trial's parameters
ERROR = "infoprior:error"  # why it failed
STALE = "infoprior:stale"  # True where it was failed for a worker that was killed

# A study's user attribute.
SETTINGS = "infoprior:settings"  # what `hyperband_study` made it with

ENQUEUED = "enqueued"  # the SOURCE of a trial with values of the user's own


class PausedTrial(NamedTuple):
    """What a trial continues: the number of the trial that was stopped, and its last step."""

    number: int
    step: int


def resumed_from(trial: Trial | FrozenTrial) -> PausedTrial | None:
    """The paused trial that a trial continues, in a study that promotes (see `hyperband_study`).

    An objective that keeps a checkpoint for each trial, under its number, can load that of the
    paused trial and train from the step after; one that does not care trains from the start.

    Call it when all parameters have been suggested, and before training. A trial continues
    another one only if its parameters are the other's, all names, values and their types: before
    that is so the answer is None, and it is None again once a parameter is asked for that the
    paused trial did not have. So a promotion is a new configuration where a study's space has
    changed: names were added, renamed or dropped, values are out of a range or fixed to others.

    Args:
        trial: the trial that an objective is called with, or a finished one.

    Returns:
        None where the trial is a configuration of its own.

    Raises:
        PriorError: it is no trial.
    """
    attributes = trial_of("trial", trial).user_attrs
    number = attributes.get(PROMOTES)
    if number is None or attributes.get(PAUSED_PARAMS) != params_checksum(trial.params):
        return None
    return PausedTrial(int(number), int(attributes[PAUSED_STEP]))


def params_checksum(params: Mapping[str, Any]) -> str:
    """The same for the same names and values; 1, 1.0 and True are three values.

    Tuples count as the lists that they become in a file.
    """
    text = json.dumps(params, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """A numpy scalar's Python value; of a choice that is an object, what it shows."""
    return value.item() if hasattr(value, "item") else repr(value)


def enqueued_values(trial: FrozenTrial) -> dict[str, Any]:
    """The values that an enqueued trial is to have, by name; empty for any other trial."""
    return dict(trial.system_attrs.get("fixed_params") or {})


def feasible(trial: FrozenTrial) -> bool:
    """Whether no constraint is above zero; NaN is."""
    constraints = getattr(trial, "constraints", None)
    if constraints is None:  # Optuna 4 keeps them here, as a list
        constraints = dict(enumerate(trial.system_attrs.get("constraints") or ()))
    return all(value <= 0.0 for value in constraints.values())


def write_notes(storage: BaseStorage, study: Study, number: int, notes: Mapping[str, Any]) -> None:
    """Write user attributes into the trial of a number, in the order they have.

    Raises:
        PriorError: the storage has no such trial.
    """
    try:
        of_study = storage.get_study_id_from_name(study.study_name)
        trial = storage.get_trial_id_from_study_id_trial_number(of_study, number)
    except KeyError as error:
        raise wrong_storage(study) from error
    for name, value in notes.items():
        storage.set_trial_user_attr(trial, name, value)


def check_storage(storage: BaseStorage, study: Study, trial: FrozenTrial) -> None:
    """PriorError where a storage has no such trial, or another one of the study's and its name."""
    try:
        of_study = storage.get_study_id_from_name(study.study_name)
        there = storage.get_trial_id_from_study_id_trial_number(of_study, trial.number)
        began = storage.get_trial(there).datetime_start
    except KeyError as error:
        raise wrong_storage(study) from error
    if not _same_time(began, trial.datetime_start):
        raise wrong_storage(study)


def _same_time(one: datetime | None, other: datetime | None) -> bool:
    """Whether two readings of a time are of one; some databases keep whole seconds."""
    if one is None or other is None:
        return one is other
    if not (one.microsecond and other.microsecond):
        return abs((one - other).total_seconds()) <= 1.0
    return one == other


def wrong_storage(study: Study) -> PriorError:
    """The error where a storage is not that of the study."""
    return PriorError(
        f"storage: it does not hold the study {study.study_name!r}; give the sampler the storage "
        "object that the study is created with."
    )
