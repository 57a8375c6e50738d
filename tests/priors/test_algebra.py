"""Restricting, mixing and conditioning are exact: against brute force on every distribution."""

from __future__ import annotations

import math
from pathlib import Path
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
from tests.priors.test_prior import quadrature

stats = pytest.importorskip("scipy.stats")
erfcx = pytest.importorskip("scipy.special").erfcx

Float, Int, Choice = FloatDistribution, IntDistribution, CategoricalDistribution


def total(prior: Prior) -> float:
    """The sum, or integral, of a prior over one parameter."""
    ((name, distribution),) = prior.space.items()
    values, weights = quadrature(distribution)
    return float(np.dot(np.exp(prior.log_prob([{name: v} for v in values])), weights))


# The prior's distribution, what the user asks for, and what comes out.
EXACT: list[tuple[BaseDistribution, BaseDistribution, BaseDistribution]] = [
    (Float(-1, 3), Float(-0.5, 0.25), Float(-0.5, 0.25)),
    (Float(-1, 3), Float(2.0, 9.0), Float(2.0, 3.0)),
    (Float(-1, 3), Float(-9.0, 9.0), Float(-1, 3)),
    (Float(1, 3), Float(1.5, 2.5, log=True), Float(1.5, 2.5)),
    (Float(1e-4, 1e-1, log=True), Float(1e-3, 2e-3, log=True), Float(1e-3, 2e-3, log=True)),
    (Float(1e-4, 1e-1, log=True), Float(0.05, 1.0), Float(0.05, 0.1, log=True)),
    (Float(0, 1, step=0.1), Float(0.3, 0.7, step=0.1), Float(0.3, 0.7, step=0.1)),
    (Float(0, 1, step=0.1), Float(0.2, 1.4, step=0.2), Float(0.2, 1.0, step=0.2)),
    (Float(0, 1, step=0.1), Float(0.25, 0.75), Float(0.3, 0.7, step=0.1)),
    (Float(0, 6, step=0.5), Int(1, 9), Int(1, 6)),
    (Float(0, 6, step=2.0), Int(1, 9), Int(2, 6, step=2)),
    (Int(1, 5), Int(2, 4), Int(2, 4)),
    (Int(1, 5), Int(-3, 9), Int(1, 5)),
    (Int(1, 5), Int(4, 5, log=True), Int(4, 5)),
    (Int(1, 5), Float(1.5, 4.5), Int(2, 4)),
    (Int(1, 5), Float(1, 3, step=1.0), Float(1, 3, step=1.0)),
    (Int(1, 30), Int(2, 30, step=7), Int(2, 30, step=7)),
    (Int(0, 36, step=4), Int(0, 36, step=6), Int(0, 36, step=12)),
    (Int(1, 300, log=True), Int(7, 40, log=True), Int(7, 40, log=True)),
    (Int(1, 300, log=True), Int(100, 900), Int(100, 300, log=True)),
    (Int(1, 300, log=True), Float(1.5, 4.5), Int(2, 4, log=True)),
    (Int(10, 120, step=5), Int(40, 80, step=5), Int(40, 80, step=5)),
    (Int(10, 120, step=5), Int(1, 50), Int(10, 50, step=5)),
    (Choice(("relu", 2, None, True, 0.5)), Choice((None, "relu")), Choice((None, "relu"))),
    (Choice(("a", "b", "c")), Choice(("c", "new", "a")), Choice(("c", "a"))),
    (Float(-1, 3), Float(0.5, 0.5), Float(0.5, 0.5)),
    (Float(-1, 3), Int(2, 2), Int(2, 2)),
    (Int(1, 300, log=True), Int(9, 9), Int(9, 9, log=True)),
    (Choice("abc"), Choice("b"), Choice("b")),
]


@pytest.mark.parametrize("floor", [0.1, 1e-12])
@pytest.mark.parametrize(("ours", "asked", "expected"), EXACT)
def test_restricting_one_parameter_renormalises_it(
    ours: BaseDistribution, asked: BaseDistribution, expected: BaseDistribution, floor: float
) -> None:
    prior = prior_over({"x": ours, "c": Choice("uv")}, floor=floor, seed=2)
    restricted = prior.restrict({"x": asked, "c": Choice("uv"), "unknown": Int(0, 3)})
    assert restricted.space == {"x": expected, "c": Choice("uv")}
    points = restricted.sample(200, np.random.default_rng(1))
    for point in points:
        assert asked._contains(asked.to_internal_repr(point["x"]))
    difference = restricted.log_prob(points) - prior.log_prob(points)
    np.testing.assert_allclose(difference, difference[0], atol=1e-8)
    alone = prior_over({"x": ours}, floor=floor).restrict({"x": asked})
    assert total(alone) == pytest.approx(1.0, abs=1e-9)
    assert restricted.restrict({"x": asked, "c": Choice("uv")}) == restricted


@pytest.mark.parametrize(
    ("ours", "asked", "expected"),
    [
        (Float(1, 9), Float(2, 8, step=0.5), Float(2, 8, step=0.5)),
        (Float(1, 9), Int(3, 20), Int(3, 9)),
        (Float(1, 9), Int(3, 8, log=True), Int(3, 8)),
        (Float(0.5, 100, log=True), Int(0, 20), Int(1, 20, log=True)),
    ],
)
def test_a_continuous_prior_gives_each_value_of_a_grid_its_cell(
    ours: BaseDistribution, asked: BaseDistribution, expected: BaseDistribution
) -> None:
    """The density integrated over the cells, by quadrature; the prior reaches over all of them."""
    prior = prior_over({"x": ours}, seed=3)
    restricted = prior.restrict({"x": asked})
    assert restricted.space == {"x": expected}
    values, _ = quadrature(expected)
    step = values[1] - values[0]
    nodes, weights = np.polynomial.legendre.leggauss(60)
    masses = []
    for value in values[:-1]:
        x = value + 0.5 * step * nodes
        inside = [{"x": v} for v in x]
        masses.append(float(np.dot(np.exp(prior.log_prob(inside)), weights)))
    got = np.exp(restricted.log_prob([{"x": v} for v in values[:-1]]))
    np.testing.assert_allclose(got / got.sum(), masses / np.sum(masses), rtol=1e-7)
    assert total(restricted) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("ours", "asked"),
    [
        (Int(1, 300, log=True), Int(20, 300, step=20)),
        (Int(1, 300, log=True), Float(10.0, 300.0, step=2.5)),
        (Float(1e-2, 1e1, log=True), Float(0.5, 10.0, step=0.5)),
    ],
)
def test_some_values_of_a_log_parameter_have_exact_kernels_and_a_uniform_floor(
    ours: BaseDistribution, asked: BaseDistribution
) -> None:
    tiny = prior_over({"x": ours}, floor=1e-13)
    restricted = tiny.restrict({"x": asked})
    values = restricted.marginal("x").values
    assert all(asked._contains(asked.to_internal_repr(v)) for v in values)
    assert total(restricted) == pytest.approx(1.0, abs=1e-9)
    if isinstance(ours, IntDistribution):
        points = [{"x": int(v)} for v in values]
        difference = restricted.log_prob(points) - tiny.log_prob(points)
        np.testing.assert_allclose(difference, difference[0], atol=1e-5)
    else:  # each value's cell, but for the outer ones, of which only a half is the prior's
        step = values[1] - values[0]
        nodes, weights = np.polynomial.legendre.leggauss(60)
        cells = [[{"x": v + 0.5 * step * t} for t in nodes] for v in values[1:-1]]
        masses = np.array([np.dot(np.exp(tiny.log_prob(cell)), weights) for cell in cells])
        got = np.exp(restricted.log_prob([{"x": v} for v in values[1:-1]]))
        np.testing.assert_allclose(got / got.sum(), masses / masses.sum(), rtol=1e-7)
    whole = Prior.uniform({"x": ours}).restrict({"x": asked})
    assert whole == Prior.uniform(restricted.space)


def test_restricting_many_parameters_is_exact() -> None:
    space = {n: EVERY_KIND[n] for n in ("float", "log_int", "stepped_float", "categorical")}
    prior = prior_over(space, n=40, seed=7)
    asked: dict[str, BaseDistribution] = {
        "log_int": Int(5, 50),
        "categorical": Choice((2, None)),
        "float": Float(0.0, 1.0),
        "stepped_float": Float(0.0, 1.0, step=0.2),
    }
    restricted = prior.restrict(asked)
    points = restricted.sample(300, np.random.default_rng(0))
    difference = restricted.log_prob(points) - prior.log_prob(points)
    np.testing.assert_allclose(difference, difference[0], atol=1e-9)
    # The constant is the mass of the space, which the prior's own samples can tell.
    drawn = prior.sample(40_000, np.random.default_rng(1))
    inside = [
        5 <= p["log_int"] <= 50 and p["categorical"] in (2, None) and 0 <= p["float"] <= 1
        and round(p["stepped_float"] * 10) % 2 == 0
        for p in drawn
    ]  # fmt: skip
    share = np.mean(inside)
    error = math.sqrt(share * (1 - share) / len(drawn))
    assert math.exp(-difference[0]) == pytest.approx(share, abs=4 * error)


def test_names_left_out_are_integrated_out() -> None:
    space = {n: EVERY_KIND[n] for n in ("int", "categorical", "float")}
    prior = prior_over(space)
    restricted = prior.restrict({"int": space["int"], "other": Float(0, 1)})
    assert list(restricted.space) == ["int"]
    np.testing.assert_allclose(
        np.exp(restricted.log_prob([{"int": i} for i in range(1, 6)])),
        prior.marginal("int").probabilities,
        rtol=1e-12,
    )
    # In two steps or in one.
    once = prior.restrict({"float": Float(0, 1), "int": Int(2, 4)})
    twice = prior.restrict({"float": Float(-0.5, 2), "int": Int(2, 5)}).restrict(once.space)
    points = once.sample(100, np.random.default_rng(0))
    np.testing.assert_allclose(once.log_prob(points), twice.log_prob(points), atol=1e-9)
    assert prior.restrict(space) == prior


def test_parameters_without_a_common_value_are_left_out() -> None:
    prior = prior_over({"x": Float(0, 1), "k": Int(0, 10, step=2), "c": Choice("ab")})
    others: dict[str, BaseDistribution] = {"x": Float(2, 3), "k": Int(1, 9, step=2)}
    left = prior.restrict({**others, "c": Choice("a")})
    assert left.space == {"c": Choice("a")}
    assert prior.restrict({**others, "c": Choice("ab")}) == prior.restrict({"c": Choice("ab")})
    assert list(prior.restrict({"x": Choice((0.5,)), "k": Int(0, 2)}).space) == ["k"]
    with pytest.raises(PriorError, match=r"restrict.*no name with a value in common"):
        prior.restrict({**others, "c": Choice("xy")})
    with pytest.raises(PriorError, match="restrict"):
        prior.restrict({})
    with pytest.raises(PriorError, match="restrict"):
        prior.restrict([])  # type: ignore[arg-type]
    many = Prior.from_points({"k": Int(0, 10**6)}, [{"k": 5}])
    with pytest.raises(PriorError, match="500000"):
        many.restrict({"k": Int(0, 10**6, step=2)})


@pytest.mark.parametrize(
    ("low", "high"), [(0.2, 1.0), (0.5, 0.6), (0.66, 1.0), (0.7, 0.7 + 1e-6), (0.02, 0.02 + 1e-12)]
)
def test_far_from_every_centre_the_law_is_still_exact(
    low: float, high: float, tmp_path: Path
) -> None:
    """Up to 35 widths from the only centre, where its mass is near the smallest number."""
    prior = Prior({"x": Float(0, 1)}, {"x": ([0.0], [0.02])}, [1.0], floor=1e-300)
    restricted = prior.restrict({"x": Float(low, high)})
    assert restricted.floor < 1e-9
    restricted.save(tmp_path / "prior.json")
    assert Prior.load(tmp_path / "prior.json") == restricted
    drawn = np.array([p["x"] for p in restricted.sample(2000, np.random.default_rng(0))])
    assert low <= drawn.min() <= drawn.max() <= high

    def survival(x: np.ndarray) -> np.ndarray:  # beyond x, of what lies beyond low
        difference = (np.square(x) - low**2) / (2 * 0.02**2)
        return np.exp(-difference) * erfcx(x / 0.02 / math.sqrt(2)) / erfcx(low / 0.02 / 2**0.5)

    if high - low > 1e-9:
        share = (1 - survival(drawn)) / (1 - survival(np.array([high])))
        assert stats.kstest(share, "uniform").pvalue > 1e-3
    else:  # so narrow that it is uniform
        assert stats.kstest((drawn - low) / (high - low), "uniform").pvalue > 1e-3
    assert total(restricted) == pytest.approx(1.0, abs=1e-9)


def test_on_a_range_too_narrow_for_a_width_the_slope_stays() -> None:
    prior = Prior({"x": Float(0, 1)}, {"x": ([0.5], [0.02])}, [1.0], floor=1e-300)
    (component,) = prior.restrict({"x": Float(0.0, 1e-16)}).to_dict()["components"]
    assert component["kernels"]["x"]["width"] == 1e12
    assert component["kernels"]["x"]["center"] == pytest.approx(25e12)


def test_tables_on_a_log_int() -> None:
    """Their reference is the log int's own uniform distribution, not equal shares."""
    shares = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    space: dict[str, BaseDistribution] = {"k": Int(1, 4, log=True)}
    prior = Prior(space, {"k": {"probabilities": shares}}, [0.5, 0.5], floor=0.2)
    uniform = np.exp(Prior.uniform(space).log_prob([{"k": k} for k in range(1, 5)]))
    truth = 0.2 * uniform + 0.8 * shares.mean(axis=0)
    np.testing.assert_allclose(np.exp(prior.log_prob([{"k": k} for k in range(1, 5)])), truth)
    narrow = prior.restrict({"k": Int(2, 3)})
    assert narrow.space == {"k": Int(2, 3, log=True)}
    got = np.exp(narrow.log_prob([{"k": 2}, {"k": 3}]))
    np.testing.assert_allclose(got, truth[1:3] / truth[1:3].sum())
    assert prior.mode() == {"k": 4}  # relative to uniform


def test_where_no_kernel_reaches_the_floor_is_left() -> None:
    prior = Prior({"x": Float(0, 1)}, {"x": ([0.0], [1e-3])}, [1.0], floor=0.1)
    restricted = prior.restrict({"x": Float(0.5, 1.0)})
    assert restricted == Prior.uniform({"x": Float(0.5, 1.0)})


def test_mix_is_the_log_of_the_weighted_sum() -> None:
    first, second = prior_over(EVERY_KIND, seed=1, floor=0.3), prior_over(EVERY_KIND, n=3, seed=2)
    points = Prior.uniform(EVERY_KIND).sample(200, np.random.default_rng(0))
    uniform = Prior.uniform(EVERY_KIND)
    for ours, theirs in ((first, second), (first, uniform), (uniform, second)):
        for weight in (0.0, 0.25, 1.0):
            mixed = ours.mix(theirs, weight)
            with np.errstate(divide="ignore"):
                truth = np.logaddexp(
                    math.log1p(-weight) + ours.log_prob(points) if weight < 1 else -np.inf,
                    np.log(weight) + theirs.log_prob(points),
                )
            np.testing.assert_allclose(mixed.log_prob(points), truth, atol=1e-12)
    assert uniform.mix(uniform, 0.3) == uniform
    assert first.mix(second, 0.5).n_components == 10


def test_mix_of_gaussians_and_tables() -> None:
    space: dict[str, BaseDistribution] = {"k": Int(1, 29, step=7)}
    coarse = prior_over({"k": Int(1, 30)}, seed=1).restrict(space)
    plain = prior_over(space, seed=2)
    assert coarse.space == plain.space
    points = [{"k": k} for k in range(1, 30, 7)]
    for ours, theirs in ((coarse, plain), (plain, coarse)):
        truth = np.log(0.8 * np.exp(ours.log_prob(points)) + 0.2 * np.exp(theirs.log_prob(points)))
        np.testing.assert_allclose(ours.mix(theirs, 0.2).log_prob(points), truth, atol=1e-12)


def test_mix_refuses_other_spaces_and_weights() -> None:
    prior = prior_over({"x": Float(0, 1), "k": Int(0, 4)})
    with pytest.raises(PriorError, match=r"mix: 'x'.*restrict"):
        prior.mix(prior_over({"x": Float(0, 2), "k": Int(0, 4)}))
    with pytest.raises(PriorError, match=r"mix.*different parameters.*restrict"):
        prior.mix(prior_over({"x": Float(0, 1)}))
    for weight in (-0.1, 1.1, math.nan, True, "half"):
        with pytest.raises(PriorError, match="weight"):
            prior.mix(prior, weight)  # type: ignore[arg-type]
    large = Prior.from_points(prior.space, prior.sample(6000, np.random.default_rng(0)))
    with pytest.raises(PriorError, match=r"mix: 12000 components"):
        large.mix(large)


def test_mix_keeps_the_metadata_on_which_both_agree() -> None:
    prior = prior_over({"x": Float(0, 1)})
    mixed = prior.with_metadata(task="a", n=3).mix(prior.with_metadata(task="b", n=3))
    assert mixed.metadata == {"n": 3}


def derived() -> dict[str, Prior]:
    """Priors that came out of the algebra, over every kind of parameter."""
    prior = prior_over(EVERY_KIND, seed=5)
    restricted = prior.restrict(
        {
            **{n: d for n, d in EVERY_KIND.items() if not n.startswith("one_")},
            "float": Float(0, 1),
            "log_float": Float(1e-3, 1.0),
            "stepped_float": Float(0, 1, step=0.2),
            "log_int": Int(30, 300, step=30),
            "stepped_int": Int(40, 80, step=5),
            "categorical": Choice((0.5, 2, "relu")),
        }
    )
    return {
        "restricted": restricted,
        "conditioned": restricted.condition({"int": 2}),
        "mixed": restricted.mix(Prior.uniform(restricted.space), 0.3),
    }


@pytest.mark.parametrize("how", derived())
def test_derived_priors_sum_to_one_and_samples_follow(how: str) -> None:
    prior = derived()[how]
    drawn = prior.sample(4000, np.random.default_rng(11))
    for name, distribution in prior.space.items():
        marginal = prior.restrict({name: distribution})
        assert total(marginal) == pytest.approx(1.0, abs=1e-9)
        follows([p[name] for p in drawn], prior.marginal(name))


@pytest.mark.parametrize("how", derived())
def test_derived_priors_round_trip_and_keep_the_floor(how: str, tmp_path: Path) -> None:
    prior = derived()[how]
    prior.save(tmp_path / "prior.json")
    assert Prior.load(tmp_path / "prior.json") == prior
    assert prior.to_dict()["version"] == 2
    uniform = Prior.uniform(prior.space).sample(500, np.random.default_rng(0))
    assert np.all(prior.log_ratio(uniform) >= math.log(prior.floor) - 1e-12)
    assert math.isfinite(prior.log_prob(prior.mode()))


@pytest.mark.parametrize("how", derived())
def test_the_chain_rule(how: str) -> None:
    """p(x) is the product of each value's marginal given those before it."""
    prior = derived()[how]
    for point in prior.sample(5, np.random.default_rng(3)):
        rest, log_prob = prior, 0.0
        names = list(point)
        for name in names:
            alone = rest.restrict({name: rest.space[name]})
            log_prob += alone.log_prob({name: point[name]})
            if name != names[-1]:
                rest = rest.condition({name: point[name]})
        assert log_prob == pytest.approx(prior.log_prob(point), abs=1e-9)


def test_the_algebra_changes_nothing_in_place() -> None:
    prior = prior_over(EVERY_KIND)
    before: dict[str, Any] = prior.to_dict()
    prior.restrict({"float": Float(0, 1)})
    prior.condition({"int": 2})
    prior.mix(prior, 0.5)
    prior.metadata["new"] = 1
    prior.space.clear()
    assert prior.to_dict() == before
    with pytest.raises(ValueError, match="read-only"):
        prior.weights[0] = 1.0
    for name in ("floor", "weights", "metadata", "space", "n_components"):
        with pytest.raises(AttributeError):
            setattr(prior, name, None)
