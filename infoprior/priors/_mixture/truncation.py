"""What one parameter's kernels become on some of its values: truncated there, and renormalised.

The kernels are exact there: Gaussians remain Gaussians on an interval, and become tables of
probabilities on single values, as do the choices of a categorical parameter. The uniform share is
uniform over the values that are left: it is a promise about the space that is searched, not
knowledge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .._values import Array
from .axes import Axis, GridAxis
from .intersection import Cells, Interval, Value, Values, intersect
from .kernels import (
    SMALLEST_WIDTH,
    WIDEST,
    Kernels,
    NumericKernels,
    TableKernels,
    check_table,
    table,
)
from .truncated_normal import logsumexp


@dataclass(frozen=True)
class Truncated:
    """One parameter of a mixture on some of its values.

    Attributes:
        axis: of these values.
        kernels: on that axis; None where the mixture has no components.
        log_mass: of these values in each kernel, shape (k,), in nats; 0 without kernels.
        log_uniform: of these values in the uniform distribution over all, in nats.
    """

    axis: Axis
    kernels: Kernels | None
    log_mass: Array | float
    log_uniform: float


def truncate(axis: Axis, other: Axis, kernels: Kernels | None) -> Truncated | None:
    """Kernels on `axis` on the values that `other` has too; None where there is none.

    Raises:
        PriorError: there are too many values to compare, or to keep as tables.
    """
    shared = intersect(axis, other)
    if shared is None:
        return None
    if shared.axis.distribution == axis.distribution:
        return Truncated(shared.axis, kernels, 0.0, 0.0)  # as it was, to the last digit
    if isinstance(shared, Interval):
        if isinstance(kernels, TableKernels):
            assert isinstance(shared.axis, GridAxis)
            positions = np.arange(shared.first, shared.last + 1.0)
            return _on_values(axis, Values(shared.axis, positions), kernels)
        if not shared.start < shared.end:  # closer than unit coordinates tell apart
            return _on_value(Value(shared.axis, shared.first), kernels)
        return _on_interval(shared, kernels)
    if isinstance(shared, Value):
        return _on_value(shared, kernels)
    if isinstance(shared, Values):
        return _on_values(axis, shared, kernels)
    return _on_cells(shared, kernels)


def _on_interval(shared: Interval, kernels: NumericKernels | None) -> Truncated:
    """The same Gaussians in the unit coordinates of the interval."""
    span = shared.end - shared.start
    if kernels is None:
        return Truncated(shared.axis, None, 0.0, math.log(span))
    widths, centers = kernels.widths / span, (kernels.centers - shared.start) / span
    flat = widths > WIDEST  # as far off, in widths, as before
    centers = np.where(flat, centers / widths * WIDEST, centers)
    # A grid's outer cells make the range a little longer, and the narrowest kernels too narrow.
    widths = np.clip(widths, SMALLEST_WIDTH, WIDEST)
    narrowed = NumericKernels(shared.axis, centers, widths)
    log_mass = kernels.log_mass(shared.start, shared.end)
    return Truncated(shared.axis, narrowed, log_mass, math.log(span))


def _on_value(shared: Value, kernels: Kernels | None) -> Truncated:
    """A single value: the mixture is conditioned on it."""
    if kernels is None:
        return Truncated(shared.axis, None, 0.0, 0.0)
    flat = NumericKernels(shared.axis, np.full(len(kernels), 0.5), np.ones(len(kernels)))
    return Truncated(shared.axis, flat, kernels.row(shared.position), 0.0)


def _on_values(axis: Axis, shared: Values, kernels: Kernels | None) -> Truncated:
    """Some of a discrete parameter's values, each with its own probability."""
    log_uniform = float(logsumexp(axis.log_uniform(shared.positions)))
    if kernels is None:
        return Truncated(shared.axis, None, 0.0, log_uniform)
    if isinstance(shared.axis, GridAxis):
        check_table(shared.axis, len(kernels))
    rows, log_mass = table(kernels, shared.positions)
    return Truncated(shared.axis, TableKernels(shared.axis, rows), log_mass, log_uniform)


def _on_cells(shared: Cells, kernels: Kernels | None) -> Truncated:
    """Cells of a continuous parameter, each with the mass that the Gaussians have there."""
    log_uniform = math.log(float((shared.upper - shared.lower).sum()))
    if kernels is None:
        return Truncated(shared.axis, None, 0.0, log_uniform)
    assert isinstance(kernels, NumericKernels)
    check_table(shared.axis, len(kernels))
    logs = kernels.log_mass(shared.lower, shared.upper).T
    log_mass = logsumexp(logs)
    rows = np.exp(logs - log_mass[:, None])
    rows /= rows.sum(axis=1, keepdims=True)
    return Truncated(shared.axis, TableKernels(shared.axis, rows), log_mass, log_uniform)
