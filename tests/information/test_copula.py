"""Closed forms against distributions whose mutual information is known."""

import math

import numpy as np
import pytest
import torch
from scipy.special import digamma

from infoprior.information._copula import cca, copula, student_copula, wishart_bias
from infoprior.information._inputs import InformationError
from tests.information.common import needs_cuda
from tests.information.test_elliptical import student_pair, student_truth

METHODS = [cca, copula, student_copula]


def value(method, x, y, **options):
    return method([x], [y], seed=0, **options)[0].nats


def linked(d, rho, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=(n, d))
    return torch.from_numpy(x), torch.from_numpy(y), -d / 2 * math.log(1 - rho**2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("d", "rho"), [(1, 0.75), (5, 0.5), (20, 0.4)])
def test_gaussian_truth(method, d, rho):
    errors = []
    for seed in range(3):
        x, y, truth = linked(d, rho, 2000, seed)
        errors.append(value(method, x, y) - truth)
    assert abs(np.mean(errors)) < 0.035


@pytest.mark.parametrize("method", METHODS)
def test_independent_columns_carry_nothing(method):
    """Uncorrected, 25 and 25 independent columns of 500 rows come to 0.66 nats."""
    values = []
    for seed in range(8):
        x, y, _ = linked(25, 0.0, 500, seed)
        values.append(value(method, x, y))
    assert abs(np.mean(values)) < 0.05


def test_wishart_bias_is_the_mean_over_samples():
    rng = np.random.default_rng(0)
    n, p, q, raw = 40, 4, 6, []
    for _ in range(3000):
        s = np.cov(rng.normal(size=(n, p + q)).T)
        raw.append(
            0.5
            * (
                np.linalg.slogdet(s[:p, :p])[1]
                + np.linalg.slogdet(s[p:, p:])[1]
                - np.linalg.slogdet(s)[1]
            )
        )
    assert wishart_bias(n, p, q) == pytest.approx(np.mean(raw), abs=4 * np.std(raw) / 3000**0.5)
    by_hand = 0.5 * (
        sum(digamma((n - i) / 2) for i in range(1, p + 1))
        - sum(digamma((n - i) / 2) for i in range(q + 1, p + q + 1))
    )
    assert wishart_bias(n, p, q) == pytest.approx(by_hand)


@pytest.mark.parametrize(("nu", "p", "q", "tolerance"), [(1, 1, 1, 0.05), (2, 5, 5, 0.04)])
def test_student_information_without_correlation(nu, p, q, tolerance):
    truth = student_truth(nu, p, q)
    values = [value(student_copula, *student_pair(nu, p, q, 2000, seed)) for seed in range(3)]
    assert abs(np.mean(values) - truth) < tolerance
    assert abs(value(copula, *student_pair(nu, p, q, 2000, 0))) < 0.05  # blind to it


def test_student_information_adds_to_that_of_the_correlation():
    """Scatter adds -1/2 log(|R| / (|Rx| |Ry|)) to the information of the identity scatter."""
    r = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    linear = -0.5 * (np.linalg.slogdet(r)[1] - 2 * np.linalg.slogdet(r[:2, :2])[1])
    x, y = student_pair(3, 2, 2, 4000, 0, r)
    assert value(student_copula, x, y) == pytest.approx(linear + student_truth(3, 2, 2), abs=0.05)


def test_heavy_tails_of_one_side_alone_are_no_information():
    x, _ = student_pair(1, 5, 1, 2000, 0)
    y, _, _ = linked(5, 0.0, 2000, 1)
    assert abs(value(student_copula, x, y)) < 0.02


@pytest.mark.parametrize("method", [copula, student_copula])
def test_increasing_maps_of_columns_change_nothing(method):
    x, y, _ = linked(3, 0.6, 500, 0)
    assert value(method, x.exp(), y**3) == pytest.approx(value(method, x, y), abs=1e-9)


def test_cca_is_invariant_to_invertible_linear_maps_and_scales():
    x, y, _ = linked(3, 0.6, 500, 0)
    matrix = torch.from_numpy(np.random.default_rng(5).normal(size=(3, 3)))
    mapped = (x @ matrix + 3.0) * torch.tensor([1e-150, 1.0, 1e150], dtype=torch.float64)
    assert value(cca, mapped, y) == pytest.approx(value(cca, x, y), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_order_of_rows_and_sides(method):
    x, y, _ = linked(3, 0.6, 500, 0)
    order = torch.from_numpy(np.random.default_rng(1).permutation(500))
    assert value(method, x[order], y[order]) == pytest.approx(value(method, x, y), abs=1e-9)
    assert value(method, y, x) == pytest.approx(value(method, x, y), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_list_is_its_pairs_one_by_one(method):
    pairs = [linked(3, 0.6, 300, 0)[:2], linked(1, 0.6, 300, 1)[:2], linked(3, 0.2, 300, 2)[:2]]
    together = method([x for x, _ in pairs], [y for _, y in pairs], seed=3)
    for (x, y), estimate in zip(pairs, together, strict=True):
        assert estimate.nats == pytest.approx(method([x], [y], seed=3)[0].nats, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_constant_and_repeated_columns_count_for_nothing(method):
    x, y, _ = linked(2, 0.6, 500, 0)
    padded = torch.cat([x, torch.full((500, 1), 7.0), x[:, :1]], 1)
    tolerance = 0.03 if method is student_copula else 0.003  # of the rounded repeat
    assert value(method, padded, y) == pytest.approx(value(method, x, y), abs=tolerance)


@pytest.mark.parametrize("method", [cca, copula])
def test_a_function_of_x_is_saturated_and_finite(method):
    x, _, _ = linked(3, 0.6, 500, 0)
    [estimate] = method([x], [x], seed=0)
    assert "saturated" in estimate.flags
    assert 10.0 < estimate.nats < 32.0


@pytest.mark.parametrize("method", METHODS)
def test_more_columns_than_rows_are_refused(method):
    x, y, _ = linked(30, 0.6, 60, 0)
    with pytest.raises(InformationError, match=r"30 \+ 30 columns"):
        method([x], [y], seed=0)


def test_fitted_rows_are_too_high_and_other_rows_too_low():
    x, y, _ = linked(10, 0.5, 400, 0)
    [estimate] = student_copula([x], [y], seed=0)
    assert estimate.test < estimate.nats < estimate.train
    assert estimate.fold_spread > 0.0
    assert student_copula([x], [y], seed=0) == [estimate]


@needs_cuda
@pytest.mark.parametrize("method", METHODS)
def test_cuda_equals_cpu(method):
    x, y = student_pair(2, 3, 3, 500, 0)
    assert value(method, x.cuda(), y.cuda()) == pytest.approx(value(method, x, y), abs=1e-8)
