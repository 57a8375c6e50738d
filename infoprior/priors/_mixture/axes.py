"""One parameter's values: which there are, and where they lie on the unit interval.

Kernels live on the unit interval, so that one bandwidth means the same for a learning rate and a
layer width. A float maps onto it linearly, or by its logarithm where it is a log parameter. An
int or stepped float has finitely many values, each owning a cell of the interval: equal cells, or
for a log int [log(v − ½), log(v + ½)], which is how Optuna itself rounds. The uniform
distribution on the unit interval is therefore what Optuna's random sampler draws.

A value has a *position* on its axis, which is what kernels are evaluated at: the unit coordinate of
a continuous parameter, the index of the value of any other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from .._errors import PriorError
from .._values import Array, mapping, short
from .choices import check_choice, choice_key, plain

_LARGEST_INT = 2**53  # beyond this a float no longer holds every int
_FEW_VALUES = 2**20  # up to here the difference of a cell's edges has nine digits or more
TOLERANCE = 1e-8  # in steps: with which Optuna says what a stepped distribution contains


class _Axis(ABC):
    """What all axes have in common.

    Attributes:
        name: of the parameter.
        distribution: Optuna's, with Python's own values.
        discrete: whether there are finitely many values.
        n_values: how many; 0 for a continuous axis.
    """

    name: str
    distribution: BaseDistribution
    discrete: bool
    n_values: int

    def find(self, value: Any) -> float | None:
        """The value's position; None where the parameter has no such value.

        A half or single precision float stands for the shortest decimal that it is nearest to,
        too: a table's 0.1 in float32 is the choice 0.1, or the end of a range.
        """
        position = self._position(value)
        if position is None and isinstance(value, np.floating) and value.dtype.itemsize < 8:
            return self._position(float(str(value)))
        return position

    @abstractmethod
    def _position(self, value: Any) -> float | None:
        """The position of exactly this value; None where the parameter has no such value."""

    @abstractmethod
    def values(self, positions: Array) -> list[Any]:
        """The values at positions of shape (n,), as Optuna gives them."""

    @abstractmethod
    def from_unit(self, u: Array) -> Array:
        """The position for each unit coordinate, shape (n,)."""

    @abstractmethod
    def log_uniform(self, positions: Array) -> Array:
        """log of the uniform distribution at positions, in nats, shape (n,)."""

    @abstractmethod
    def describe(self) -> str:
        """The name and the values, for a message."""

    def _shown(self) -> str:
        return self.name if self.name.isprintable() and self.name else repr(self.name)


class ContinuousAxis(_Axis):
    """A float without a step; positions are unit coordinates."""

    discrete = False
    n_values = 0  # to list

    def __init__(self, name: str, distribution: FloatDistribution) -> None:
        _check_range(name, distribution.low, distribution.high, integer=False)
        self.name, self.distribution = str.__str__(name), distribution
        self.low, self.high, self.log = distribution.low, distribution.high, distribution.log
        self._start = math.log(self.low) if self.log else self.low
        self._span = (math.log(self.high) if self.log else self.high) - self._start
        if not self._span > 0.0:
            raise PriorError(f"space: parameter {short(name)} has a range too narrow to resolve.")

    def describe(self) -> str:
        """The name and its values, such as "lr in [0.0001, 0.1] log"."""
        return f"{self._shown()} in [{self.low:g}, {self.high:g}]" + (" log" if self.log else "")

    def _position(self, value: Any) -> float | None:
        """The value's unit coordinate; None outside the range."""
        x = as_number(self.name, value)
        if not self.low <= x <= self.high:
            return None
        u = ((math.log(x) if self.log else x) - self._start) / self._span
        return min(max(u, 0.0), 1.0)

    def to_unit(self, values: Array) -> Array:
        """Unit coordinates of numbers, shape (n,); outside [0, 1] for those out of the range."""
        return ((np.log(values) if self.log else values) - self._start) / self._span

    def log_uniform(self, positions: Array) -> Array:
        """log density of the uniform distribution per unit of the parameter, in nats, (n,)."""
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


class GridAxis(_Axis):
    """An int, a stepped float, or a float of one value; positions are value indices."""

    discrete = True

    def __init__(self, name: str, distribution: FloatDistribution | IntDistribution) -> None:
        integer = isinstance(distribution, IntDistribution)
        _check_range(name, distribution.low, distribution.high, integer=integer)
        self.name, self.distribution = str.__str__(name), distribution
        self.low, self.high = distribution.low, distribution.high
        self.log, self.integer = distribution.log, integer
        self.step: float = (distribution.step or 1) if self.low < self.high else 1
        self.n_values = self._count()
        # A float of one value may be a log parameter too: then there is nothing to scale.
        self._scaled = self.log and self.n_values > 1
        if self._scaled:
            self._start = math.log(self.low - 0.5)
            self._span = math.log(self.high + 0.5) - self._start

    def _count(self) -> int:
        """How many values there are."""
        # In decimals, as Optuna counts them: 0.3 is three steps of 0.1.
        span = Decimal(str(self.high)) - Decimal(str(self.low))
        steps = span / Decimal(str(self.step))
        if steps > _LARGEST_INT:
            raise PriorError(f"space: parameter {short(self.name)} has more than 2**53 steps.")
        n = round(steps)
        # `high` is a value, rounded to a float: where that is coarse, by a part of a step.
        rounding = math.ulp(max(abs(self.low), abs(self.high))) / self.step
        off = abs(steps - n)
        if off > 0 and float(off) > min(TOLERANCE + rounding, 0.25):
            raise PriorError(
                f"space: parameter {short(self.name)} has the range {self.low!r} to {self.high!r}, "
                f"which is not divisible by its step {self.step!r}."
            )
        return n + 1

    def describe(self) -> str:
        """The name and its values, such as "width in {16, 32, ..., 128}"."""
        if self.n_values <= 3:
            shown = ", ".join(f"{v:.15g}" for v in self.values(np.arange(float(self.n_values))))
        else:
            first, second, last = self.values(np.array([0.0, 1.0, self.n_values - 1.0]))
            shown = f"{first:.15g}, {second:.15g}, ..., {last:.15g}"
        return f"{self._shown()} in {{{shown}}}" + (" log" if self._scaled else "")

    def _position(self, value: Any) -> float | None:
        """The value's index; None where it is no value of the grid."""
        number = as_number(self.name, value)
        if not math.isfinite(number):
            return None
        if self.integer:
            # In ints, since neither a large value nor its distance from `low` need be a float.
            exact = isinstance(value, (int, np.integer))
            nearest = int(value) if exact else round(number)
            if not exact and abs(number - nearest) >= TOLERANCE * self.step:
                return None
            steps, rest = divmod(nearest - int(self.low), int(self.step))
            return float(steps) if rest == 0 and 0 <= steps < self.n_values else None
        position = (number - self.low) / self.step
        if not -0.5 < position < self.n_values - 0.5:
            return None
        index = round(position)
        if abs(position - index) < TOLERANCE:
            return float(index)
        # Of millions of steps the position itself is rounded by more than the tolerance.
        return float(index) if self.values(np.array([index])) == [number] else None

    def edges(self, index: Array) -> tuple[Array, Array]:
        """Unit coordinates (lower, upper) of the cell of each index, each of shape (n,)."""
        index = np.asarray(index, dtype=np.float64)
        if self._scaled:
            lower = (np.log(self.low + index - 0.5) - self._start) / self._span
            upper = (np.log(self.low + index + 0.5) - self._start) / self._span
            return np.clip(lower, 0.0, 1.0), np.clip(upper, 0.0, 1.0)
        return index / self.n_values, (index + 1.0) / self.n_values

    def cell_widths(self, index: Array) -> Array | None:
        """Each cell's width in unit coordinates, (n,); None where the edges' difference will do."""
        if self.n_values <= _FEW_VALUES:
            return None
        if self._scaled:
            return self._log_widths(index) / self._span
        return np.full(np.shape(index), 1.0 / self.n_values)

    def _log_widths(self, index: Array) -> Array:
        value = self.low + index  # log((v + ½) / (v − ½)), exact for large v too
        return np.log1p(1.0 / (value - 0.5))

    def log_uniform(self, positions: Array) -> Array:
        """log probability of each index under the uniform distribution, in nats, shape (n,)."""
        if self._scaled:
            return np.log(self._log_widths(positions) / self._span)
        return np.full_like(positions, -math.log(self.n_values))

    def from_unit(self, u: Array) -> Array:
        """The index whose cell contains each unit coordinate, shape (n,)."""
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
        low, step, last = Decimal(str(self.low)), Decimal(str(self.step)), self.n_values - 1
        return [self.high if i == last else min(float(low + i * step), self.high) for i in indices]


class CategoricalAxis(_Axis):
    """A categorical parameter; positions are choice indices."""

    discrete = True

    def __init__(self, name: str, distribution: CategoricalDistribution) -> None:
        self.name = str.__str__(name)
        self.choices = tuple(plain(choice) for choice in distribution.choices)
        self._index: dict[Any, int] = {}
        for i, choice in enumerate(self.choices):
            check_choice(name, choice)
            before = self._index.setdefault(choice_key(choice), i)
            if before != i:
                raise PriorError(
                    f"space: parameter {short(name)} has choices that are equal: "
                    f"{short(self.choices[before])} and {short(choice)}."
                )
        self.distribution = CategoricalDistribution(self.choices)
        self.n_values = len(self.choices)

    def describe(self) -> str:
        """The name and its choices, the first few of many."""
        shown = [short(choice) for choice in self.choices[:5]]
        more = ["..."] if self.n_values > len(shown) else []
        return f"{self._shown()} in {{{', '.join(shown + more)}}}"

    def _position(self, value: Any) -> float | None:
        """The value's choice index; None where it is no choice."""
        try:
            index = self._index.get(choice_key(value))
        except TypeError:
            raise PriorError(
                f"point: parameter {short(self.name)} needs one of its choices, got {short(value)}."
            ) from None
        return None if index is None else float(index)

    def log_uniform(self, positions: Array) -> Array:
        """log probability of each choice under the uniform distribution, in nats, shape (n,)."""
        return np.full_like(positions, -math.log(self.n_values))

    def from_unit(self, u: Array) -> Array:
        """The index of the choice for each unit coordinate, shape (n,); all equally wide."""
        return np.clip(np.floor(u * self.n_values), 0, self.n_values - 1)

    def values(self, positions: Array) -> list[Any]:
        """The choices themselves."""
        return [self.choices[int(i)] for i in np.asarray(positions).tolist()]


NumericAxis = ContinuousAxis | GridAxis
Axis = ContinuousAxis | GridAxis | CategoricalAxis


def make_axis(name: Any, distribution: BaseDistribution) -> Axis:
    """The axis of a distribution.

    Raises:
        PriorError: a prior cannot be put on it, naming the parameter and what is wrong.
    """
    if not isinstance(name, str):
        raise PriorError(f"space: names need to be text, got {short(name)}.")
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalAxis(name, distribution)
    # Optuna's deprecated subclasses hold the same attributes under other constructors.
    if isinstance(distribution, IntDistribution):
        low, high, log = distribution.low, distribution.high, bool(distribution.log)
        return GridAxis(name, IntDistribution(low, high, log=log, step=distribution.step))
    if isinstance(distribution, FloatDistribution):
        bounds, log = (distribution.low, distribution.high), bool(distribution.log)
        same = float_distribution(*bounds, log=log, step=distribution.step)
        grid = same.low == same.high or same.step is not None
        return GridAxis(name, same) if grid else ContinuousAxis(name, same)
    raise PriorError(
        f"space: parameter {short(name)} needs an Optuna float, int or categorical distribution, "
        f"got {type(distribution).__name__}."
    )


def float_distribution(
    low: float, high: float, *, log: bool = False, step: float | None = None
) -> FloatDistribution:
    """Optuna's distribution with `high` as it is.

    Its constructor moves `high` down onto the grid, by decimals: a `high` that is on the grid
    already, but has been rounded to a float, would lose a whole step each time.
    """
    distribution = FloatDistribution(low, high, log=log)
    distribution.step = step
    return distribution


def make_axes(space: Any) -> dict[str, Axis]:
    """name -> axis, in the order of the space.

    Raises:
        PriorError: it is no space, an empty one, or holds something else than distributions.
    """
    if not mapping("space", space, "names and Optuna distributions"):
        raise PriorError("space: needs at least one parameter.")
    axes = [make_axis(name, distribution) for name, distribution in space.items()]
    return {axis.name: axis for axis in axes}


def all_positions(axis: CategoricalAxis | GridAxis) -> Array:
    """Every position of a discrete axis, shape (values,)."""
    return np.arange(axis.n_values, dtype=np.float64)


def _check_range(name: str, low: float, high: float, *, integer: bool) -> None:
    if integer and max(abs(low), abs(high)) > _LARGEST_INT:
        raise PriorError(f"space: parameter {short(name)} has ints beyond 2**53.")
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low)):
        raise PriorError(
            f"space: parameter {short(name)} needs finite bounds and a finite range, "
            f"got {low!r} to {high!r}."
        )


def as_number(name: str, value: Any) -> float:
    """`value` as a float; PriorError where it is no number (bool, text, NaN)."""
    if type(value) is float and value == value:
        return value
    number = isinstance(value, (int, float, np.integer, np.floating))
    if not number or isinstance(value, bool) or value != value:
        raise PriorError(f"point: parameter {short(name)} needs a number, got {short(value)}.")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
