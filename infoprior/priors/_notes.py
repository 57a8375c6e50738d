"""What is written into a study's trials, for other processes to read.

Optuna gives a sampler no way of its own to do so: only through the study's storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study


def note(storage: BaseStorage, study: Study, number: int, notes: Mapping[str, Any]) -> None:
    """Write user attributes into the trial of a number, in the order they have."""
    of_study = storage.get_study_id_from_name(study.study_name)
    trial = storage.get_trial_id_from_study_id_trial_number(of_study, number)
    for name, value in notes.items():
        storage.set_trial_user_attr(trial, name, value)
