"""Arguments that cannot be right are named; those that can be are taken, whatever their type."""

from __future__ import annotations

import decimal
from collections.abc import Callable
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
from infoprior.priors._mixture.axes import make_axis
from tests.priors.past import study_of

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 1.0),
    "k": IntDistribution(0, 10),
    "c": CategoricalDistribution(("a", None, 2)),
}
POINTS: list[dict[str, Any]] = [{"x": 0.3, "k": 3, "c": "a"}, {"x": 0.6, "k": 5, "c": 2}]
PRIOR = Prior.from_points(SPACE, POINTS)
UNIFORM = Prior.uniform(SPACE)
STUDIES = [
    study_of([(p, i + j) for i, p in enumerate(POINTS)], SPACE, name=f"s{j}") for j in range(3)
]
ONE = {"x": ([0.5], [0.1]), "k": ([0.5], [0.1]), "c": [[0.5, 0.25, 0.25]]}


def learned(**arguments: Any) -> Prior:
    return Prior.from_studies(STUDIES, **arguments)


def described(features: Any, target: Any) -> Prior:
    return learned(metafeatures={"s0": features, "s1": features}, target=target)


Calls = dict[str, Callable[[Any], Any]]
# What a number in (0, 1] does for.
SHARES: Calls = {
    "floor": lambda v: Prior.from_points(SPACE, POINTS, floor=v),
    "bandwidth": lambda v: Prior.from_points(SPACE, POINTS, bandwidth=v),
    "bandwidth: 'x'": lambda v: Prior.from_points(
        {"x": SPACE["x"]}, [{"x": 1}], bandwidth={"x": v}
    ),
    "floor ": lambda v: Prior.gaussian(SPACE, POINTS, floor=v),
    "floor  ": lambda v: Prior.from_expert(SPACE, POINTS, floor=v),
    "top": lambda v: learned(top=v),
    "bandwidth ": lambda v: learned(bandwidth=v),
    "floor   ": lambda v: learned(floor=v),
}
NO_SHARES = (True, "0.5", 0.0, -0.1, 1.5, float("nan"), float("inf"), 10**400, [0.5], 1j)


@pytest.mark.parametrize("where", SHARES)
def test_shares_are_numbers_of_any_type(where: str) -> None:
    for value in (0.5, 1, np.float32(0.5), np.int64(1), np.float64(0.25)):
        SHARES[where](value)
    for wrong in (*NO_SHARES, decimal.Decimal("0.5"), np.True_, np.array(0.5)):
        with pytest.raises(PriorError, match=f"^{where.strip()}"):
            SHARES[where](wrong)


WRONG: list[tuple[str, Callable[[], Any]]] = [
    # spaces and points
    ("space: needs a dict", lambda: Prior.uniform([("x", SPACE["x"])])),  # type: ignore[arg-type]
    ("space: needs a dict", lambda: Prior.from_expert(None, {"x": 1})),  # type: ignore[arg-type]
    ("space: needs a dict", lambda: learned(space="x")),
    ("space: names need to be text, got 3", lambda: Prior.uniform({3: SPACE["x"]})),  # type: ignore[dict-item]
    ("space: parameter 'x' needs an Optuna", lambda: Prior.uniform({"x": (0, 1)})),  # type: ignore[dict-item]
    ("points: needs a list of dicts", lambda: Prior.from_points(SPACE, POINTS[0])),  # type: ignore[arg-type]
    ("points: needs a list of dicts", lambda: Prior.from_points(SPACE, None)),  # type: ignore[arg-type]
    ("points: needs a list of dicts", lambda: Prior.gaussian(SPACE, np.array(3))),  # type: ignore[arg-type]
    ("points: needs dicts, got 'x'", lambda: Prior.from_points(SPACE, ["x"])),  # type: ignore[list-item]
    ("values: needs a list of dicts", lambda: Prior.from_expert(SPACE, 3)),  # type: ignore[arg-type]
    ("values: needs a list of dicts", lambda: Prior.from_expert(SPACE, "x")),  # type: ignore[arg-type]
    (
        "point: parameters missing.*unknown: \\['z'\\]",
        lambda: PRIOR.log_prob({**POINTS[0], "z": 1}),
    ),
    ("params: needs a list of dicts", lambda: PRIOR.log_prob(None)),  # type: ignore[call-overload]
    ("params: needs dicts, got 0.5", lambda: PRIOR.log_ratio([0.5])),  # type: ignore[list-item]
    ("point: parameter 'x' needs a number", lambda: PRIOR.log_prob({**POINTS[0], "x": 1j})),
    # kernels and weights
    ("kernels: needs a dict", lambda: Prior(SPACE, [1], [1.0])),  # type: ignore[arg-type]
    ("kernels: are given, but no weights", lambda: Prior(SPACE, ONE, floor=1.0)),
    ("kernels: 'x': centers: needs numbers", lambda: Prior(SPACE, {**ONE, "x": (["a"], [1])}, [1])),
    ("kernels: 'x' needs centers", lambda: Prior(SPACE, {**ONE, "x": 3}, [1])),
    ("kernels: 'c': probabilities", lambda: Prior(SPACE, {**ONE, "c": [["1", "0", "0"]]}, [1])),
    ("weights: needs numbers", lambda: Prior(SPACE, ONE, ["1.0"])),  # type: ignore[arg-type]
    ("weights: needs numbers", lambda: Prior(SPACE, ONE, [True])),
    ("weights: needs numbers", lambda: Prior.from_points(SPACE, POINTS, [True, 0.5])),
    ("weights: needs numbers", lambda: Prior.from_points(SPACE, POINTS, [[1], [2, 3]])),  # type: ignore[list-item]
    ("weights: needs a number, got None", lambda: Prior.from_points(SPACE, POINTS, [None, 1.0])),  # type: ignore[list-item]
    (
        "weights: has masked entries",
        lambda: Prior.from_points(SPACE, POINTS, np.ma.masked_array([1.0, 2.0], [True, False])),
    ),
    ("weights: needs 2 finite", lambda: Prior.from_expert(SPACE, POINTS, weights=[1.0, np.inf])),
    ("metadata: needs a dict", lambda: Prior(SPACE, floor=1.0, metadata=[])),  # type: ignore[arg-type]
    ("metadata: 'a': needs a number", lambda: UNIFORM.with_metadata(a=None)),  # type: ignore[arg-type]
    ("metadata: 'a': needs a finite", lambda: UNIFORM.with_metadata(a=np.float32("nan"))),
    # reading
    ("sample: n: needs a whole number, got True", lambda: PRIOR.sample(True, 0)),
    ("sample: n: needs a whole number, got 2.0", lambda: PRIOR.sample(2.0, 0)),  # type: ignore[arg-type]
    ("sample: n: needs to be 0 to", lambda: PRIOR.sample(10**400, 0)),
    ("sample: rng: needs a numpy.random.Generator or a seed", lambda: PRIOR.sample(2, None)),  # type: ignore[arg-type]
    ("sample: rng: .* got -1", lambda: PRIOR.sample(2, -1)),
    ("sample: rng: .* got True", lambda: PRIOR.sample(2, True)),
    ("marginal: parameter \\['x'\\] is unknown", lambda: PRIOR.marginal(["x"])),  # type: ignore[arg-type]
    ("quantile: q: needs a number", lambda: PRIOR.marginal("x").quantile("0.5")),  # type: ignore[arg-type]
    ("quantile: q: needs a finite", lambda: PRIOR.marginal("x").quantile(float("nan"))),
    ("entropy: parameter 3 is unknown", lambda: PRIOR.entropy(3)),  # type: ignore[arg-type]
    ("entropy: n: needs a whole number", lambda: PRIOR.entropy(n="9")),  # type: ignore[arg-type]
    ("entropy: rng: needs a numpy", lambda: PRIOR.entropy(rng="0")),  # type: ignore[arg-type]
    ("condition: needs a dict", lambda: PRIOR.condition("x")),  # type: ignore[arg-type]
    ("restrict: needs a dict", lambda: PRIOR.restrict(None)),  # type: ignore[arg-type]
    ("mix: other needs to be a Prior", lambda: PRIOR.mix(SPACE)),  # type: ignore[arg-type]
    ("mix: weight: needs a number, got True", lambda: PRIOR.mix(UNIFORM, True)),
    ("mix: weight: needs a finite", lambda: PRIOR.mix(UNIFORM, float("nan"))),
    ("plot: others: needs a dict", lambda: PRIOR.plot([UNIFORM])),  # type: ignore[arg-type]
    ("plot: others: 'a' needs a Prior", lambda: PRIOR.plot({"a": 3})),  # type: ignore[dict-item]
    ("plot: label: 'prior' is one of the", lambda: PRIOR.plot({"prior": UNIFORM})),
    ("plot: label: needs text", lambda: PRIOR.plot(label=["a"])),  # type: ignore[arg-type]
    ("plot: title: needs text", lambda: PRIOR.plot(title=np.zeros(2))),  # type: ignore[arg-type]
    # files
    ("path: needs a path, got None", lambda: PRIOR.save(None)),  # type: ignore[arg-type]
    ("path: needs a path, got 3", lambda: Prior.load(3)),  # type: ignore[arg-type]
    ("path: needs a path, got b'p'", lambda: Prior.load(b"p")),  # type: ignore[arg-type]
    ("path: there is no directory", lambda: PRIOR.save("no/such/prior.json")),
    ("path: '/' is a directory", lambda: PRIOR.save("/")),
    ("path: .* cannot be the name", lambda: PRIOR.save("\ud800.json")),
    ("path: .* holds a NUL", lambda: PRIOR.save("a\0.json")),
    ("file: 'no.json' cannot be read: No such file", lambda: Prior.load("no.json")),
    ("file: '/' cannot be read: Is a directory", lambda: Prior.load("/")),
    # learning
    ("objective: needs a whole number", lambda: learned(objective=True)),
    ("objective: needs to be 0 or more", lambda: learned(objective=-1)),
    ("metafeatures: 's0': needs a vector", lambda: described("abc", "abc")),
    ("metafeatures: 's0': needs a vector", lambda: described({1.0, 2.0}, [1.0, 2.0])),
    ("metafeatures: 's0': two features", lambda: described({1: 1.0, "1": 2.0}, {1: 1.0})),
    ("target: needs a vector", lambda: described([1.0], 3)),
    ("metafeatures: the target has 2|'s0' has 1", lambda: described([1.0], [1.0, 2.0])),
]


@pytest.mark.parametrize(
    ("match", "call"), WRONG, ids=[f"{i}-{m[:30]}" for i, (m, _) in enumerate(WRONG)]
)
def test_wrong_arguments_are_named(match: str, call: Callable[[], Any]) -> None:
    with pytest.raises(PriorError, match=f"^{match}"):
        call()


def test_a_study_named_target_is_no_target() -> None:
    studies = [study_of([(p, i) for i, p in enumerate(POINTS)], SPACE, name="target")]
    features = {"target": [1.0, 2.0]}
    with pytest.raises(PriorError, match="'target' has 2 numbers, the target 1"):
        Prior.from_studies(studies, metafeatures=features, target=[1.0])


def test_missing_metafeatures_of_any_type() -> None:
    pd = pytest.importorskip("pandas")
    for gap in (None, np.nan, np.float32("nan"), pd.NA, pd.NaT):
        features = {"s0": [1.0, gap], "s1": [2.0, 1.0], "s2": [3.0, 2.0]}
        prior = learned(metafeatures=features, target=iter([1.0, 1.0]))
        assert prior.metadata["studies_used"] == 3


def test_seeds_tuples_scalars_and_paths_are_taken(tmp_path: Path) -> None:
    points = PRIOR.sample(3, np.random.default_rng(7))
    assert PRIOR.sample(np.int64(3), 7) == points  # type: ignore[arg-type]
    assert Prior.from_points(SPACE, (p for p in POINTS), np.array([1, 1])) == PRIOR
    assert Prior.from_points(SPACE, tuple(POINTS), (np.float32(1), np.int8(1))) == PRIOR
    assert PRIOR.entropy(n=np.int32(50), rng=3) == PRIOR.entropy(n=50, rng=np.random.default_rng(3))
    assert PRIOR.mix(UNIFORM, np.float32(0.5)) == PRIOR.mix(UNIFORM)
    assert learned(objective=np.int64(0), top=np.float64(0.5), max_components=np.int8(3))
    PRIOR.save(str(tmp_path / ("p" * 250 + ".json")))
    assert Prior.load(tmp_path / ("p" * 250 + ".json")) == PRIOR


# ---- numbers that a float cannot hold, or holds otherwise

LIMIT = 2**53


def test_ints_beyond_floats_are_not_taken_for_their_neighbours() -> None:
    prior = Prior.uniform({"k": IntDistribution(LIMIT - 6, LIMIT, step=3)})
    inside = [LIMIT - 6, LIMIT - 3, LIMIT]
    assert prior.marginal("k").values == inside
    assert prior.log_prob([{"k": k} for k in inside]) == pytest.approx(-np.log(3))
    outside = [LIMIT + 1, LIMIT - 1, LIMIT + 3, -LIMIT, 10**400, LIMIT - 3.5]
    assert np.all(prior.log_prob([{"k": k} for k in outside]) == -np.inf)
    wide = make_axis("k", IntDistribution(-LIMIT, LIMIT - 1, step=3))
    assert wide.find(LIMIT - 3) is None  # in floats, its distance from `low` is divisible
    assert wide.find(-LIMIT + 3 * 10**15) == 10**15


@pytest.mark.parametrize("value", [0.1, 0.7, 0.3])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_low_precision_stands_for_the_decimal(value: float, kind: Any) -> None:
    """The ends of a range, a value of a grid, and a choice."""
    given = kind(str(value))
    for distribution in (
        FloatDistribution(0.1, value + 0.2),
        FloatDistribution(value - 0.1, value),
        FloatDistribution(0.0, 1.0, step=0.1),
        CategoricalDistribution((value, "a")),
    ):
        prior = Prior.uniform({"p": distribution})
        assert np.isfinite(prior.log_prob({"p": given}))
        assert Prior.from_points({"p": distribution}, [{"p": given}]).mode()["p"] == pytest.approx(
            value, abs=1e-3
        )
    assert make_axis("p", FloatDistribution(0, 1, step=0.1)).find(given) == round(10 * value)
    assert make_axis("p", FloatDistribution(0, 1, step=0.1)).find(kind(0.15)) is None


def test_a_grid_of_a_million_million_steps_has_its_own_values() -> None:
    prior = Prior.uniform({"x": FloatDistribution(0.0, 1e6, step=1e-6)})
    assert np.all(np.isfinite(prior.log_prob(prior.sample(50, 0))))


@pytest.mark.parametrize("log", [False, True])
def test_kernels_on_huge_ints_are_densities_in_the_limit(log: bool) -> None:
    """On 10^15 values a cell's mass is density times width, to as many digits as there are."""
    high = 10**15
    prior = Prior.from_points(
        {"k": IntDistribution(1, high, log=log)}, [{"k": high // 3}], bandwidth=0.1, floor=1e-12
    )
    same = Prior.from_points(
        {"k": FloatDistribution(0.5, high + 0.5, log=log)},
        [{"k": high // 3}],
        bandwidth=0.1,
        floor=1e-12,
    )
    for value in (10**13, 10**14 + 1, high // 3, high // 3 + 1, high - 10**9):
        assert prior.log_ratio({"k": value}) == pytest.approx(
            same.log_ratio({"k": value}), abs=1e-6
        )


def test_narrow_ranges_that_unit_coordinates_cannot_tell_apart() -> None:
    prior = Prior.from_points({"x": FloatDistribution(0, 1e6)}, [{"x": 5e5}], bandwidth=0.001)
    low, high = 5e5, float(np.nextafter(5e5, 1e9))
    narrow = prior.restrict({"x": FloatDistribution(low, high)})
    assert narrow.space == {"x": FloatDistribution(low, high)}
    assert all(low <= p["x"] <= high for p in narrow.sample(20, 0))
    assert narrow.floor == pytest.approx(0.1 / np.exp(prior.log_ratio({"x": low})), rel=1e-6)


def test_the_narrowest_kernels_can_be_put_on_a_grid() -> None:
    prior = Prior.from_points({"x": FloatDistribution(0, 1)}, [{"x": 0.5}], bandwidth=0.001)
    assert prior.restrict({"x": FloatDistribution(0, 1, step=0.1)}).mode() == {"x": 0.5}
