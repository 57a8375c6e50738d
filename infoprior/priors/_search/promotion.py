"""Hyperband by promotion: trials stop at a rung, and later ones continue the best of them.

Optuna's HyperbandPruner decides about a trial while it runs, and cannot resume a pruned one: a
bracket's first trials have nothing to be compared with and run to their end. Here trials stop at
their rung, and later ones continue the best of them, as in Hyperband (Li et al., JMLR 18 (2018),
185). What the trial of a number is, a new configuration or a promotion and to which rung, depends
on the number alone (`bracket_schedule`); which configuration is promoted depends on the results. So
nobody waits: where results are missing because other workers are still at them, the best of those
that are there is promoted.

Unlike Hyperband's, the brackets share what they have trained: a promotion takes the best
configuration that stopped at the rung below, of whichever bracket.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from .._mixture.sampling import NO_VALUE, own_value
from .._trial import (
    ERROR,
    PAUSED_PARAMS,
    PAUSED_STEP,
    PRIOR_WEIGHT,
    PROMOTES,
    RUNG,
    SOURCE,
    enqueued_values,
    feasible,
    params_checksum,
)
from .brackets import ScheduledTrial, bracket_schedule
from .finished import NewlyFinished
from .wrapping import WrappingSampler, fixed_values

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_COPIED = SOURCE, PRIOR_WEIGHT  # of the paused trial, whose source proposed the configuration
_RUNNING = 1024  # promotions whose paused trial is remembered
_CHOOSING = 32  # trials after which one that has not chosen is taken for dead


class _PausedTrials:
    """The paused trials of one study at each rung, and which of them have been promoted.

    Args:
        sign: 1 where small values are good, -1 where large ones are.
    """

    def __init__(self, sign: float) -> None:
        self._sign, self._new, self._lock = sign, NewlyFinished(), threading.Lock()
        # The step at which they were to stop -> (loss, number, trial), ascending.
        self._at: dict[int, list[tuple[float, int, FrozenTrial]]] = {}
        self._promoted: set[int] = set()
        self._killed: set[int] = set()  # of which one promotion was killed

    def update(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Take account of all trials of the study; returns those that have not ended."""
        with self._lock:
            ended, unfinished = self._new.update(trials)
            for trial in ended:
                self._add(trial)
        return unfinished

    def _add(self, trial: FrozenTrial) -> None:
        attributes = trial.user_attrs
        old, rung = attributes.get(PROMOTES), attributes.get(RUNG)
        if old is not None:
            # One that ended without an error of its objective's was killed or interrupted;
            # who loses two such is the cause.
            killed = trial.state == TrialState.FAIL and ERROR not in attributes
            (self._killed if killed and old not in self._killed else self._promoted).add(old)
        if trial.state == TrialState.PRUNED and rung is not None:
            step = trial.last_step
            if step is not None and step >= rung and feasible(trial):
                loss = self._sign * trial.intermediate_values[step]
                if not math.isnan(loss):
                    insort(self._at.setdefault(rung, []), (loss, trial.number, trial))

    def best(self, rung: int, taken: set[int], ahead: int) -> FrozenTrial | None:
        """The best at a rung that was not promoted, after `ahead` others of that kind.

        Equal values in the order of their numbers.
        """
        with self._lock:
            for _, number, trial in self._at.get(rung, ()):
                if number not in self._promoted and number not in taken:
                    if ahead == 0:
                        return trial
                    ahead -= 1
        return None


class PromotingSampler(WrappingSampler):
    """Another sampler's new configurations, and the best paused ones again, a rung higher.

    A promotion is a trial with the paused trial's parameters, as far as it is asked for them. Its
    user attribute `PROMOTES` is that trial's number, and `RUNG` says of every trial at which step
    it stops; whether the parameters are the same in the end, `resumed_from` tells.

    Args:
        base_sampler: proposes the new ones; with a `PriorSampler` a promotion counts for the source
            of the configuration, in place of the trial that it continues.
        rungs: the steps at which trials stop, ascending; the last one is a full training's.
        eta: of each rung's trials one in so many is promoted.
        storage: of the study; the attributes are written into it.
    """

    def __init__(
        self, base_sampler: BaseSampler, rungs: Sequence[int], eta: int, storage: BaseStorage
    ) -> None:
        super().__init__(base_sampler, storage)
        self._rungs = list(rungs)
        self._schedule = bracket_schedule(len(self._rungs), eta)
        self._ends = list(accumulate(count for _, count in self._schedule))
        self._forget()

    def _forget(self) -> None:
        self._promoted: dict[int, FrozenTrial] = {}  # trial number -> the paused one
        self._paused: WeakKeyDictionary[Study, _PausedTrials] = WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        # A copy reads the study anew.
        return {k: v for k, v in self.__dict__.items() if k not in ("_promoted", "_paused")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _scheduled(self, number: int) -> ScheduledTrial:
        return self._schedule[bisect_right(self._ends, number % self._ends[-1])][0]

    def _best(self, study: Study, number: int, rung: int) -> FrozenTrial | None:
        """The best paused trial at a rung that no trial continues."""
        paused = self._paused.get(study)
        if paused is None:
            sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
            paused = self._paused.setdefault(study, _PausedTrials(sign))
        taken, ahead = set(), 0
        for trial in paused.update(study.get_trials(deepcopy=False)):
            attributes, old = trial.user_attrs, trial.user_attrs.get(PROMOTES)
            if trial.number == number:
                continue
            if old is not None:
                taken.add(old)
            elif trial.state == TrialState.RUNNING and RUNG not in attributes:
                # Another worker's, which is choosing now, and comes first.
                planned = self._scheduled(trial.number)
                recent = 0 < number - trial.number <= _CHOOSING and not enqueued_values(trial)
                ahead += recent and planned.promotes and planned.rung == rung + 1
        return paused.best(self._rungs[rung], taken, ahead)

    def _paused_trial(self, study: Study, trial: FrozenTrial) -> FrozenTrial | None:
        """The paused trial that a trial promotes."""
        number = trial.user_attrs.get(PROMOTES)
        if number is None:
            return None
        paused = self._promoted.get(trial.number)
        if paused is None or paused.number != number:  # begun in another process, or study
            trials = study.get_trials(deepcopy=False)
            paused = next((t for t in trials if t.number == number), None)
            if paused is not None:
                self._remember(trial.number, paused)
        return paused

    def _remember(self, number: int, paused: FrozenTrial) -> None:
        self._promoted[number] = paused
        while len(self._promoted) > _RUNNING:
            self._promoted.pop(next(iter(self._promoted)), None)

    @property
    def first_full(self) -> int:
        """The number of the first trial that is trained to the end."""
        first = [planned.rung for planned, _ in self._schedule].index(len(self._rungs) - 1)
        return self._ends[first - 1] if first else 0

    def decide(self, study: Study, trial: FrozenTrial) -> tuple[int, FrozenTrial | None]:
        """What a trial is for: the place of its rung, and the paused trial that it continues.

        None for a new configuration. By the schedule and the raw results; a subclass may know
        better.
        """
        planned, paused = self._scheduled(trial.number), None
        if planned.promotes and not enqueued_values(trial) and not trial.params:
            paused = self._best(study, trial.number, planned.rung - 1)
        return (planned.bottom if paused is None else planned.rung), paused

    # ---- Optuna's interface

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Decides what the trial is for."""
        if trial.params and RUNG in trial.user_attrs:  # a failed one that Optuna tries again
            return
        rung, paused = self.decide(study, trial)
        notes: dict[str, Any] = {}
        if paused is not None:
            last = len(self._rungs) - 1
            while rung < last and self._rungs[rung] <= (paused.last_step or 0):
                rung += 1  # its objective reports at other steps, and has passed this one
            # Whom it promotes first: until that is written another worker may take the same one.
            notes = {PROMOTES: paused.number, PAUSED_STEP: paused.last_step}
            notes[PAUSED_PARAMS] = params_checksum(paused.params)
            notes |= {
                name: paused.user_attrs[name] for name in _COPIED if name in paused.user_attrs
            }
            self._remember(trial.number, paused)
        elif PROMOTES in trial.user_attrs:  # copied from another trial's
            notes = {PROMOTES: None}
        # The rung last: until then another worker takes this one for choosing.
        self.note(study, trial, {**notes, RUNG: self._rungs[rung]})
        if paused is None:
            self.base_sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The base sampler's; empty for a promotion."""
        if trial.user_attrs.get(PROMOTES) is not None:
            return {}
        return self.base_sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The base sampler's; none for a promotion."""
        if trial.user_attrs.get(PROMOTES) is not None:
            return {}
        return self.base_sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A promotion's value; the base sampler's for what it fixes or the paused one lacks."""
        paused = self._paused_trial(study, trial)
        # In a space that has changed since, what is asked for is another configuration.
        if paused is not None and param_name in paused.params.keys() - fixed_values(
            study.sampler, self
        ):
            if param_distribution == paused.distributions[param_name]:
                return paused.params[param_name]
            value = own_value(param_name, param_distribution, paused.params[param_name])
            if value is not NO_VALUE:
                return value
        return self.base_sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The base sampler's."""
        self._promoted.pop(trial.number, None)
        self.base_sampler.after_trial(study, trial, state, values)


class Promotion(ABC):
    """Who decides what the trials of a promoting study are for: `hyperband_study(promote=...)`."""

    @abstractmethod
    def settings(self, direction: str) -> Any:
        """What the study keeps of it, as JSON has it; a study is opened with the same only.

        Args:
            direction: "minimize" or "maximize".

        Raises:
            ValueError: it can't decide in a study of that direction.
        """

    @abstractmethod
    def sampler(
        self, base_sampler: BaseSampler, rungs: Sequence[int], eta: int, storage: BaseStorage,
        seed: int,
    ) -> PromotingSampler:  # fmt: skip
        """The study's sampler; arguments as of `PromotingSampler`."""


class RungPruner(BasePruner):
    """Stops every trial at its rung, but for the last one, the full training.

    Args:
        last: the last rung's step.
    """

    def __init__(self, last: int) -> None:
        self._last = last

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial has reached its rung."""
        rung, step = trial.user_attrs.get(RUNG, self._last), trial.last_step
        return step is not None and rung < self._last and step >= rung
