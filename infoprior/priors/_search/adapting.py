"""The prior that a trial is drawn from, where it learns from the study's own trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.study import load_study
from optuna.trial import TrialState

from .._adapting.adapt import FEWEST_TRIALS, mixture_given, positions_of, ranked_evidence
from .._adapting.density import key
from .._prior import Prior
from .._trial import STALE, resumed_from, wrong_storage
from .._values import Array
from .adaptive_weights import Outcome, SourceWeights, outcome, ranking
from .trial_history import joined, milestone

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_NOBODY = SourceWeights(0.0, 0.0, 0.0)  # who proposed a trial does not matter here
_EVERY = 256  # trials up to which each one is taken into account when it ends


class StudyPrior:
    """A prior given the trials of a study that have ended.

    It depends on these alone, so that a study that was stopped is continued as it would have been.
    What is made of a trial is kept, since finished trials do not change. Trials are ranked as in
    `adaptive_weights.ranking`: those that got as far as any first, pruned ones by the steps that
    they share with others, failed and infeasible ones last.

    Args:
        prior: one that adapts, or not.
        storage: of the study; without it, under Hyperband, the trials of one bracket are seen.
    """

    def __init__(self, prior: Prior, storage: BaseStorage | None = None) -> None:
        self._prior, self._storage = prior, storage
        self._begin(None)

    def _begin(self, study_name: str | None) -> None:
        self._study_name = study_name
        self._all: Study | None = None
        self._seen: dict[int, tuple[Outcome, Array]] = {}
        self._tried: set[bytes] = set()
        self._continued: set[int] = set()  # trials that a later one continues
        self._latest: tuple[tuple[int, ...], Prior] | None = None

    def given(self, study: Study, trial: FrozenTrial) -> Prior:
        """The prior of a trial that is to be drawn from it."""
        past = self._prior.past
        if past is None:
            return self._prior
        if study.study_name != self._study_name or trial.number == 0:
            self._begin(study.study_name)
        every = self._trials(study)
        point = trial.number if trial.number < _EVERY else milestone(trial.number)
        for one in every:
            if one.state.is_finished() and one.number not in self._seen:
                self._add(study, one)
        numbers = tuple(sorted(k for k in self._seen.keys() - self._continued if k < point))
        if len(numbers) < FEWEST_TRIALS:
            return self._prior
        running = [t for t in every if t.state == TrialState.RUNNING and t.number != trial.number]
        if self._latest is None or self._latest[0] != numbers or running:
            outcomes = [self._seen[k][0] for k in numbers]
            positions = [self._seen[k][1] for k in numbers]
            evidence = ranked_evidence(past, positions, ranking(outcomes)[0])
            tried = self._tried | {key(past, positions_of(past.axes, t.params)) for t in running}
            prior = self._prior.of_mixture(mixture_given(past, evidence, tried))
            self._latest = numbers, prior
        return self._latest[1]

    def _trials(self, study: Study) -> list[FrozenTrial]:
        if self._storage is None:
            return study.get_trials(deepcopy=False)
        if self._all is None:  # the study without brackets
            try:
                self._all = load_study(study_name=study.study_name, storage=self._storage)
            except KeyError as error:
                raise wrong_storage(study) from error
        return self._all.get_trials(deepcopy=False)

    def _add(self, study: Study, trial: FrozenTrial) -> None:
        past = self._prior.past
        if past is None or trial.user_attrs.get(STALE) or not trial.params.keys() & past.axes:
            return
        ended = outcome(trial, trial.state, trial.values, study.directions, _NOBODY)
        paused = resumed_from(trial)
        if paused is not None and trial.state != TrialState.FAIL and paused.number in self._seen:
            self._continued.add(paused.number)
            ended = joined(self._seen[paused.number][0], ended)
        positions = positions_of(past.axes, trial.params)
        self._seen[trial.number] = ended, positions
        self._tried.add(key(past, positions))
