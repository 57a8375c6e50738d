"""The one call: what it takes, what it refuses, what it answers."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from infoprior.information import METHODS, Estimate, Estimates, InformationError, estimate
from tests.information.common import QUICK, options

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
Y = X[:, :2] + RNG.normal(size=(N, 2))
STACK = RNG.normal(size=(4, N, 3)) + X
RAGGED = [STACK[0], STACK[1, :, :1], np.hstack([X, Y])]
LABELS = np.arange(N) % 3
T = X + LABELS[:, None]
MAPS = RNG.normal(size=(N, 2, 4, 4)) + LABELS[:, None, None, None]


def names(*kinds: str) -> list[str]:
    return [name for name, m in METHODS.items() if m.y in kinds and name != "conv-probe"]


def assert_single(result: Estimate | Estimates) -> Estimate:
    assert isinstance(result, Estimate)
    assert type(result.nats) is float
    return result


def assert_stack(result: Estimate | Estimates, k: int) -> Estimates:
    assert isinstance(result, Estimates)
    assert result.nats.shape == (k,)
    assert result.nats.dtype == np.float64
    return result


# What it takes


def test_vectors_are_columns() -> None:
    one = assert_single(estimate(X[:, 0], Y[:, 0], "copula"))
    assert one.nats == estimate(X[:, :1], Y[:, :1], "copula").nats
    assert one.n == N


@pytest.mark.parametrize("method", ["copula", "ksg", "binning"])
@pytest.mark.filterwarnings("ignore:binning is vacuous")
def test_stacks_and_shared_sides_equal_one_by_one(method: str) -> None:
    ys = STACK[::-1] + 1.0
    ragged_y = [Y, Y[:, :1], X]
    for x, y, pairs in [
        (STACK, ys, list(zip(STACK, ys, strict=True))),
        (STACK, Y, [(x, Y) for x in STACK]),
        (Y, STACK, [(Y, y) for y in STACK]),
        (list(STACK), tuple(ys), list(zip(STACK, ys, strict=True))),
        (RAGGED, ragged_y, list(zip(RAGGED, ragged_y, strict=True))),
        (RAGGED, Y[:, 0], [(x, Y[:, 0]) for x in RAGGED]),
        (STACK[:1], ys[:1], [(STACK[0], ys[0])]),
    ]:
        result = assert_stack(estimate(x, y, method, discrete_y=False), len(pairs))
        for nats, (a, b) in zip(result.nats, pairs, strict=True):
            assert nats == pytest.approx(estimate(a, b, method, discrete_y=False).nats, abs=1e-9)


@pytest.mark.parametrize("method", ["lda", "ross"])
def test_labels_shared_or_one_per_entry(method: str) -> None:
    many = np.stack([LABELS, (X[:, 0] > 0).astype(int), LABELS, LABELS[::-1]])
    alone = [estimate(t, LABELS, method).nats for t in STACK]
    shared = assert_stack(estimate(STACK, LABELS, method), 4)
    assert shared.nats == pytest.approx(alone, abs=1e-9)
    each = assert_stack(estimate(STACK, many, method), 4)
    by_hand = [estimate(t, y, method).nats for t, y in zip(STACK, many, strict=True)]
    assert each.nats == pytest.approx(by_hand, abs=1e-9)
    assert estimate(STACK, list(many), method).nats == pytest.approx(by_hand, abs=1e-9)
    # One layer beside many labels.
    result = assert_stack(estimate(T, many, method, discrete_y=True), 4)
    by_hand = [estimate(T, y, method).nats for y in many]
    assert result.nats == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: torch.from_numpy(a),
        lambda a: torch.from_numpy(a).requires_grad_(),
        lambda a: np.asfortranarray(a),
        lambda a: a[::-1][::-1],
        lambda a: [torch.from_numpy(a)],
    ],
)
def test_arrays_and_tensors_are_the_same(change: Any) -> None:
    result = estimate(change(X), Y, "copula")
    assert np.ravel(result.nats)[0] == estimate(X, Y, "copula").nats


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int64", "uint8", "bool"])
def test_other_dtypes(dtype: str) -> None:
    x = np.clip(np.round(10 * X + 50), 0, 100).astype(dtype)
    if dtype == "bool":
        x = X > 0
    result = estimate(x, Y, "copula").nats
    assert result == estimate(x.astype(np.float64), Y, "copula").nats
    assert result == estimate(torch.from_numpy(x), Y, "copula").nats


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.tolist(),
        list(LABELS),
        LABELS.astype(np.uint8),
        LABELS.astype(float),
        torch.from_numpy(LABELS).int(),
        LABELS * 7 - 3,
        2 - LABELS,
    ],
)
def test_the_same_labels_in_other_clothes(labels: Any) -> None:
    assert estimate(T, labels, "lda").nats == pytest.approx(estimate(T, LABELS, "lda").nats)


def test_booleans_are_labels() -> None:
    y = LABELS > 0
    assert estimate(T, y, **QUICK).method == "hybrid-labels"
    assert estimate(T, y, "lda").nats == estimate(T, y.astype(int), "lda").nats
    assert estimate(T, torch.from_numpy(y), "lda").nats == estimate(T, y, "lda").nats


def test_maps_are_flattened_for_methods_of_vectors() -> None:
    flat = MAPS.reshape(N, -1)
    assert (
        estimate(MAPS[:, :1], Y, "ksg").nats == estimate(MAPS[:, 0].reshape(N, -1), Y, "ksg").nats
    )
    assert estimate(MAPS, LABELS, "lda").nats == estimate(flat, LABELS, "lda").nats
    result = assert_stack(estimate(np.stack([MAPS, MAPS]), LABELS, "lda"), 2)
    assert result.nats.tolist() == [estimate(flat, LABELS, "lda").nats] * 2
    mixed = assert_stack(estimate([MAPS, T], LABELS, "lda"), 2)
    assert mixed.nats[1] == estimate(T, LABELS, "lda").nats


# What it refuses


def spoiled(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array[7, 1] = value
    return array


@pytest.mark.parametrize(
    ("x", "y", "method", "words"),
    [
        (X, Y, "mime", "Unknown method 'mime'; known are .*'mine'"),
        (X, Y[:-1], "ksg", "x has 60 rows, but y has 59"),
        (T, LABELS[:-1], "lda", "x has 60 rows, but y has 59"),
        (X[:49], Y[:49], "ksg", "x has 49 rows; at least 50"),
        (T[:49], LABELS[:49], "lda", "x has 49 rows; at least 50"),
        ([], [], "ksg", "x has 0 rows"),
        (STACK[:0], Y, "ksg", "x is an empty stack"),
        (spoiled(X, np.nan), Y, "ksg", r"x is not finite at row 7, column 1 \(1 such"),
        (X, spoiled(Y, np.inf), "ksg", "y is not finite at row 7, column 1"),
        ([X, spoiled(X, -np.inf)], Y, "ksg", r"x\[1\] is not finite at row 7, column 1"),
        (spoiled(T, np.nan), LABELS, "lda", "x is not finite"),
        (spoiled(MAPS[:, 0, 0], np.nan)[:, None, None], Y, "mine", r"row 7, position \(0, 0, 1\)"),
        (X[:, :0], Y, "ksg", r"x has shape \(60, 0\)"),
        (X[None, None, None, None], Y, "ksg", "x has shape"),
        (X.astype(str), Y, "ksg", "x holds <U.*; give numbers"),
        (X + 1j, Y, "ksg", "x holds complex128"),
        (torch.from_numpy(X) + 1j, Y, "ksg", "give real numbers"),
        (STACK, STACK[:3], "ksg", "x is a stack of 4, but y of 3"),
        ([X, X[:-1]], Y, "ksg", r"x\[0\] has 60 rows, but x\[1\] has 59"),
        (STACK, np.stack([LABELS] * 3), "lda", "takes labels|labels for 3"),
        (T, LABELS, "ksg", "ksg takes continuous y; say discrete_y=False"),
        (T, LABELS, "mine", "For labels there are .*'enumerated'"),
        (X, Y, "lda", "lda takes labels as y; for continuous pairs there are .*'ksg'"),
        (T, LABELS + 0.5, "lda", "y holds .*float64; give labels as whole numbers"),
        (T, np.where(LABELS == 0, np.nan, 1.0), "lda", "whole numbers"),
        (T, np.where(LABELS == 0, np.inf, 1.0), "lda", "whole numbers"),
        (T, np.array(["a", "b", "c"])[LABELS], "lda", "y holds <U1"),
        (X, np.arange(N), "auto", "60 different whole numbers in 60 rows; say discrete_y=True"),
        (T, LABELS, "conv-probe", "conv-probe takes feature maps"),
    ],
)  # fmt: skip
def test_refuses(x: Any, y: Any, method: str, words: str) -> None:
    with pytest.raises(InformationError, match=words):
        estimate(x, y, method)


def test_discrete_y_settles_what_whole_numbers_are() -> None:
    with pytest.raises(InformationError, match="for labels there are"):
        estimate(T, LABELS, "ksg", discrete_y=True)
    with pytest.raises(InformationError, match="for continuous pairs there are"):
        estimate(T, LABELS, "lda", discrete_y=False)
    counts = np.arange(N)
    assert estimate(X, counts, "copula", discrete_y=False).method == "copula"
    assert estimate(X[:, 0], counts, discrete_y=False).method != "hybrid-labels"
    assert estimate(X[:, 0], counts, discrete_y=True, **QUICK).method == "hybrid-labels"


@pytest.mark.parametrize("method", list(METHODS))
def test_unknown_options_are_refused_by_name(method: str) -> None:
    y: Any = LABELS if METHODS[method].y == "labels" else Y
    with pytest.raises(InformationError, match=re.escape(f"{method} has no option 'stpes'")):
        estimate(T, y, method, stpes=3)
    with pytest.raises(InformationError, match=re.escape(f"{method} has no option")):
        estimate(np.ones((N, 1)), y, method, stpes=3)  # even if there is nothing to compute


def test_a_refusal_names_what_there_is() -> None:
    with pytest.raises(InformationError, match=r"it has .*'ranks'.*'steps'"):
        estimate(X, Y, "mine", rank=False)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", True, None])
def test_seeds_are_whole_numbers(seed: Any) -> None:
    with pytest.raises(InformationError, match="seed = "):
        estimate(X, Y, "ksg", seed=seed)


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("steps", 1.0), ("hidden", 1.5), ("hidden", 0), ("batch_size", 1),
     ("learning_rate", -1.0), ("learning_rate", 0.0), ("learning_rate", math.nan),
     ("learning_rate", "fast"), ("weight_decay", -0.1), ("weight_decay", math.inf),
     ("check_every", 0), ("patience", True), ("folds", 2), ("folds", 31)],
)  # fmt: skip
def test_settings_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(InformationError, match=f"^{name} is"):
        estimate(X, Y, "mine", **{name: value})
    if (name, value) != ("hidden", 0):
        with pytest.raises(InformationError, match=f"^{name} is"):
            estimate(T, LABELS, "enumerated", **{name: value})


# What it answers


@pytest.mark.parametrize("method", names("continuous", "any"))
@pytest.mark.filterwarnings("ignore:binning is vacuous")
def test_constant_sides_carry_nothing(method: str) -> None:
    flat = np.full((N, 2), 3.0)
    more: dict[str, Any] = options(method)
    for x, y in [(X, flat), (flat, flat)]:
        result = assert_single(estimate(x, y, method, **more))
        assert (result.nats, result.flags, result.n) == (0.0, ("constant",), N)
        assert result.method == method
    if method != "noisy":  # x is not looked at
        result = assert_single(estimate(flat, Y, method, **more))
        assert (result.nats, result.flags) == (0.0, ("constant",))
        stack = assert_stack(estimate([X, flat], Y, method, **more), 2)
        assert stack.nats[0] == pytest.approx(estimate(X, Y, method, **more).nats, abs=1e-6)
        assert stack.flags[1] == ("constant",)


@pytest.mark.parametrize("method", names("labels", "any"))
@pytest.mark.filterwarnings("ignore:binning is vacuous")
def test_constant_layers_and_labels_carry_nothing(method: str) -> None:
    flat = np.full((N, 2), 3.0)
    for t, y in [(flat, LABELS), (T, np.zeros(N, dtype=int)), (flat, np.ones(N, dtype=int))]:
        result = assert_single(estimate(t, y, method, **options(method)))
        assert (result.nats, result.flags, result.n) == (0.0, ("constant",), N)
    stack = assert_stack(estimate([T, flat], LABELS, method, **options(method)), 2)
    assert [f == ("constant",) for f in stack.flags] == [False, True]


HARD: dict[str, np.ndarray] = {
    "heavy tails": RNG.standard_cauchy((N, 2)),
    "huge": 1e100 * X,
    "tiny": 1e-200 * X,
    "mostly zeros": np.maximum(X - 1.5, 0.0),
    "one outlier": spoiled(np.zeros((N, 2)), 1.0),
    "a constant column": np.column_stack([X[:, 0], np.ones(N)]),
    "twins": X[:, [0, 0]],
    "as many columns as rows": RNG.normal(size=(N, N)),
    "two values": (X > 0).astype(float),
}


def assert_finite(result: Estimate | Estimates) -> None:
    assert isinstance(result, Estimate)
    for name in ("nats", "train", "validation", "test", "lower", "upper", "fold_spread", "sigma"):
        value = getattr(result, name)
        assert value is None or math.isfinite(value), name


@pytest.mark.parametrize("method", names("continuous", "any"))
@pytest.mark.filterwarnings("ignore:binning is vacuous")
def test_what_is_hard_is_answered_or_refused(method: str) -> None:
    for name, hard in HARD.items():
        for x, y in [(hard, Y), (Y, hard), (hard, hard)]:
            try:
                result = estimate(x, y, method, discrete_y=False, **options(method))
            except InformationError:
                if name != "as many columns as rows":
                    raise
            else:
                assert_finite(result)


@pytest.mark.parametrize("method", names("labels", "any"))
@pytest.mark.filterwarnings("ignore:binning is vacuous")
def test_what_is_hard_about_labels_is_answered(method: str) -> None:
    rare = np.r_[1, 2, 2, np.zeros(N - 3, dtype=int)]
    for hard in HARD.values():
        assert_finite(estimate(hard, LABELS, method, **options(method)))
        assert_finite(estimate(hard, rare, method, **options(method)))


def test_a_stack_answers_as_arrays() -> None:
    result = assert_stack(estimate([X, X[:, :1], np.ones(N)], Y, "mine", **QUICK), 3)
    assert len(result) == 3
    assert result.method == ["mine"] * 3
    assert result.seconds.shape == (3,)
    assert (result.seconds > 0).all()
    assert result.n.tolist() == [N] * 3
    assert np.ma.getmaskarray(result.train).tolist() == [
        False,
        False,
        True,
    ]  # a constant was not trained on
    assert result.nats.tolist() == [e.nats for e in result]
    assert result.sigma is None


def test_what_was_done_is_recorded() -> None:
    result = assert_single(estimate(X, Y, "mine", **QUICK))
    assert result.method == "mine"
    assert result.seconds > 0
    assert result.nats == result.test
    assert None not in (result.train, result.validation, result.fold_spread, result.step)
    both = assert_single(estimate(T, LABELS, "hybrid-labels", **QUICK))
    assert both.train is not None
    assert both.test is not None
    assert both.nats == pytest.approx((both.train + both.test) / 2)


def test_auto_says_what_it_chose() -> None:
    # No settings fit all its choices: options of one of them can be given where it is chosen.
    assert estimate(X[:, 0], Y[:, 0]).method == "ksg"
    assert estimate(X[:, 0], Y).method == "ksg"
    assert estimate(np.c_[X[:, 0], np.ones((N, 8))], Y).method == "ksg"  # columns that vary
    assert estimate(X, Y, **QUICK).method == "hybrid"
    assert estimate(T, LABELS, **QUICK).method == "hybrid-labels"
    assert estimate(MAPS, LABELS, **QUICK).method == "hybrid-labels"
    assert estimate(MAPS, Y, **QUICK).method == "mine"
    assert estimate(Y[:, 0], MAPS, **QUICK).method == "mine"
    pixels = MAPS[:, :, :1, :1]  # vectors, in truth
    assert estimate(pixels, LABELS, **QUICK).method == "hybrid-labels"
    assert estimate([MAPS, T], LABELS, **QUICK).method == ["hybrid-labels"] * 2


def test_labels_in_other_guises() -> None:
    integers = LABELS[:, None]
    assert estimate(X, integers, "lda").nats == estimate(X, LABELS, "lda").nats
    assert assert_single(estimate(X, integers, **QUICK)).method == "hybrid-labels"
    many = np.tile(np.random.default_rng(0).normal(size=(40, 2)), (5, 1))
    with pytest.raises(InformationError, match=r"2 different whole numbers as .*discrete_y"):
        estimate(many, (np.arange(200) % 2).astype(float))
    assert estimate(X.tolist(), LABELS, "lda").nats == estimate(X, LABELS, "lda").nats
    assert estimate(X, LABELS, "lda", seed=np.int64(1)).n == N
    with pytest.raises(InformationError, match="code labels as whole numbers"):
        estimate(X, np.array(["a", "b"] * (N // 2)), "lda")
    with pytest.raises(InformationError, match="labels of shapes"):
        estimate([X, X], [LABELS, LABELS[:-1]], "lda", discrete_y=True)


def test_a_column_far_from_zero_still_varies() -> None:
    assert estimate(X + 1e7, Y, "copula").nats == pytest.approx(estimate(X, Y, "copula").nats)


@pytest.mark.parametrize("method", ["ksg", "ksg-copula", "t-copula", "copula", "cca"])
def test_a_copy_saturates(method: str) -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    assert "saturated" in assert_single(estimate(x, x, method)).flags
