"""Intervals cover, tests agree with textbooks, comparisons are paired."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from infoprior.evaluation import EvaluationError, bootstrap_interval, compare, holm, wilcoxon


def test_holm_by_hand():
    # m = 4: .01*4, max(.04, .02*3), then .03*2 = .06 and .04*1 raised to .06
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    # the textbook example: 0.01, 0.04, 0.03, 0.005 -> 0.03, 0.06, 0.06, 0.02
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    got = holm([0.02, np.nan, 0.03])
    assert np.isnan(got[1])
    assert got[[0, 2]] == pytest.approx([0.04, 0.04])
    assert holm([]).size == 0
    with pytest.raises(EvaluationError, match="between"):
        holm([1.5])


def test_wilcoxon_exact_by_hand():
    # five differences of one sign: 2 / 2^5
    assert wilcoxon([1, 2, 3, 4, 5], np.zeros(5)) == pytest.approx(2 / 32)
    # ranks 1 and 2 negative of n = 4: W = 3; sign patterns with sum <= 3: 5 of 16, twice
    assert wilcoxon([-1, -2, 3, 4], np.zeros(4)) == pytest.approx(2 * 5 / 16)


def test_wilcoxon_with_zeros():
    a = np.array([0.3, 0.1, 0.5, 0.2])
    assert wilcoxon(a, a) == 1.0
    assert wilcoxon(a + 1e-16, a) == 1.0
    clear = np.linspace(0.1, 1.0, 10)
    diluted = wilcoxon(np.r_[clear, np.zeros(10)], np.zeros(20))
    assert wilcoxon(clear, np.zeros(10)) < diluted < 1.0
    assert wilcoxon(clear, np.zeros(10)) == pytest.approx(wilcoxon(np.zeros(10), clear))


def test_wilcoxon_sees_one_number_per_family():
    difference = np.r_[np.full(20, 1.0), [-0.5, 0.4, -0.3, 0.2]]
    families = ["big"] * 20 + list("abcd")
    alone = wilcoxon([1.0, -0.5, 0.4, -0.3, 0.2], np.zeros(5))
    assert wilcoxon(difference, np.zeros(24), families=families) == pytest.approx(alone)
    assert wilcoxon(difference, np.zeros(24)) < 0.01 < alone


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(400):
        low, high = bootstrap_interval(rng.normal(2.0, 1.0, size=40), 0.9, 500, seed=trial)
        hits += low < 2.0 < high
    assert 0.84 <= hits / 400 <= 0.94


def test_cluster_bootstrap_covers_where_the_plain_one_does_not():
    rng = np.random.default_rng(1)
    hits = {"plain": 0, "cluster": 0}
    families = np.repeat(np.arange(30), 5)
    for trial in range(200):
        values = np.repeat(rng.normal(size=30), 5) + 0.1 * rng.normal(size=150)
        for name, groups in (("plain", None), ("cluster", list(families))):
            low, high = bootstrap_interval(values, 0.9, 400, trial, families=groups)
            hits[name] += low < 0.0 < high
    assert hits["cluster"] / 200 > 0.82
    assert hits["plain"] / 200 < 0.65


def test_bootstrap_is_seeded_and_honest_about_one_task():
    values = np.arange(10.0)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    assert bootstrap_interval([0.3]) == (-np.inf, np.inf)
    assert bootstrap_interval([0.3, 0.4], families=["a", "a"]) == (-np.inf, np.inf)
    assert bootstrap_interval(np.ones(5)) == (1.0, 1.0)
    with pytest.raises(EvaluationError, match="finite"):
        bootstrap_interval([1.0, np.nan])
    with pytest.raises(EvaluationError, match="level"):
        bootstrap_interval(values, level=1.0)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    hard = rng.uniform(size=30)
    offsets = {
        ("uniform", "nothing"): 0.2,
        ("static", "nothing"): 0.0,
        ("trees", "mi"): -0.05,
        ("trees", "all"): 0.0,
    }
    rows = [
        (predictor, inputs, f"t{t}", f"f{t // 2}", repeat, hard[t] + offset + 0.01 * noise)
        for (predictor, inputs), offset in offsets.items()
        for t in range(30)
        for repeat, noise in enumerate(rng.normal(size=2) if inputs != "nothing" else [0.0, 0.0])
    ]
    columns = ["predictor", "inputs", "task", "family", "repeat", "regret"]
    return pd.DataFrame(rows, columns=columns)


def test_compare_is_paired_with_the_reference(table):
    result = compare(table, "regret", "static").set_index(["predictor", "inputs"])
    assert list(result["n_tasks"]) == [30] * 4
    assert list(result["n_families"]) == [15] * 4
    static, trees = result.loc[("static", "nothing")], result.loc[("trees", "mi")]
    assert static["difference"] == 0.0
    assert np.isnan(static["p"])
    assert np.isnan(static["p_holm"])
    assert trees["difference"] == pytest.approx(trees["mean"] - static["mean"])
    assert trees["difference"] == pytest.approx(-0.05, abs=0.005)
    # paired: the difference's interval is far narrower than the mean's
    assert trees["difference_low"] <= trees["difference"] <= trees["difference_high"] < 0
    width = trees["difference_high"] - trees["difference_low"]
    assert width < 0.1 * (trees["high"] - trees["low"])
    assert trees["p"] < 0.001
    assert trees["p_holm"] == pytest.approx(3 * trees["p"]) or trees["p_holm"] >= 2 * trees["p"]
    assert result.loc[("trees", "all"), "p_holm"] > 0.05
    expected = holm(result["p"].to_numpy())
    np.testing.assert_allclose(result["p_holm"], expected)


def test_compare_does_not_hang_on_the_order_of_rows(table):
    first = compare(table, "regret", ("static", "nothing"))
    second = compare(table.sample(frac=1.0, random_state=0), "regret", "static")
    keys = ["predictor", "inputs"]
    pd.testing.assert_frame_equal(
        first.sort_values(keys, ignore_index=True), second.sort_values(keys, ignore_index=True)
    )


def test_compare_errors(table):
    with pytest.raises(EvaluationError, match="ambiguous"):
        compare(table, "regret", "trees")
    with pytest.raises(EvaluationError, match="matches no row"):
        compare(table, "regret", "network")
    gone = table[~((table["predictor"] == "uniform") & (table["task"] == "t3"))]
    with pytest.raises(EvaluationError, match="t3"):
        compare(gone, "regret", "static")
    with pytest.raises(EvaluationError, match="lacks"):
        compare(table, "tau", "static")
    holed = table.assign(regret=table["regret"].where(table["task"] != "t5"))
    with pytest.raises(EvaluationError, match="t5"):
        compare(holed, "regret", "static")
    torn = table.assign(family=np.arange(len(table)).astype(str))
    with pytest.raises(EvaluationError, match="one family"):
        compare(torn, "regret", "static")
