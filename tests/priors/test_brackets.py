"""Hyperband's arithmetic: the paper's tables, laws for any resources, and no rounding."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

import numpy as np
import pytest

from infoprior.priors import PriorError, hyperband_brackets, hyperband_rungs, optuna_brackets
from infoprior.priors._search.brackets import bracket_schedule

RNG = np.random.default_rng(0)
RESOURCES = [
    (int(top), int(low), int(eta))
    for low, factor, eta in zip(
        RNG.integers(1, 50, 300), RNG.integers(1, 10**6, 300), RNG.integers(2, 12, 300), strict=True
    )
    for top in (low * factor, low * eta ** int(RNG.integers(0, 9)))
]


def test_the_brackets_of_the_paper_s_table() -> None:
    """Li et al. 2018, Table 1: R = 81, eta = 3."""
    assert hyperband_rungs(81) == (1, 3, 9, 27, 81)
    assert hyperband_brackets(5) == [
        (0, (81, 27, 9, 3, 1)), (1, (34, 11, 3, 1)), (2, (15, 5, 1)), (3, (8, 2)), (4, (5,)),
    ]  # fmt: skip


def test_the_brackets_of_the_pipeline_s_settings() -> None:
    assert hyperband_rungs(27) == (1, 3, 9, 27)
    assert hyperband_brackets(4) == [(0, (27, 9, 3, 1)), (1, (12, 4, 1)), (2, (6, 2)), (3, (4,))]


def test_the_epochs_that_curves_are_recorded_at_are_rungs() -> None:
    from infoprior.training import RUNGS

    assert hyperband_rungs(RUNGS[-1]) == RUNGS


@pytest.mark.parametrize(("top", "eta", "n"), [(243, 3, 6), (1000, 10, 4), (3**33, 3, 34)])
def test_powers_that_a_float_logarithm_rounds_down_keep_their_rung(
    top: int, eta: int, n: int
) -> None:
    rungs = hyperband_rungs(top, reduction_factor=eta)
    assert rungs == tuple(eta**k for k in range(n))
    assert hyperband_brackets(n, eta)[0] == (0, rungs[::-1])


def test_optuna_loses_a_bracket_to_rounding() -> None:
    assert optuna_brackets(243) == 5
    assert optuna_brackets(1000, reduction_factor=10) == 3
    assert optuna_brackets(244) == 6
    assert optuna_brackets(30, 2) == len(hyperband_rungs(30, 2)) == 3


@pytest.mark.parametrize(("top", "low", "eta"), RESOURCES)
def test_rungs_are_powers_below_the_top(top: int, low: int, eta: int) -> None:
    rungs = hyperband_rungs(top, low, eta)
    assert rungs[-1] == top
    assert list(rungs[:-1]) == [low * eta**k for k in range(len(rungs) - 1)]
    assert low * eta ** (len(rungs) - 1) <= top < low * eta ** len(rungs)


@pytest.mark.parametrize("eta", [2, 3, 4, 10])
@pytest.mark.parametrize("n_rungs", [1, 2, 3, 4, 5, 6, 12])
def test_brackets_are_algorithm_one_in_fractions(n_rungs: int, eta: int) -> None:
    brackets = hyperband_brackets(n_rungs, eta)
    assert [bracket.bottom for bracket in brackets] == list(range(n_rungs))
    for s, (bottom, sizes) in zip(range(n_rungs - 1, -1, -1), brackets, strict=True):
        n = ceil(Fraction(n_rungs, s + 1) * eta**s)
        assert sizes == tuple(floor(Fraction(n, eta**i)) for i in range(s + 1))
        assert bottom + len(sizes) == n_rungs
        assert sizes[-1] >= 1


@pytest.mark.parametrize("eta", [2, 3, 4, 10])
@pytest.mark.parametrize("n_rungs", [1, 2, 3, 4, 5, 6])
def test_promoting_studies_begin_brackets_as_neps_does(n_rungs: int, eta: int) -> None:
    """Its layouts: floor(s_max / (s + 1)) * eta^s, and eta times fewer at each rung."""
    schedule = bracket_schedule(n_rungs, eta)
    for s in range(n_rungs - 1, -1, -1):
        mine = [(p, count) for p, count in schedule if p.bottom == n_rungs - 1 - s]
        n = n_rungs // (s + 1) * eta**s
        assert [count for _, count in mine] == [n // eta**i for i in range(s + 1)]
        assert [p.rung for p, _ in mine] == list(range(n_rungs - 1 - s, n_rungs))
        assert [p.promotes for p, _ in mine] == [False] + [True] * s
        # Each rung is fed by the one below: nothing is promoted that is not there.
        assert all(a[1] == eta * b[1] for a, b in pairwise(mine))
        assert n <= hyperband_brackets(n_rungs, eta)[n_rungs - 1 - s].sizes[0]


def test_one_cycle_of_a_promoting_study() -> None:
    # Four rungs: 27 > 9 > 3 > 1, 9 > 3 > 1, 6 > 2, 4.
    schedule = bracket_schedule(4, 3)
    cycle = [(p.bottom, p.rung, p.promotes) for p, count in schedule for _ in range(count)]
    plan = [(0, [27, 9, 3, 1]), (1, [9, 3, 1]), (2, [6, 2]), (3, [4])]
    by_hand = [
        (bottom, bottom + k, k > 0)
        for bottom, sizes in plan
        for k, size in enumerate(sizes)
        for _ in range(size)
    ]
    assert cycle == by_hand


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0,), "max_resource: needs to be an int of 1 or more"),
        ((9, 0), "min_resource: needs to be an int of 1 or more"),
        ((9, 10), "max_resource: 9 is below min_resource, 10"),
        ((9, 1, 1), "reduction_factor: needs to be an int of 2 or more"),
        ((9.0,), "max_resource: needs to be an int"),
    ],
)
def test_resources_out_of_their_range(arguments: Any, says: str) -> None:
    with pytest.raises(PriorError, match=says):
        hyperband_rungs(*arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((0,), "n_rungs: .* 1 or more"), ((65,), "n_rungs: .* at most 64"), ((3, 1), "reduction_f")],
)
def test_numbers_of_rungs_out_of_their_range(arguments: Any, says: str) -> None:
    with pytest.raises(PriorError, match=says):
        hyperband_brackets(*arguments)
