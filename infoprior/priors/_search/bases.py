"""How a prior and promotions share a study's trials with each of Optuna's samplers.

Most samplers learn from a study's trials, whoever proposed them: TPE and the Gaussian process from
its finished ones, NSGA-II, NSGA-III and CMA-ES from those that they were asked for. They are asked
for every trial, and some answers are not used. Others deal out points, each of them once: a grid,
a brute-force and a quasi-Monte Carlo sampler. They are asked for their own trials only, so that no
point is ticked off that was not tried. What partially fixed samplers fix is kept in every trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

_EXHAUSTIVE = GridSampler, BruteForceSampler


def base_sampler(base: BaseSampler | MakeSampler | None, seed: int) -> BaseSampler:
    """The sampler of a `base` argument: itself, or a new one for every trial.

    Raises:
        PriorError: it is neither a sampler nor a function that makes one from a seed, or the
            function's samplers do not deal out the same points.
    """
    if isinstance(base, type):
        raise PriorError(
            "base: needs a function seed -> sampler or an Optuna sampler, got the class "
            f"{base.__name__}; lambda seed: {base.__name__}(seed=seed) makes one."
        )
    if not (base is None or isinstance(base, BaseSampler) or callable(base)):
        raise PriorError(
            f"base: needs a function seed -> sampler or an Optuna sampler, got {base!r}."
        )
    sampler = base if isinstance(base, BaseSampler) else SeededSampler(base or make_tpe, seed)
    dealer = _innermost(sampler)
    if not isinstance(dealer, (*_EXHAUSTIVE, QMCSampler)):
        return sampler
    if isinstance(sampler, SeededSampler) and _order(dealer) != _order(_innermost(sampler.make(1))):
        kind = type(dealer).__name__
        raise PriorError(
            f"base: a {kind} that is made with another seed for every trial loses its points; "
            f"pass a {kind} itself, or one function that gives all of them one seed."
        )
    return DealingSampler(sampler, seed)


class DealingSampler(BaseSampler):
    """A sampler that deals out points, asked for its own trials only: those it sees begin.

    What other trials ask for is uniform, but for values that the sampler fixes. It does not end
    the study: there are others who have trials to come. When all points of a grid are tried, its
    trials are uniform, too.

    Args:
        sampler: a grid, brute-force or quasi-Monte Carlo sampler, or one around it.
        seed: of the uniform draws.
    """

    def __init__(self, sampler: BaseSampler, seed: int) -> None:
        self.sampler, self.dealer = sampler, _innermost(sampler)
        self.exhaustive = isinstance(self.dealer, _EXHAUSTIVE)
        self._others = SeededSampler(make_random, seed)
        fixed = fixed_values(sampler, sampler)
        self._uniform: BaseSampler = self._others
        if fixed:
            self._uniform = PartialFixedSampler(fixed, self._others)
        self._own: set[tuple[str, int]] = set()

    def __str__(self) -> str:
        return str(self.sampler)

    def needs_trials(self, study: Study) -> bool:
        """Whether there are points that only its own trials try."""
        if isinstance(self.dealer, GridSampler):
            return not self.dealer.is_exhausted(study)
        return self.exhaustive

    def _is_own(self, study: Study, trial: FrozenTrial) -> bool:
        return (study.study_name, trial.number) in self._own

    def reseed_rng(self) -> None:
        """The sampler's."""
        self.sampler.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The sampler's."""
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The sampler's in its own trials."""
        own = self._is_own(study, trial)
        return self.sampler.sample_relative(study, trial, search_space) if own else {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The sampler's in its own trials, otherwise a uniform value."""
        sampler = self.sampler if self._is_own(study, trial) else self._uniform
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """The trial is the sampler's own, if it has points left and the values are not given."""
        self._own.discard((study.study_name, trial.number))
        if isinstance(self.dealer, GridSampler):
            given = "fixed_params" in trial.system_attrs
            if given or not self.needs_trials(study):
                return
        self._own.add((study.study_name, trial.number))
        self.sampler.before_trial(study, trial)

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
                self.sampler.after_trial(study, trial, state, values)


def nested(sampler: BaseSampler) -> Iterator[BaseSampler]:
    """A sampler and all samplers that it keeps, theirs too."""
    seen, waiting = set(), [sampler]
    while waiting:
        sampler = waiting.pop()
        if id(sampler) not in seen:
            seen.add(id(sampler))
            yield sampler
            waiting += _kept(sampler)


def fixed_values(outermost: BaseSampler, inner: BaseSampler) -> dict[str, Any]:
    """What partially fixed samplers around a sampler, and around its base, fix: name -> value.

    Args:
        outermost: the study's sampler.
        inner: a sampler that may be somewhere in it; if it is not, it is taken alone.
    """
    chain = list(_chain(outermost))
    if not any(sampler is inner for sampler in chain):
        chain = list(_chain(inner))
    fixed: dict[str, Any] = {}
    for sampler in reversed(chain):  # the outermost one has the last word
        if isinstance(sampler, PartialFixedSampler):
            fixed |= sampler._fixed_params
    return fixed


def _chain(sampler: BaseSampler) -> Iterator[BaseSampler]:
    """A sampler, the one that it passes calls on to, and so on."""
    seen: set[int] = set()
    while id(sampler) not in seen:
        seen.add(id(sampler))
        yield sampler
        own = type(sampler).__module__.startswith("optuna.")  # TPE's random sampler, say
        if own and not isinstance(sampler, PartialFixedSampler):
            return
        kept = [sampler.sampler] if isinstance(sampler, DealingSampler) else _kept(sampler)
        if len(kept) == 1:
            sampler = kept[0]


def _kept(sampler: BaseSampler) -> list[BaseSampler]:
    return [value for value in vars(sampler).values() if isinstance(value, BaseSampler)]


def _innermost(sampler: BaseSampler) -> BaseSampler:
    return list(_chain(sampler))[-1]


def _order(dealer: BaseSampler) -> Any:
    """What decides which points a sampler deals out, and in which order."""
    if isinstance(dealer, GridSampler):
        return dealer._all_grids
    if isinstance(dealer, QMCSampler):
        return dealer._seed if dealer._scramble else None
    return None
