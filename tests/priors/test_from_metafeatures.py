"""Near studies count for more, where nearness helps; and what held-out studies decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from infoprior.priors import Prior, PriorError
from infoprior.priors._learning.bandwidths import (
    NARROWEST,
    Points,
    kernels_around_points,
    log_kernels,
    scott_bandwidths,
)
from infoprior.priors._learning.learn import few, thinned
from infoprior.priors._learning.leave_one_out import LeaveOneStudyOut
from infoprior.priors._learning.ranking import fronts, n_best
from infoprior.priors._learning.similarity import distances, kernel
from infoprior.priors._mixture.axes import make_axis
from infoprior.priors._mixture.points import aitchison_aitken
from tests.priors.past import SPACE, point, random_study
from tests.priors.spaces import EVERY_KIND

X = {"x": FloatDistribution(0.0, 1.0)}


def family(
    n: int, seed: int, trials: int = 40
) -> tuple[list[optuna.Study], dict[str, list[float]], np.ndarray]:
    """Studies whose optimum moves with a metafeature; beside it one that means nothing."""
    rng = np.random.default_rng(seed)
    where = np.linspace(0.1, 0.9, n)
    studies = [random_study([w, 1 - w, 0.5], trials, rng, f"s{i}") for i, w in enumerate(where)]
    features = {f"s{i}": [1e6 * w, 3.0] for i, w in enumerate(where)}
    return studies, features, where


def test_a_near_study_dominates() -> None:
    studies, features, _ = family(2, seed=0)
    plain = Prior.from_studies(studies)
    near = Prior.from_studies(studies, metafeatures=features, target=[1e5, 3.0])
    optimum = point([0.1, 0.9, 0.5])
    assert near.log_ratio(optimum) > plain.log_ratio(optimum) + 0.3
    assert near.metadata["studies_effective"] < 1.5 < plain.metadata["studies_effective"]


def test_nearness_is_learned_from_many_studies() -> None:
    studies, features, where = family(20, seed=1)
    plain = Prior.from_studies(studies)
    gains = []
    for w in where[::4]:
        near = Prior.from_studies(studies, metafeatures=features, target=[1e6 * w, 3.0])
        optimum = point([w, 1 - w, 0.5])
        gains.append(near.log_ratio(optimum) - plain.log_ratio(optimum))
    assert np.mean(gains) > 0.3
    assert near.metadata["held_out_log_ratio"] > plain.metadata["held_out_log_ratio"] + 0.3
    assert near.metadata["metafeature_scale"] > 0.0
    # Features of other studies say nothing, and are found to.
    order = np.random.default_rng(2).permutation(20)
    shuffled = {f"s{i}": features[f"s{j}"] for i, j in enumerate(order)}
    prior = Prior.from_studies(studies, metafeatures=shuffled, target=[5e5, 3.0])
    assert prior.metadata["studies_effective"] > 10


def test_without_metafeatures_all_studies_are_alike() -> None:
    studies, features, _ = family(6, seed=3)
    plain = Prior.from_studies(studies)
    assert plain.metadata["studies_effective"] == pytest.approx(6.0)
    same = {name: [1.0, 2.0] for name in features}
    alike = Prior.from_studies(studies, metafeatures=same, target=[9.0, 9.0])
    assert alike.to_dict()["components"] == plain.to_dict()["components"]


def test_dicts_and_missing_numbers() -> None:
    studies, features, _ = family(2, seed=4)
    named = {s: {"size": f[0], "classes": f[1]} for s, f in features.items()}
    by_vector = Prior.from_studies(studies, metafeatures=features, target=[1e5, 3.0])
    by_name = Prior.from_studies(studies, metafeatures=named, target={"classes": 3.0, "size": 1e5})
    assert by_name == by_vector
    gaps: dict[str, Any] = {"s0": [1e5, None], "s1": [float("nan"), 3.0]}
    assert Prior.from_studies(studies, metafeatures=gaps, target=[1e5, 3.0]).n_components > 0
    # A study that nothing is said of is as far as the median, and stays in.
    some = Prior.from_studies(studies, metafeatures={"s0": [1e5]}, target=[1e5])
    assert some.metadata["studies_used"] == 2


def test_distances_are_robust_and_scale_free() -> None:
    features = {str(i): [float(i), 100.0 * i, 7.0] for i in range(5)}
    between, nearness = distances(list("01234"), features, [2.0, 200.0, -1e9])
    # The constant feature is left out; quartiles 1 and 3 are 2 / 1.349 standard deviations.
    np.testing.assert_allclose(nearness, np.abs(np.arange(5) - 2) * 1.349 / 2, atol=1e-12)
    np.testing.assert_allclose(between[0], np.arange(5) * 1.349 / 2, atol=1e-7)
    wild = {**features, "4": [1e12, 1e12, 7.0]}
    np.testing.assert_allclose(
        distances(list("01234"), wild, [2.0, 200.0, 0.0])[1][:4], nearness[:4]
    )
    assert distances(list("01234"), wild, [2.0, 200.0, 0.0])[1][4] == 5.0


def test_the_kernel_of_distances() -> None:
    d = np.array([3.0, 4.0, 5.0, np.inf])
    np.testing.assert_allclose(kernel(d, 1.0), [1.0, np.exp(-3.5), np.exp(-8.0), 0.0])
    np.testing.assert_allclose(kernel(d, np.inf), [1.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(kernel(np.array([1e6, 2e6]), 1e-3), [1.0, 0.0])


@pytest.mark.parametrize(
    ("metafeatures", "target", "match"),
    [
        ({"s0": [1.0]}, None, "^target: "),
        ({"other": [1.0]}, [1.0], "^metafeatures: there are none of these studies"),
        ({"s0": [1.0], "s1": [1.0, 2.0]}, [1.0], r"'s1' has 2 numbers"),
        ({"s0": ["a"]}, [1.0], r"'s0': '0': needs a number"),
        ({"s0": [float("inf")]}, [1.0], r"'s0'.* finite"),
        ({"s0": {"a": 1.0}}, [1.0], "cannot be mixed"),
        ([1.0], [1.0], "^metafeatures: needs a dict"),
        ({"s0": 3.0}, 3.0, "needs a vector or a dict"),
    ],
)
def test_wrong_metafeatures_are_named(metafeatures: Any, target: Any, match: str) -> None:
    studies, _, _ = family(2, seed=0, trials=4)
    with pytest.raises(PriorError, match=match):
        Prior.from_studies(studies, metafeatures=metafeatures, target=target)


def test_studies_of_one_name_cannot_be_told_apart() -> None:
    rng = np.random.default_rng(0)
    studies = [random_study([0.5] * 3, 5, rng, "same") for _ in range(2)]
    with pytest.raises(PriorError, match="several studies have the name 'same'"):
        Prior.from_studies(studies, metafeatures={"same": [1.0]}, target=[1.0])


# ---- what is compared is the prior's own density


@pytest.mark.parametrize("name", EVERY_KIND)
def test_kernels_compared_are_the_priors(name: str) -> None:
    space = {name: EVERY_KIND[name]}
    axis = make_axis(name, space[name])
    values = [p[name] for p in Prior.uniform(space).sample(6, np.random.default_rng(0))]
    positions = np.array([axis.find(v) for v in values], dtype=float)
    logs = log_kernels(axis, positions, 0.17)
    for j in range(6):
        made = kernels_around_points(axis, positions[j : j + 1], 0.17)
        prior = Prior(space, {name: made}, [1.0], floor=1e-300)
        expected = prior.log_ratio([{name: v} for v in values])
        np.testing.assert_allclose(logs[:, j], expected, atol=1e-6)


@pytest.mark.parametrize("n_choices", [1, 2, 5])
def test_a_relative_categorical_bandwidth_is_a_share_of_the_largest(n_choices: int) -> None:
    axis = make_axis("c", CategoricalDistribution([f"{i}" for i in range(n_choices)]))
    positions = np.arange(float(n_choices))
    largest = (n_choices - 1) / n_choices
    for relative in (0.02, 0.5, 1.0):
        ours = kernels_around_points(axis, positions, relative)
        expected = aitchison_aitken(positions, n_choices, relative * largest)
        np.testing.assert_allclose(ours, expected, atol=1e-15)


def test_the_score_is_the_mean_log_ratio_under_the_priors_of_the_other_studies() -> None:
    rng = np.random.default_rng(5)
    axes = {n: make_axis(n, d) for n, d in SPACE.items()}
    study = np.array([0, 0, 0, 1, 1, 2, 2, 3])
    values = Prior.uniform(SPACE).sample(8, rng)
    for p in values[2:5]:
        del p["width"]
    positions = {
        n: np.array([np.nan if n not in p else axes[n].find(p[n]) for p in values]) for n in axes
    }
    weights = np.array([0.5, 0.3, 0.2, 0.6, 0.4, 0.9, 0.1, 1.0])
    reliability = np.array([0.9, 0.5, 0.8, 0.7])
    points = Points(axes, positions, study, weights, reliability)
    held_out = LeaveOneStudyOut(points)
    total = np.sum([held_out._matrix(n, held_out.multipliers) for n in axes], axis=0)
    scores, floor = held_out._scores(total, np.inf)
    widths = scott_bandwidths(points, points.joint(reliability), held_out.multipliers, NARROWEST)
    for s in range(4):
        others, own = study != s, np.flatnonzero(study == s)
        share = (reliability[study] * weights)[others]
        made = {n: kernels_around_points(axes[n], positions[n][others], widths[n]) for n in axes}
        prior = Prior(SPACE, made, share / share.sum(), floor=floor)
        expected = 0.0
        for i in own:
            known = {n: v for n, v in values[i].items()}
            if "width" not in known:  # nothing is known of it: marginal over the others
                kept = [n for n in SPACE if n != "width"]
                part = Prior(
                    {n: SPACE[n] for n in kept},
                    {n: made[n] for n in kept},
                    share / share.sum(),
                    floor=floor,
                )
                expected += weights[i] * part.log_ratio(known)
            else:
                expected += weights[i] * prior.log_ratio(known)
        assert scores[s] == pytest.approx(expected, abs=1e-5)


# ---- small parts


def test_fronts_against_their_definition() -> None:
    rng = np.random.default_rng(6)
    losses = rng.integers(0, 6, (60, 3)).astype(float)
    left, expected, front = set(range(60)), np.zeros(60, int), 0
    while left:
        best = {
            i
            for i in left
            if not any(
                np.all(losses[j] <= losses[i]) and np.any(losses[j] < losses[i]) for j in left
            )
        }
        expected[list(best)] = front
        left -= best
        front += 1
    np.testing.assert_array_equal(fronts(losses), expected)
    np.testing.assert_array_equal(fronts(np.array([[3.0], [1.0], [1.0]])), [1, 0, 0])


@pytest.mark.parametrize(
    ("n", "expected"), [(1, 1), (2, 1), (3, 2), (5, 3), (20, 3), (50, 5), (250, 25), (1000, 25)]
)
def test_how_many_are_the_best(n: int, expected: int) -> None:
    assert n_best(n, 0.1) == expected


def test_thinning_keeps_the_weight_of_every_run() -> None:
    weights = np.random.default_rng(7).random(1000) ** 4
    weights /= weights.sum()
    index, share = thinned(weights, 100)
    assert len(index) <= 100
    assert share.sum() == pytest.approx(1.0)
    thin = np.zeros(1000)
    thin[index] = share
    assert np.abs(np.cumsum(thin) - np.cumsum(weights)).max() <= 0.011
    index, share = thinned(np.array([0.5, 0.0, 0.5]), 2)
    np.testing.assert_array_equal(index, [0, 2])


def test_a_subset_of_studies_keeps_each_ones_best() -> None:
    study = np.repeat(np.arange(300), 4)
    index, studies = few(study, 384)
    assert len(studies) == 128
    assert studies[0] == 0
    assert studies[-1] == 299
    np.testing.assert_array_equal(index[:3], [0, 1, 2])
    assert len(index) == 384
    everything, _ = few(np.repeat(np.arange(5), 3), 384)
    np.testing.assert_array_equal(everything, np.arange(15))
