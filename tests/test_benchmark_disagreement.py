"""What benchmarks/predictors/disagreement.py counts, on numbers whose answer is known."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.predictors import _disagreement_own as own
from benchmarks.predictors import _disagreement_sets as sets
from benchmarks.predictors import _disagreement_spaces as spaces
from benchmarks.predictors._disagreement_data import Scores
from benchmarks.predictors._disagreement_models import family_weights, ridge, table_of


def tasks(n: int, kind: str = "real") -> pd.DataFrame:
    names = [f"t{i}" for i in range(n)]
    return pd.DataFrame({"task": names, "family": names, "kind": kind, "n_train": 9, "n_test": 9})


def test_parts_of_variance_are_those_that_made_the_scores() -> None:
    """Static 9, encodings 4, other disagreement 2, noise 1: of sums of squares."""
    rng = np.random.default_rng(0)
    n, encodings = 400, np.arange(60) % 6

    def drawn(*shape: int) -> np.ndarray:
        values = rng.normal(size=shape)
        return np.asarray((values - values.mean(-1, keepdims=True)) / values.std(-1, keepdims=True))

    common = 3.0 * drawn(60) + 2.0 * drawn(n, 6)[:, encodings] + np.sqrt(2.0) * drawn(n, 60)
    test = np.stack([common + drawn(n, 60) for _ in range(2)])
    scores = Scores(tasks(n), [f"a{i}" for i in range(60)], test, test)
    parts = spaces.parts_of_variance(scores, np.arange(n), encodings)
    assert parts["static"] == pytest.approx(100 * 9 / 16, abs=2.0)
    assert parts["encoding"] == pytest.approx(100 * 4 / 16, abs=2.0)
    assert parts["other disagreement"] == pytest.approx(100 * 2 / 16, abs=2.0)
    assert parts["noise of labels"] == pytest.approx(100 * 1 / 16, abs=2.0)


def test_static_scores_of_a_task_hold_nothing_of_its_family() -> None:
    y = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    families = np.array([0, 0, 1])
    static = spaces.static_scores(y, families, np.ones(3))
    np.testing.assert_allclose(static, [[0.0, 3.0], [0.0, 3.0], [0.5, 0.5]])


def test_shuffled_profiles_are_those_of_another_network_of_the_task() -> None:
    frame = pd.DataFrame({"task": np.repeat(["s", "t"], 20), "profile/x": np.arange(40.0)})
    moved = own.shuffled(frame, ["profile/x"], 3)
    assert (moved["profile/x"] != frame["profile/x"]).all()
    for task in ("s", "t"):
        at = frame["task"] == task
        assert set(moved.loc[at, "profile/x"]) == set(frame.loc[at, "profile/x"])


def test_a_shuffle_moves_the_named_groups_to_tasks_of_other_families_and_no_others() -> None:
    about = tasks(8)
    groups = {
        name: pd.DataFrame({f"{name}/x": np.arange(8.0)}, index=about["task"])
        for name in ("inputs", "metafeatures")
    }
    table = table_of(groups, ("metafeatures", "inputs"), ("inputs",), about, 0)
    assert (table["inputs/x"] != groups["inputs"]["inputs/x"]).all()
    assert (table["metafeatures/x"] == groups["metafeatures"]["metafeatures/x"]).all()


def test_a_feature_that_tells_the_outcome_is_found_and_its_shuffles_are_not() -> None:
    rng = np.random.default_rng(1)
    about = tasks(90)
    x = rng.normal(size=90)
    y = x[:, None] * np.linspace(-1.0, 1.0, 5)
    groups = {"inputs": pd.DataFrame({"inputs/x": x}, index=about["task"])}
    half = (np.arange(45), np.arange(45, 90))

    def judge(number: int, predicted: np.ndarray) -> dict[str, float]:
        return {"agrees": float(np.sign(predicted[-1] - predicted[0]) == np.sign(x[number]))}

    frame = sets.compare_sets(
        y, about, groups, {"test": half}, family_weights(about, 1.0), judge, ridge(0.01), 10,
        sets={"x": ("inputs",)},
    )  # fmt: skip
    rows = sets.tests(frame, ("agrees",), ("test",), (("x", "shuffled"), ("x", "static")))
    own_rows = frame[(frame["set"] == "x") & (frame["shuffle"] < 0)]
    assert own_rows["agrees"].mean() > 0.95
    assert frame[frame["shuffle"] >= 0]["agrees"].mean() < 0.7
    assert all(float(row["p, Holm"]) < 0.01 for row in rows)
