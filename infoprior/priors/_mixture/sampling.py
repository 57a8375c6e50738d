"""Draws from a prior: whole points, and single values given a trial's others and its range.

Values drawn one after another, each from the prior given those before it, are one draw from the
joint prior (the chain rule). Each is drawn from the prior restricted to what the live distribution
contains, as `Prior.restrict` does it: no draw is rejected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from .._errors import PriorError
from .._values import generator, whole
from .axes import Axis, as_number, make_axis
from .kernels import Kernels
from .restrict import shared
from .truncated_normal import Array

if TYPE_CHECKING:
    from .._prior import Prior

_MOST = 10**9  # points at once
_TRACE = -30.0  # log of what is left of a floor that is left out
NOTHING = object()  # the prior has no value for this distribution (None may be a choice)


def sample(prior: Prior, n: int, rng: np.random.Generator | int) -> list[dict[str, Any]]:
    """`Prior.sample`."""
    n = whole("sample: n", n, 0, _MOST)
    # One uniform number for the component and one for each parameter, always.
    q = generator("sample: rng", rng).random((n, len(prior._axes) + 1))
    chances = np.concatenate([[prior.floor], (1.0 - prior.floor) * prior.weights])
    edges = np.cumsum(chances)
    component = np.searchsorted(edges, q[:, 0] * edges[-1], side="right") - 1
    component = np.minimum(component, prior.n_components - 1)
    mixed = np.flatnonzero(component >= 0)
    columns: dict[str, list[Any]] = {}
    for i, (name, axis) in enumerate(prior._axes.items(), start=1):
        positions = axis.from_unit(q[:, i])
        if len(mixed):
            positions = positions.copy()
            positions[mixed] = prior._kernels[name].positions(component[mixed], q[mixed, i])
        columns[name] = axis.values(positions)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class Given:
    """A prior given some values of a point: what is left of each component's weight.

    Args:
        prior: of the whole point.
        values: names the prior knows only; values outside its space say nothing.
        floor: False leaves the uniform share out, unless no kernel has mass where a value is asked.
    """

    def __init__(self, prior: Prior, values: Mapping[str, Any], *, floor: bool = True) -> None:
        self.prior, self.names = prior, set(values)
        self.log_weights, self.log_floor = prior._given(values)
        if not floor:
            self.log_floor += _TRACE

    def add(self, name: str, value: Any) -> None:
        """Take one more value into account."""
        self.names.add(name)
        try:
            position = self.prior._axes[name].find(value)
        except PriorError:  # of another kind than the prior's values
            return
        if position is not None and self.prior._kernels:
            self.log_weights = self.log_weights + self.prior._kernels[name].row(position)


def draw(given: Given, name: str, live: BaseDistribution, u: float, v: float) -> Any:
    """A value of parameter `name` that `live` contains, or NOTHING.

    Args:
        given: the prior, which knows `name`, and the trial's values so far.
        name: of the parameter.
        live: the distribution the trial asks for; it may differ from the prior's in range, step,
            log, and between int and float.
        u, v: independent uniform numbers in [0, 1) that decide the draw.
    """
    prior = given.prior
    axis, kernels = prior._axes[name], prior._kernels.get(name)
    if live == axis.distribution:
        position = _pick(axis, kernels, given.log_weights, given.log_floor, u, v)
        if isinstance(live, CategoricalDistribution):  # as it was given: False for an equal 0
            return live.choices[int(position[0])]
        return axis.values(position)[0]
    both = shared(prior, name, live)
    if both is None:
        return NOTHING
    part, target = both
    log_weights = given.log_weights + part.log_mass
    log_floor = given.log_floor + part.log_uniform
    position = _pick(part.axis, part.kernels, log_weights, log_floor, u, v)
    found = target.find(part.axis.values(position)[0])
    # The target's own value: an int where the prior has floats, and the choice as it was given.
    return NOTHING if found is None else target.values(np.array([found]))[0]


def own_value(name: str, live: BaseDistribution, value: Any) -> Any:
    """A value as `live` has it (an int for 3.0, the choice as it was given), or NOTHING.

    A float of a range without steps stays as it is, to the last bit.
    """
    try:
        if isinstance(live, FloatDistribution) and live.step is None:
            number = as_number(name, value)
            return number if live.low <= number <= live.high else NOTHING
        axis = make_axis(name, live)
        found = axis.find(value)
    except PriorError:  # of another kind, or choices that are objects
        return NOTHING
    return NOTHING if found is None else axis.values(np.array([found]))[0]


def _pick(
    axis: Axis, kernels: Kernels | None, log_weights: Array, log_floor: float, u: float, v: float
) -> Array:
    """The position, shape (1,), of a value drawn from the components and the floor."""
    if kernels is None:
        return axis.from_unit(np.array([v]))
    peak = max(float(log_weights.max()), log_floor)
    edges = np.exp(log_weights - peak).cumsum()  # the components', and after them the floor
    chance = u * (float(edges[-1]) + math.exp(log_floor - peak))
    component = int(edges.searchsorted(chance, side="right"))
    if component >= len(kernels):
        return axis.from_unit(np.array([v]))
    return kernels.position(component, v)
