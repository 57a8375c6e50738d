"""The tables of a report: variants against the static prior, and against their control."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from infoprior.evaluation import (
    EvaluationError,
    choose_variant,
    compare_variants,
    compare_with_control,
    judge_task,
    predictor_report,
    variant_means,
)


def results(gain):
    """Twelve tasks on which trees with their own MI are better by `gain` than everything else."""
    rng = np.random.default_rng(1)
    base = rng.uniform(0.2, 0.6, 12)
    rows = []
    for predictor, inputs, shuffle, shift in [
        ("static", "nothing", -1, 0.0),
        ("trees", "mi", -1, -gain),
        ("trees", "mi-shuffled", 0, 0.0),
        ("trees", "mi-shuffled", 1, 0.0),
    ]:
        for i, value in enumerate(base):
            rows.append({
                "predictor": predictor, "inputs": inputs, "shuffle": shuffle, "task": f"t{i}",
                "family": f"f{i}", "part": "development",
                "regret_at_4": value + shift + 0.01 * rng.normal(),
            })  # fmt: skip
    return pd.DataFrame(rows)


def test_the_control_sees_a_gain_and_none_where_there_is_none():
    row = compare_with_control(results(0.1), ["regret_at_4"]).iloc[0]
    assert row["difference"] == pytest.approx(-0.1, abs=0.02)
    assert row["with_shuffled"] - row["with_own"] == pytest.approx(-row["difference"])
    assert row["p_holm"] < 0.01
    assert row["difference_high"] < 0
    none = compare_with_control(results(0.0), ["regret_at_4"]).iloc[0]
    assert none["p_holm"] > 0.05


def test_the_report_has_one_row_a_variant_with_its_difference_to_static():
    both = pd.concat([results(0.1), results(0.1).assign(part="test")])
    long = compare_variants(both, ["regret_at_4"])
    table = predictor_report(long, ["regret_at_4"]).set_index(["predictor", "inputs"])
    assert len(table) == 3
    assert table.loc[("static", "nothing"), "regret_at_4_minus_static"] == 0
    assert table.loc[("trees", "mi"), "regret_at_4_minus_static"] == pytest.approx(-0.1, abs=0.02)
    assert table.loc[("trees", "mi"), "test_n_tasks"] == 12
    assert choose_variant(both, "regret_at_4") == ("trees", "mi")
    assert choose_variant(both, "regret_at_4", inputs=["nothing"]) == ("static", "nothing")
    means = variant_means(long, ("trees", "mi"), "test", ["regret_at_4"])
    assert means == {"regret_at_4": table.loc[("trees", "mi"), "test_regret_at_4"]}
    with pytest.raises(EvaluationError, match="no kendall_tau of"):
        variant_means(long, ("trees", "mi"), "test", ["kendall_tau"])
    with pytest.raises(EvaluationError, match="no inputs have a control"):
        compare_with_control(both[both["inputs"] != "mi-shuffled"], ["regret_at_4"])
    with pytest.raises(EvaluationError, match="no task to compare"):
        compare_variants(both.iloc[:0], ["regret_at_4"])
    with pytest.raises(EvaluationError, match="no variant to choose"):
        choose_variant(both, "regret_at_4", inputs=["accuracy"])


def test_the_cheapest_that_is_not_told_from_the_best_is_chosen():
    rng = np.random.default_rng(0)
    base = rng.normal(size=30)
    rows = [
        {"predictor": name, "inputs": inputs, "task": f"t{i}", "family": f"f{i // 2}",
         "part": part, "regret": value + behind + wave * (-1) ** (i // 2)}
        for name, inputs, part, behind, wave in [
            ("best", "all", "development", 0.0, 0.0), ("near", "data", "development", 0.01, 0.1),
            ("far", "nothing", "development", 0.3, 0.1), ("far", "nothing", "test", -9.0, 0.0),
            ("near", "data-shuffled", "development", -9.0, 0.0),
        ]
        for i, value in enumerate(base)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    costs = {("best", "all"): 2.0, ("near", "data"): 1.0, ("far", "nothing"): 0.0}
    assert choose_variant(table, "regret", costs=costs) == ("near", "data")
    assert choose_variant(table, "regret", costs=dict.fromkeys(costs, 1.0)) == ("best", "all")
    assert choose_variant(table, "regret") == ("best", "all")


def test_a_task_is_judged_once_a_fit_in_the_order_of_the_predictions() -> None:
    names = [f"a{i}" for i in range(5)]
    accuracy = np.linspace(0.5, 0.9, 5)
    truth = pd.DataFrame({"validation_accuracy": accuracy, "test_accuracy": accuracy}, names)
    parts = [
        pd.DataFrame({"predictor": "trees", "inputs": "mi", "shuffle": -1, "refit": refit,
                      "split": split, "architecture": names, "log_ratio": sign * accuracy})
        for refit, split, sign in ((0, "test", 1.0), (1, "fold-0", -1.0))
    ]  # fmt: skip
    rows = judge_task(
        pd.concat(parts, ignore_index=True), truth, task="t", family="f", ks=(1, 2), n_draws=100,
        seed=0, min_gap=0.01,
    )  # fmt: skip
    assert rows["place"].tolist() == [0, 5]
    assert rows["part"].tolist() == ["test", "development"]
    assert rows["kendall_tau"].tolist() == pytest.approx([1.0, -1.0])
    assert rows["discriminating"].all()
    with pytest.raises(EvaluationError, match="log_ratio"):
        judge_task(
            parts[0].drop(columns="log_ratio"), truth, task="t", family="f", ks=(1,), n_draws=9,
            seed=0, min_gap=0.01,
        )  # fmt: skip
