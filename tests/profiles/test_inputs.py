"""Input profiles: tasks whose information is known, and what must not change it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from infoprior.profiles import (
    BASIC_INPUT_FEATURES,
    INPUT_FEATURES,
    InputProfile,
    ProfileError,
    TaskProfile,
    _inputs,
    input_profile,
    numeric_columns,
)
from infoprior.tasks import Task

N = 2000


def make(X: np.ndarray, y: np.ndarray, names: tuple[str, ...] | None = None) -> Task:
    X = X.astype(np.float32)
    rows = np.arange(len(X))
    return Task(
        "test/inputs", "test", "test", "synthetic", X, y.astype(np.int64),
        rows[: len(X) * 3 // 4], rows[len(X) * 3 // 4 : -50], rows[-50:],
        names or tuple(f"x{j}" for j in range(X.shape[1])),
        tuple(str(c) for c in range(int(y.max()) + 1)),
    )  # fmt: skip


def squares(x: np.ndarray) -> np.ndarray:
    return np.hstack([x, x**2])


def noise_columns(x: np.ndarray) -> np.ndarray:
    """The columns, and 200 more that are noise."""
    return np.hstack([x, np.random.default_rng(1).normal(size=(len(x), 200))])


@pytest.fixture(scope="module")
def gaussian_classes() -> Task:
    """x0 = y + noise of variance 1 by two classes at -1 and 1; x1 and x2 are noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=N)
    X = rng.normal(size=(N, 3))
    X[:, 0] += 2.0 * y - 1.0
    return make(X, y)


# I(X; Y) of two unit Gaussians at -1 and 1 with equal shares: the capacity of binary signals at a
# signal-to-noise ratio of 1, by quadrature.
def _binary_channel() -> float:
    t = np.linspace(-12.0, 12.0, 200_001)
    density = np.exp(-0.5 * (t - 1.0) ** 2) / math.sqrt(2.0 * math.pi)
    return float(math.log(2.0) - (density * np.log1p(np.exp(-2.0 * t))).sum() * (t[1] - t[0]))


def test_gaussian_classes_have_their_information_all_of_it_linear(gaussian_classes: Task) -> None:
    profile = input_profile(gaussian_classes, progress=False)
    truth = _binary_channel()
    assert truth == pytest.approx(0.337, abs=1e-3)
    by_input = profile.inputs.set_index("input")
    assert by_input["mi"]["x0"] == pytest.approx(truth, abs=0.04)
    assert by_input["linear"]["x0"] == pytest.approx(truth, abs=0.04)
    assert by_input["mi"][["x1", "x2"]].abs().max() < 0.015
    assert by_input["linear"][["x1", "x2"]].abs().max() < 0.005
    assert profile.whole["mi"] == pytest.approx(truth, abs=0.04)
    assert profile.whole["linear"] == pytest.approx(truth, abs=0.04)
    features = profile.features()
    assert abs(features["gap_max"]) < 0.02
    assert abs(features["all_gap"]) < 0.02
    assert features["mi_top_share"] > 0.9
    assert features["n_numeric"] == 3.0


def test_a_parity_shows_as_interaction_of_its_two_inputs() -> None:
    X = np.random.default_rng(0).normal(size=(N, 4))
    profile = input_profile(make(X, X[:, 1] * X[:, 3] > 0), progress=False)
    assert profile.inputs["mi"].abs().max() < 0.015
    strongest = profile.pairs.iloc[0]
    assert {strongest["first"], strongest["second"]} == {"x1", "x3"}
    # Six bins have an edge near zero, where signs change: they see most of it.
    assert strongest["interaction"] == pytest.approx(math.log(2.0), abs=0.08)
    assert profile.pairs["interaction"][1:].abs().max() < 0.03
    assert profile.whole["mi"] > 0.4
    assert profile.whole["linear"] < 0.02
    features = profile.features()
    assert features["pair_share"] == pytest.approx(1 / 6, abs=0.2)
    assert features["redundancy"] < -0.5


def test_an_encoding_that_makes_information_linear_is_told() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2))
    profile = input_profile(
        make(X, np.abs(X[:, 0]) > 0.674), {"standard": lambda x: x, "piecewise-8": squares},
        progress=False,
    )  # fmt: skip
    features = profile.features()
    assert features["mi_max"] > 0.8
    assert features["linear_max"] < 0.02
    assert features["all_linear/standard"] < 0.02
    assert features["all_linear/piecewise-8"] > 0.35  # a logistic curve in x^2 is no edge
    assert features["linear_max/piecewise-8"] > 0.35
    assert features["left_mean/piecewise-8"] < features["left_mean/standard"]
    assert math.isnan(features["all_linear/periodic-low"])


def test_a_wide_encoding_does_not_look_better_for_its_width(gaussian_classes: Task) -> None:
    encoders: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "standard": lambda x: x,
        "piecewise-24": noise_columns,
    }
    profile = input_profile(gaussian_classes, encoders, progress=False)
    whole, features = profile.whole, profile.features()
    assert whole["linear/piecewise-24"] == pytest.approx(whole["linear/standard"], abs=0.03)
    assert features["all_linear/piecewise-24"] > 0.4
    assert features["all_gain/piecewise-24"] == pytest.approx(0.0, abs=0.05)
    assert features["all_gain/standard"] == 0.0


def test_counts_of_independent_cells_have_no_information_on_average() -> None:
    rng = np.random.default_rng(0)
    values = [
        _inputs._cells_information(rng.integers(12, size=300), rng.integers(4, size=300))
        for _ in range(300)
    ]
    assert abs(np.mean(values)) < 0.005  # 33 / 600 without the correction


def test_a_pair_of_the_same_input_twice_has_all_of_it_once() -> None:
    x = np.random.default_rng(0).normal(size=N)
    profile = input_profile(make(np.stack([x, x], axis=1), x + np.roll(x, 1) > 0), progress=False)
    (pair,) = profile.pairs.to_dict("records")
    assert pair["mi"] > 0.1
    assert pair["interaction"] == pytest.approx(-pair["mi"], abs=0.02)


def test_labels_that_nothing_is_known_of_have_no_information() -> None:
    rng = np.random.default_rng(3)
    task = make(rng.normal(size=(N, 8)), rng.integers(4, size=N))
    profile = input_profile(task, {"piecewise-24": noise_columns}, progress=False)
    values = [profile.whole[key] for key in ("mi", "linear", "linear/piecewise-24")]
    assert np.abs(values).max() < 0.04
    assert profile.inputs.drop(columns="input").abs().to_numpy().max() < 0.02
    assert profile.pairs["interaction"].abs().max() < 0.04


def test_the_order_of_columns_changes_nothing(gaussian_classes: Task) -> None:
    def features(task: Task) -> dict[str, float]:
        return input_profile(task, {"robust": squares}, progress=False).features()

    order = [2, 0, 1]
    moved = dataclasses.replace(
        gaussian_classes, X=np.ascontiguousarray(gaussian_classes.X[:, order]),
        feature_names=tuple(gaussian_classes.feature_names[j] for j in order),
    )  # fmt: skip
    before, after = features(gaussian_classes), features(moved)
    # The critic of all columns together draws a weight for each: it is the same up to its noise.
    for name in INPUT_FEATURES:
        loose = name in ("all_mi", "all_gap", "redundancy")
        assert after[name] == pytest.approx(before[name], abs=0.01 if loose else 1e-4, nan_ok=True)


def test_repeating_every_column_changes_statistics_little() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4))
    y = X[:, 0] + X[:, 1] ** 2 + 0.5 * rng.normal(size=N) > 1
    once = input_profile(make(X, y), progress=False).features()
    twice = input_profile(make(np.hstack([X, X]), y), progress=False).features()
    for name in ("mi_mean", "mi_max", "linear_mean", "linear_max", "gap_mean", "gap_max"):
        assert twice[name] == pytest.approx(once[name], abs=1e-6)
    for name in ("all_mi", "all_linear", "all_gap", "mi_even", "mi_median"):
        assert twice[name] == pytest.approx(once[name], abs=0.1)
    assert twice["n_numeric"] == 8.0
    assert twice["redundancy"] > once["redundancy"]


def test_categories_are_no_numeric_inputs_but_count_among_all() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=N)
    flag = np.where(rng.random(N) < 0.1, 1 - y, y)
    task = make(np.stack([flag * 2.0 - 0.3, rng.normal(size=N)], axis=1), y)
    assert numeric_columns(task).tolist() == [False, True]
    profile = input_profile(task, {"quantile": squares}, progress=False)
    wrong = float((flag != y).mean())
    truth = math.log(2.0) + wrong * math.log(wrong) + (1 - wrong) * math.log(1 - wrong)
    assert profile.inputs["input"].tolist() == ["x1"]
    assert profile.whole["mi"] == pytest.approx(truth, abs=0.05)
    assert profile.whole["linear/quantile"] == pytest.approx(truth, abs=0.05)
    every = input_profile(task, numeric=np.array([True, True]), progress=False)
    assert every.inputs["mi"].max() == pytest.approx(truth, abs=0.03)


def test_a_task_without_numbers_has_a_profile() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(2, size=(400, 3)).astype(float)
    profile = input_profile(make(X, X[:, 0]), {"standard": squares}, progress=False)
    assert len(profile.inputs) == len(profile.pairs) == 0
    features = profile.features()
    assert tuple(features) == INPUT_FEATURES
    assert features["n_numeric"] == features["mi_mean"] == features["pair_max"] == 0.0
    assert features["all_linear/standard"] == pytest.approx(features["all_linear"], abs=0.05)


def test_too_many_columns_leave_those_of_the_inputs_that_say_most(
    gaussian_classes: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_inputs, "MOST_COLUMNS", 2)
    profile = input_profile(gaussian_classes, {"robust": squares}, progress=False)
    assert {"mi:capped", "linear:capped", "linear/robust:capped"} <= set(profile.flags)
    truth = _binary_channel()
    for key in ("mi", "linear", "linear/robust"):
        assert profile.whole[key] == pytest.approx(truth, abs=0.04)


def test_the_same_seed_gives_the_same_numbers(gaussian_classes: Task) -> None:
    def profile(**options: int) -> InputProfile:
        return input_profile(
            gaussian_classes, {"standard": squares}, max_rows=600, progress=False, **options
        )

    first, second = profile(), profile()
    assert _same(first, second)
    assert first.n == 600
    assert profile(seed=1).features() != first.features()


@pytest.mark.slow
def test_another_number_of_threads_changes_rounding_at_most(gaussian_classes: Task) -> None:
    one, two = (
        input_profile(gaussian_classes, max_rows=300, threads=threads, progress=False).features()
        for threads in (1, 2)
    )
    for name in BASIC_INPUT_FEATURES:
        assert two[name] == pytest.approx(one[name], abs=0.02)


def _same(a: InputProfile, b: InputProfile) -> bool:
    return all(
        x == y or (math.isnan(x) and math.isnan(y))
        for x, y in zip(a.features().values(), b.features().values(), strict=True)
    )


def test_test_rows_are_never_looked_at(gaussian_classes: Task) -> None:
    X = gaussian_classes.X.copy()
    X[gaussian_classes.test] = 7.0
    other = dataclasses.replace(gaussian_classes, X=X)
    a, b = (input_profile(t, progress=False) for t in (gaussian_classes, other))
    assert _same(a, b)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoders": {"square": squares}}, r"Unknown encodings \['square'\]; known are"),
        ({"encoders": {"robust": 3}}, "'robust' is 3; give a function"),
        ({"encoders": {"robust": lambda x: x[:5]}}, r"returns float32 of shape \(5, 1\)"),
        ({"encoders": {"robust": lambda x: x * np.nan}}, "not finite"),
        ({"encoders": {"robust": lambda x: 1 / 0}}, "fails on numeric columns of shape"),
        ({"encoders": 4}, "encoders"),
        ({"numeric": np.ones(2, dtype=bool)}, "for each of 3 columns"),
        ({"max_rows": 0}, "max_rows"),
    ],
)
def test_what_is_wrong_is_said(
    gaussian_classes: Task, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ProfileError, match=message):
        input_profile(gaussian_classes, progress=False, **arguments)  # type: ignore[arg-type]


def test_a_task_profile_holds_statistics_of_inputs_or_none() -> None:
    with pytest.raises(ProfileError, match="inputs"):
        TaskProfile("a", {}, *_empty(), inputs=3)  # type: ignore[arg-type]
    assert dict(TaskProfile("a", {}, *_empty()).inputs) == {}


def _empty():  # type: ignore[no-untyped-def]
    import pandas as pd

    from infoprior.profiles import PROBE_CURVE_COLUMNS, PROFILE_COLUMNS

    return (
        pd.DataFrame({c: pd.Series(dtype=t) for c, t in columns.items()})
        for columns in (PROFILE_COLUMNS, PROBE_CURVE_COLUMNS)
    )
