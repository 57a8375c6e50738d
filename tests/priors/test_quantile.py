"""Quantiles of marginals."""

import math

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.priors import Prior

SPACE = {
    "log": FloatDistribution(1e-4, 1e-1, log=True),
    "whole": IntDistribution(1, 10),
    "choice": CategoricalDistribution(("a", "b")),
}


def test_quantiles_of_the_uniform_prior_are_those_of_its_distribution():
    prior = Prior.uniform(SPACE)
    assert prior.marginal("log").quantile(0.5) == pytest.approx(math.sqrt(1e-5), rel=0.02)
    whole = [prior.marginal("whole").quantile(q) for q in (0.0, 0.1, 0.11, 0.5, 1.0)]
    assert whole == [1, 1, 2, 5, 10]


def test_quantiles_agree_with_samples():
    points = [{"log": 1e-3, "whole": 3, "choice": "a"}, {"log": 5e-2, "whole": 8, "choice": "b"}]
    prior = Prior.from_points(SPACE, points, [0.7, 0.3])
    drawn = np.sort([p["log"] for p in prior.sample(20_000, np.random.default_rng(0))])
    for q in (0.1, 0.5, 0.9):
        assert prior.marginal("log").quantile(q) == pytest.approx(
            drawn[int(q * len(drawn))], rel=0.1
        )


def test_categoricals_and_shares_outside_the_unit_interval_are_refused():
    prior = Prior.uniform(SPACE)
    with pytest.raises(ValueError, match="choice"):
        prior.marginal("choice").quantile(0.5)
    with pytest.raises(ValueError, match=r"1\.5"):
        prior.marginal("log").quantile(1.5)
