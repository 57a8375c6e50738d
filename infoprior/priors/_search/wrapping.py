"""Samplers around other samplers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.storages import BaseStorage

from .._trial import write_notes

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState


class WrappingSampler(BaseSampler):
    """Passes all that Optuna asks on to another sampler; a subclass overrides what it changes.

    What is passed on runs under the same error settings of NumPy's, whatever the caller has set.

    Args:
        base_sampler: the other one.
        storage: the study's; with it, `note` keeps what it says there too.
    """

    def __init__(self, base_sampler: BaseSampler, storage: BaseStorage | None = None) -> None:
        self.base_sampler, self.storage = base_sampler, storage

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.base_sampler})"

    def sampler_of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        """Whom a trial's calls are passed on to."""
        return self.base_sampler

    def note(self, study: Study, trial: FrozenTrial, notes: Mapping[str, Any]) -> None:
        """Set user attributes of a running trial: of this object, and in the storage."""
        for name, value in notes.items():
            trial.set_user_attr(name, value)
        if self.storage is not None:
            write_notes(self.storage, study, trial.number, notes)

    def reseed_rng(self) -> None:
        """Optuna calls it in each thread of `n_jobs`."""
        self.base_sampler.reseed_rng()

    @np.errstate(all="ignore")
    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The parameters that `sample_relative` is to draw together."""
        return self.sampler_of(study, trial).infer_relative_search_space(study, trial)

    @np.errstate(all="ignore")
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of some of these parameters."""
        return self.sampler_of(study, trial).sample_relative(study, trial, search_space)

    @np.errstate(all="ignore")
    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of a parameter that `sample_relative` gave none."""
        sampler = self.sampler_of(study, trial)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    @np.errstate(all="ignore")
    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Called before a trial's values are asked for."""
        self.sampler_of(study, trial).before_trial(study, trial)

    @np.errstate(all="ignore")
    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Called when a trial ends, before that is in the storage."""
        self.sampler_of(study, trial).after_trial(study, trial, state, values)


def nested(sampler: BaseSampler) -> Iterator[BaseSampler]:
    """A sampler and all samplers that it keeps, theirs too."""
    seen, waiting = set(), [sampler]
    while waiting:
        sampler = waiting.pop()
        if id(sampler) not in seen:
            seen.add(id(sampler))
            yield sampler
            waiting += _kept(sampler)


def innermost(sampler: BaseSampler) -> BaseSampler:
    """The sampler that all others around it pass calls on to."""
    return list(_chain(sampler))[-1]


def fixed_values(outermost: BaseSampler, inner: BaseSampler) -> dict[str, Any]:
    """What partially fixed samplers around a sampler, and inside it, fix: name -> value.

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
        if isinstance(sampler, WrappingSampler):
            sampler = sampler.base_sampler
        elif len(kept := _kept(sampler)) == 1:
            sampler = kept[0]


def _kept(sampler: BaseSampler) -> list[BaseSampler]:
    return [value for value in vars(sampler).values() if isinstance(value, BaseSampler)]
