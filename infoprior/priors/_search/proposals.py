"""What a prior, and a uniform source, propose for the parameters of one trial."""

from __future__ import annotations

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


class Proposal:
    """A prior's values for one trial, each given those that the trial has or is going to have.

    Args:
        prior: what to draw from.
        seed: of the draws; those of one trial and parameter are always the same.
        fixed: values that samplers around or inside the prior's fix: name -> value.
        mode: whether to propose the prior's mode given the fixed values. A value of it that is
            out of the range asked for is drawn, and the others are the mode given that one.
        floor: whether the prior's uniform floor is drawn from too.
    """

    def __init__(
        self, prior: Prior, seed: int, fixed: Mapping[str, Any], *, mode: bool, floor: bool
    ) -> None:
        self.fixed = fixed
        self._prior, self._seed, self._floor = prior, seed, floor
        self._names = prior.space.keys()
        self._mode = _mode_given(prior, fixed) if mode else {}
        self._given: ConditionalPrior | None = None

    def joint(self, trial: FrozenTrial, asked: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Values of parameters, as far as the prior has any.

        Those that are asked for one by one are drawn given these, asked for by then or not.
        """
        given, values = self._given_others(trial), dict[str, Any]()
        for name, distribution in asked.items():
            if name in self._names:
                value = self._value(given, trial, values, name, distribution)
                if value is not NO_VALUE:
                    values[name] = value
                    given.add(name, value)
        return values

    def single(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """The value of a parameter, or NO_VALUE."""
        if name not in self._names:
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
        value = draw(given, name, distribution, *uniforms(self._seed, trial.number, f"/{name}"))
        if self._mode and value is not NO_VALUE:  # the mode is out of range, and the rest follows
            known = {**self.fixed, **trial.params, **values, name: value}
            self._mode = _mode_given(self._prior, known)
        return value

    def _given_others(self, trial: FrozenTrial, name: str | None = None) -> ConditionalPrior:
        """The prior given the trial's values of other names than this."""
        given = self._given
        if given is None or (name in given.names and name not in trial.params):
            known = {**self.fixed, **enqueued_values(trial), **trial.params}
            known = {n: value for n, value in known.items() if n in self._names and n != name}
            given = self._given = ConditionalPrior(self._prior.mixture, known, floor=self._floor)
        for other in trial.params.keys() & self._names - given.names:
            given.add(other, trial.params[other])
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


def uniform_value(seed: int, number: int, name: str, distribution: BaseDistribution) -> Any:
    """A uniform value of a trial's parameter; NO_VALUE where no prior can have the distribution."""
    try:
        axis = make_axis(name, distribution)
    except PriorError:  # e.g. choices that are objects
        return NO_VALUE
    u, _ = uniforms(seed, number, f"/{name}")
    return axis.values(axis.from_unit(np.array([u])))[0]
