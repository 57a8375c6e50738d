"""Hyperband by promotion: trials stop at a rung, and the best of them go on as trials of their own.

Optuna's HyperbandPruner decides about a trial while it runs, and cannot take a pruned one up
again: a bracket's first trials have nothing to be compared with and run to their end. Here trials
stop at their rung, and later ones go on from the best of them, as Hyperband (Li et al., JMLR 18
(2018), 185) has it. What the trial of a number is, a new configuration or a promotion and to which
rung, is a function of the number alone; which configuration is promoted hangs on the results. So
nobody waits: where results are missing because other workers are still at them, the best of those
that are there goes on.

Unlike Hyperband's, the brackets share what they have trained: a promotion takes the best
configuration that stopped at the rung below, of whichever bracket.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ._draw import NOTHING, own_value
from ._evidence import CONTINUES
from ._notes import note
from ._optimize import ERROR
from ._sampler import PriorSampler, fixed
from ._valve import feasible

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

RUNG = "infoprior:rung"  # a trial's user attribute: the step it stops at
STEP = "infoprior:step"  # another, of promotions: the last step of the trial it goes on from
_COPIED = PriorSampler.SOURCE, PriorSampler.TRUST
_RUNNING = 1024  # promotions of which it is remembered what they go on from
_CHOOSING = 32  # trials after which one that has not chosen is taken for dead


class Paused(NamedTuple):
    """What a trial goes on from: the number of the trial that was stopped, and the step."""

    number: int
    step: int


def continues(trial: Trial | FrozenTrial) -> Paused | None:
    """What a trial goes on from, in a study that promotes, as `hyperband_study`'s does.

    An objective that keeps a checkpoint for each trial, under its number, can load that of the
    paused trial and train from the step after; one that does not care trains from the start.

    Args:
        trial: the trial that an objective is called with, once it has its parameters, or a
            finished one. (A parameter whose range has changed since may make it a new one.)

    Returns:
        None where the trial is a new configuration.
    """
    found = trial.user_attrs.get(CONTINUES)
    return None if found is None else Paused(int(found), int(trial.user_attrs[STEP]))


class Slot(NamedTuple):
    """What the trial of a number is for: rungs are counted from 0, the lowest."""

    rung: int
    bottom: int  # of its bracket
    promotes: bool


def rungs(min_resource: int, max_resource: int, eta: int) -> list[int]:
    """The steps at which trials stop; the last one is the full training's."""
    found = [min_resource]
    while found[-1] * eta <= max_resource:
        found.append(found[-1] * eta)
    return [*found[:-1], max_resource]


def slots(n_rungs: int, eta: int) -> list[Slot]:
    """One cycle of Hyperband's brackets, the most aggressive one first.

    Bracket s, from n_rungs - 1 down to 0, begins with floor(n_rungs / (s + 1)) eta^s
    configurations and keeps one in eta at each rung.
    """
    found = []
    for s in range(n_rungs - 1, -1, -1):
        bottom, size = n_rungs - 1 - s, n_rungs // (s + 1) * eta**s
        for k in range(s + 1):
            found += [Slot(bottom + k, bottom, k > 0)] * (size // eta**k)
    return found


class PromotingSampler(BaseSampler):
    """Another sampler's new configurations, and the best paused ones again, a rung higher.

    A promotion is a trial with the paused trial's parameters. Its user attribute `CONTINUES` is
    that trial's number, and `RUNG` says of every trial at which step it stops.

    Args:
        sampler: proposes the new ones; with a `PriorSampler` a promotion counts for the source of
            the configuration, in place of the trial that it goes on from.
        rungs: the steps, ascending.
        eta: one in so many goes on.
        storage: of the study; the attributes are written into it.
    """

    def __init__(
        self, sampler: BaseSampler, rungs: Sequence[int], eta: int, storage: BaseStorage
    ) -> None:
        self.sampler, self._rungs, self._storage = sampler, list(rungs), storage
        self._slots = slots(len(self._rungs), eta)
        self._promoted: dict[int, FrozenTrial] = {}  # trial number -> the paused one

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.sampler})"

    def _slot(self, number: int) -> Slot:
        return self._slots[number % len(self._slots)]

    def _best(self, study: Study, number: int, rung: int) -> FrozenTrial | None:
        """The best paused trial at a rung that no trial went on from."""
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        taken: set[int] = set()
        lost: set[int] = set()
        waiting, ahead = [], 0
        for trial in study.get_trials(deepcopy=False):
            attributes, old = trial.user_attrs, trial.user_attrs.get(CONTINUES)
            if trial.number == number:
                continue
            if old is not None:
                # One that ended without an error of its objective's was killed or interrupted;
                # who loses two such is the cause.
                killed = trial.state == TrialState.FAIL and ERROR not in attributes
                (lost if killed and old not in lost else taken).add(old)
            elif trial.state == TrialState.RUNNING and RUNG not in attributes:
                # Another worker's, which is choosing now, and comes first.
                slot = self._slot(trial.number)
                recent = 0 < number - trial.number <= _CHOOSING and not fixed(trial)
                ahead += recent and slot.promotes and slot.rung == rung + 1
            if trial.state == TrialState.PRUNED and attributes.get(RUNG) == self._rungs[rung]:
                step = trial.last_step
                if step is not None and step >= self._rungs[rung] and feasible(trial):
                    value = sign * trial.intermediate_values[step]
                    if not math.isnan(value):
                        waiting.append((value, trial.number, trial))
        # Equal values in the order of their numbers.
        free = sorted(entry for entry in waiting if entry[1] not in taken)
        return free[ahead][2] if ahead < len(free) else None

    def _note(self, study: Study, trial: FrozenTrial, notes: dict[str, Any]) -> None:
        for name, value in notes.items():
            trial.set_user_attr(name, value)
        note(self._storage, study, trial.number, notes)

    @property
    def first_full(self) -> int:
        """The number of the first trial that is trained to the end."""
        return [slot.rung for slot in self._slots].index(len(self._rungs) - 1)

    # ---- Optuna's interface

    def reseed_rng(self) -> None:
        """The other sampler's."""
        self.sampler.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Decides what the trial is for."""
        if trial.params and RUNG in trial.user_attrs:  # a failed one that Optuna tries again
            return
        slot, old = self._slot(trial.number), None
        if slot.promotes and not fixed(trial) and not trial.params:
            old = self._best(study, trial.number, slot.rung - 1)
        notes: dict[str, Any] = {}
        rung = slot.rung
        if old is not None:
            last = len(self._rungs) - 1
            while rung < last and self._rungs[rung] <= (old.last_step or 0):
                rung += 1  # its objective reports at other steps, and has passed this one
            notes = {name: old.user_attrs[name] for name in _COPIED if name in old.user_attrs}
            notes |= {CONTINUES: old.number, STEP: old.last_step}
            self._promoted[trial.number] = old
            while len(self._promoted) > _RUNNING:
                self._promoted.pop(next(iter(self._promoted)), None)
        else:
            rung = slot.bottom
            if CONTINUES in trial.user_attrs:  # copied from another trial's
                notes = {CONTINUES: None}
        # The rung last: until then another worker takes this one for choosing.
        self._note(study, trial, {**notes, RUNG: self._rungs[rung]})
        if old is None:
            self.sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The other sampler's; empty for a promotion."""
        if trial.number in self._promoted:
            return {}
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The other sampler's; none for a promotion."""
        if trial.number in self._promoted:
            return {}
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A promotion's value; the other sampler's for what the paused trial did not have."""
        old = self._promoted.get(trial.number)
        if old is not None and param_name in old.params:
            if param_distribution == old.distributions[param_name]:
                return old.params[param_name]
            value = own_value(param_name, param_distribution, old.params[param_name])
            if value is not NOTHING:
                return value
            # Another configuration than the one that was paused: there is nothing to take up.
            self._note(study, trial, {CONTINUES: None})
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The other sampler's."""
        self._promoted.pop(trial.number, None)
        self.sampler.after_trial(study, trial, state, values)


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
