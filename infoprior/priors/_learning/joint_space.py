"""The space that past studies have searched, and where their values lie in it.

Studies of the same problem rarely have the very same space: ranges grow, a choice is added, a
parameter is there under a condition only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from .._errors import PriorError
from .._mixture.axes import Axis, float_distribution
from .._mixture.choices import distinct
from .._mixture.locate import nearest_position
from .._values import Array, short


class JointSpace:
    """The smallest space that holds every distribution it has seen.

    Ranges are widened to cover all, choices joined in the order of their first appearance. A step
    is kept where all have the same one on the same grid; else ints have step 1 and floats none. A
    parameter is a log parameter where any of its distributions is one and the joint range allows
    it. Parameters that are an int here and a float or a choice there cannot be joined.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[BaseDistribution, str]] = {}
        self._done: set[tuple[str, BaseDistribution]] = set()

    def add(
        self,
        distributions: Mapping[str, BaseDistribution],
        where: str,
        params: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Widen the space by a trial's distributions.

        Args:
            distributions: name -> distribution.
            where: which study they are of, for a message.
            params: name -> the trial's value.

        Raises:
            PriorError: a parameter is of another kind than before, naming it and both studies.
        """
        for name, distribution in distributions.items():
            distribution = _holding(distribution, params.get(name))
            before = self._seen.get(name)
            if before is None:
                self._seen[name] = distribution, where
            elif before[0] is not distribution and not self._known(name, distribution, where):
                self._done.add((name, distribution))
                if before[0] != distribution:
                    self._seen[name] = _join(name, before, (distribution, where)), before[1]

    def _known(self, name: str, distribution: BaseDistribution, where: str) -> bool:
        try:
            return (name, distribution) in self._done
        except TypeError:  # it cannot be hashed
            raise PriorError(
                f"space: parameter {short(name)} has choices in {where} that are lists or the "
                "like; a prior's choices are None, bool, int, float or str."
            ) from None

    def space(self) -> dict[str, BaseDistribution]:
        """name -> distribution, in the order of first appearance."""
        return {
            # A study's own list may hold 1 and True: to Optuna, too, the first is both.
            name: _joined(name, d.choices, where) if isinstance(d, CategoricalDistribution) else d
            for name, (d, where) in self._seen.items()
        }


def _holding(distribution: BaseDistribution, value: Any) -> BaseDistribution:
    """The distribution as it was when it gave a trial this value.

    A storage keeps distributions as JSON, and Optuna, reading it, moves the `high` of a stepped
    float down by a step where it has no short decimal.
    """
    if not isinstance(distribution, FloatDistribution) or distribution.step is None:
        return distribution
    if not isinstance(value, float) or value <= distribution.high:
        return distribution
    return float_distribution(distribution.low, value, step=distribution.step)


def _kind(distribution: BaseDistribution) -> str:
    for kind, cls in (
        ("categorical", CategoricalDistribution),
        ("int", IntDistribution),
        ("float", FloatDistribution),
    ):
        if isinstance(distribution, cls):
            return kind
    return type(distribution).__name__


def _join(
    name: str, one: tuple[BaseDistribution, str], two: tuple[BaseDistribution, str]
) -> BaseDistribution:
    (a, first), (b, second) = one, two
    if _kind(a) != _kind(b):
        raise PriorError(
            f"space: parameter {short(name)} is {_kind(a)} in {first} and {_kind(b)} in {second}; "
            "pass space= to say which it is."
        )
    if isinstance(a, CategoricalDistribution) and isinstance(b, CategoricalDistribution):
        return _joined(name, (*a.choices, *b.choices), f"{first} or {second}")
    if isinstance(a, IntDistribution) and isinstance(b, IntDistribution):
        low, high = min(a.low, b.low), max(a.high, b.high)
        if (a.log or b.log) and low >= 1:
            return IntDistribution(low, high, log=True)
        steps = {d.step for d in (a, b) if d.low < d.high}
        step = steps.pop() if len(steps) == 1 else 1
        return IntDistribution(low, high, step=1 if (a.low - b.low) % step else step)
    if isinstance(a, FloatDistribution) and isinstance(b, FloatDistribution):
        low_f, high_f = min(a.low, b.low), max(a.high, b.high)
        if (a.log or b.log) and low_f > 0.0:
            return FloatDistribution(low_f, high_f, log=True)
        if a.step is not None and a.step == b.step and _aligned(a.low - b.low, a.step):
            return float_distribution(low_f, high_f, step=a.step)
        return FloatDistribution(low_f, high_f)
    raise PriorError(f"space: parameter {short(name)} has an unknown distribution, {short(a)}.")


def _joined(name: str, choices: Sequence[Any], where: str) -> CategoricalDistribution:
    """All choices, one for those that are equal."""
    try:
        return CategoricalDistribution(distinct(choices))
    except TypeError as error:
        raise PriorError(
            f"space: parameter {short(name)} has choices in {where} of which one is none: {error}."
        ) from None


def _aligned(offset: float, step: float) -> bool:
    steps = offset / step
    return abs(steps - round(steps)) < 1e-8


def locate_or_move(
    axes: Mapping[str, Axis], points: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Array], int]:
    """Points of studies on the axes of another space; a value outside moves to the nearest inside.

    A number outside its range, or off its grid, moves to the nearest value inside: where the best
    lies beyond a border, the best inside tends to lie at it. A choice that does not exist, or text
    where a number is needed, is treated as missing.

    Returns:
        (name -> positions of shape (n,), NaN where there is none; how many values were moved).
    """
    positions: dict[str, Array] = {}
    moved = 0
    for name, axis in axes.items():
        column = np.full(len(points), np.nan)
        for i, point in enumerate(points):
            if name in point:
                column[i], inside = nearest_position(axis, point[name])
                moved += not inside
        positions[name] = column
    return positions, moved


def contained(axes: Mapping[str, Axis], params: Mapping[str, Any]) -> bool:
    """Whether every value of a trial that the space has a parameter for lies in the space."""
    return all(nearest_position(axes[n], value)[1] for n, value in params.items() if n in axes)
