"""What benchmarks/predictors/probe_choice.py counts: prices, choices, and predictions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.predictors import probe_choice
from benchmarks.predictors._disagreement_models import predict, ridge
from benchmarks.predictors.probe_choice import Choice, Costs, Known


@pytest.fixture
def choice() -> Choice:
    """Twenty training tasks, ten held out; two features of the task, two of each of two probes."""
    rng = np.random.default_rng(0)
    made: Choice = Choice.__new__(Choice)
    columns = ["metafeatures/x", "metafeatures/y"]
    columns += [f"accuracies/{p}/{k}" for p in ("a000", "a001") for k in range(2)]
    made.table = pd.DataFrame(rng.normal(size=(30, 6)), columns=columns)
    made.table.iloc[3, 2] = np.nan
    made.of = np.array(["", "", "a000", "a000", "a001", "a001"])
    made.group = np.array([c.split("/")[0] for c in columns])
    made.y = rng.normal(size=(30, 4))
    made.weights = rng.uniform(0.1, 1.0, size=30)
    made.splits = {"fold": (np.arange(20), np.arange(20, 30))}
    made._products = {}
    return made


@pytest.mark.parametrize("probes", [(), ("a000",), ("a000", "a001")])
def test_predictions_are_those_of_the_ridge_of_the_rankings(
    choice: Choice, probes: tuple[str, ...]
) -> None:
    read = choice.table.loc[:, np.isin(choice.of, ("", *probes))]
    train, held_out = choice.splits["fold"]
    model = ridge(probe_choice.PENALTY)
    expected = predict(read, choice.y, choice.weights, train, held_out, model, 0)
    np.testing.assert_allclose(choice._predicted("fold", probes), expected, atol=1e-9)


def test_what_several_networks_share_is_paid_once() -> None:
    table = pd.DataFrame({
        "architecture": ["a000", "a001", "a002"], "shared": 0.05,
        "training": [0.1, 0.2, 0.3], "layers": [0.15, 0.25, 0.35],
    })  # fmt: skip
    cost = Costs(table)
    assert cost(()) == 0.0
    assert cost(("a001",)) == pytest.approx(0.45)
    assert cost(("a000", "a001", "a002")) == pytest.approx(0.25 + 0.45 + 0.65 - 2 * 0.05)


def test_a_set_is_judged_where_it_was_not_chosen() -> None:
    def scores(first: float, second: float) -> pd.DataFrame:
        return pd.DataFrame({"split": ["a", "a", "b"], "tau": [first, first, second]})

    known: Known = {("x",): scores(0.9, 0.1), ("y",): scores(0.2, 0.8), ("x", "y"): scores(1, 1)}
    assert list(probe_choice.chosen_elsewhere(known, 1)["tau"]) == [0.2, 0.2, 0.1]
    assert probe_choice.best_sets(known, 1, 1) == [("x",)]


def test_sets_are_grown_within_the_budget(choice: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a000", "a001", "a002", "a003"]
    table = pd.DataFrame({
        "architecture": names, "shared": 0.0, "training": [0.1, 0.2, 0.3, 2.0], "layers": 0.1,
    })  # fmt: skip
    asked = []

    def scores(probes: tuple[str, ...], splits: object) -> pd.DataFrame:
        asked.append(probes)
        return pd.DataFrame({"split": ["a"], "tau": [float(len(probes))]})

    monkeypatch.setattr(choice, "scores", scores)
    choice.networks = names
    known: Known = {}
    sets = probe_choice.search(choice, Costs(table), 0.95, known)
    few = [("a000",), ("a001",), ("a002",), ("a000", "a001"), ("a000", "a002"), ("a001", "a002")]
    assert set(sets) == {*few, ("a000", "a001", "a002")}
    probe_choice.search(choice, Costs(table), np.inf, known)
    assert len(asked) == len(set(asked)) == len(known) == 15
