"""Optuna's own conformance suite, around every sampler Optuna ships."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

suite = pytest.importorskip("optuna.testing.pytest_samplers")

from infoprior.priors import Prior, PriorSampler  # noqa: E402

# The suite's names, with ranges that agree with some of its distributions, overlap with others,
# have nothing in common with others and are of another kind than others still.
NUMERIC = {"x": FloatDistribution(-5, 5), "y": IntDistribution(0, 10)}
MIXED = {"x": IntDistribution(0, 10), "y": FloatDistribution(0.1, 8, step=0.1)}
CATEGORICAL = {"x": CategoricalDistribution((1, 10, 2)), "y": CategoricalDistribution((-1, 7))}
SINGLE = {name: FloatDistribution(0.5, 1.5) for name in "abcdef"}
SPACES = {"numeric": NUMERIC, "mixed": MIXED, "categorical": CATEGORICAL, "single": SINGLE}

BASES: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "tpe": lambda: optuna.samplers.TPESampler(n_startup_trials=0),
    "multivariate": lambda: optuna.samplers.TPESampler(n_startup_trials=0, multivariate=True),
    "random": optuna.samplers.RandomSampler,
    "qmc": optuna.samplers.QMCSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "group": lambda: optuna.samplers.TPESampler(n_startup_trials=0, multivariate=True, group=True),
}


def make(base: str, space: str) -> Callable[[], PriorSampler]:
    def sampler() -> PriorSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inner = BASES[base]()
        prior: Any = Prior.uniform(SPACES[space])
        return PriorSampler(prior, inner, weight=0.75)

    return sampler


EXTRA = pytest.mark.slow
CASES: list[Any] = [pytest.param(("tpe", "numeric")), pytest.param(("random", "mixed"))]
CASES += [
    pytest.param((base, space), marks=EXTRA)
    for base in BASES
    for space in SPACES
    if (base, space) not in {("tpe", "numeric"), ("random", "mixed")}
]
# The suite's relative tests are for samplers that have relative sampling.
RELATIVE = [c for c in CASES if c.values[0][0] in ("tpe", "multivariate")]

pytestmark = pytest.mark.filterwarnings("ignore")


class TestBasic(suite.BasicSamplerTestCase):  # type: ignore[misc, name-defined]
    @pytest.fixture(params=CASES, ids="-".join)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], PriorSampler]:
        return make(*request.param)


class TestRelative(suite.RelativeSamplerTestCase):  # type: ignore[misc, name-defined]
    @pytest.fixture(params=RELATIVE, ids="-".join)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], PriorSampler]:
        return make(*request.param)


class TestMultiObjective(suite.MultiObjectiveSamplerTestCase):  # type: ignore[misc, name-defined]
    @pytest.fixture(params=CASES, ids="-".join)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], PriorSampler]:
        return make(*request.param)
