"""Hyperband's rungs and brackets, counted in whole numbers.

L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar: Hyperband, JMLR 18 (2018), 185,
Algorithm 1. With s_max + 1 rungs there are as many brackets, s = s_max, ..., 0. Bracket s begins
with n = ceil((s_max + 1) / (s + 1) * eta^s) configurations s rungs below the last one, and
continues the best floor(n / eta^i) of them i rungs above its first.

The authors' published code and NePS, whose PriorBand (N. Mallik et al., NeurIPS 2023) promoting
studies are compared with, begin with n = floor((s_max + 1) / (s + 1)) * eta^s instead, which
divides by eta at every rung: with four rungs at eta 3 that is 27, 9, 6 and 4 configurations, where
Algorithm 1 has 27, 12, 6 and 4. Promoting studies keep to that, `bracket_schedule`; everything
else is Algorithm 1, `hyperband_brackets`.

Both count rungs by a float logarithm, s_max = floor(log R / log eta), which loses one for some
powers: log(243, 3) is 4.999... and log(1000, 10) 2.999.... Here powers are multiplied out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .._checks import whole
from .._errors import PriorError

_MOST_RUNGS = 64  # as a full training of 2^63 steps has at eta 2


class Bracket(NamedTuple):
    """A run of successive halving: its first rung, counted from 0, the lowest, and its sizes.

    `sizes` holds the number of configurations at that rung and at each one above it, to the last.
    """

    bottom: int
    sizes: tuple[int, ...]


class ScheduledTrial(NamedTuple):
    """What the trial of a number is for: rungs are counted from 0, the lowest."""

    rung: int
    bottom: int  # the first rung of its bracket
    promotes: bool


def hyperband_rungs(
    max_resource: int, min_resource: int = 1, reduction_factor: int = 3
) -> tuple[int, ...]:
    """The steps at which Hyperband stops trials, ascending; the last one is `max_resource`.

    Those below it are `min_resource` times powers of `reduction_factor`, as in Optuna; where
    `max_resource` is none of these it takes the place of the largest of them. So 1 to 27 has the
    rungs 1, 3, 9, 27 and 2 to 30 the rungs 2, 6, 30.

    Args:
        max_resource: the steps of a full training.
        min_resource: the lowest rung, at least 1.
        reduction_factor: Hyperband's eta, at least 2.

    Raises:
        PriorError: an argument is no int or out of its range.
    """
    min_resource = whole("min_resource", min_resource, 1)
    max_resource = whole("max_resource", max_resource, 1)
    reduction_factor = whole("reduction_factor", reduction_factor, 2)
    if max_resource < min_resource:
        raise PriorError(f"max_resource: {max_resource} is below min_resource, {min_resource}.")
    steps = [min_resource]
    while steps[-1] * reduction_factor <= max_resource:
        steps.append(steps[-1] * reduction_factor)
    return (*steps[:-1], max_resource)


def hyperband_brackets(n_rungs: int, reduction_factor: int = 3) -> list[Bracket]:
    """The brackets of Hyperband's Algorithm 1 (see the module), the most aggressive one first.

    Args:
        n_rungs: how many rungs there are, from 1 to 64; there are as many brackets.
        reduction_factor: Hyperband's eta, at least 2.

    Raises:
        PriorError: an argument is no int or out of its range.
    """
    n_rungs = whole("n_rungs", n_rungs, 1, most=_MOST_RUNGS)
    eta = whole("reduction_factor", reduction_factor, 2)
    # -(-a // b) is a / b rounded up.
    return [
        _bracket(s, n_rungs, eta, -(-n_rungs * eta**s // (s + 1))) for s in _aggressive(n_rungs)
    ]


def bracket_schedule(n_rungs: int, reduction_factor: int) -> list[tuple[ScheduledTrial, int]]:
    """One cycle of a promoting study: what its trials are for, and how many in a row are.

    Brackets as in NePS (see the module), the most aggressive one first; each fills its rungs from
    the lowest to the last.
    """
    eta, schedule = reduction_factor, []
    for s in _aggressive(n_rungs):
        bottom, sizes = _bracket(s, n_rungs, eta, n_rungs // (s + 1) * eta**s)
        schedule += [
            (ScheduledTrial(bottom + i, bottom, promotes=i > 0), size)
            for i, size in enumerate(sizes)
        ]
    return schedule


def _aggressive(n_rungs: int) -> range:
    """Li et al.'s s, from s_max to 0."""
    return range(n_rungs - 1, -1, -1)


def _bracket(s: int, n_rungs: int, eta: int, n: int) -> Bracket:
    """Bracket s, which begins with n configurations."""
    return Bracket(n_rungs - 1 - s, tuple(n // eta**i for i in range(s + 1)))


def optuna_brackets(max_resource: int, min_resource: int = 1, reduction_factor: int = 3) -> int:
    """How many brackets Optuna's HyperbandPruner makes, which counts by a float logarithm.

    As many as there are rungs (`hyperband_rungs`), but for some powers one less.
    """
    return math.floor(math.log(max_resource / min_resource, reduction_factor)) + 1
