"""Draws from a prior: whole points, and single values given a trial's others and its range.

Values drawn one after another, each from the prior given those before it, are one draw from the
joint prior (the chain rule). Restricting each to what the live distribution contains needs no
rejection, since a kernel's mass on a range and its quantiles there are known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution

from ._axes import Axis, CategoricalAxis, ContinuousAxis, GridAxis, locate, make_axis
from ._errors import PriorError
from ._kernels import NumericKernels
from ._normal import Array

if TYPE_CHECKING:
    from ._prior import Prior

NOTHING = object()  # the prior has no value for this distribution (None may be a choice)
_MAX_VALUES = 10_000  # the most values enumerated for one draw


def sample(prior: Prior, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """`Prior.sample`."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise PriorError(f"sample: needs a number of points, got {n!r}.")
    # One uniform number for the component and one for each parameter, always.
    q = rng.random((int(n), len(prior._axes) + 1))
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
    """

    def __init__(self, prior: Prior, values: Mapping[str, Any]) -> None:
        self.prior = prior
        self.log_weights, self.log_floor = prior._given(values)

    def add(self, name: str, value: Any) -> None:
        """Take one more value into account."""
        position = self.prior._axes[name].find(value)
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
    axis = given.prior._axes[name]
    if live == axis.distribution:
        return axis.values(_pick(given, name, 0.0, 1.0, u, v))[0]
    try:
        target = make_axis(name, live)
    except PriorError:
        return NOTHING
    if isinstance(axis, CategoricalAxis) != isinstance(target, CategoricalAxis):
        return NOTHING
    interval = shared_interval(axis, target)
    if interval is not None:
        low, high = interval
        position = _pick(given, name, low, high, u, v) if low < high else None
    else:
        position = _enumerate(given, name, target, u)
    if position is None:
        return NOTHING
    found = target.find(axis.values(position)[0])
    # The target's own value: an int where the prior has floats, and the choice as it was given.
    return NOTHING if found is None else target.values(np.array([found]))[0]


def shared_interval(axis: Axis, target: Axis) -> tuple[float, float] | None:
    """The unit interval where every value of the axis is one of the target's; None if none is so.

    Empty (low >= high) where the two have no value in common.
    """
    if isinstance(axis, CategoricalAxis) or isinstance(target, CategoricalAxis):
        return None
    low, high = max(axis.low, target.low), min(axis.high, target.high)
    if isinstance(axis, ContinuousAxis):
        if isinstance(target, GridAxis):
            return None
        start, end = axis.find(low), axis.find(high)
        return (1.0, 0.0) if start is None or end is None else (start, end)
    if isinstance(target, GridAxis):
        steps, offset = axis.step / target.step, (axis.low - target.low) / target.step
        if abs(steps - round(steps)) > 1e-8 or abs(offset - round(offset)) > 1e-8:
            return None
    first = max(math.ceil((low - axis.low) / axis.step - 1e-8), 0)
    last = min(math.floor((high - axis.low) / axis.step + 1e-8), axis.n_values - 1)
    if first > last:
        return 1.0, 0.0
    starts, ends = axis.edges(np.array([first, last]))
    return float(starts[0]), float(ends[1])


def _pick(
    given: Given,
    name: str,
    low: float,
    high: float,
    u: float,
    v: float,
) -> Array:
    """The position, shape (1,), of a value drawn from the unit interval [low, high]."""
    axis, kernels = given.prior._axes[name], given.prior._kernels.get(name)
    log_weights, log_floor = given.log_weights, given.log_floor
    if low > 0.0 or high < 1.0:
        log_floor += math.log(high - low)
        if kernels is not None:
            log_weights = log_weights + kernels.log_mass(low, high)
    peak = max(float(log_weights.max()), log_floor) if kernels else log_floor
    edges = np.exp(log_weights - peak).cumsum()  # the components', and after them the floor
    mixture = float(edges[-1]) if kernels else 0.0
    chance = u * (mixture + math.exp(log_floor - peak))
    component = int(edges.searchsorted(chance, side="right"))
    if kernels is None or component >= given.prior.n_components:
        unit = low + v * (high - low)
    elif isinstance(kernels, NumericKernels):
        unit = kernels.draw_one(component, v, low, high)
    else:
        return kernels.position_in(component, v, low, high)
    if axis.discrete and (low > 0.0 or high < 1.0):
        # Off the outer edges, which rounding could put into the neighbouring cells.
        inset = 1e-9 * (high - low)
        unit = min(max(unit, low + inset), high - inset)
    return axis.from_unit(np.array([unit]))


def _enumerate(given: Given, name: str, target: Axis, u: float) -> Array | None:
    """The position, shape (1,), of one of the values that both have; None if there is none.

    Where the prior is continuous and the target a grid, values are weighted by their density.
    """
    axis = given.prior._axes[name]
    # The values of whichever is enumerable and coarser.
    source = min((a for a in (axis, target) if a.discrete), key=lambda a: a.n_values)
    if source.n_values > _MAX_VALUES:
        return None
    values = source.values(np.arange(source.n_values, dtype=np.float64))
    in_target = locate(target, values)[1]
    positions, in_prior = locate(axis, values)
    positions = positions[in_target & in_prior]
    if not len(positions):
        return None
    logs = np.full((len(positions), 1), given.log_floor)
    if name in given.prior._kernels:
        terms = given.log_weights + given.prior._kernels[name].log_ratio(positions)
        logs = np.concatenate([terms, logs], axis=1)
    chances = np.exp(logs - logs.max()).sum(axis=1) * np.exp(axis.log_uniform(positions))
    edges = chances.cumsum()
    index = min(int(edges.searchsorted(u * edges[-1], side="right")), len(positions) - 1)
    return positions[index : index + 1]
