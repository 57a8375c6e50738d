"""Mean ranks, and which methods are told apart."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from infoprior.evaluation import EvaluationError, holm, mean_ranks


def table(values: dict[str, list[float]], families: list[str] | None = None) -> pd.DataFrame:
    rows = [
        {"strategy": name, "task": f"t{i}", "regret": v}
        | ({"family": families[i]} if families else {})
        for name, column in values.items()
        for i, v in enumerate(column)
    ]
    return pd.DataFrame(rows)


def test_ranks_are_means_over_tasks_and_the_best_comes_first():
    ranks = mean_ranks(table({"a": [3.0, 3.0, 1.0], "b": [1.0, 2.0, 2.0], "c": [2.0, 2.0, 3.0]}),
                       "regret", by="strategy")  # fmt: skip
    assert dict(zip(ranks.table["method"], ranks.table["rank"], strict=True)) == pytest.approx(
        {"b": (1 + 1.5 + 2) / 3, "a": (3 + 3 + 1) / 3, "c": (2 + 1.5 + 3) / 3}
    )
    assert ranks.table["method"].iloc[0] == "b"
    assert ranks.n_tasks == ranks.n_families == 3


def test_seeds_are_averaged_before_they_are_ranked():
    two = pd.concat(
        [table({"a": [0.0, 9.0], "b": [1.0, 1.0]}), table({"a": [0.0, -9.5], "b": [1.0, 1.0]})]
    )
    ranks = mean_ranks(two, "regret", by="strategy")
    assert list(ranks.table["rank"]) == [1.0, 2.0]


def test_p_values_are_those_of_scipy_corrected_over_all_pairs():
    rng = np.random.default_rng(0)
    base = rng.normal(size=20)
    columns = {
        "a": base,
        "b": base + 0.3 + 0.1 * rng.normal(size=20),
        "c": base + rng.normal(size=20),
    }
    ranks = mean_ranks(table({k: list(v) for k, v in columns.items()}), "regret", by="strategy")
    for row in ranks.pairs.itertuples():
        expected = stats.wilcoxon(
            columns[row.first] - columns[row.second], zero_method="zsplit"
        ).pvalue
        assert row.p == pytest.approx(expected)
    assert list(ranks.pairs["p_holm"]) == pytest.approx(list(holm(ranks.pairs["p"])))
    assert ranks.p_friedman == pytest.approx(stats.friedmanchisquare(*columns.values()).pvalue)


def test_groups_are_the_longest_runs_that_nothing_tells_apart():
    rng = np.random.default_rng(1)
    base = rng.normal(size=30)
    close = base + 0.01 * rng.normal(size=30)
    far = base + 5.0 + 0.1 * rng.normal(size=30)
    also = far + 0.01 * rng.normal(size=30)
    values = {"a": base, "b": close, "c": far, "d": also}
    ranks = mean_ranks(table({k: list(v) for k, v in values.items()}), "regret", by="strategy")
    assert [set(g) for g in ranks.groups] == [{"a", "b"}, {"c", "d"}]


def test_where_all_are_alike_there_is_one_group():
    ranks = mean_ranks(table({k: [1.0, 1.0, 1.0] for k in "abc"}), "regret", by="strategy")
    assert ranks.groups == [["a", "b", "c"]]
    assert ranks.p_friedman == 1.0
    assert set(ranks.table["rank"]) == {2.0}


def test_a_family_counts_once_in_the_tests():
    values = {"a": [0.0] * 8, "b": [1.0] * 8}
    alone = mean_ranks(table(values), "regret", by="strategy")
    shared = mean_ranks(
        table(values, ["f", "f", "f", "f", "g", "g", "g", "g"]), "regret", by="strategy"
    )
    assert shared.n_families == 2
    assert alone.pairs["p"][0] < 0.05 < shared.pairs["p"][0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"a": [1.0, 2.0]}, "two or more"),
        ({"a": [1.0, np.nan], "b": [1.0, 2.0]}, "'a' on task 't1'"),
    ],
)
def test_what_cannot_be_ranked_is_said(values, said):
    with pytest.raises(EvaluationError, match=said):
        mean_ranks(table(values), "regret", by="strategy")
