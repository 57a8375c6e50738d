"""The finished trials of a study, as a sampler comes to see them, and the trust they earn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from ._prior import Prior
from ._valve import Outcome, outcome, standings, trust

if TYPE_CHECKING:
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


class Evidence:
    """What the trials of one study say about a prior.

    Under Hyperband Optuna shows a sampler the trials of one bracket only, and calls it after
    every trial that ends in its own process: both are remembered here, by trial number.
    Nothing is remembered that the study could not tell again.

    Args:
        prior: whose trust is learned.
        start: its share at the start.
        source: the user attribute that says whether a trial was the prior's.
    """

    def __init__(self, prior: Prior, start: float, source: str) -> None:
        self._prior, self._start, self._source = prior, start, source
        self._study_name: str | None = None
        self._seen: dict[int, Outcome] = {}
        self._latest = (-1, start)  # (milestone, trust)

    def add(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Remember a trial that ends."""
        self._open(study)
        if trial.number not in self._seen:
            share = self._share(trial)
            found = outcome(trial, state, values, study.directions, share)
            self._seen[trial.number] = found

    def trust(self, study: Study, number: int) -> float:
        """The prior's share for the trial of this number."""
        self._open(study)
        point = milestone(number)
        at, value = self._latest
        if at != point:
            for trial in study.get_trials(deepcopy=False, states=_FINISHED):
                self.add(study, trial, trial.state, trial.values)
            before = sorted(k for k in [*self._seen] if k < point)
            outcomes = [self._seen[k] for k in before]
            share = np.array([o.share for o in outcomes])
            value = trust(standings(outcomes), share, self._start)
            self._latest = (point, value)
        return value

    def _open(self, study: Study) -> None:
        if study.study_name != self._study_name:
            self._study_name, self._seen, self._latest = study.study_name, {}, (-1, self._start)

    def _share(self, trial: FrozenTrial) -> float:
        """1 for the prior's trials, 0 for the base's; by its density for those of no known source.

        p / (p + u), the chance that a point drawn from the prior or uniformly is the prior's.
        """
        source = trial.user_attrs.get(self._source)
        if source is not None:
            return float(source == "prior")
        known = self._prior.space.keys()
        params = {n: v for n, v in trial.params.items() if n in known}
        logs, floor = self._prior._given(params)
        ratio = float(np.logaddexp.reduce([*logs, floor]))
        return 1.0 / (1.0 + math.exp(-min(max(ratio, -700.0), 700.0)))
