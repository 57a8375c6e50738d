"""Wrong arguments end in the room's own error, which names the argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from infoprior import get_space
from infoprior.evaluation import (
    EvaluationError,
    RecordedCurves,
    RegretScale,
    best_of_k_regret,
    bootstrap_interval,
    compare,
    family_folds,
    hold_out,
    kendall_tau,
    live_study,
    log_ratio_table,
    predict_held_out,
    regret_curve,
    replay,
    task_metrics,
    task_seed,
)
from infoprior.predictors import make_predictor
from tests.factories import make_metadataset

META = make_metadataset(n_tasks=8, n_architectures=6)
TASKS = META.tasks
NAMES = list(TASKS["task"])
CURVES = META.curves[META.curves["task"] == NAMES[0]]
RECORDED = RecordedCurves.from_frame(CURVES)
VALUES = np.linspace(0.1, 0.6, 6)
TABLE = pd.DataFrame(
    [(p, "mi", t, 0.5) for p in ("static", "trees") for t in "abc"],
    columns=["predictor", "inputs", "task", "x"],
)
BARE = pd.DataFrame({"task": [1]})


def static() -> Any:
    return make_predictor("static")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: task_seed(-1, "a"), "seed"),
        (lambda: task_seed(0, None), "task"),  # type: ignore[arg-type]
        (lambda: kendall_tau(["x"], [1.0]), "log_ratio"),
        (lambda: kendall_tau(VALUES, None), "test accuracy"),
        (lambda: RegretScale.of(VALUES, min_gap=-1.0), "min_gap"),
        (lambda: RegretScale(np.nan, 0.5), "best"),
        (lambda: best_of_k_regret(VALUES, VALUES, VALUES, 2.5), "k = "),  # type: ignore[arg-type]
        (lambda: best_of_k_regret(VALUES, VALUES, VALUES, 2, seed="0"), "seed"),  # type: ignore[arg-type]
        (lambda: task_metrics(VALUES, VALUES, VALUES, ks=[0]), "ks"),
        (lambda: task_metrics(VALUES, VALUES, VALUES, ks=[np.nan]), "ks"),  # type: ignore[list-item]
        (lambda: task_metrics(VALUES, VALUES, VALUES, ks="12"), "ks"),  # type: ignore[arg-type]
        (lambda: hold_out(None, 0.3, 0), "tasks"),  # type: ignore[arg-type]
        (lambda: hold_out(TASKS, "0.3", 0), "fraction"),  # type: ignore[arg-type]
        (lambda: hold_out(TASKS, 0.3, 0, kinds="real"), "kinds"),  # type: ignore[arg-type]
        (lambda: hold_out(TASKS, 0.3, 0, keep="family-0"), "keep"),
        (lambda: family_folds(TASKS, 2.0, 0), "n_folds"),  # type: ignore[arg-type]
        (lambda: bootstrap_interval(VALUES, seed=None), "seed"),  # type: ignore[arg-type]
        (lambda: bootstrap_interval(VALUES, level=np.nan), "level"),
        (lambda: compare(BARE, "x", "static"), "table"),
        (lambda: compare(TABLE.assign(x="a"), "x", "static"), "x"),
        (lambda: compare(TABLE, "x", 3), "reference"),  # type: ignore[arg-type]
        (lambda: RecordedCurves.from_frame(CURVES, max_epochs="27"), "max_epochs"),  # type: ignore[arg-type]
        (lambda: RecordedCurves.from_frame(BARE), "curves"),
        (lambda: replay(RECORDED, VALUES, budgets=[1, -2]), "budgets"),
        (lambda: replay(RECORDED, VALUES, budgets=[np.nan]), "budgets"),
        (lambda: replay(RECORDED, VALUES, weight="1"), "weight"),  # type: ignore[arg-type]
        (lambda: replay(RECORDED, VALUES, start_cost=[0.0, -1.0]), "start_cost"),
        (lambda: regret_curve(BARE, [1.0]), "rows"),
        (lambda: predict_held_out(static, None, NAMES[:1], NAMES[5:]), "meta"),
        (lambda: predict_held_out(static, META, "made/0", NAMES[5:]), "held_out"),
        (lambda: predict_held_out(static, META, [], NAMES[5:]), "held_out"),
        (lambda: predict_held_out(static, META, ["nowhere"], NAMES[5:]), "nowhere"),
        (lambda: log_ratio_table({"a": 1}, META.points()), "the prior of 'a'"),
        (lambda: live_study(None, None, space=get_space("mlp"), n_trials=1), "task"),  # type: ignore[arg-type]
    ],
)
def test_each_is_refused_by_name(call: Callable[[], Any], name: str) -> None:
    with pytest.raises(EvaluationError, match=name):
        call()


def test_several_start_costs_are_each_as_by_itself() -> None:
    budgets, costs = [1, 4, 12], [7.9, 0.0]
    rows = replay(RECORDED, VALUES, seeds=5, budgets=budgets, start_cost=costs)
    for cost in costs:
        alone = replay(RECORDED, VALUES, seeds=5, budgets=budgets, start_cost=cost)
        part = rows[rows["start_cost"] == cost].drop(columns="start_cost")
        pd.testing.assert_frame_equal(part.reset_index(drop=True), alone)
