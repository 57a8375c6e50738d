"""Which trial of a study a sampler is the first to propose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._trial import PROMOTES, enqueued_values

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class FirstTrial:
    """Tells whether a trial is the first of its study that is a new configuration of a sampler's.

    That is the one of the lowest number that was neither enqueued nor promotes one that was:
    workers agree on it whoever is ready first.

    Args:
        storage: of the study. Without it, Optuna shows a sampler under Hyperband the trials of
            one bracket; then those that began in this process count as well.
    """

    def __init__(self, storage: BaseStorage | None = None) -> None:
        self._storage = storage
        self._study_name: str | None = None
        self._number: int | None = None  # the first trial's, once it is known
        self._given: set[int] = set()  # trials before it that began in this process

    def is_first(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether a trial that is beginning is the first one."""
        if trial.number == 0 or study.study_name != self._study_name:  # perhaps another study
            self._study_name, self._number, self._given = study.study_name, None, set()
        if _is_given(trial):
            self._given.add(trial.number)
            return False
        if self._number is None:
            self._look(study, trial.number)
        return trial.number == self._number

    def _look(self, study: Study, number: int) -> None:
        trials = {trial.number: trial for trial in self._trials(study)}
        given = self._given | {n for n, trial in trials.items() if _is_given(trial)}
        first = next(n for n in range(number + 1) if n not in given or n == number)
        # Another worker's that has just begun may turn out to be a promotion.
        if first == number or first not in trials or trials[first].state.is_finished():
            self._number = first

    def _trials(self, study: Study) -> list[FrozenTrial]:
        if self._storage is None:
            return study.get_trials(deepcopy=False)
        of_study = self._storage.get_study_id_from_name(study.study_name)
        return self._storage.get_all_trials(of_study, deepcopy=False)


def _is_given(trial: FrozenTrial) -> bool:
    return bool(enqueued_values(trial)) or trial.user_attrs.get(PROMOTES) is not None
