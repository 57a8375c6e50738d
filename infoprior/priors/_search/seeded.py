"""A base sampler made anew for every trial, from the seed and the trial's number.

A sampler that draws from one random state gives other trials when a study is resumed, and workers
that were started with the same seed propose the same points. Here a trial's draws depend on the
seed, its number and the trials it can see, whoever runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from .._errors import PriorError
from .wrapping import WrappingSampler

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

MakeSampler = Callable[[int], BaseSampler]
_STUDIES = 16  # whose common parameters are remembered
_RUNNING = 1024  # samplers kept for trials that have not ended; the oldest go first


def make_tpe(seed: int) -> BaseSampler:
    """Optuna's TPE, which starts to model after five trials: it has the prior's to begin with."""
    return TPESampler(n_startup_trials=5, seed=seed)


def make_random(seed: int) -> BaseSampler:
    """Optuna's uniform sampler."""
    return RandomSampler(seed=seed)


class SeededSampler(WrappingSampler):
    """Gives every trial a sampler of its own, `make(seed of the trial)`.

    Its `base_sampler` stands for all of them, and never draws.

    Args:
        make: seed -> sampler; what it returns must learn from the study, not from being called.
        seed: of all trials.

    Raises:
        PriorError: the function cannot be called with a seed, or returns no sampler.
    """

    def __init__(self, make: MakeSampler, seed: int) -> None:
        self._make, self._seed = make, seed
        super().__init__(self.make(0))
        self._samplers: dict[int, BaseSampler] = {}
        # TPE remembers which parameters all trials of a study share, and would look through all
        # of them again in every trial: one a study is kept for this alone, and never draws.
        self._scouts: dict[str, BaseSampler] = {}

    def __str__(self) -> str:
        return str(self.base_sampler)

    def make(self, seed: int) -> BaseSampler:
        """A new sampler; PriorError where the function makes none."""
        try:
            sampler = self._make(seed)
        except Exception as error:
            raise PriorError(
                f"base_sampler: the function seed -> sampler failed for the seed {seed}: "
                f"{type(error).__name__}: {error}."
            ) from error
        if not isinstance(sampler, BaseSampler):
            raise PriorError(
                "base_sampler: the function needs to return an Optuna sampler, "
                f"got {type(sampler).__name__}."
            )
        return sampler

    def sampler_of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        """The trial's own sampler."""
        sampler = self._samplers.get(trial.number)
        if sampler is None:
            entropy = np.random.SeedSequence([self._seed, trial.number])
            sampler = self.make(int(entropy.generate_state(1)[0]))
            self._samplers[trial.number] = sampler
            while len(self._samplers) > _RUNNING:
                self._samplers.pop(next(iter(self._samplers)), None)
        return sampler

    def _scout(self, study: Study) -> BaseSampler:
        name = study.study_name
        if name not in self._scouts:
            while len(self._scouts) >= _STUDIES:
                self._scouts.pop(next(iter(self._scouts)), None)
            self._scouts[name] = self.make(0)
        return self._scouts[name]

    def reseed_rng(self) -> None:
        """Nothing: seeds differ by trial number already."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The trial's sampler's, or of TPE the study's."""
        if self._make is make_tpe:
            return self._scout(study).infer_relative_search_space(study, trial)
        return super().infer_relative_search_space(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The trial's sampler's, which is forgotten then."""
        super().after_trial(study, trial, state, values)
        self._samplers.pop(trial.number, None)
