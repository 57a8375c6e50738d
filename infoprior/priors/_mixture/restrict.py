"""A prior on the user's own ranges and names.

p(x | x in the space) does not hang on how the space measures a parameter, so the values are the
user's and the scale stays the prior's: a log parameter stays one on a range that is asked for
without log, and ints stay ints where a float is asked for. That way the result is exact, with two
exceptions, which no mixture of this kind can be exact in:

- A continuous prior has no mass on single values. On a grid each value stands for its cell, the
  interval half a step to either side, and gets the kernels' mass there.
- Some values of a log parameter in steps, such as every tenth of a log int, are no log parameter
  of Optuna's. There the kernels are exact, as tables, but the floor becomes uniform over those
  values: it is a promise about the space that is searched, not knowledge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from .._errors import PriorError
from .._values import listed, mapping, short
from .algebra import assemble, table
from .axes import (
    Axis,
    CategoricalAxis,
    ContinuousAxis,
    GridAxis,
    float_distribution,
    locate,
    make_axis,
)
from .kernels import (
    SMALLEST_WIDTH,
    WIDEST,
    Kernels,
    NumericKernels,
    TableKernels,
    check_table,
    every,
    make_kernels,
)
from .truncated_normal import Array, logsumexp

if TYPE_CHECKING:
    from .._prior import Prior

_MAX_VALUES = 500_000  # the most values compared one by one
_MAX_SHARED = 64  # live distributions remembered
_TOLERANCE = 1e-8  # in steps; the one of `GridAxis.find`


@dataclass(frozen=True)
class Part:
    """One parameter restricted."""

    axis: Axis
    kernels: Kernels | None  # None where the prior has no components
    log_mass: Array | float  # of the range in each kernel, shape (k,)
    log_uniform: float  # of the range in the prior's uniform distribution


def restrict(prior: Prior, space: Mapping[str, BaseDistribution]) -> Prior:
    """`Prior.restrict`."""
    mapping("restrict", space, "distributions")
    log_weights, log_floor = prior._log_weights, prior._log_floor
    axes: dict[str, Axis] = {}
    kernels: dict[str, Kernels] = {}
    for name, axis in prior._axes.items():
        if name not in space:
            continue  # a product's marginal: the kernels are left out
        part = _part(axis, make_axis(name, space[name]), prior._kernels.get(name))
        if part is None:
            continue
        axes[name] = part.axis
        log_weights, log_floor = log_weights + part.log_mass, log_floor + part.log_uniform
        if part.kernels is not None:
            kernels[name] = part.kernels
    if not axes:
        raise PriorError(
            f"restrict: the space, {listed(sorted(map(str, space)))}, has no name with a value in "
            f"common with the prior, {listed(sorted(prior._axes))}."
        )
    if all(axes[n].distribution == prior._axes[n].distribution for n in axes):
        return prior._like(axes, kernels)  # nor do the weights change then
    return assemble(axes, kernels, log_weights, log_floor, prior.metadata)


def shared(prior: Prior, name: str, live: BaseDistribution) -> tuple[Part, Axis] | None:
    """A parameter on the values that a live distribution has too, and that one's axis.

    None where the two have none in common, or too many to list. Kept on the prior, since a study
    asks for the same distribution in every trial.
    """
    key = name, live
    try:
        hash(key)
    except TypeError:  # choices that are lists: no prior has those
        return None
    if key not in prior._shared:
        try:
            target = make_axis(name, live)
            part = _part(prior._axes[name], target, prior._kernels.get(name))
        except PriorError:
            part = None
        if len(prior._shared) >= _MAX_SHARED:  # ranges that change with every trial
            prior._shared.clear()
        prior._shared[key] = None if part is None else (part, target)
    return prior._shared[key]


def _part(axis: Axis, target: Axis, kernels: Kernels | None) -> Part | None:
    part = _restricted(axis, target, kernels)
    if part is not None and part.axis.distribution == axis.distribution:
        return Part(part.axis, kernels, 0.0, 0.0)  # as it was, to the last digit
    return part


def _restricted(axis: Axis, target: Axis, kernels: Kernels | None) -> Part | None:
    """One parameter on the values that both axes have; None where there is none."""
    if isinstance(axis, CategoricalAxis) or isinstance(target, CategoricalAxis):
        if isinstance(axis, CategoricalAxis) and isinstance(target, CategoricalAxis):
            return _choices(axis, target, kernels)
        return None
    if isinstance(axis, ContinuousAxis):
        if isinstance(target, GridAxis):
            return _on_grid(axis, target, kernels)
        low, high = max(axis.low, target.low), min(axis.high, target.high)
        if not low < high:
            return None
        start, end = axis.find(low) or 0.0, axis.find(high) or 0.0  # both inside
        flat = FloatDistribution(low, high, log=axis.log)
        if not start < end:  # closer than unit coordinates tell apart
            return _one_value(axis, flat, kernels, start)
        return _narrowed(axis, flat, kernels, start, end)
    indices = _shared_range(axis, target)
    if indices is None:
        return _on_coarser(axis, target, kernels)
    first, last = indices
    if first > last:
        return None
    # Where the user's are continuous, or the prior's a log parameter, they stay the prior's.
    typed = axis if isinstance(target, ContinuousAxis) or axis.log else target
    low, high = axis.values(np.array([first, last]))
    integer = isinstance(typed, GridAxis) and typed.integer
    distribution = _grid(low, high, axis.step, integer=integer, log=axis.log)
    if first == last:
        return _one_value(axis, distribution, kernels, float(first))
    if isinstance(kernels, TableKernels):
        return _tabled(axis, distribution, kernels, np.arange(first, last + 1.0))
    starts, ends = axis.edges(np.array([first, last]))
    if not starts[0] < ends[1]:  # closer than unit coordinates tell apart
        return _one_value(axis, distribution, kernels, float(first))
    return _narrowed(axis, distribution, kernels, float(starts[0]), float(ends[1]))


def _shared_range(axis: GridAxis, target: ContinuousAxis | GridAxis) -> tuple[int, int] | None:
    """The first and last index of the values that are the target's; None if some between are not.

    The last is smaller than the first where the two have no value in common.
    """
    if isinstance(target, GridAxis):
        steps, offset = axis.step / target.step, (axis.low - target.low) / target.step
        if abs(steps - round(steps)) > _TOLERANCE or abs(offset - round(offset)) > _TOLERANCE:
            return None
    low, high = max(axis.low, target.low), min(axis.high, target.high)
    first = math.ceil((low - axis.low) / axis.step - _TOLERANCE)
    last = math.floor((high - axis.low) / axis.step + _TOLERANCE)
    return max(first, 0), min(last, axis.n_values - 1)


def _grid(
    low: float, high: float, step: float, *, integer: bool, log: bool
) -> IntDistribution | FloatDistribution:
    if integer:
        return IntDistribution(round(low), round(high), log=log, step=round(step))
    if low == high:
        return FloatDistribution(low, high, log=log)
    return float_distribution(low, high, step=step)


def _narrowed(
    axis: ContinuousAxis | GridAxis,
    distribution: BaseDistribution,
    kernels: Kernels | None,
    start: float,
    end: float,
) -> Part:
    """The same Gaussians in the unit coordinates of the prior's [start, end].

    Which may reach a little beyond [0, 1], where the outer cells of a grid do.
    """
    target, span = make_axis(axis.name, distribution), end - start
    if kernels is None:
        return Part(target, None, 0.0, math.log(span))
    assert isinstance(kernels, NumericKernels)
    widths, centers = kernels.widths / span, (kernels.centers - start) / span
    flat = widths > WIDEST  # as far off, in widths, as before
    centers = np.where(flat, centers / widths * WIDEST, centers)
    # A grid's outer cells make the range a little longer, and the narrowest kernels too narrow.
    widths = np.clip(widths, SMALLEST_WIDTH, WIDEST)
    made = make_kernels(target, (centers, widths))
    return Part(target, made, kernels.log_mass(start, end), math.log(span))


def _one_value(
    axis: ContinuousAxis | GridAxis,
    distribution: BaseDistribution,
    kernels: Kernels | None,
    position: float,
) -> Part:
    """A single value in common: the prior given that value."""
    target = make_axis(axis.name, distribution)
    if kernels is None:
        return Part(target, None, 0.0, 0.0)
    flat = make_kernels(target, (np.full(len(kernels), 0.5), np.ones(len(kernels))))
    return Part(target, flat, kernels.row(position), 0.0)


def _tabled(
    axis: CategoricalAxis | GridAxis,
    distribution: BaseDistribution,
    kernels: Kernels | None,
    positions: Array,
) -> Part:
    """Some of a discrete parameter's values, each with its own probability."""
    target = make_axis(axis.name, distribution)
    log_uniform = float(logsumexp(axis.log_uniform(positions)))
    if kernels is None:
        return Part(target, None, 0.0, log_uniform)
    if isinstance(target, GridAxis):
        check_table(target, len(kernels))
    rows, log_mass = table(kernels, positions)
    made = make_kernels(target, {"probabilities": rows} if isinstance(target, GridAxis) else rows)
    return Part(target, made, log_mass, log_uniform)


def _choices(
    axis: CategoricalAxis, target: CategoricalAxis, kernels: Kernels | None
) -> Part | None:
    """The choices that both have, in the user's order."""
    found, inside = locate(axis, target.choices)
    if not inside.any():
        return None
    shared = [choice for choice, known in zip(target.choices, inside, strict=True) if known]
    return _tabled(axis, CategoricalDistribution(shared), kernels, found[inside])


def _on_coarser(axis: GridAxis, target: Axis, kernels: Kernels | None) -> Part | None:
    """Some of a grid's values: those that another grid has too."""
    assert isinstance(target, GridAxis)
    source = min((axis, target), key=lambda a: a.n_values)
    if source.n_values > _MAX_VALUES:
        raise PriorError(
            f"restrict: {short(axis.name)} has {source.n_values} values to compare, more than "
            f"{_MAX_VALUES}; keep the prior's step, or use a coarser one."
        )
    values = source.values(every(source))
    in_target, known = locate(target, values)
    positions, inside = locate(axis, values)
    both = known & inside
    if not both.any():
        return None
    shared = target.values(in_target[both])
    # Two grids meet in a grid: every so many steps.
    step = target.step * (float(np.diff(in_target[both][:2])[0]) if len(shared) > 1 else 1.0)
    distribution = _grid(shared[0], shared[-1], step, integer=target.integer, log=False)
    if len(shared) == 1:
        return _one_value(axis, distribution, kernels, float(positions[both][0]))
    return _tabled(axis, distribution, kernels, positions[both])


def _on_grid(axis: ContinuousAxis, target: GridAxis, kernels: Kernels | None) -> Part | None:
    """A continuous parameter on a grid: each value stands for its cell."""
    first = max(math.ceil((axis.low - target.low) / target.step - _TOLERANCE), 0)
    last = math.floor((axis.high - target.low) / target.step + _TOLERANCE)
    last = min(last, target.n_values - 1)
    if axis.log and target.low + first * target.step <= 0.0:
        first += 1
    if first > last:
        return None
    step, log = target.step, axis.log and target.integer and target.step == 1
    low, high = target.values(np.array([first, last], dtype=np.float64))
    distribution = _grid(low, high, step, integer=target.integer, log=log)
    if first == last:
        position = axis.find(min(max(float(low), axis.low), axis.high))
        return _one_value(axis, distribution, kernels, position or 0.0)
    # Cells are half a step to either side; what lies beyond the prior's range counts as the
    # Gaussians go on there.
    if log or not axis.log:
        ends = np.array([low - 0.5 * step, high + 0.5 * step])
        start, end = (np.log(ends) if log else ends) - axis._start
        return _narrowed(axis, distribution, kernels, start / axis._span, end / axis._span)
    grid = make_axis(axis.name, distribution)
    assert isinstance(grid, GridAxis)
    if grid.n_values > _MAX_VALUES:
        raise PriorError(
            f"restrict: {short(axis.name)} has {grid.n_values} values; use a larger step."
        )
    values = np.asarray(grid.values(every(grid)), dtype=np.float64)
    cells = np.clip([values - 0.5 * step, values + 0.5 * step], axis.low, axis.high)
    lower, upper = np.clip((np.log(cells) - axis._start) / axis._span, 0.0, 1.0)
    log_uniform = math.log(float((upper - lower).sum()))
    if kernels is None:
        return Part(grid, None, 0.0, log_uniform)
    assert isinstance(kernels, NumericKernels)
    check_table(grid, len(kernels))
    logs = kernels.log_mass(lower, upper).T
    log_mass = logsumexp(logs)
    rows = np.exp(logs - log_mass[:, None])
    rows /= rows.sum(axis=1, keepdims=True)
    return Part(grid, make_kernels(grid, {"probabilities": rows}), log_mass, log_uniform)
