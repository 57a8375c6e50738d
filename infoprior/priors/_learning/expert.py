"""A prior from what somebody believes: good values, and how sure they are of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from optuna.distributions import BaseDistribution

from .._errors import PriorError
from .._mixture.axes import Axis, CategoricalAxis, make_axes
from .._mixture.json_file import Metadata
from .._mixture.kernels import LARGEST_WIDTH
from .._mixture.locate import locate
from .._mixture.mixture import make_mixture
from .._mixture.points import normalized_weights
from .._values import dicts, listed, short
from .learn import Learned

# Standard deviation of a numeric kernel, in unit coordinates: a share of the range (of its
# logarithm for a log parameter). And how many times likelier a named choice is than each other
# one. Both are NePS' numbers, the ones PriorBand (Mallik et al. 2023) is published with:
# `DEFAULT_CONFIDENCE_SCORES` of its numeric and categorical parameters. So 68 % of a
# "high" kernel lie within an eighth of the range of its centre, away from the borders.
WIDTHS = {"low": 0.5, "medium": 0.25, "high": 0.125}
ODDS = {"low": 2.0, "medium": 4.0, "high": 6.0}


@np.errstate(all="ignore")
def from_expert(
    space: Mapping[str, BaseDistribution],
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    confidence: str | Mapping[str, str] = "medium",
    *,
    weights: ArrayLike | None = None,
    floor: float = 0.1,
) -> Learned:
    """A prior around values that an expert expects to do well.

    One component around each point. A numeric value's kernel is a Gaussian truncated to the
    range, with a standard deviation of 0.5, 0.25 or 0.125 of the range (of the logarithm's range
    for a log parameter) at low, medium and high confidence; a choice is 2, 4 or 6 times as likely
    as each other choice. These are NePS' numbers, with which PriorBand was published (Mallik et
    al., PriorBand: practical hyperparameter optimization in the age of deep learning, NeurIPS
    2023). Parameters without a value are uniform.

    Args:
        space: name -> Optuna distribution.
        values: name -> value, for any of the space's names; or a list of such dicts, where the
            expert has several settings in mind.
        confidence: "low", "medium" or "high"; or name -> one of them for each name with a value.
        weights: of the dicts where there are several, shape (n,); equal by default.
        floor: the uniform share, in (0, 1]. It is kept at every confidence, so that a wrong
            expert costs a constant factor of trials at most.

    Raises:
        PriorError: for an unknown name, a value outside its distribution or an unknown
            confidence, naming it.

    Example:
        >>> from optuna.distributions import CategoricalDistribution, FloatDistribution
        >>> from infoprior.priors import Prior
        >>> space = {
        ...     "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
        ...     "dropout": FloatDistribution(0.0, 0.9),
        ...     "optimizer": CategoricalDistribution(["sgd", "adam"]),
        ... }
        >>> prior = Prior.from_expert(space, {"learning_rate": 1e-3, "optimizer": "adam"}, "high")
        >>> prior.mode()["optimizer"]
        'adam'
    """
    axes = make_axes(space)
    points = [values] if isinstance(values, Mapping) else dicts("values", values)
    for point in points:
        if unknown := sorted(str(n) for n in point.keys() - axes.keys()):
            raise PriorError(
                f"values: unknown parameters {listed(unknown)}; the space has {listed(axes)}."
            )
    named = [name for name in axes if any(name in point for point in points)]
    if not named:
        raise PriorError("values: there is no value; Prior.uniform says that nothing is known.")
    levels = _levels(confidence, named)
    normalized = normalized_weights(len(points), weights)
    kernels = {name: _kernels(axis, points, levels.get(name, "")) for name, axis in axes.items()}
    text = ", ".join(f"{name}={level}" for name, level in levels.items())
    metadata: Metadata = {"source": "expert", "points": len(points), "confidence": text}
    return Learned(make_mixture(axes, kernels, normalized, floor), metadata)


def _levels(confidence: str | Mapping[str, str], named: list[str]) -> dict[str, str]:
    """name -> level, for every name that has a value."""
    if isinstance(confidence, Mapping):
        if confidence.keys() != set(named):
            missing = sorted(set(named) - confidence.keys())
            surplus = sorted(str(n) for n in confidence.keys() - set(named))
            raise PriorError(
                f"confidence: missing for {listed(missing)}, without a value: {listed(surplus)}."
            )
        levels = {name: confidence[name] for name in named}
    else:
        levels = dict.fromkeys(named, confidence)
    for name, level in levels.items():
        if not isinstance(level, str) or level not in WIDTHS:
            raise PriorError(
                f"confidence: {short(name)} needs one of {[*WIDTHS]}, got {short(level)}."
            )
    return levels


def _kernels(axis: Axis, points: Sequence[Mapping[str, Any]], level: str) -> Any:
    """`make_mixture`'s kernels on one parameter, flat for the points without a value."""
    given = np.array([axis.name in point for point in points])
    values = [point[axis.name] for point in points if axis.name in point]
    positions, inside = locate(axis, values)
    if not inside.all():
        value = values[int(np.argmin(inside))]
        raise PriorError(
            f"values: {short(axis.name)} = {short(value)} is not a value of {axis.describe()}."
        )
    if isinstance(axis, CategoricalAxis):
        odds = np.ones((len(points), axis.n_values))
        if level:
            odds[np.flatnonzero(given), positions.astype(int)] = ODDS[level]
        return odds / odds.sum(axis=1, keepdims=True)
    centers, widths = np.full(len(points), 0.5), np.full(len(points), LARGEST_WIDTH)
    if level:
        centers[given], widths[given] = axis.center(positions), WIDTHS[level]
    return centers, widths
