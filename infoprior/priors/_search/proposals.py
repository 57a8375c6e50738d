"""What a prior proposes for the parameters of one trial, and what a uniform source does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution

from .._errors import PriorError
from .._mixture.axes import make_axis
from .._mixture.sampling import NO_VALUE, ConditionalPrior, draw, own_value
from .._prior import Prior
from .._trial import enqueued_values
from .random_numbers import uniforms

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class Proposal(ABC):
    """The values that a source proposes for one trial.

    Args:
        seed: of the draws; those of one trial and parameter are always the same.
        fixed: values that samplers around or inside the prior's fix: name -> value. Nothing is
            proposed for them.
    """

    def __init__(self, seed: int, fixed: Mapping[str, Any]) -> None:
        self.fixed, self._seed = fixed, seed

    @abstractmethod
    def joint(self, trial: FrozenTrial, asked: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Values of parameters, as far as the source has any."""

    @abstractmethod
    def single(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """The value of a parameter, or NO_VALUE."""

    def _uniforms(self, trial: FrozenTrial, name: str) -> tuple[float, float]:
        return uniforms(self._seed, trial.number, f"/{name}")


class UniformProposal(Proposal):
    """Uniform values; none for distributions that no prior can have."""

    def joint(self, trial: FrozenTrial, asked: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Values of all parameters."""
        values = {name: self.single(trial, name, asked[name]) for name in asked}
        return {name: value for name, value in values.items() if value is not NO_VALUE}

    def single(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """The value of a parameter, or NO_VALUE."""
        if name in self.fixed:
            return NO_VALUE
        try:
            axis = make_axis(name, distribution)
        except PriorError:  # e.g. choices that are objects
            return NO_VALUE
        u, _ = self._uniforms(trial, name)
        return axis.values(axis.from_unit(np.array([u])))[0]


class PriorProposal(Proposal):
    """A prior's values, each given those that the trial has or is going to have.

    Args:
        prior: what to draw from.
        seed, fixed: see `Proposal`; the prior is conditioned on the fixed values.
        mode: whether to propose the prior's mode. A value of it that is out of the range asked
            for is drawn, and the others are the mode given that one.
        floor: whether the prior's uniform floor is drawn from too.
    """

    def __init__(
        self, prior: Prior, seed: int, fixed: Mapping[str, Any], *, mode: bool, floor: bool
    ) -> None:
        super().__init__(seed, fixed)
        self._prior, self._axes, self._floor = prior, prior.mixture.axes, floor
        self._mode = _mode_given(prior, fixed) if mode else {}
        self._given: ConditionalPrior | None = None

    def joint(self, trial: FrozenTrial, asked: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Values of the parameters that the prior knows.

        Those that are asked for one by one are drawn given these, asked for by then or not.
        """
        given, values = self._given_others(trial), dict[str, Any]()
        for name, distribution in asked.items():
            if name in self._axes and name not in self.fixed:
                value = self._value(given, trial, values, name, distribution)
                if value is not NO_VALUE:
                    values[name] = value
                    given.add(name, value)
        return values

    def single(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """The value of a parameter, or NO_VALUE."""
        if name not in self._axes or name in self.fixed:
            return NO_VALUE
        return self._value(self._given_others(trial, name), trial, {}, name, distribution)

    def _value(
        self,
        given: ConditionalPrior,
        trial: FrozenTrial,
        values: Mapping[str, Any],
        name: str,
        distribution: BaseDistribution,
    ) -> Any:
        if name in self._mode:
            value = own_value(name, distribution, self._mode[name])
            if value is not NO_VALUE:
                return value
        value = draw(given, name, distribution, *self._uniforms(trial, name))
        if self._mode and value is not NO_VALUE:  # the mode is out of range, and the rest follows
            known = {**self.fixed, **trial.params, **values, name: value}
            self._mode = _mode_given(self._prior, known)
        return value

    def _given_others(self, trial: FrozenTrial, name: str | None = None) -> ConditionalPrior:
        """The prior given the trial's values of other names than this."""
        given = self._given
        if given is None or (name in given.names and name not in trial.params):
            known = {**self.fixed, **enqueued_values(trial), **trial.params}
            known = {n: value for n, value in known.items() if n in self._axes and n != name}
            given = self._given = ConditionalPrior(self._prior.mixture, known, floor=self._floor)
        for other, value in trial.params.items():
            if other in self._axes and other not in given.names:
                given.add(other, value)
        return given


def _mode_given(prior: Prior, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The mode of a prior given those of the values that it knows."""
    known = {
        name: fixed[name]
        for name, axis in prior.mixture.axes.items()
        if name in fixed and own_value(name, axis.distribution, fixed[name]) is not NO_VALUE
    }
    if len(known) == len(prior.space):
        return {}
    return (prior.condition(known) if known else prior).mode()
