"""Planted optima: what past studies say about a related task, and which of their trials do."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from infoprior.priors import Prior, PriorError
from tests.priors.past import (
    SPACE,
    X,
    add,
    centers,
    line,
    point,
    random_study,
    study_of,
    weight_at,
)

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def related(n: int, trials: int, spread: float, seed: int) -> list[optuna.Study]:
    rng = np.random.default_rng(seed)
    return [random_study(c, trials, rng, f"s{i}") for i, c in enumerate(centers(n, spread, rng))]


def held_out(spread: float, seed: int, n: int = 200) -> list[dict[str, Any]]:
    """Optima of tasks that no study has seen, with the parameters that do not matter at random."""
    rng = np.random.default_rng(seed)
    others = Prior.uniform(SPACE).sample(n, rng)
    rest = [{k: p[k] for k in ("noise", "width", "flag")} for p in others]
    return [point(c, **r) for c, r in zip(centers(n, spread, rng), rest, strict=True)]


def pooled(studies: list[optuna.Study]) -> Prior:
    """The naive way: the best tenth of all trials by their values."""
    trials = sorted((t for s in studies for t in s.trials), key=lambda t: t.value or 0.0)
    return Prior.from_points(SPACE, [t.params for t in trials[: max(3, len(trials) // 10)]])


# ---- what it is worth


@pytest.mark.parametrize(("n", "least"), [(1, 1.2), (3, 1.2), (12, 1.6)])
def test_finds_the_optimum_of_a_related_task(n: int, least: float) -> None:
    prior = Prior.from_studies(related(n, 60, 0.08, seed=1))
    ratios = prior.log_ratio(held_out(0.08, seed=2))
    assert ratios.mean() > least
    assert ratios.mean() > pooled(related(n, 60, 0.08, seed=1)).log_ratio(held_out(0.08, 2)).mean()


def test_a_large_study_does_not_drown_small_ones() -> None:
    rng = np.random.default_rng(3)
    small = [random_study(c, 20, rng) for c in centers(9, 0.05, rng)]
    # Elsewhere, fifty times as long, and with values that are all lower.
    large = random_study([0.1, 0.9, 0.1], 1000, rng)
    shifted = study_of([(t.params, t.value - 10.0) for t in large.trials], SPACE)
    optima = held_out(0.05, seed=4)
    ours = Prior.from_studies([shifted, *small]).log_ratio(optima)
    naive = pooled([shifted, *small]).log_ratio(optima)
    assert ours.mean() > 1.5
    assert naive.mean() < -1.0


def test_irrelevant_parameters_come_out_flat() -> None:
    prior = Prior.from_studies(related(30, 60, 0.05, seed=5))
    rng = np.random.default_rng(0)
    base = Prior.uniform(SPACE).sample(400, rng)

    def swing(name: str) -> float:
        """How far the density moves when only this parameter does."""
        good = point([0.6, 0.3, 0.7])
        ratios = prior.log_ratio([{**good, name: p[name]} for p in base])
        return float(ratios.max() - ratios.min())

    assert max(swing(n) for n in ("noise", "width", "flag")) < 0.4
    assert min(swing(n) for n in ("lr", "dropout", "depth")) > 1.0


def test_studies_that_have_nothing_in_common_give_nearly_the_uniform_prior() -> None:
    rng = np.random.default_rng(6)
    studies = [random_study(rng.random(3), 50, rng) for _ in range(15)]
    elsewhere = [point(rng.random(3)) for _ in range(300)]
    prior, naive = Prior.from_studies(studies), pooled(studies)
    # The optimizer is all that they share.
    assert prior.log_ratio(elsewhere).min() > -1.0
    assert naive.log_ratio(elsewhere).min() < -2.0
    assert prior.log_ratio(elsewhere).mean() > 0.0


def test_the_floor_says_how_well_studies_transfer() -> None:
    near = Prior.from_studies(related(10, 40, 0.03, seed=7))
    rng = np.random.default_rng(8)
    # One parameter, so that there is no flat one to choose in place of a high floor.
    apart = [line({float(x): abs(x - c) for x in rng.random(30)}) for c in rng.random(12)]
    assert near.floor <= 0.1
    assert (
        Prior.from_studies(apart).floor >= 0.35
        or Prior.from_studies(apart).log_ratio({"x": 0.5}) < 0.5
    )


# ---- which trials


def test_ranks_only_so_scale_direction_and_shape_do_not_matter() -> None:
    rng = np.random.default_rng(9)
    losses = {float(x): (x - 0.4) ** 2 for x in rng.random(30)}
    plain = Prior.from_studies([line(losses)] * 1 + [line({x: 2 * v for x, v in losses.items()})])
    warped = {x: -np.exp(50 * v) for x, v in losses.items()}
    mixed = Prior.from_studies([line(losses), line(warped, direction="maximize")])
    assert plain == mixed


def test_equal_weight_for_equal_budgets_and_nearly_so_for_unequal() -> None:
    short = line({0.1 + i / 1000: float(i) for i in range(20)})
    long = line({0.6 + i / 10_000: float(i) for i in range(1000)})
    prior = Prior.from_studies([short, long])
    low = sum(
        c["weight"] for c in prior.to_dict()["components"] if c["kernels"]["x"]["center"] < 0.5
    )
    expected = (19 / 21) / (19 / 21 + 999 / 1001)
    assert low == pytest.approx(expected, abs=1e-9)


def test_the_best_have_the_weights_that_are_stated() -> None:
    prior = Prior.from_studies(line({i / 40: float(i) for i in range(40)}))
    share = np.log(4.5) - np.log([1, 2, 3, 4])
    expected = share / share.sum()
    assert prior.n_components == 4
    np.testing.assert_allclose([weight_at(prior, i / 40) for i in range(4)], expected)


def test_tied_trials_share_their_weight() -> None:
    study = line({0.1: 0.0, 0.2: 0.0, **{0.3 + i / 100: 1.0 + i for i in range(38)}})
    prior = Prior.from_studies(study)
    assert weight_at(prior, 0.1) == pytest.approx(weight_at(prior, 0.2))
    # A constant objective prefers none.
    flat = Prior.from_studies(line({i / 20: 5.0 for i in range(20)}))
    assert flat.n_components == 20
    np.testing.assert_allclose(flat.weights, 1 / 20)


def test_pruned_trials_come_after_complete_ones() -> None:
    study = line({0.1: 3.0, 0.2: 4.0, **{0.5 + i / 100: 9.0 + i for i in range(8)}})
    for i in range(10):  # far better than any, but at the first step
        add(study, PRUNED, 0.9 + i / 200, steps={1: -100.0})
    prior = Prior.from_studies(study)
    assert prior.metadata["trials_pruned"] == 10
    assert weight_at(prior, 0.1) > weight_at(prior, 0.2) > 0.0
    assert all(c["kernels"]["x"]["center"] < 0.9 for c in prior.to_dict()["components"])


def test_pruned_trials_fill_up_by_how_far_they_got() -> None:
    study = line({0.5: 1.0})
    add(study, PRUNED, 0.1, steps={1: 0.0})
    add(study, PRUNED, 0.2, steps={1: 0.5, 9: 8.0})
    add(study, PRUNED, 0.3, steps={9: 7.0})
    add(study, PRUNED, 0.4, steps={9: float("nan")})
    add(study, PRUNED, 0.6)
    prior = Prior.from_studies(study)
    assert prior.metadata["trials_pruned_without_values"] == 1
    weights = [weight_at(prior, x) for x in (0.5, 0.3, 0.2)]
    assert weights[0] > weights[1] > weights[2] > 0.0
    assert sum(weights) == pytest.approx(1.0)  # 5 ranked: the best 3


def test_trials_without_a_result_are_left_out_and_counted() -> None:
    study = line({i / 10: float(i) for i in range(6)})
    add(study, FAIL, 0.95)
    add(study, TrialState.WAITING, 0.96)
    add(study, TrialState.RUNNING, 0.97)
    study.add_trial(optuna.trial.create_trial(value=-1.0))
    prior = Prior.from_studies(study)
    counts = {k: v for k, v in prior.metadata.items() if k.startswith("trials_")}
    assert counts == {
        "trials_complete": 6,
        "trials_failed": 1,
        "trials_unfinished": 2,
        "trials_without_parameters": 1,
        "trials_duplicate": 0,
        "trials_used": 3,
    }
    without = Prior.from_studies(line({i / 10: float(i) for i in range(6)}))
    assert prior.to_dict()["components"] == without.to_dict()["components"]


def test_values_that_are_not_finite_count_as_the_worst() -> None:
    study = line({0.1: float("-inf"), 0.2: float("inf"), 0.5: 1.0, 0.6: 2.0})
    prior = Prior.from_studies(study)
    assert prior.metadata["trials_not_finite"] == 2
    assert weight_at(prior, 0.5) > weight_at(prior, 0.6) > 0.0
    assert weight_at(prior, 0.1) == weight_at(prior, 0.2) == 0.0


def test_infeasible_trials_are_never_the_best() -> None:
    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("at most a half", x - 0.5)
        trial.set_constraint("none", -1.0)
        return -x

    def constraints(trial: optuna.trial.FrozenTrial) -> list[float]:
        return [trial.params["x"] - 0.5, -1.0]

    if hasattr(optuna.Trial, "set_constraint"):
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
        study.optimize(objective, n_trials=30)
    else:  # Optuna 4
        sampler = optuna.samplers.TPESampler(seed=0, constraints_func=constraints)
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: -trial.suggest_float("x", 0, 1), n_trials=30)
    prior = Prior.from_studies(study)
    n_bad = sum(t.params["x"] > 0.5 for t in study.trials)
    assert prior.metadata["trials_infeasible"] == n_bad > 0
    assert all(c["kernels"]["x"]["center"] <= 0.5 for c in prior.to_dict()["components"])


def test_repeated_evaluations_count_once_with_their_median() -> None:
    values = [(0.1, v) for v in (-50.0, 9.0, 9.0)] + [(0.5, 1.0), (0.6, 2.0), (0.7, 3.0)]
    study = study_of([({"x": x}, v) for x, v in values], X)
    prior = Prior.from_studies(study)
    assert prior.metadata["trials_duplicate"] == 2
    assert weight_at(prior, 0.1) == 0.0
    assert weight_at(prior, 0.5) > weight_at(prior, 0.6) > 0.0


def two_objectives() -> optuna.Study:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for i in range(5):  # the front: each better in one objective
        add(study, COMPLETE, i / 100, [i, i])
    for i in range(15):  # dominated by the last of the front
        add(study, COMPLETE, 0.5 + i / 100, [10.0 + i, -i])
    return study


def test_several_objectives_are_ranked_by_fronts() -> None:
    prior = Prior.from_studies(two_objectives())
    weights = [weight_at(prior, i / 100) for i in range(5)]
    np.testing.assert_allclose(weights, 0.2)


def test_a_chosen_objective() -> None:
    first, second = (Prior.from_studies(two_objectives(), objective=i) for i in (0, 1))
    assert weight_at(first, 0.0) > weight_at(first, 0.01) > 0.0 == weight_at(first, 0.04)
    assert weight_at(second, 0.04) > weight_at(second, 0.03) > 0.0 == weight_at(second, 0.0)
    with pytest.raises(PriorError, match=r"'two'.*1 objectives.*index 1"):
        Prior.from_studies(line({0.1: 1.0, 0.2: 2.0}, name="two"), objective=1)


# ---- the prior


def test_same_studies_same_prior_and_a_file_keeps_it(tmp_path: Path) -> None:
    prior = Prior.from_studies(related(5, 30, 0.1, seed=11))
    assert prior == Prior.from_studies(related(5, 30, 0.1, seed=11))
    prior.save(tmp_path / "prior.json")
    assert Prior.load(tmp_path / "prior.json") == prior
    assert prior.metadata["source"] == "studies"
    assert prior.metadata["trials_complete"] == 150
    assert prior.metadata["held_out_log_ratio"] > 0.5


def test_the_number_of_components_is_capped_and_studies_keep_their_weight() -> None:
    studies = [line({(s + i / 40) / 12: float(i) for i in range(40)}) for s in range(12)]
    prior, all_of_them = Prior.from_studies(studies, max_components=24), Prior.from_studies(studies)
    assert prior.n_components <= 24 < all_of_them.n_components
    parts = prior.to_dict()["components"]
    for s in range(12):
        held = [c["weight"] for c in parts if s <= 12 * c["kernels"]["x"]["center"] < s + 0.99]
        assert sum(held) == pytest.approx(1 / 12, abs=1 / 24)


def test_bandwidth_and_floor_can_be_given() -> None:
    prior = Prior.from_studies(related(4, 30, 0.1, seed=12), bandwidth=0.33, floor=0.4)
    assert prior.floor == 0.4
    kernels = prior.to_dict()["components"][0]["kernels"]
    assert kernels["lr"]["width"] == 0.33
    assert sorted(kernels["flag"]["probabilities"]) == pytest.approx([0.165, 0.835])


def test_two_studies_are_not_trusted_beyond_a_tenth_of_the_range() -> None:
    studies = [line({0.5 + i / 1e4: float(i) for i in range(30)}) for _ in range(2)]
    prior = Prior.from_studies(studies)
    assert prior.floor == 0.2
    assert {c["kernels"]["x"]["width"] for c in prior.to_dict()["components"]} == {0.1}
    assert prior.metadata["chosen_by"] == "rule"


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"top": 0.0}, "^top"),
        ({"top": True}, "^top"),
        ({"outside": "clip"}, "^outside"),
        ({"objective": "loss"}, "^objective"),
        ({"bandwidth": 2.0}, "^bandwidth"),
        ({"floor": 0.0}, "^floor"),
        ({"max_components": 0}, "^max_components"),
        ({"space": {}}, "^space"),
        ({"target": [1.0]}, "^target"),
    ],
)
def test_arguments_out_of_range_are_named(kwargs: dict[str, Any], match: str) -> None:
    with pytest.raises(PriorError, match=match):
        Prior.from_studies(line({0.1: 0.0, 0.2: 1.0}), **kwargs)


@pytest.mark.parametrize("module", ["studies", "trials", "expert"])
def test_the_examples_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"infoprior.priors._learning.{module}"))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.slow
def test_a_thousand_studies() -> None:
    import time

    studies = related(1000, 50, 0.08, seed=13)
    start = time.perf_counter()
    prior = Prior.from_studies(studies)
    assert time.perf_counter() - start < 20.0
    assert prior.n_components <= 512
    assert prior.log_ratio(held_out(0.08, seed=14)).mean() > 2.0
