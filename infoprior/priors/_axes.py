"""One parameter's values: which there are, and where they lie on the unit interval.

Kernels live on the unit interval, so that one bandwidth means the same for a learning rate and a
layer width. A float maps onto it linearly, or by its logarithm where it is a log parameter. An
int or stepped float has finitely many values, each owning a cell of the interval: equal cells, or
for a log int [log(v − ½), log(v + ½)], which is how Optuna itself rounds. The uniform
distribution on the unit interval is therefore what Optuna's random sampler draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ._errors import PriorError

Array = NDArray[np.float64]
Params = Mapping[str, Any]
_LARGEST_INT = 2**53  # beyond this a float no longer holds every int


def _finite(name: str, *bounds: float) -> None:
    if not all(math.isfinite(b) for b in bounds) or not math.isfinite(bounds[1] - bounds[0]):
        raise PriorError(f"space: parameter {name!r} needs finite bounds, got {bounds}.")


def as_number(name: str, value: Any) -> float:
    """`value` as a float; PriorError where it is no number (bool, text, NaN)."""
    if type(value) is float and value == value:
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise PriorError(f"point: parameter {name!r} needs a number, got {value!r}.")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class ContinuousAxis:
    """A float without a step; positions are unit coordinates."""

    discrete = False
    n_values = 0  # to list

    def __init__(self, name: str, distribution: FloatDistribution) -> None:
        _finite(name, distribution.low, distribution.high)
        self.name, self.distribution = name, distribution
        self.low, self.high, self.log = distribution.low, distribution.high, distribution.log
        self._start = math.log(self.low) if self.log else self.low
        self._span = (math.log(self.high) if self.log else self.high) - self._start
        if not self._span > 0.0:
            raise PriorError(f"space: parameter {name!r} has a range too narrow to resolve.")

    def describe(self) -> str:
        """The name and its values, such as "lr in [0.0001, 0.1] log"."""
        return f"{self.name} in [{self.low:g}, {self.high:g}]" + (" log" if self.log else "")

    def find(self, value: Any) -> float | None:
        """The value's unit coordinate; None outside the range."""
        x = as_number(self.name, value)
        if not self.low <= x <= self.high:
            return None
        u = ((math.log(x) if self.log else x) - self._start) / self._span
        return min(max(u, 0.0), 1.0)

    def log_uniform(self, positions: Array) -> Array:
        """log density of the uniform prior at unit coordinates, per unit of the parameter."""
        if self.log:  # dx = x · span · du
            return -(self._start + positions * self._span) - math.log(self._span)
        return np.full_like(positions, -math.log(self._span))

    def from_unit(self, u: Array) -> Array:
        """Unit coordinates are positions already."""
        return u

    def center(self, positions: Array) -> Array:
        """Unit coordinates where kernels on these positions are centred, shape (n,)."""
        return positions

    def values(self, positions: Array) -> list[Any]:
        """Python floats inside the range."""
        x = self._start + np.asarray(positions) * self._span
        return np.clip(np.exp(x) if self.log else x, self.low, self.high).tolist()


class GridAxis:
    """An int, a stepped float, or a float of one value; positions are value indices."""

    discrete = True

    def __init__(self, name: str, distribution: FloatDistribution | IntDistribution) -> None:
        _finite(name, distribution.low, distribution.high)
        self.name, self.distribution = name, distribution
        self.low, self.high = distribution.low, distribution.high
        self.log, self.integer = distribution.log, isinstance(distribution, IntDistribution)
        self.step: float = (distribution.step or 1) if self.low < self.high else 1
        if self.integer and max(abs(self.low), abs(self.high)) > _LARGEST_INT:
            raise PriorError(f"space: parameter {name!r} has ints beyond 2**53.")
        span, step = Decimal(str(self.high)) - Decimal(str(self.low)), Decimal(str(self.step))
        if span / step > _LARGEST_INT:
            raise PriorError(f"space: parameter {name!r} has more than 2**53 steps.")
        self.n_values = int(span // step) + 1
        # A float of one value may be a log parameter too: then there is nothing to scale.
        self._scaled = self.log and self.n_values > 1
        if self._scaled:
            self._start = math.log(self.low - 0.5)
            self._span = math.log(self.high + 0.5) - self._start

    def describe(self) -> str:
        """The name and its values, such as "width in {16, 32, ..., 128}"."""
        if self.n_values <= 3:
            shown = ", ".join(f"{v:.15g}" for v in self.values(np.arange(float(self.n_values))))
        else:
            first, second, last = self.values(np.array([0.0, 1.0, self.n_values - 1.0]))
            shown = f"{first:.15g}, {second:.15g}, ..., {last:.15g}"
        return f"{self.name} in {{{shown}}}" + (" log" if self._scaled else "")

    def find(self, value: Any) -> float | None:
        """The value's index; None where it is no value of the grid."""
        position = (as_number(self.name, value) - self.low) / self.step
        if not -0.5 < position < self.n_values - 0.5:
            return None
        index = round(position)
        # The tolerance with which Optuna says what a stepped distribution contains.
        return float(index) if abs(position - index) < 1e-8 else None

    def edges(self, index: Array) -> tuple[Array, Array]:
        """Unit coordinates (lower, upper) of the cell of each index, each of shape (n,)."""
        index = np.asarray(index, dtype=np.float64)
        if self._scaled:
            lower = (np.log(self.low + index - 0.5) - self._start) / self._span
            upper = (np.log(self.low + index + 0.5) - self._start) / self._span
            return np.clip(lower, 0.0, 1.0), np.clip(upper, 0.0, 1.0)
        return index / self.n_values, (index + 1.0) / self.n_values

    def log_uniform(self, positions: Array) -> Array:
        """log probability of each index under the uniform prior."""
        if self._scaled:
            value = self.low + positions  # log((v + ½) / (v − ½)), exact for large v too
            return np.log(np.log1p(1.0 / (value - 0.5)) / self._span)
        return np.full_like(positions, -math.log(self.n_values))

    def from_unit(self, u: Array) -> Array:
        """The index whose cell holds each unit coordinate."""
        if self._scaled:
            index = np.floor(np.exp(self._start + u * self._span) + 0.5) - self.low
        else:
            index = np.floor(u * self.n_values)
        return np.clip(index, 0, self.n_values - 1)

    def center(self, positions: Array) -> Array:
        """Unit coordinates of the middles of the cells, shape (n,)."""
        lower, upper = self.edges(positions)
        return 0.5 * (lower + upper)

    def values(self, positions: Array) -> list[Any]:
        """Python ints or floats, exactly the distribution's."""
        indices = [int(i) for i in np.asarray(positions).tolist()]
        if self.integer:
            return [int(self.low) + i * int(self.step) for i in indices]
        # Decimals give 0.3 where binary steps give 0.30000000000000004.
        low, step = Decimal(str(self.low)), Decimal(str(self.step))
        return [min(float(low + i * step), self.high) for i in indices]


class CategoricalAxis:
    """A categorical parameter; positions are choice indices."""

    discrete = True

    def __init__(self, name: str, distribution: CategoricalDistribution) -> None:
        self.name, self.distribution, self.choices = name, distribution, distribution.choices
        for choice in self.choices:
            if choice is not None and not isinstance(choice, (bool, int, float, str)):
                raise PriorError(
                    f"space: parameter {name!r} has the choice {choice!r}, which is "
                    "not None, bool, int, float or str."
                )
            if isinstance(choice, float) and not math.isfinite(choice):
                raise PriorError(f"space: parameter {name!r} has the choice {choice!r}.")
        self._index = {choice: i for i, choice in enumerate(self.choices)}
        if len(self._index) < len(self.choices):
            raise PriorError(f"space: parameter {name!r} has choices that are equal.")
        self.n_values = len(self.choices)

    def describe(self) -> str:
        """The name and its choices, the first few of many."""
        shown = [repr(choice) for choice in self.choices[:5]]
        more = ["..."] if self.n_values > len(shown) else []
        return f"{self.name} in {{{', '.join(shown + more)}}}"

    def find(self, value: Any) -> float | None:
        """The value's choice index; None where it is no choice."""
        try:
            index = self._index.get(value)
        except TypeError:
            raise PriorError(f"point: parameter {self.name!r} needs one of its choices.") from None
        return None if index is None else float(index)

    def log_uniform(self, positions: Array) -> Array:
        """log probability of each choice under the uniform prior."""
        return np.full_like(positions, -math.log(self.n_values))

    def from_unit(self, u: Array) -> Array:
        """The choice each unit coordinate falls on, all choices equally wide."""
        return np.clip(np.floor(u * self.n_values), 0, self.n_values - 1)

    def values(self, positions: Array) -> list[Any]:
        """The choices themselves."""
        return [self.choices[int(i)] for i in np.asarray(positions).tolist()]


NumericAxis = ContinuousAxis | GridAxis
Axis = ContinuousAxis | GridAxis | CategoricalAxis


def make_axis(name: Any, distribution: BaseDistribution) -> Axis:
    """The axis of a distribution; PriorError for what a prior cannot be put on."""
    if not isinstance(name, str) or not name:
        raise PriorError(f"space: names need to be text, got {name!r}.")
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalAxis(name, distribution)
    # Optuna's deprecated subclasses hold the same attributes under other constructors.
    if isinstance(distribution, IntDistribution):
        plain = IntDistribution(
            distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
        return GridAxis(name, plain)
    if isinstance(distribution, FloatDistribution):
        low, high, step = distribution.low, distribution.high, distribution.step
        if step is None or low == high:
            flat = FloatDistribution(low, high, log=distribution.log, step=step)
            return ContinuousAxis(name, flat) if low < high else GridAxis(name, flat)
        return GridAxis(name, FloatDistribution(low, high, step=step))
    raise PriorError(
        f"space: parameter {name!r} needs an Optuna float, int or categorical distribution, "
        f"got {type(distribution).__name__}."
    )


def locate(axis: Axis, values: Iterable[Any]) -> tuple[Array, NDArray[np.bool_]]:
    """(positions as float64, inside?), each of shape (n,); a point outside is put at 0."""
    found = [axis.find(value) for value in values]
    inside = np.array([f is not None for f in found], dtype=np.bool_)
    return np.array([f or 0.0 for f in found], dtype=np.float64), inside


def check_names(axes: Mapping[str, Axis], mapping: Any, where: str) -> None:
    """PriorError where a dict has not exactly the axes' names."""
    if not isinstance(mapping, Mapping):
        raise PriorError(f"{where}: needs a dict of names, got {type(mapping).__name__}.")
    if mapping.keys() != axes.keys():
        missing = sorted(axes.keys() - mapping.keys())
        unknown = sorted(str(n) for n in mapping.keys() - axes.keys())
        raise PriorError(f"{where}: parameters missing: {missing}, unknown: {unknown}.")


def locate_points(
    axes: Mapping[str, Axis], points: Sequence[Params]
) -> tuple[dict[str, tuple[Axis, Array]], NDArray[np.bool_]]:
    """({name: (axis, positions (n,))}, which points are inside (n,))."""
    for point in points:
        check_names(axes, point, "point")
    located: dict[str, tuple[Axis, Array]] = {}
    inside = np.ones(len(points), dtype=np.bool_)
    for name, axis in axes.items():
        positions, contained = locate(axis, (p[name] for p in points))
        located[name] = axis, positions
        inside &= contained
    return located, inside


def locate_inside(
    axes: Mapping[str, Axis], points: Sequence[Params]
) -> dict[str, tuple[Axis, Array]]:
    """{name: (axis, positions (n,))}; PriorError where a point is outside."""
    located, inside = locate_points(axes, points)
    if not inside.all():
        i = int(np.flatnonzero(~inside)[0])
        raise PriorError(f"points: number {i} is outside the space: {dict(points[i])}.")
    return located
