"""Corrected nearest neighbours: right where the copula is, and where the neighbours are."""

import math

import numpy as np
import pytest
import torch

from infoprior.information._corrected import _with_margins, corrected_ksg
from infoprior.information._inputs import InformationError
from infoprior.information._neighbors import ksg
from tests.information.common import needs_cuda
from tests.information.test_copula import linked
from tests.information.test_elliptical import student_pair, student_truth


def mean_of(pairs, **options):
    return np.mean([corrected_ksg([x], [y], seed=s, **options)[0].nats for s, (x, y) in pairs])


@pytest.mark.parametrize(("d", "rho", "tolerance"), [(1, 0.75, 0.04), (10, 0.5, 0.08)])
def test_gaussian_truth_where_neighbours_alone_fail(d, rho, tolerance):
    samples = [linked(d, rho, 1000, seed) for seed in range(4)]
    truth = samples[0][2]
    assert abs(mean_of([(s, p[:2]) for s, p in enumerate(samples)]) - truth) < tolerance
    if d == 10:
        assert ksg([samples[0][0]], [samples[0][1]], seed=0)[0].nats < 0.6 * truth


def test_student_truth():
    pairs = [(s, student_pair(2, 5, 5, 1000, s)) for s in range(4)]
    assert abs(mean_of(pairs) - student_truth(2, 5, 5)) < 0.06


def test_dependence_that_no_copula_of_the_family_sees():
    """A point of a noisy circle: correlation 0. The neighbours' value stays."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * math.pi, size=1500)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1 * rng.normal(size=(1500, 2))
    x, y = (torch.from_numpy(circle[:, i : i + 1]) for i in range(2))
    plain = ksg([x], [y], seed=0)[0].nats
    assert plain > 0.6
    assert corrected_ksg([x], [y], seed=0)[0].nats == pytest.approx(plain, abs=0.1)


@pytest.mark.parametrize("d", [1, 15])
def test_independent_columns_carry_nothing(d):
    pairs = [(s, linked(d, 0.0, 600, s)[:2]) for s in range(6)]
    assert abs(mean_of(pairs)) < 0.04


def test_drawn_samples_have_the_margins_of_the_data():
    data = torch.tensor([[0.0, 5.0], [0.0, 7.0], [3.0, 6.0]])
    drawn = torch.tensor([[0.3, 9.0], [-2.0, 0.0], [0.5, 1.0]])
    assert _with_margins(drawn, data).tolist() == [[0.0, 7.0], [0.0, 5.0], [3.0, 6.0]]


def test_increasing_maps_change_nothing_and_seeds_repeat():
    x, y, _ = linked(3, 0.6, 300, 0)
    [plain] = corrected_ksg([x], [y], seed=4)
    assert corrected_ksg([x], [y], seed=4) == [plain]
    assert corrected_ksg([x.exp()], [y**3], seed=4)[0].nats == pytest.approx(plain.nats, abs=1e-9)


def test_rectified_columns_say_their_ties():
    x, y, truth = linked(3, 0.7, 800, 0)
    [estimate] = corrected_ksg([x.relu()], [y], seed=0)
    assert "ties" in estimate.flags
    assert 0.4 * truth < estimate.nats < truth


def test_more_draws_are_less_noise():
    x, y, _ = linked(3, 0.6, 200, 0)
    one, many = (
        [corrected_ksg([x], [y], seed=s, draws=d)[0].nats for s in range(12)] for d in (1, 8)
    )
    assert np.std(many) < 0.7 * np.std(one)


def test_bad_options_are_refused():
    x, y, _ = linked(1, 0.6, 100, 0)
    with pytest.raises(InformationError, match="draws is 0"):
        corrected_ksg([x], [y], seed=0, draws=0)
    with pytest.raises(InformationError, match="k is 0"):
        corrected_ksg([x], [y], seed=0, k=0)
    x, y, _ = linked(30, 0.6, 60, 0)
    with pytest.raises(InformationError, match=r"30 \+ 30 columns"):
        corrected_ksg([x], [y], seed=0)


@needs_cuda
def test_cuda_equals_cpu():
    x, y = student_pair(2, 3, 3, 500, 0)
    assert corrected_ksg([x.cuda()], [y.cuda()], seed=0)[0].nats == pytest.approx(
        corrected_ksg([x], [y], seed=0)[0].nats, abs=1e-3
    )
