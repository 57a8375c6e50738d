"""How a prior and promotions share a study's trials with each of Optuna's samplers.

Most samplers learn from a study's trials, whoever proposed them: TPE and the Gaussian process from
its finished ones, NSGA-II, NSGA-III and CMA-ES from those that they were asked for. They are asked
for every trial, and some answers are not used. Others deal out points, each of them once: a grid,
a brute-force and a quasi-Monte Carlo sampler. They are asked for their own trials only, so that no
point counts as tried that was not. What partially fixed samplers fix is kept in every trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    GridSampler,
    PartialFixedSampler,
    QMCSampler,
)

from .._errors import PriorError
from .seeded import MakeSampler, SeededSampler, make_random, make_tpe
from .wrapping import WrappingSampler, fixed_values, innermost

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

_EXHAUSTIVE = GridSampler, BruteForceSampler


def make_base_sampler(given: BaseSampler | MakeSampler | None, seed: int) -> BaseSampler:
    """The sampler of a `base_sampler` argument: itself, or a new one for every trial.

    Raises:
        PriorError: it is neither a sampler nor a function that makes one from a seed, or the
            function's samplers do not deal out the same points.
    """
    if isinstance(given, type):
        raise PriorError(
            "base_sampler: needs a function seed -> sampler or an Optuna sampler, got the class "
            f"{given.__name__}; lambda seed: {given.__name__}(seed=seed) makes one."
        )
    if not (given is None or isinstance(given, BaseSampler) or callable(given)):
        raise PriorError(
            f"base_sampler: needs a function seed -> sampler or an Optuna sampler, got {given!r}."
        )
    sampler = given if isinstance(given, BaseSampler) else SeededSampler(given or make_tpe, seed)
    dealer = innermost(sampler)
    if not isinstance(dealer, (*_EXHAUSTIVE, QMCSampler)):
        return sampler
    if isinstance(sampler, SeededSampler) and _order(dealer) != _order(innermost(sampler.make(1))):
        kind = type(dealer).__name__
        raise PriorError(
            f"base_sampler: a {kind} that is made with another seed for every trial loses its "
            f"points; pass a {kind} itself, or one function that gives all of them one seed."
        )
    return DealingSampler(sampler, seed)


class DealingSampler(WrappingSampler):
    """A sampler that deals out points, asked for its own trials only: those it sees begin.

    What other trials ask for is uniform, but for values that the sampler fixes. It does not end
    the study: there are others who have trials to come. When all points of a grid are tried, its
    trials are uniform, too.

    Args:
        base_sampler: a grid, brute-force or quasi-Monte Carlo sampler, or one around it.
        seed: of the uniform draws.
    """

    def __init__(self, base_sampler: BaseSampler, seed: int) -> None:
        super().__init__(base_sampler)
        self.dealer = innermost(base_sampler)
        self.exhaustive = isinstance(self.dealer, _EXHAUSTIVE)
        self._others = SeededSampler(make_random, seed)
        fixed = fixed_values(base_sampler, base_sampler)
        self._uniform: BaseSampler = self._others
        if fixed:
            self._uniform = PartialFixedSampler(fixed, self._others)
        self._own: set[tuple[str, int]] = set()

    def __str__(self) -> str:
        return str(self.base_sampler)

    def needs_trials(self, study: Study) -> bool:
        """Whether there are points that only its own trials try."""
        if isinstance(self.dealer, GridSampler):
            return not self.dealer.is_exhausted(study)
        return self.exhaustive

    def _is_own(self, study: Study, trial: FrozenTrial) -> bool:
        return (study.study_name, trial.number) in self._own

    def sampler_of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        """The sampler in its own trials, otherwise a uniform one."""
        return self.base_sampler if self._is_own(study, trial) else self._uniform

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The sampler's in all trials: what it is asked for may be another's to propose."""
        return self.base_sampler.infer_relative_search_space(study, trial)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """The trial is the sampler's own, if it has points left and the values are not given."""
        self._own.discard((study.study_name, trial.number))
        if isinstance(self.dealer, GridSampler):
            given = "fixed_params" in trial.system_attrs
            if given or not self.needs_trials(study):
                return
        self._own.add((study.study_name, trial.number))
        self.base_sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The sampler's for its own trials, but that it does not end the study."""
        self._others.after_trial(study, trial, state, values)
        if self._is_own(study, trial):
            self._own.discard((study.study_name, trial.number))
            if not self.exhaustive:
                self.base_sampler.after_trial(study, trial, state, values)


def _order(dealer: BaseSampler) -> Any:
    """What decides which points a sampler deals out, and in which order."""
    if isinstance(dealer, GridSampler):
        return dealer._all_grids
    if isinstance(dealer, QMCSampler):
        return dealer._seed if dealer._scramble else None
    return None
