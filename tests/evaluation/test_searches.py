"""Searches summed up: what is charged, what is idle, what is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from infoprior.evaluation import (
    EvaluationError,
    RegretScale,
    live_regret,
    regret_curves,
    summarize_searches,
    tasks_for_live_studies,
)

STATIC, LEARNED = ("static", "nothing"), ("network", "nothing")


def test_a_prior_that_is_not_paid_for_has_no_point_in_the_plot() -> None:
    """An empty cell would be drawn at regret 0, the best there is."""
    report = pd.DataFrame(
        {
            "search": "replay",
            "part": "test",
            "predictor": ["static"] * 3 + ["network"] * 3,
            "inputs": "nothing",
            "budget": [1, 2, 4] * 2,
            "regret": [0.9, 0.5, 0.3, np.nan, np.nan, 0.2],
        }
    )
    others = report.assign(part="development", regret=9.0), report.assign(search="live", regret=9.0)
    curves = regret_curves(pd.concat([report, *others]), {"static": STATIC, "predicted": LEARNED})
    assert curves.to_dict("list") == {
        "prior": ["static", "static", "static", "predicted"],
        "budget": [1, 2, 4, 4],
        "regret": [0.9, 0.5, 0.3, 0.2],
    }
    with pytest.raises(EvaluationError, match="no replay of"):
        regret_curves(report, {"gaussian": ("gaussian", "nothing")})
    with pytest.raises(EvaluationError, match="budget"):
        regret_curves(report.drop(columns="budget"), {"static": STATIC})


def test_a_variant_that_has_not_begun_has_an_empty_row_and_is_not_tested() -> None:
    rows = [
        {"search": "replay", "part": "test", "predictor": predictor, "inputs": "nothing",
         "task": f"t{i}", "family": f"f{i}", "budget": budget, "regret": regret}
        for i in range(6)
        for budget, of_static, of_network in ((1, 0.8 + i / 100, np.nan), (4, 0.6, 0.3 + i / 100))
        for predictor, regret in (("static", of_static), ("network", of_network))
    ]  # fmt: skip
    report = summarize_searches(pd.DataFrame(rows), STATIC).set_index(["predictor", "budget"])
    assert np.isnan(report.loc[("network", 1), ["regret", "p", "p_holm"]].astype(float)).all()
    assert report.loc[("static", 1), "regret"] == pytest.approx(0.825)
    assert report.loc[("network", 4), "difference"] == pytest.approx(-0.275)
    assert report.loc[("network", 4), "p_holm"] == report.loc[("network", 4), "p"] < 0.05


def test_a_live_search_is_reported_with_its_cost_and_without() -> None:
    scale = RegretScale.of([0.5, 0.7, 0.9])
    rows = pd.DataFrame(
        {"cost": [3.0, 4.0], "incumbent": [0, 1], "incumbent_test_accuracy": [0.7, 0.9]}
    )
    curve = live_regret(rows, [1, 3], start_cost=2.0, scale=scale)
    regret = curve.set_index(["search", "budget"])["regret"]
    assert np.isnan(regret[("live", 1)])
    assert regret[("live", 3)] == pytest.approx(1.0)
    assert regret[("live_free", 1)] == pytest.approx(1.0)
    assert regret[("live_free", 3)] == pytest.approx(0.0)


def test_live_studies_are_run_where_the_most_test_rows_are_and_architectures_differ() -> None:
    names = ["a", "b", "c", "d"]
    tasks = pd.DataFrame({"task": names, "n_test": [9, 8, 7, 6], "n_train": [1, 1, 1, 1]})
    final = pd.DataFrame(
        {"task": np.repeat(names, 3), "test_accuracy": [0.5, 0.5, 0.5, *[0.1, 0.2, 0.9] * 3]}
    )
    assert tasks_for_live_studies(tasks, final, ["a", "c", "d", "b"], 2, 0.01) == ["b", "c"]
    assert tasks_for_live_studies(tasks, final, ["d", "a"], 2, 0.01) == ["d"]
