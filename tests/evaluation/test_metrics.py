"""Metrics against values worked out by hand or by enumeration."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from infoprior.evaluation import (
    EvaluationError,
    RegretScale,
    best_of_k_regret,
    kendall_tau,
    log_ratio_of_best,
    over_recorded,
    task_metrics,
    task_seed,
)


def enumerated_regret(log_ratio, validation, test, k) -> float:
    """The expectation over every ordered draw without replacement."""
    weights = np.exp(log_ratio)
    regret = (np.max(test) - test) / (np.max(test) - np.median(test))
    total = 0.0
    for drawn in permutations(range(len(test)), k):
        probability, left = 1.0, weights.sum()
        for i in drawn:
            probability *= weights[i] / left
            left -= weights[i]
        best = [i for i in drawn if validation[i] == max(validation[j] for j in drawn)]
        total += probability * float(np.mean([regret[i] for i in best]))
    return total


@pytest.fixture
def recorded():
    rng = np.random.default_rng(3)
    quality = rng.uniform(0.4, 0.9, size=7)
    validation = np.round(quality + rng.normal(scale=0.05, size=7), 1)  # ties on purpose
    return rng.normal(size=7), validation, quality


def test_tau_by_hand():
    # pairs of (1, 2, 3, 4) with (1, 3, 2, 4): 5 agree, 1 disagrees
    assert kendall_tau([1, 2, 3, 4], [0.1, 0.3, 0.2, 0.4]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 2, 3], [0.3, 0.2, 0.1]) == -1.0
    # tau-b with one tie in the scores: 2 agree, 0 disagree, sqrt((3 - 1) * 3)
    assert kendall_tau([1, 1, 2], [0.1, 0.2, 0.3]) == pytest.approx(2 / np.sqrt(6))


def test_tau_of_a_constant_is_zero():
    assert kendall_tau(np.zeros(5), np.arange(5.0)) == 0.0
    assert kendall_tau(np.arange(5.0), np.ones(5)) == 0.0


def test_over_recorded_is_the_prior_restricted_to_the_recorded():
    p = np.array([0.5, 0.2, 0.2, 0.1, 0.0])
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    for constant in (0.0, 6.0, 1e4, -1e4):
        assert over_recorded(log_p + constant) == pytest.approx(log_p + np.log(5))
    assert over_recorded(np.full(4, 3.0)) == pytest.approx(np.zeros(4))
    assert over_recorded([-2.0]) == pytest.approx([0.0])
    with pytest.raises(EvaluationError, match="rules out"):
        over_recorded(np.full(3, -np.inf))
    with pytest.raises(EvaluationError, match="NaN"):
        over_recorded([0.0, np.inf])


def test_log_ratio_of_best_takes_the_top_tenth():
    test = np.arange(30.0) / 30
    log_ratio = np.zeros(30)
    log_ratio[-3:] = [1.0, 2.0, 6.0]  # the best three of thirty
    whole = np.log((27 + np.exp(1.0) + np.exp(2.0) + np.exp(6.0)) / 30)
    assert log_ratio_of_best(log_ratio, test) == pytest.approx(3.0 - whole)
    assert log_ratio_of_best(np.zeros(30), test) == 0.0
    test[-4] = test[-3]  # tied with the third: in as well
    assert log_ratio_of_best(log_ratio, test) == pytest.approx(9.0 / 4 - whole)
    one = np.log(2 / (1 + np.exp(-1.5)))  # at least one
    assert log_ratio_of_best([0.5, -1.0], [0.9, 0.1]) == pytest.approx(one)


def test_log_ratio_of_best_is_bounded_whatever_the_height_of_spikes():
    test = np.arange(20.0) / 20
    for height in (50.0, 700.0):
        spike = np.where(test == test.max(), height, 0.0)
        assert log_ratio_of_best(spike, test, share=0.05) == pytest.approx(np.log(20))
        both = np.where(test >= np.sort(test)[-2], height, 0.0)
        assert log_ratio_of_best(both, test) == pytest.approx(np.log(10))
        # spikes everywhere are the uniform prior, however narrow
        assert log_ratio_of_best(np.full(20, height), test) == pytest.approx(0.0)
    only = np.where(test == test.max(), 0.0, -np.inf)
    assert log_ratio_of_best(only, test, share=0.05) == pytest.approx(np.log(20))
    assert log_ratio_of_best(only, test) == -np.inf  # rules out the second best


@pytest.mark.parametrize("constant", [512.0, -3e6])
def test_a_constant_changes_no_metric(recorded, constant):
    log_ratio, validation, test = recorded
    log_ratio = np.round(log_ratio, 2)
    log_ratio[test.argmin()] = -np.inf
    settings = {"ks": (1, 2, 3, 7), "n_draws": 200}
    row = task_metrics(log_ratio, validation, test, **settings)
    assert task_metrics(log_ratio + constant, validation, test, **settings) == pytest.approx(row)


def test_best_of_1_is_the_weighted_mean_exactly():
    test = np.array([0.5, 0.6, 0.7, 0.9])  # best .9, median .65: regrets 1.6, 1.2, .8, 0
    log_ratio = np.log([0.1, 0.2, 0.3, 0.4]) + 7.0  # a constant doesn't matter
    expected = 0.1 * 1.6 + 0.2 * 1.2 + 0.3 * 0.8
    assert best_of_k_regret(log_ratio, test, test, 1) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_best_of_k_matches_enumeration(recorded, k, scale):
    log_ratio, validation, test = recorded
    got = best_of_k_regret(scale * log_ratio, validation, test, k, 100_000, seed=1)
    assert got == pytest.approx(enumerated_regret(scale * log_ratio, validation, test, k), abs=0.01)


def test_best_of_k_at_the_ends(recorded):
    log_ratio, _, test = recorded
    assert best_of_k_regret(log_ratio, test, test, 7) == 0.0  # all drawn: the best is found
    perfect = np.where(test == test.max(), 50.0, 0.0)
    for k in range(1, 8):
        assert best_of_k_regret(perfect, test, test, k) == pytest.approx(0.0, abs=1e-9)
    # chosen by validation: that the test accuracy is low counts
    assert best_of_k_regret(log_ratio, -test, test, 7) == pytest.approx(
        (test.max() - test.min()) / (test.max() - np.median(test))
    )


def test_uniform_best_of_k_is_the_combinatorial_expectation():
    n, k = 20, 4
    test = np.arange(n) / n
    # P(the best of k has rank j from the top) = C(n-1-j, k-1) / C(n, k)
    from math import comb

    chance = np.array([comb(n - 1 - j, k - 1) / comb(n, k) for j in range(n)])
    regret = (np.arange(n) / n) / (test.max() - np.median(test))
    got = best_of_k_regret(np.zeros(n), test, test, k, 50_000)
    assert got == pytest.approx(float(chance @ regret), rel=0.02)


def test_draws_are_paired_between_priors(recorded):
    log_ratio, validation, test = recorded
    once = best_of_k_regret(log_ratio, validation, test, 3, 50, seed=4)
    assert once == best_of_k_regret(log_ratio + 2.0, validation, test, 3, 50, seed=4)
    assert once != best_of_k_regret(log_ratio, validation, test, 3, 50, seed=5)
    # a slightly different prior: the paired difference is far below the noise of one estimate
    near = log_ratio + 1e-3 * np.arange(7)
    pairs = [
        best_of_k_regret(log_ratio, validation, test, 3, 50, seed=s)
        - best_of_k_regret(near, validation, test, 3, 50, seed=s)
        for s in range(20)
    ]
    alone = [best_of_k_regret(log_ratio, validation, test, 3, 50, seed=s) for s in range(20)]
    assert np.std(pairs) < 0.3 * np.std(alone)


def test_a_task_that_cannot_discriminate():
    flat = np.full(6, 0.8)
    scale = RegretScale.of(flat)
    assert not scale.discriminating
    assert scale.regret([0.1, 0.8]).tolist() == [0.0, 0.0]
    assert best_of_k_regret(np.arange(6.0), flat, flat, 2) == 0.0
    # more than half at the best accuracy: the median is the best
    assert not RegretScale.of([0.1, 0.9, 0.9]).discriminating
    # a gap within the stated noise
    assert not RegretScale.of([0.80, 0.80, 0.81], min_gap=0.02).discriminating
    assert RegretScale.of([0.80, 0.80, 0.81]).discriminating


def test_scale_of_zero_and_one():
    scale = RegretScale.of([0.2, 0.5, 0.9])
    assert scale.regret([0.9, 0.5, 0.2]) == pytest.approx([0.0, 1.0, 1.75])


def test_impossible_architectures_are_drawn_last():
    test = np.array([0.1, 0.2, 0.3, 0.9])
    log_ratio = np.array([0.0, 0.0, 0.0, -np.inf])
    scale = RegretScale.of(test)
    assert best_of_k_regret(log_ratio, test, test, 3, 200) == pytest.approx(scale.regret(0.3))


def test_a_row_of_metrics(recorded):
    log_ratio, validation, test = recorded
    row = task_metrics(log_ratio, validation, test, ks=(1, 2, 8), n_draws=100, seed=2)
    assert set(row) == {
        "kendall_tau", "log_ratio_of_best", "regret_at_1", "regret_at_2", "discriminating",
    }  # fmt: skip
    assert row["regret_at_2"] == best_of_k_regret(log_ratio, validation, test, 2, 100, 2)


def test_task_seeds_differ_by_task_and_by_seed():
    seeds = {task_seed(s, t) for s in range(3) for t in ("keel/letter", "sklearn/digits")}
    assert len(seeds) == 6
    assert task_seed(1, "keel/letter") == task_seed(1, "keel/letter")


def test_metric_errors():
    ok = np.array([0.1, 0.2])
    with pytest.raises(EvaluationError, match="k must"):
        best_of_k_regret(ok, ok, ok, 3)
    with pytest.raises(EvaluationError, match="same architectures"):
        kendall_tau(ok, [0.1, 0.2, 0.3])
    with pytest.raises(EvaluationError, match="not finite"):
        best_of_k_regret(ok, ok, [0.1, np.nan], 1)
    with pytest.raises(EvaluationError, match="NaN"):
        log_ratio_of_best([np.nan, 0.0], ok)
    with pytest.raises(EvaluationError, match="share"):
        log_ratio_of_best(ok, ok, share=0.0)
