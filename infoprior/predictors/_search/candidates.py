"""Points of a predictor's space as a study asks for them: narrower ranges, fewer choices."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.priors._mixture.sampling import NO_VALUE, own_value
from infoprior.spaces import SpaceError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from infoprior.spaces import SearchSpace

_VARIANTS = 8  # points at most that one point becomes, where choices of its are not to be had


def values_near(
    space: SearchSpace, name: str, distribution: BaseDistribution, value: Any
) -> list[Any]:
    """The value as the distribution has it, else the nearest number, or all choices both know.

    Args:
        space: the predictor's.
        name: of a parameter of it.
        distribution: what the study asks for.
        value: of the space.
    """
    own = own_value(name, distribution, value)
    if own is not NO_VALUE:
        return [own]
    if isinstance(distribution, CategoricalDistribution):
        near = list(distribution.choices)
    elif isinstance(distribution, FloatDistribution | IntDistribution):
        if isinstance(value, bool | str) or not isinstance(value, int | float):
            return []
        clipped = min(max(value, distribution.low), distribution.high)
        if distribution.step is not None:
            clipped = distribution.low + round(
                (clipped - distribution.low) / distribution.step
            ) * distribution.step  # fmt: skip
        near = [own_value(name, distribution, clipped)]
    else:
        return []
    return [
        v for v in near if v is not NO_VALUE and own_value(name, space[name], v) is not NO_VALUE
    ]


def points_within(
    space: SearchSpace, points: Iterable[Mapping[str, Any]],
    distributions: Mapping[str, BaseDistribution], fixed: Mapping[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    """The points moved to where a study can go, each once, in their order.

    Args:
        space: the predictor's.
        points: of it.
        distributions: that the study is known to ask for; others are taken as the space's.
        fixed: values that all points are to have.
    """
    result: dict[tuple[Any, ...], dict[str, Any]] = {}
    for point in points:
        choices = {
            name: [fixed[name]] if name in fixed
            else values_near(space, name, distributions[name], value) or [value]
            if name in distributions
            else [value]
            for name, value in point.items()
        }  # fmt: skip
        for values in itertools.islice(itertools.product(*choices.values()), _VARIANTS):
            moved = dict(zip(choices, values, strict=True))
            try:
                moved = space.validate(moved)
            except SpaceError:  # what the study asks for, the predictor does not know
                continue
            result.setdefault(tuple(sorted(moved.items())), moved)
    return list(result.values())
