"""Which values two axes share: against the sets of their values, and by hand on intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from infoprior.priors import PriorError
from infoprior.priors._mixture.axes import GridAxis, all_positions, make_axis
from infoprior.priors._mixture.intersection import (
    Cells,
    Interval,
    Value,
    Values,
    intersect,
)

Float, Int, Choice = FloatDistribution, IntDistribution, CategoricalDistribution


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Int(1, 30), Int(2, 30, step=7)),
        (Int(0, 36, step=4), Int(0, 36, step=6)),
        (Int(1, 300, log=True), Int(100, 900)),
        (Int(10, 120, step=5), Int(1, 50)),
        (Int(3, 9), Int(9, 20)),
        (Int(3, 9), Int(10, 20)),
        (Float(0, 1, step=0.1), Float(0.2, 1.4, step=0.2)),
        (Float(0, 6, step=2.0), Int(1, 9)),
        (Choice(("a", 2, None, True)), Choice((None, "new", 2))),
        (Choice(("a", "b")), Choice(("c",))),
    ],
)
def test_of_discrete_axes_exactly_the_values_in_both(
    ours: BaseDistribution, theirs: BaseDistribution
) -> None:
    axis, other = make_axis("x", ours), make_axis("x", theirs)
    both = [v for v in axis.values(np.arange(axis.n_values)) if other.find(v) is not None]
    shared = intersect(axis, other)
    if not both:
        assert shared is None
        return
    assert shared is not None
    assert not isinstance(shared, Cells)
    if isinstance(shared, Interval):
        positions = np.arange(shared.first, shared.last + 1)
    else:
        positions = np.atleast_1d(
            shared.position if isinstance(shared, Value) else shared.positions
        )
    values = axis.values(positions)
    assert set(values) == set(both)
    assert shared.axis.values(np.arange(float(len(both)))) == values
    assert shared.axis.n_values == len(both)


def test_of_two_ranges_the_part_in_both_in_unit_coordinates_of_the_first() -> None:
    shared = intersect(make_axis("x", Float(-1, 3)), make_axis("x", Float(0, 9)))
    assert isinstance(shared, Interval)
    assert (shared.start, shared.end) == (0.25, 1.0)
    assert shared.axis.distribution == Float(0, 3)
    shared = intersect(make_axis("x", Float(1e-4, 1e-1, log=True)), make_axis("x", Float(1e-3, 1)))
    assert isinstance(shared, Interval)
    assert shared.start == pytest.approx(1 / 3)
    assert shared.axis.distribution == Float(1e-3, 1e-1, log=True)  # the scale stays the first's
    assert intersect(make_axis("x", Float(0, 1)), make_axis("x", Float(1, 2))) is None


def test_a_grid_in_a_range_has_cells_that_reach_half_a_step_to_either_side() -> None:
    shared = intersect(make_axis("x", Float(0, 8)), make_axis("x", Int(2, 4)))
    assert isinstance(shared, Interval)
    assert (shared.start, shared.end) == (1.5 / 8, 4.5 / 8)
    log = make_axis("x", Float(1.0, 8.0, log=True))
    shared = intersect(log, make_axis("x", Float(1.0, 8.0, step=0.5)))
    assert isinstance(shared, Cells)
    assert isinstance(shared.axis, GridAxis)
    assert len(shared.lower) == len(all_positions(shared.axis)) == 15
    assert shared.lower[1:] == pytest.approx(shared.upper[:-1])
    assert shared.upper[0] == pytest.approx(math.log(1.25) / math.log(8))  # half of its cell
    assert (shared.lower[0], shared.upper[-1]) == (0.0, 1.0)


def test_the_other_axis_says_which_values_and_the_first_how_they_are_measured() -> None:
    shared = intersect(make_axis("k", Int(1, 300, log=True)), make_axis("k", Float(1.5, 4.5)))
    assert shared is not None
    assert shared.axis.distribution == Int(2, 4, log=True)
    shared = intersect(make_axis("k", Int(1, 300, log=True)), make_axis("k", Int(20, 60, step=20)))
    assert isinstance(shared, Values)  # no log parameter of Optuna's
    assert shared.axis.distribution == Int(20, 60, step=20)
    assert intersect(make_axis("k", Int(0, 3)), make_axis("k", Choice((0, 1)))) is None


def test_grids_too_fine_to_compare_are_refused() -> None:
    fine = make_axis("k", Int(0, 2**40))
    with pytest.raises(PriorError, match="values to compare, more than 500000"):
        intersect(fine, make_axis("k", Int(0, 2**40 - 1, step=3)))
