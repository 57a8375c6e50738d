"""Where the truth is known: sums, integrals, bounds, frequencies."""

from __future__ import annotations

import inspect
import itertools
import math
from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from infoprior.priors import Prior, PriorError
from tests.priors.laws import follows
from tests.priors.spaces import EVERY_KIND, prior_over

stats = pytest.importorskip("scipy.stats")


def quadrature(distribution: BaseDistribution) -> tuple[list[Any], np.ndarray]:
    """Values and weights whose weighted sum is the sum, or integral, over the distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices), np.ones(len(distribution.choices))
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high = distribution.low, distribution.high
    if distribution.step is not None or low == high:
        n = round((high - low) / (distribution.step or 1)) + 1
        values = [low + i * (distribution.step or 1) for i in range(n)]
        return values, np.ones(n)
    nodes, weights = np.polynomial.legendre.leggauss(300)
    if distribution.log:
        a, b = math.log(low), math.log(high)
        x = np.exp(a + (b - a) * (nodes + 1) / 2)
        return x.tolist(), weights * (b - a) / 2 * x
    return (low + (high - low) * (nodes + 1) / 2).tolist(), weights * (high - low) / 2


def make(kind: str, space: dict[str, BaseDistribution]) -> Prior:
    if kind == "uniform":
        return Prior.uniform(space)
    if kind == "points":
        return prior_over(space)
    points = Prior.uniform(space).sample(9, np.random.default_rng(3))
    return Prior.gaussian(space, points, np.arange(9))


KINDS = ("uniform", "points", "gaussian")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EVERY_KIND)
def test_one_parameter_sums_to_one(name: str, kind: str) -> None:
    prior = make(kind, {name: EVERY_KIND[name]})
    values, weights = quadrature(EVERY_KIND[name])
    total = np.dot(np.exp(prior.log_prob([{name: v} for v in values])), weights)
    assert total == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_three_mixed_parameters_sum_to_one(kind: str) -> None:
    space = {n: EVERY_KIND[n] for n in ("log_float", "stepped_int", "categorical")}
    prior = make(kind, space)
    rules = [quadrature(d) for d in space.values()]
    points = [dict(zip(space, v, strict=True)) for v in itertools.product(*(r[0] for r in rules))]
    weights = np.array([math.prod(w) for w in itertools.product(*(r[1] for r in rules))])
    assert np.dot(np.exp(prior.log_prob(points)), weights) == pytest.approx(1.0, abs=1e-9)


def test_uniform_is_what_optuna_draws_at_random() -> None:
    space = {"x": FloatDistribution(1.0, math.e, log=True), "n": IntDistribution(0, 9, step=3)}
    uniform = Prior.uniform(space)
    # log-uniform on [1, e]: density 1/x; four ints.
    assert uniform.log_prob({"x": 2.0, "n": 3}) == pytest.approx(math.log(1 / 2.0 / 4))
    assert uniform.log_ratio({"x": 2.0, "n": 3}) == 0.0
    log_int = Prior.uniform({"k": IntDistribution(1, 3, log=True)})
    cell = math.log(2.5 / 1.5) / math.log(3.5 / 0.5)
    assert log_int.log_prob({"k": 2}) == pytest.approx(math.log(cell))


def test_a_known_mixture() -> None:
    """One truncated Gaussian and one choice vector, by scipy's formula."""
    space = {"x": FloatDistribution(10.0, 30.0), "c": CategoricalDistribution("abc")}
    prior = Prior(space, {"x": ([0.25], [0.2]), "c": [[0.7, 0.2, 0.1]]}, [1.0], floor=0.3)
    u = stats.truncnorm(-0.25 / 0.2, 0.75 / 0.2, 0.25, 0.2).pdf((17.0 - 10.0) / 20.0) / 20.0
    truth = 0.3 / 20.0 / 3 + 0.7 * u * 0.2
    assert prior.log_prob({"x": 17.0, "c": "b"}) == pytest.approx(math.log(truth))
    ratio = truth * 20.0 * 3
    assert prior.log_ratio({"x": 17.0, "c": "b"}) == pytest.approx(math.log(ratio))


def test_ints_integrate_the_kernel_over_their_cells() -> None:
    space = {"k": IntDistribution(1, 4)}
    prior = Prior(space, {"k": ([0.9], [0.3])}, [1.0], floor=1e-12)
    kernel = stats.truncnorm(-0.9 / 0.3, 0.1 / 0.3, 0.9, 0.3)
    truth = np.diff(kernel.cdf([0.0, 0.25, 0.5, 0.75, 1.0]))
    got = np.exp(prior.log_prob([{"k": k} for k in (1, 2, 3, 4)]))
    np.testing.assert_allclose(got, truth, rtol=1e-9)


def test_from_points_categorical_bandwidth() -> None:
    space = {"c": CategoricalDistribution("abcd")}
    prior = Prior.from_points(space, [{"c": "b"}], bandwidth=0.3, floor=1e-15)
    got = np.exp(prior.log_prob([{"c": c} for c in "abcd"]))
    np.testing.assert_allclose(got, [0.1, 0.7, 0.1, 0.1], atol=1e-12)


def test_gaussian_has_the_moments() -> None:
    space = {"x": FloatDistribution(0.0, 10.0), "c": CategoricalDistribution("ab")}
    points = [{"x": 2.0, "c": "a"}, {"x": 8.0, "c": "b"}]
    document = Prior.gaussian(space, points, [3, 1]).to_dict()
    (component,) = document["components"]
    assert component["kernels"]["x"]["center"] == pytest.approx(0.35)
    assert component["kernels"]["x"]["width"] == pytest.approx(math.sqrt(0.0675))
    assert component["kernels"]["c"]["probabilities"] == [0.75, 0.25]


def test_samples_are_scalars_inside(prior: Prior) -> None:
    for point in prior.sample(300, np.random.default_rng(0)):
        assert point.keys() == EVERY_KIND.keys()
        for name, value in point.items():
            distribution = EVERY_KIND[name]
            assert type(value) in (float, int, str, bool, type(None))
            if isinstance(distribution, FloatDistribution):
                assert type(value) is float
            if isinstance(distribution, IntDistribution):
                assert type(value) is int
            if isinstance(distribution, CategoricalDistribution):
                index = distribution.choices.index(value)
                assert type(value) is type(distribution.choices[index])
            assert distribution._contains(distribution.to_internal_repr(value))
    assert np.all(np.isfinite(prior.log_prob(prior.sample(300, np.random.default_rng(1)))))


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(-10.2, 10.2, step=0.1),
        FloatDistribution(0.1, 0.7, step=0.2),
        FloatDistribution(1e-7, 1.0, step=1e-7),
        IntDistribution(-(2**52), 2**52),
        IntDistribution(1, 10**9, log=True),
        FloatDistribution(1e-300, 1e300, log=True),
    ],
)
def test_awkward_ranges_stay_inside(distribution: BaseDistribution) -> None:
    space = {"x": distribution}
    prior = prior_over(space)
    points = prior.sample(500, np.random.default_rng(0))
    assert all(distribution._contains(distribution.to_internal_repr(p["x"])) for p in points)
    assert np.all(prior.log_ratio(points) >= math.log(0.1) - 1e-12)


@pytest.mark.parametrize("name", [n for n in EVERY_KIND if not n.startswith("one_")])
def test_samples_follow_log_prob(name: str) -> None:
    """In a prior of all parameters."""
    prior = prior_over(EVERY_KIND, seed=5)
    drawn = prior.sample(4000, np.random.default_rng(11))
    follows([p[name] for p in drawn], prior.marginal(name))


def test_samples_follow_the_joint() -> None:
    space: dict[str, BaseDistribution] = {
        "a": IntDistribution(0, 3),
        "b": CategoricalDistribution("xyz"),
    }
    points = [{"a": 0, "b": "x"}, {"a": 3, "b": "z"}]
    prior = Prior.from_points(space, points, [1, 2], floor=0.2)
    cells = [{"a": a, "b": b} for a in range(4) for b in "xyz"]
    drawn = prior.sample(6000, np.random.default_rng(2))
    counts = [sum(d == c for d in drawn) for c in cells]
    expected = np.exp(prior.log_prob(cells))
    assert stats.chisquare(counts, expected * 6000 / expected.sum()).pvalue > 1e-3


def test_the_floor_holds_everywhere() -> None:
    uniform = Prior.uniform(EVERY_KIND).sample(2000, np.random.default_rng(1))
    for floor in (0.01, 0.5, 1.0):
        prior = prior_over(EVERY_KIND, floor=floor)
        assert np.all(prior.log_ratio(uniform) >= math.log(floor) - 1e-12)
    narrow = Prior.from_points(EVERY_KIND, uniform[:1], bandwidth=1e-3, floor=0.01)
    assert np.min(narrow.log_ratio(uniform)) == pytest.approx(math.log(0.01))


def test_marginal_equals_monte_carlo(prior: Prior) -> None:
    drawn = prior.sample(20_000, np.random.default_rng(8))
    marginal = prior.marginal("stepped_int")
    assert marginal.probabilities is not None
    assert marginal.probabilities.sum() == pytest.approx(1.0)
    share = [np.mean([d["stepped_int"] == v for d in drawn]) for v in marginal.values]
    np.testing.assert_allclose(share, marginal.probabilities, atol=0.015)
    marginal = prior.marginal("log_float")
    assert marginal.density is not None
    x = np.log([d["log_float"] for d in drawn])
    middle = math.log(math.sqrt(1e-4 * 1e-1))
    values = np.asarray(marginal.values)
    below = values <= math.exp(middle)
    mass = np.trapezoid(marginal.density[below], values[below])
    assert np.mean(x <= middle) == pytest.approx(mass, abs=0.015)
    assert set(marginal.to_dict()) == {"name", "log", "values", "density"}


def test_condition_is_bayes(prior: Prior) -> None:
    given = {"categorical": None, "int": 2, "float": 0.7}
    rest = prior.condition(given)
    points = [{n: p[n] for n in rest.space} for p in prior.sample(50, np.random.default_rng(4))]
    joint = prior.log_prob([{**p, **given} for p in points])
    difference = joint - rest.log_prob(points)  # log p(given), whatever the rest
    np.testing.assert_allclose(difference, difference[0], atol=1e-9)
    with pytest.raises(PriorError, match="condition"):
        prior.condition({"int": 99})
    with pytest.raises(PriorError, match="condition"):
        prior.condition({"nothing": 1})


def test_mode_is_the_best_centre() -> None:
    space = {"x": FloatDistribution(1e-4, 1e-1, log=True), "c": CategoricalDistribution("ab")}
    points = [{"x": 1e-3, "c": "a"}, {"x": 1e-2, "c": "b"}]
    mode = Prior.from_points(space, points, [1, 5]).mode()
    assert mode["x"] == pytest.approx(1e-2)
    assert mode["c"] == "b"
    assert Prior.uniform(space).mode()["x"] == pytest.approx(10**-2.5)


def test_outside_is_minus_infinity() -> None:
    prior = prior_over({"x": FloatDistribution(0, 1), "k": IntDistribution(0, 10, step=5)})
    inside, wrong = (
        {"x": 0.5, "k": 5},
        [("x", 1.1), ("k", 6), ("k", 15), ("k", 5.5), ("x", 10**400)],
    )
    points = [inside, *({**inside, n: v} for n, v in wrong)]
    got = prior.log_prob(points)
    assert math.isfinite(got[0])
    assert np.all(got[1:] == -np.inf)
    assert np.all(prior.log_ratio(points)[1:] == -np.inf)
    assert isinstance(prior.log_prob(inside), float)
    assert prior.log_prob([]).shape == (0,)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"x": 0.5}, "missing.*k"),
        ({"x": 0.5, "k": 1, "z": 1}, "unknown.*z"),
        ({"x": "0.5", "k": 1}, "'x' needs a number"),
        ({"x": 0.5, "k": True}, "'k' needs a number"),
        ({"x": float("nan"), "k": 1}, "'x' needs a number"),
    ],
)
def test_wrong_points_are_refused(point: dict[str, Any], message: str) -> None:
    prior = prior_over({"x": FloatDistribution(0, 1), "k": IntDistribution(0, 10)})
    with pytest.raises(PriorError, match=message):
        prior.log_prob(point)


def test_wrong_arguments_are_refused() -> None:
    space = {"x": FloatDistribution(0, 1), "c": CategoricalDistribution("ab")}
    point = {"x": 0.5, "c": "a"}
    cases: list[tuple[str, Any]] = [
        ("floor", lambda: Prior.from_points(space, [point], floor=0.0)),
        ("floor", lambda: Prior.from_points(space, [point], floor=1.1)),
        ("weights", lambda: Prior.from_points(space, [point], [-1.0])),
        ("weights", lambda: Prior.from_points(space, [point], [0.0])),
        ("weights", lambda: Prior.from_points(space, [point], [math.inf])),
        ("weights", lambda: Prior.from_points(space, [point], [1.0, 1.0])),
        ("points", lambda: Prior.from_points(space, [])),
        ("points: number 1", lambda: Prior.from_points(space, [point, {"x": 2.0, "c": "a"}])),
        ("bandwidth", lambda: Prior.from_points(space, [point], bandwidth=0.0)),
        ("space", lambda: Prior.uniform({})),
        (
            "choices that are equal",
            lambda: Prior.uniform({"c": CategoricalDistribution([1, True])}),
        ),
        ("finite", lambda: Prior.uniform({"x": FloatDistribution(0, math.inf)})),
        ("kernels", lambda: Prior(space, {"x": ([0.5], [0.1])}, [1.0])),
        ("components", lambda: Prior(space, floor=0.5)),
        ("sample", lambda: Prior.uniform(space).sample(-1, np.random.default_rng(0))),
        ("marginal", lambda: Prior.uniform(space).marginal("nothing")),
    ]
    for message, call in cases:
        with pytest.raises(PriorError, match=message):
            call()


def test_metadata_equality_and_repr(prior: Prior) -> None:
    named = prior.with_metadata(task="keel/letter", n=3)
    assert named != prior
    assert named.metadata == {"task": "keel/letter", "n": 3}
    assert prior.metadata == {}
    assert named == prior.with_metadata(n=3, task="keel/letter")
    assert prior == prior_over(EVERY_KIND)
    assert prior != "prior"
    assert hash(prior) == hash(prior_over(EVERY_KIND))
    shuffled = dict(reversed(EVERY_KIND.items()))
    assert prior.restrict(shuffled) == prior
    assert hash(prior.restrict(shuffled)) == hash(prior)
    with pytest.raises(PriorError, match="metadata"):
        prior.with_metadata(flag=True)


def test_repr_says_what_it_is_over() -> None:
    names = ("float", "log_float", "stepped_int", "categorical")
    prior = prior_over({**{n: EVERY_KIND[n] for n in names}, "two": IntDistribution(4, 5)})
    assert repr(prior) == (
        "Prior(7 components, floor=0.1, over float in [-1, 3], log_float in [0.0001, 0.1] log, "
        "stepped_int in {10, 15, ..., 120}, categorical in {'relu', 2, None, True, 0.5}, "
        "two in {4, 5})"
    )
    many = Prior.uniform({f"x{i}": FloatDistribution(0, 1) for i in range(40)})
    assert repr(many).endswith("x11 in [0, 1], and 28 more)")


@pytest.mark.parametrize("name", ["from_studies", "from_trials", "from_expert"])
def test_constructors_that_learn_say_what_they_take(name: str) -> None:
    constructor = getattr(Prior, name)
    assert "Args:" in constructor.__doc__
    signature = inspect.signature(constructor)
    assert signature.return_annotation == "Prior"
    assert signature.parameters["floor"].kind == inspect.Parameter.KEYWORD_ONLY


def test_other_weights_give_what_the_points_with_these_weights_give() -> None:
    rng = np.random.default_rng(3)
    points = Prior.uniform(EVERY_KIND).sample(6, rng)
    equal = Prior.from_points(EVERY_KIND, points, floor=0.2).with_metadata(task="a")
    for weights in (rng.random(6), [0.0, 2.0, 0.0, 1.0, 5.0, 0.0]):
        changed = equal.reweight(weights)
        expected = Prior.from_points(EVERY_KIND, points, weights, floor=0.2)
        assert changed == expected.with_metadata(task="a")
        assert list(changed.log_prob(points)) == list(expected.log_prob(points))
    for wrong in ([1.0], [0.0] * 6, [-1.0] * 6, [np.nan] * 6):
        with pytest.raises(PriorError, match="weights"):
            equal.reweight(wrong)
    with pytest.raises(PriorError, match="uniform prior has no components"):
        Prior.uniform(EVERY_KIND).reweight([1.0])
