"""Entropies against other quadratures, closed forms and Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.distributions import BaseDistribution

from infoprior.priors import Prior, PriorError
from tests.priors.spaces import EVERY_KIND, prior_over
from tests.priors.test_algebra import Choice, Float, Int
from tests.priors.test_prior import quadrature


@pytest.mark.parametrize("name", EVERY_KIND)
def test_entropy_of_one_parameter_is_exact(name: str) -> None:
    """−∫ p log p by another quadrature, and a Monte Carlo estimate of both."""
    prior = prior_over({name: EVERY_KIND[name]}, seed=4)
    exact = prior.entropy()
    assert (exact.n, exact.entropy_error, exact.divergence_error) == (0, 0.0, 0.0)
    values, weights = quadrature(EVERY_KIND[name])
    log_prob = prior.log_prob([{name: v} for v in values])
    truth = -float(np.dot(np.exp(log_prob) * log_prob, weights))
    assert exact.entropy == pytest.approx(truth, abs=1e-9)
    log_ratio = prior.log_ratio(prior.sample(20_000, np.random.default_rng(0)))
    error = log_ratio.std() / math.sqrt(20_000)
    assert exact.divergence == pytest.approx(log_ratio.mean(), abs=4 * error + 1e-12)
    assert prior_over(EVERY_KIND, seed=4).entropy(name).n == 0


def test_entropy_of_narrow_kernels_on_a_float() -> None:
    """The closed form of a Gaussian: log σ√(2πe)."""
    prior = Prior({"x": Float(0, 10)}, {"x": ([0.5], [1e-3])}, [1.0], floor=1e-14)
    entropy = prior.entropy()
    assert entropy.entropy == pytest.approx(math.log(1e-2 * math.sqrt(2 * math.pi * math.e)))
    assert entropy.divergence == pytest.approx(math.log(10) - entropy.entropy)


def test_entropy_of_the_uniform_prior() -> None:
    space = {"x": Float(0, 4), "lr": Float(1.0, math.e, log=True), "k": Int(1, 8)}
    entropy = Prior.uniform(space).entropy()
    # log 4, E[log x] = 1/2 and log 1 for the log float, log 8.
    assert entropy.entropy == pytest.approx(math.log(4) + 0.5 + math.log(8), abs=1e-12)
    assert (entropy.divergence, entropy.n) == (0.0, 0)
    large = Prior.uniform({**space, "n": Int(1, 10**9)}).entropy()
    assert large.entropy == pytest.approx(entropy.entropy + math.log(1e9))


def test_entropy_of_a_joint() -> None:
    """Exact where the space is small, and where it is not, an estimate within its error."""
    space: dict[str, BaseDistribution] = {"k": Int(1, 6), "c": Choice("abcd"), "n": Int(0, 9)}
    prior = prior_over(space)
    exact = prior.entropy()
    points = [{"k": k, "c": c, "n": n} for k in range(1, 7) for c in "abcd" for n in range(10)]
    log_prob = prior.log_prob(points)
    assert exact.n == 0
    assert exact.entropy == pytest.approx(-float(np.dot(np.exp(log_prob), log_prob)))
    assert exact.divergence == pytest.approx(math.log(240) - exact.entropy)
    # With one parameter more that is flat, it is estimated, and the truth is the same.
    document = prior.to_dict()
    document["space"] |= Prior.uniform({"x": Float(0, 1)}).to_dict()["space"]
    for component in document["components"]:
        component["kernels"]["x"] = {"center": 0.5, "width": 100.0}
    wide = Prior.from_dict(document)
    estimate = wide.entropy(n=20_000, rng=np.random.default_rng(1))
    assert estimate.n == 20_000
    assert 0.0 < estimate.entropy_error < 0.02
    assert estimate.entropy == pytest.approx(exact.entropy, abs=4 * estimate.entropy_error)
    assert estimate.divergence == pytest.approx(exact.divergence, abs=4 * estimate.divergence_error)
    assert wide.entropy() == wide.entropy()
    for call in (lambda: prior.entropy("z"), lambda: prior.entropy(n=1)):
        with pytest.raises(PriorError, match="entropy"):
            call()
