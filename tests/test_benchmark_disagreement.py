"""What benchmarks/predictors/disagreement.py counts, on numbers whose answer is known."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.predictors import _disagreement_data as data
from benchmarks.predictors import _disagreement_encodings as encodings
from benchmarks.predictors import _disagreement_own as own
from benchmarks.predictors import _disagreement_sets as sets
from benchmarks.predictors import _disagreement_spaces as spaces
from benchmarks.predictors._disagreement_data import Scores
from benchmarks.predictors._disagreement_models import family_weights, ridge, table_of
from benchmarks.predictors.disagreement import splits_of
from infoprior.evaluation import kendall_tau
from infoprior.metadataset import FITTED_FAMILIES
from tests.factories import make_metadataset, make_tabular


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


def test_encodings_that_do_nothing_have_no_share_however_few_points_each_has() -> None:
    rng = np.random.default_rng(0)
    n, encodings = 400, np.arange(18) % 6
    common = rng.normal(size=18) + rng.normal(size=(n, 18))
    test = np.stack([common + 0.3 * rng.normal(size=(n, 18)) for _ in range(2)])
    scores = Scores(tasks(n), [f"a{i}" for i in range(18)], test, test)
    parts = spaces.parts_of_variance(scores, np.arange(n), encodings)
    assert parts["encoding"] < 3.0  # means over three points of noise alone have a seventh
    assert parts["other disagreement"] > 35.0


def test_static_scores_of_a_task_hold_nothing_of_its_family() -> None:
    y = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    families = np.array([0, 0, 1])
    static = spaces.static_scores(y, families, np.ones(3))
    np.testing.assert_allclose(static, [[0.0, 3.0], [0.0, 3.0], [0.5, 0.5]])


def test_taus_are_those_of_the_evaluation() -> None:
    rng = np.random.default_rng(0)
    predicted, truth = rng.normal(size=(5, 20)), rng.normal(size=(5, 20)).round(1)
    predicted[1], predicted[2, :5], predicted[3] = truth[1], 0.0, 1.0
    expected = [kendall_tau(p, t) for p, t in zip(predicted, truth, strict=True)]
    np.testing.assert_allclose(spaces.taus(predicted, truth), expected, atol=1e-12)


def test_a_task_resembles_none_of_its_own_family() -> None:
    y = np.array([[1.0, 0.0, 2.0], [1.0, 0.0, 2.0], [0.0, 3.0, 1.0]])
    families = np.array([0, 0, 1])
    similar = spaces.similar_scores(y, y, families, 0.1)
    np.testing.assert_allclose(similar[:2], spaces.standardised(y)[[2, 2]])


def test_folds_hold_out_fitted_families_and_the_others_train_none_of_them() -> None:
    fitted = sorted(FITTED_FAMILIES)[:20]
    families = [*fitted, *(f"other-{i}" for i in range(8))]
    about = pd.DataFrame({"task": families, "family": families, "kind": "real"})
    made = pd.DataFrame({"task": ["s0", "s1"], "family": ["s0", "s1"], "kind": "synthetic"})
    splits = splits_of(pd.concat([about, made], ignore_index=True))
    test = set(range(20, 28))
    assert set(splits.pop("test")[1]) == test
    held_out = np.concatenate([held for _, held in splits.values()])
    assert sorted(held_out) == list(range(20))
    for train, _ in splits.values():
        assert not set(train) & test
        assert {28, 29} <= set(train)


@pytest.mark.parametrize("make", [make_metadataset, make_tabular])
def test_a_task_is_read_as_early_as_a_new_one_and_never_by_test_rows(make) -> None:  # type: ignore[no-untyped-def]
    meta = make(6, 5)
    groups = data.feature_groups(meta)
    early = 3 if make is make_tabular else 27
    assert ("inputs" in groups) == (make is make_tabular)
    curves = meta.probe_curves.copy()
    curves.loc[curves["epoch"] > early, "validation_accuracy"] = 0.123
    curves["test_accuracy"] = 0.123
    profiles, layers = meta.profiles.copy(), meta.layers.copy()
    profiles.loc[profiles["epoch"] > early, "mi_ty"] = 0.01
    layers.loc[layers["epoch"] > early, ["mi_ty", "mi_ty_training_rows", "dead_units"]] = 0.01
    other = data.feature_groups(
        replace(meta, probe_curves=curves, profiles=profiles, layers=layers)
    )
    assert set(other) == set(groups)
    for name, table in groups.items():
        pd.testing.assert_frame_equal(other[name], table)
    curves.loc[curves["epoch"] <= early, "validation_accuracy"] = 0.2
    changed = data.feature_groups(replace(meta, probe_curves=curves))
    assert not changed["accuracies"].equals(groups["accuracies"])


def test_what_is_said_of_a_network_after_three_epochs_is_known_then() -> None:
    meta = make_tabular(6, 5)
    frame, groups = own.networks(meta)
    late = meta.curves.copy()
    late.loc[late["epoch"] > 3, ["train_loss", "validation_accuracy", "test_accuracy"]] = 0.5
    late.loc[late["epoch"] <= 3, "test_accuracy"] = 0.5
    layers = meta.layers.copy()
    layers.loc[layers["epoch"] > 3, ["mi_ty_training_rows", "mi_xt"]] = 0.5
    other, _ = own.networks(replace(meta, curves=late, layers=layers))
    columns = [c for group in groups.values() for c in group]
    pd.testing.assert_frame_equal(other[columns], frame[columns])
    assert (other["final"] == 50.0).all()
    ends = meta.final().set_index(["task", "architecture"])["test_accuracy"]
    at = pd.MultiIndex.from_frame(frame[["task", "architecture"]])
    np.testing.assert_allclose(frame["final"], 100.0 * ends.loc[at])
    assert len(groups["profile"]) == 2 * (3 * 6 + 1)
    assert frame["profile/first/training"].notna().any()


def test_an_oracle_gains_nothing_from_noise() -> None:
    rng = np.random.default_rng(0)
    families = sorted(FITTED_FAMILIES)[:60]
    paired = {f: rng.normal(size=(4, 7)) for f in families}
    about = pd.DataFrame({"task": families, "family": families, "kind": "real"})
    (row,) = encodings.oracle(paired, about)
    shown = {name: float(text.split()[0]) for name, text in row.items() if "[" in text}
    assert abs(shown["oracle, points over standard"]) < 0.4
    assert shown["the same, noisy"] > 0.5  # chosen and paid on the same draws
    assert abs(shown["draws agree (Spearman)"]) < 0.1


def test_gains_of_encodings_are_seen_in_a_design_that_differs_in_more() -> None:
    rng = np.random.default_rng(0)
    about, names = tasks(40), [f"a{i}" for i in range(70)]
    kinds = np.array(encodings.ENCODINGS)[np.arange(70) % 7]
    gains = rng.normal(size=(40, 7))
    gains -= gains.mean(axis=1, keepdims=True)
    usual = 10.0 * rng.normal(size=70)
    test = (usual + gains[:, np.arange(70) % 7] + 0.1 * rng.normal(size=(40, 70)))[None]
    points = {name: {"inputs": kind} for name, kind in zip(names, kinds, strict=True)}
    meta = SimpleNamespace(points=lambda: points)
    seen = encodings.design_gains(meta, Scores(about, names, test, test))  # type: ignore[arg-type]
    unusual = gains - (gains.sum(axis=0) - gains) / 39
    unusual -= unusual.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(seen, unusual, atol=0.2)


def test_p_values_are_corrected_by_holm_within_a_table() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame([
        {"split": "test", "set": name, "shuffle": -1, "number": i, "family": f"f{i}",
         "tau": gain + 0.1 * rng.normal()}
        for i in range(20) for name, gain in (("a", 0.0), ("b", 0.06), ("c", 0.1))
    ])  # fmt: skip
    pairs = (("b", "a"), ("c", "a"), ("c", "b"))
    rows = sets.tests(frame, ("tau",), ("test",), pairs)
    p, q = (np.array([float(row[name]) for row in rows]) for name in ("p", "p, Holm"))
    order = p.argsort()
    expected = np.maximum.accumulate(np.minimum(p[order] * [3, 2, 1], 1.0))
    np.testing.assert_allclose(q[order], expected, rtol=0.1)
    assert p.min() < 0.05
    # Those of one metric and table, as it is asked for: another table has its own.
    (alone,) = sets.tests(frame, ("tau",), ("test",), pairs[:1])
    assert alone["p, Holm"] == alone["p"]


def test_groups_that_a_space_lacks_leave_their_sets_out() -> None:
    assert data.sets_of(("metafeatures", "accuracies", "inputs", "layers")) == data.SETS
    mlp = data.sets_of(("metafeatures", "accuracies", "layers"))
    assert mlp == {
        "meta-features": ("metafeatures",), "probes' accuracies": ("accuracies",),
        "probes' layers": ("layers",), "meta-features, accuracies": ("metafeatures", "accuracies"),
        "all": ("metafeatures", "accuracies", "layers"),
    }  # fmt: skip
    planned, others = data.comparisons(mlp)
    assert planned[:2] == [("probes' layers", "static"), ("probes' layers", "meta-features")]
    assert len(planned) == len(set(planned)) == 6
    assert not set(planned) & set(others)
    assert {pair for pair in (*planned, *others) if pair[1] in ("static", "shuffled")} == {
        (name, other) for name in mlp for other in ("static", "shuffled")
    }


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
