"""The finished trials of a study, as a sampler comes to see them, and what they say of a prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import load_study
from optuna.trial import TrialState

from .._prior import Prior
from .._trial import ENQUEUED, SOURCE, STALE, feasible, resumed_from, wrong_storage
from .adaptive_weights import Outcome, SourceWeights, adapted_weights, outcome

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def milestone(number: int) -> int:
    """The trial number, at most this one, up to which trials are taken into account.

    Every number up to 32, then in steps that grow with it: so looking through all trials costs
    the same per trial however many there are, and trials that run at the same time agree.
    """
    if number < 32:
        return number
    step = 2 ** (number.bit_length() - 5)  # 2 from 32 on, 4 from 64 on, ...
    return number - number % step


def joined(before: Outcome | None, after: Outcome) -> Outcome:
    """What a trial reached, and before it the paused trial that it continues."""
    if before is None or not before.steps or not after.steps:
        return after
    n = sum(step < after.steps[0] for step in before.steps)
    steps, values = before.steps[:n] + after.steps, before.values[:n] + after.values
    return replace(after, steps=steps, values=values)


class TrialHistory:
    """The trials of one study, and the weights of the sources that they lead to.

    Under Hyperband Optuna shows a sampler the trials of one bracket only, and calls it after
    every trial that ends in its own process: both are remembered here, by trial number. With the
    storage all trials are looked through, those of other brackets and processes too: so a study
    that was stopped is told the same as one that was not.

    Args:
        prior: whose weight is learned.
        weight: the prior's at the start, in [0, 1].
        storage: of the study.
    """

    def __init__(self, prior: Prior, weight: float, storage: BaseStorage | None = None) -> None:
        self._storage = storage
        self._all: Study | None = None
        self._prior, self._weight = prior, weight
        self._study_name: str | None = None
        self._seen: dict[int, Outcome] = {}
        self._later: dict[int, int] = {}  # trial number -> of the one that continues it
        self._latest: tuple[int, SourceWeights | None] = (-1, None)  # up to a milestone

    def add(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Remember a trial that ends. The user's own points say nothing about a source."""
        self._open(study)
        if trial.user_attrs.get(SOURCE) == ENQUEUED or trial.user_attrs.get(STALE):
            return
        # A base sampler may learn only after the trial has ended that it breaks a constraint.
        if trial.number not in self._seen or not feasible(trial):
            ended = outcome(trial, state, values, study.directions, self._source_weights_of(trial))
            paused = resumed_from(trial)
            if paused is not None and state != TrialState.FAIL:
                self._later[paused.number] = trial.number
                ended = joined(self._seen.get(paused.number), ended)
            self._seen[trial.number] = ended

    def source_weights(self, study: Study, number: int) -> SourceWeights:
        """Which fraction of the trials about this number each source is to propose."""
        self._open(study)
        if number == 0 and self._seen:  # another study of this name
            self._seen, self._later, self._all = {}, {}, None
        point = milestone(number)
        at, weights = self._latest
        if at != point or weights is None or number == 0:
            for trial in self._finished(study):
                self.add(study, trial, trial.state, trial.values)
            # A configuration that was continued counts once, by how it ended last.
            later = self._later
            before = sorted(
                k for k in [*self._seen] if k < point and later.get(k, math.inf) >= point
            )
            weights = adapted_weights(
                [self._seen[k] for k in before], self._weight, learns=self._prior.adapts
            )
            self._latest = (point, weights)
        return weights

    def _finished(self, study: Study) -> list[FrozenTrial]:
        if self._storage is None:
            return study.get_trials(deepcopy=False, states=_FINISHED)
        if self._all is None:  # the study without brackets; Optuna reads what is new only
            try:
                self._all = load_study(study_name=study.study_name, storage=self._storage)
            except KeyError as error:
                raise wrong_storage(study) from error
        return self._all.get_trials(deepcopy=False, states=_FINISHED)

    def _open(self, study: Study) -> None:
        if study.study_name != self._study_name:
            self._study_name, self._latest = study.study_name, (-1, None)
            self._seen, self._later, self._all = {}, {}, None

    def _source_weights_of(self, trial: FrozenTrial) -> SourceWeights:
        """All for the source that proposed a trial; by density where that is not known.

        Then the prior's is p / (p + u), the probability that a point drawn from the prior or
        uniformly is the prior's.
        """
        source = trial.user_attrs.get(SOURCE)
        if source in SourceWeights._fields:
            return SourceWeights(*(float(source == name) for name in SourceWeights._fields))
        known = self._prior.space.keys()
        values = {n: v for n, v in trial.params.items() if n in known}
        logs, floor = self._prior.mixture.log_joint(values)
        ratio = float(np.logaddexp.reduce([*logs, floor]))
        prior = 1.0 / (1.0 + math.exp(-min(max(ratio, -700.0), 700.0)))
        return SourceWeights(prior, 1.0 - prior, 0.0)
