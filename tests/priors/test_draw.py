"""Single values, as the sampler draws them, are the restricted prior's."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
)

from infoprior.priors._mixture.sampling import NO_VALUE, ConditionalPrior, draw
from tests.priors.laws import follows
from tests.priors.spaces import prior_over
from tests.priors.test_algebra import EXACT, Choice, Float, Int

GRIDS = [
    (Float(1, 9), Float(2, 8, step=0.5)),
    (Float(0.5, 100, log=True), Int(0, 20)),
    (Int(1, 300, log=True), Int(20, 300, step=20)),
]


@pytest.mark.parametrize(("ours", "asked"), [(o, a) for o, a, _ in EXACT] + GRIDS)
def test_single_draws_are_those_of_the_restricted_prior(
    ours: BaseDistribution, asked: BaseDistribution
) -> None:
    """What the sampler draws for a live distribution, given another value."""
    prior = prior_over({"x": ours, "c": Choice("uv")}, seed=6)
    rng = np.random.default_rng(0)
    given = ConditionalPrior(prior.mixture, {"c": "v"})
    drawn = [draw(given, "x", asked, *rng.random(2)) for _ in range(1500)]
    assert all(asked._contains(asked.to_internal_repr(value)) for value in drawn)
    if not isinstance(asked, CategoricalDistribution):
        kind = int if isinstance(asked, IntDistribution) else float
        assert {type(value) for value in drawn} == {kind}
    restricted = prior.restrict({"x": asked, "c": Choice("uv")}).condition({"c": "v"})
    follows(drawn, restricted.marginal("x"))


def test_single_draws_where_nothing_is_shared() -> None:
    prior = prior_over({"x": Float(0, 1), "k": Int(0, 10, step=2), "c": Choice("ab")})
    given = ConditionalPrior(prior.mixture, {})
    cases: list[tuple[str, BaseDistribution]] = [
        ("x", Float(1, 2)),
        ("k", Int(1, 9, step=2)),
        ("c", Choice("xy")),
        ("c", Int(0, 1)),
        ("k", Choice((0, 2))),
    ]
    for name, live in cases * 2:
        assert draw(given, name, live, 0.5, 0.5) is NO_VALUE
    for high in np.linspace(0.1, 0.9, 200):  # ranges that change with every trial
        assert 0.0 <= draw(given, "x", Float(0.0, high), 0.5, 0.5) <= high
    assert len(prior.mixture._truncated) <= 64
