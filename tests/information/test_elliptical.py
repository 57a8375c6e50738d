"""Copulas whose scores and mutual information are known in closed form."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import digamma, gammaln

from infoprior.information._elliptical import fit_copula
from infoprior.information._inputs import InformationError
from infoprior.information._ranks import normal_scores, ranks, student_scores


def student_pair(nu, p, q, n, seed, correlation=None):
    """A multivariate Student-t sample; identity scatter unless a correlation matrix is given."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, p + q))
    if correlation is not None:
        z = z @ np.linalg.cholesky(correlation).T
    if math.isfinite(nu):
        z = z / np.sqrt(rng.chisquare(nu, size=(n, 1)) / nu)
    z = torch.from_numpy(z)
    return z[:, :p], z[:, p:]


def student_truth(nu, p, q):
    """Arellano-Valle, Contreras-Reyes & Genton 2013, for the identity scatter."""

    def entropy(d):
        half = (nu + d) / 2.0
        log_norm = gammaln(half) - gammaln(nu / 2.0) - d / 2.0 * math.log(nu * math.pi)
        return -log_norm + half * (digamma(half) - digamma(nu / 2.0))

    return entropy(p) + entropy(q) - entropy(p + q)


def test_known_truths_of_the_student_distribution():
    assert student_truth(1, 1, 1) == pytest.approx(0.224, abs=1e-3)
    assert student_truth(2, 5, 5) == pytest.approx(0.448, abs=1e-3)


def test_ranks_share_ties():
    x = torch.tensor([[3.0], [1.0], [3.0], [0.0], [3.0]])
    assert ranks(x)[:, 0].tolist() == [3.0, 1.0, 3.0, 0.0, 3.0]
    assert np.array_equal(ranks(x)[:, 0] + 1, stats.rankdata(x[:, 0]))


def test_constant_column_has_zero_scores():
    assert normal_scores(torch.ones(6, 2)).abs().max() == 0.0


@pytest.mark.parametrize("nu", [0.5, 1.0, 2.5, 7.0, 200.0])
def test_student_scores_are_the_quantiles(nu):
    z = torch.linspace(-5.0, 5.0, 4001, dtype=torch.float64)
    answer = student_scores(z[None, :, None], torch.tensor([nu]))[0, :, 0].numpy()
    upper = -stats.t.ppf(stats.norm.cdf(-z.abs().numpy()), nu)
    assert np.allclose(answer, np.copysign(upper, z.numpy()), rtol=1e-5, atol=1e-6)


def test_gaussian_ratio_is_the_ratio_of_normal_densities():
    x, y = student_pair(math.inf, 2, 3, 500, 0, 0.5 * np.eye(5) + 0.5)
    copula = fit_copula(x[None], y[None])
    r = copula.correlation[0].numpy()
    z = torch.cat([x, y], 1).numpy()
    expected = (
        stats.multivariate_normal(cov=r).logpdf(z)
        - stats.multivariate_normal(cov=r[:2, :2]).logpdf(z[:, :2])
        - stats.multivariate_normal(cov=r[2:, 2:]).logpdf(z[:, 2:])
    )
    assert np.allclose(copula.log_ratio(x[None], y[None])[0], expected, atol=1e-9)


def test_student_ratio_is_the_ratio_of_student_densities():
    x, y = student_pair(3.0, 2, 3, 400, 0, 0.5 * np.eye(5) + 0.5)
    x, y = normal_scores(x), normal_scores(y)
    copula = fit_copula(x[None], y[None], nu=3.0)
    r = copula.correlation[0].numpy()
    t = stats.t.ppf(stats.norm.cdf(torch.cat([x, y], 1).numpy()), 3.0)
    expected = (
        stats.multivariate_t(shape=r, df=3.0).logpdf(t)
        - stats.multivariate_t(shape=r[:2, :2], df=3.0).logpdf(t[:, :2])
        - stats.multivariate_t(shape=r[2:, 2:], df=3.0).logpdf(t[:, 2:])
    )
    assert np.allclose(copula.log_ratio(x[None], y[None])[0], expected, atol=1e-5)


def test_all_pairings_hold_the_row_by_row_ratio_on_the_diagonal():
    x, y = (normal_scores(s)[None] for s in student_pair(2.0, 2, 3, 60, 0))
    copula = fit_copula(x, y, nu=2.0)
    every = copula.combine_all(copula.side_x(x), copula.side_y(y))
    assert every.shape == (1, 60, 60)
    assert torch.allclose(every[0].diagonal(), copula.log_ratio(x, y)[0], atol=1e-6)
    assert torch.allclose(every[0, 3, 7], copula.log_ratio(x[:, 3:4], y[:, 7:8])[0, 0], atol=1e-6)


def test_scatter_and_degrees_are_recovered():
    r = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, -0.2], [0.3, -0.2, 1.0]])
    for nu in (math.inf, 4.0, 1.5):
        x, y = student_pair(nu, 1, 2, 4000, 1, r)
        copula = fit_copula(normal_scores(x)[None], normal_scores(y)[None], nu=None)
        assert np.allclose(copula.correlation[0], r, atol=0.05)
        if math.isinf(nu):
            assert copula.nu.item() >= 32.0
        else:
            assert 0.7 * nu <= copula.nu.item() <= 1.3 * nu


def test_a_stack_is_the_pairs_one_by_one():
    """Padding with columns of zeros is no information and no dimension."""
    pairs = [student_pair(2.0, 2, 3, 300, 0), student_pair(math.inf, 1, 1, 300, 1)]
    x = torch.zeros(2, 300, 2, dtype=torch.float64)
    y = torch.zeros(2, 300, 3, dtype=torch.float64)
    for k, (a, b) in enumerate(pairs):
        x[k, :, : a.shape[1]], y[k, :, : b.shape[1]] = normal_scores(a), normal_scores(b)
    together = fit_copula(x, y, nu=None)
    for k, (a, b) in enumerate(pairs):
        a, b = normal_scores(a)[None], normal_scores(b)[None]
        alone = fit_copula(a, b, nu=None)
        assert alone.nu[0] == together.nu[k]
        assert torch.allclose(alone.log_ratio(a, b)[0], together.log_ratio(x, y)[k], atol=1e-8)


def test_single_precision_suffices_for_the_ratio():
    x, y = (normal_scores(s)[None] for s in student_pair(2.0, 10, 10, 1000, 0))
    copula = fit_copula(x, y, nu=None)
    single = copula.log_ratio(x.float(), y.float())
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), copula.log_ratio(x, y), atol=1e-3)


def test_columns_that_repeat_stay_finite():
    x, y = student_pair(math.inf, 2, 2, 200, 0)
    x = normal_scores(torch.cat([x, x], 1))[None]
    assert fit_copula(x, normal_scores(y)[None], nu=None).log_ratio(x, y[None]).isfinite().all()


@pytest.mark.parametrize("options", [{"nu": 0.1}, {"nu": torch.ones(3)}, {"ridge": 0.0}])
def test_bad_options_are_refused(options):
    x = torch.randn(1, 50, 1)
    with pytest.raises(InformationError, match=r"nu is|ridge is"):
        fit_copula(x, x, **options)
