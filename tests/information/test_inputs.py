"""Refusals, ranks, and who sees which rows; the entropy of labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from infoprior.information import InformationError, MineSettings, entropy, mine, mine_labels
from infoprior.information._inputs import choose_rows, gaussianize, split_rows

X = np.random.default_rng(0).normal(size=(60, 2))
Y = np.arange(60) % 3


def test_ranks_agree_with_scipy_ties_included() -> None:
    rng = np.random.default_rng(0)
    samples = np.stack([rng.normal(size=200), np.maximum(rng.normal(size=200), 0.0)], axis=1)
    rank = stats.rankdata(samples, axis=0)  # mean ranks from 1
    normal = stats.norm.ppf((rank - 0.5) / 200)
    normal = (normal - normal.mean(0)) / normal.std(0, ddof=1)
    np.testing.assert_allclose(gaussianize(samples).numpy(), normal, atol=1e-5)


def test_ranks_do_not_see_strictly_increasing_maps() -> None:
    assert torch.equal(gaussianize(X), gaussianize(np.exp(3 * X)))


def test_constant_columns_go_rounding_noise_included() -> None:
    noisy = 1.0 + 1e-9 * X[:, 0]
    assert gaussianize(np.stack([X[:, 0], np.full(60, 3.0), noisy], axis=1)).shape == (60, 1)
    assert gaussianize(np.zeros((60, 2))).shape == (60, 0)


def test_parts_are_disjoint_and_stratified() -> None:
    parts = split_rows(1000, seed=3, labels=np.repeat([0, 1], [900, 100]))
    rows = torch.cat([parts.train, parts.validation, parts.test])
    assert sorted(rows.tolist()) == list(range(1000))
    assert [len(p) for p in (parts.train, parts.validation, parts.test)] == [600, 200, 200]
    assert [int((p >= 900).sum()) for p in (parts.train, parts.validation, parts.test)] == [
        60, 20, 20,
    ]  # fmt: skip
    assert not torch.equal(parts.test, split_rows(1000, seed=4).test)


def test_rows_chosen_by_the_seed() -> None:
    rows = choose_rows(1000, 100, seed=0)
    assert len(set(rows.tolist())) == 100
    assert rows.max() < 1000
    np.testing.assert_array_equal(rows, choose_rows(1000, 100, seed=0))
    assert not np.array_equal(rows, choose_rows(1000, 100, seed=1))
    np.testing.assert_array_equal(choose_rows(50, None, seed=0), np.arange(50))


def _with(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array[7, 1] = value
    return array


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([X], [X[:59]], r"x\[0\] has 60 rows, but y\[0\] has 59"),
        ([X, X], [X], "2 arrays, but y has 1"),
        ([X[:49]], [X[:49]], "at least 50"),
        ([X], [_with(X, np.nan)], r"y\[0\] is not finite at row 7, column 1"),
        ([_with(X, np.inf)], [X], r"x\[0\] is not finite"),
        ([X[:, :0]], [X], "shape"),
        ([X[:, :, None]], [X], "shape"),
        ([X.astype(str)], [X], "give numbers"),
    ],
)
def test_mine_refuses(x: list[np.ndarray], y: list[np.ndarray], words: str) -> None:
    with pytest.raises(InformationError, match=words):
        mine(x, y, seed=0)


@pytest.mark.parametrize(
    ("t", "y", "words"),
    [
        (X, Y[:59], r"y has 59 rows, but t\[0\] has 60"),
        (X[:40], Y[:40], "at least 50"),
        (_with(X, np.nan), Y, r"t\[0\] is not finite"),
        (X, Y + 0.5, "whole numbers"),
        (X, X, "shape"),
    ],
)
def test_mine_labels_refuses(t: np.ndarray, y: np.ndarray, words: str) -> None:
    with pytest.raises(InformationError, match=words):
        mine_labels([t], y, seed=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("hidden", 1.5), ("batch_size", 1), ("learning_rate", -1.0), ("average", 0.0),
     ("max_rows", 10)],
)  # fmt: skip
def test_settings_refuse(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        MineSettings(**{name: value})  # type: ignore[arg-type]


def test_entropy() -> None:
    assert entropy(Y) == pytest.approx(math.log(3))
    assert entropy(np.array([5, 5, 5, 9])) == pytest.approx(
        -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    )
    assert entropy(torch.zeros(10, dtype=torch.int64)) == 0.0
    assert math.copysign(1.0, entropy([4, 4])) == 1.0
    for bad in (np.array([]), np.array([0.5, 1.0]), np.zeros((3, 2), dtype=int)):
        with pytest.raises(InformationError):
            entropy(bad)
