"""Draws from a mixture: whole points, and single values given a trial's others and its range.

Values drawn one after another, each given those before it, are one draw from the joint distribution
(the chain rule). Each is drawn from the mixture truncated to what the trial asks for, as `restrict`
does it: no draw is rejected.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from .._errors import PriorError
from .._values import Array, generator, whole
from .axes import Axis, as_number, make_axis
from .kernels import Kernels
from .locate import Params
from .mixture import Mixture

_MOST = 10**9  # points at once
_TRACE = -30.0  # log of what is left of a floor that is left out
NO_VALUE = object()  # the prior has no value for this distribution (None may be a choice)


def sample(mixture: Mixture, n: int, rng: np.random.Generator | int) -> list[dict[str, Any]]:
    """`n` independent points; see `Prior.sample`."""
    n = whole("sample: n", n, 0, _MOST)
    # One uniform number for the component and one for each parameter, always.
    q = generator("sample: rng", rng).random((n, len(mixture.axes) + 1))
    chances = np.concatenate([[mixture.floor], (1.0 - mixture.floor) * mixture.weights])
    edges = np.cumsum(chances)
    component = np.searchsorted(edges, q[:, 0] * edges[-1], side="right") - 1
    component = np.minimum(component, mixture.n_components - 1)
    mixed = np.flatnonzero(component >= 0)
    columns: dict[str, list[Any]] = {}
    for i, (name, axis) in enumerate(mixture.axes.items(), start=1):
        positions = axis.from_unit(q[:, i])
        if len(mixed):
            positions = positions.copy()
            positions[mixed] = mixture.kernels[name].positions(component[mixed], q[mixed, i])
        columns[name] = axis.values(positions)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class ConditionalPrior:
    """A prior given some values of a point: what is left of each component's weight.

    Args:
        mixture: over whole points.
        values: of names that the mixture knows only; values outside its space say nothing.
        floor: False leaves the uniform share out, unless no kernel has mass where a value is asked
            for.

    Attributes:
        names: of the values so far.
        log_weights: of each component, joint with the values, in nats, shape (k,).
        log_floor: the same for the uniform share.
    """

    def __init__(self, mixture: Mixture, values: Params, *, floor: bool = True) -> None:
        self.mixture, self.names = mixture, set(values)
        self.log_weights, self.log_floor = mixture.log_joint(values)
        if not floor:
            self.log_floor += _TRACE

    def add(self, name: str, value: Any) -> None:
        """Take one more value into account."""
        self.names.add(name)
        try:
            position = self.mixture.axes[name].find(value)
        except PriorError:  # of another kind than the prior's values
            return
        if position is not None and self.mixture.kernels:
            self.log_weights = self.log_weights + self.mixture.kernels[name].row(position)


def draw(
    conditional: ConditionalPrior, name: str, distribution: BaseDistribution, u: float, v: float
) -> Any:
    """A value of parameter `name` that `distribution` contains, or NO_VALUE.

    Args:
        conditional: the prior, which knows `name`, given the trial's values so far.
        name: of the parameter.
        distribution: what the trial asks for; it may differ from the prior's in range, step, log,
            and between int and float.
        u, v: independent uniform numbers in [0, 1) that decide the draw.
    """
    mixture = conditional.mixture
    axis, kernels = mixture.axes[name], mixture.kernels.get(name)
    log_weights, log_floor = conditional.log_weights, conditional.log_floor
    if distribution == axis.distribution:
        position = _pick(axis, kernels, log_weights, log_floor, u, v)
        if isinstance(distribution, CategoricalDistribution):  # as it was given: False for 0
            return distribution.choices[int(position[0])]
        return axis.values(position)[0]
    both = mixture.truncated(name, distribution)
    if both is None:
        return NO_VALUE
    truncated, asked = both
    log_weights, log_floor = log_weights + truncated.log_mass, log_floor + truncated.log_uniform
    position = _pick(truncated.axis, truncated.kernels, log_weights, log_floor, u, v)
    own = asked.find(truncated.axis.values(position)[0])
    # The asked-for value: an int where the prior has floats, and the choice as it was given.
    return NO_VALUE if own is None else asked.values(np.array([own]))[0]


def own_value(name: str, distribution: BaseDistribution, value: Any) -> Any:
    """A value as `distribution` has it (an int for 3.0, the choice as it was given), or NO_VALUE.

    A float of a range without steps stays as it is, to the last bit.
    """
    try:
        if isinstance(distribution, FloatDistribution) and distribution.step is None:
            number = as_number(name, value)
            return number if distribution.low <= number <= distribution.high else NO_VALUE
        axis = make_axis(name, distribution)
        position = axis.find(value)
    except PriorError:  # of another kind, or choices that are objects
        return NO_VALUE
    return NO_VALUE if position is None else axis.values(np.array([position]))[0]


def _pick(
    axis: Axis, kernels: Kernels | None, log_weights: Array, log_floor: float, u: float, v: float
) -> Array:
    """The position, shape (1,), of a value drawn from the components or the floor."""
    if kernels is None:
        return axis.from_unit(np.array([v]))
    peak = max(float(log_weights.max()), log_floor)
    edges = np.exp(log_weights - peak).cumsum()  # the components', and after them the floor
    chance = u * (float(edges[-1]) + math.exp(log_floor - peak))
    component = int(edges.searchsorted(chance, side="right"))
    if component >= len(kernels):
        return axis.from_unit(np.array([v]))
    return kernels.position(component, v)
