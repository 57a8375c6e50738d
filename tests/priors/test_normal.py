"""Against scipy, which the package does not need here."""

from __future__ import annotations

import numpy as np
import pytest

from infoprior.priors._mixture.truncated_normal import (
    log_interval,
    log_ndtr,
    ppf,
    truncated_ppf,
    truncated_quantile,
)

special = pytest.importorskip("scipy.special")


def test_log_ndtr_and_ppf_agree_with_scipy() -> None:
    x = np.concatenate([np.linspace(-40, 8, 5001), -np.logspace(1, 5, 50)])
    np.testing.assert_allclose(log_ndtr(x), special.log_ndtr(x), rtol=1e-12, atol=1e-300)
    p = np.concatenate([np.logspace(-290, -0.01, 500), 1 - np.logspace(-15, -1, 100)])
    np.testing.assert_allclose(ppf(p), special.ndtri(p), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("middle", [0.0, 1.0, -3.0, 12.0, -60.0])
@pytest.mark.parametrize("width", [3.0, 0.1, 1e-3, 1e-5, 1e-7])
def test_log_interval_is_the_integral_of_the_density(middle: float, width: float) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = middle + 0.5 * width * nodes
    log_density = -0.5 * x**2 - 0.5 * np.log(2 * np.pi)
    shift = log_density.max()
    truth = shift + np.log(np.sum(weights * np.exp(log_density - shift)) * 0.5 * width)
    got = log_interval(middle - 0.5 * width, middle + 0.5 * width)
    assert float(got) == pytest.approx(truth, abs=5e-7)


def test_an_empty_interval_has_no_mass() -> None:
    assert log_interval(1.0, 1.0) == -np.inf


@pytest.mark.parametrize(("a", "b"), [(-1.0, 2.0), (3.0, 9.0), (-9.0, -3.0), (20.0, 21.0)])
def test_truncated_quantiles_invert_the_distribution(a: float, b: float) -> None:
    q = np.linspace(0.001, 0.999, 99)
    x = truncated_ppf(q, a, b)
    np.testing.assert_allclose(np.exp(log_interval(a, x) - log_interval(a, b)), q, rtol=1e-6)
    one = [truncated_quantile(float(v), a, b) for v in q]
    np.testing.assert_allclose(one, x, rtol=1e-9)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("a", "b"),
    [(31.0, 32.0), (40.0, 90.0), (1e3, 1e3 + 0.01), (2.0, 2.0 + 1e-6), (500.0, 500.00001),
     (-1e-9, 1e-9), (9999.0, 10001.0)],
)  # fmt: skip
def test_quantiles_of_narrow_and_far_intervals(a: float, b: float, flip: bool) -> None:
    """The density relative to its value at the near end, integrated by quadrature."""
    q = np.linspace(0.01, 0.99, 25)
    low, high = (-b, -a) if flip else (a, b)
    x = truncated_ppf(q, low, high)
    np.testing.assert_array_equal(x, [truncated_quantile(float(v), low, high) for v in q])
    assert np.all(np.diff(x) > 0.0)
    distance = (high - x) if flip else (x - low)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    width = min(b - a, 40.0 / max(a, 1.0))  # beyond, nothing is left

    def mass(t: float) -> float:
        s = 0.5 * t * (nodes + 1.0)
        return float(np.dot(weights, np.exp(-a * s - 0.5 * s * s)) * 0.5 * t)

    share = np.array([mass(t) for t in distance]) / mass(width)
    np.testing.assert_allclose(share, 1.0 - q if flip else q, rtol=2e-6)
