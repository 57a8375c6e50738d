"""What every estimator shares: rows by the seed, entropy of labels, columns by rank."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from infoprior.information import InformationError, choose_rows, entropy
from infoprior.information._inputs import generator
from infoprior.information._ranks import normal_scores, standardize

X = np.random.default_rng(0).normal(size=(60, 2))
Y = np.arange(60) % 3


def test_ranks_agree_with_scipy_ties_included() -> None:
    rng = np.random.default_rng(0)
    samples = np.stack([rng.normal(size=200), np.maximum(rng.normal(size=200), 0.0)], axis=1)
    rank = stats.rankdata(samples, axis=0)  # mean ranks from 1
    normal = stats.norm.ppf((rank - 0.5) / 200)
    np.testing.assert_allclose(normal_scores(torch.from_numpy(samples)).numpy(), normal, atol=1e-9)


def test_ranks_do_not_see_strictly_increasing_maps() -> None:
    x = torch.from_numpy(X)
    assert torch.equal(normal_scores(x), normal_scores(torch.exp(3 * x)))


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e307])
def test_standardized_columns(size: float) -> None:
    x = torch.from_numpy(np.column_stack([np.tanh(X), np.full(60, 0.3)]) * size)
    scaled = standardize(x)
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(3).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(scaled.std(dim=0), torch.tensor([1.0, 1.0, 0.0]).double())


def test_rows_chosen_by_the_seed() -> None:
    rows = choose_rows(1000, 100, seed=0)
    assert len(set(rows.tolist())) == 100
    assert rows.max() < 1000
    np.testing.assert_array_equal(rows, np.sort(rows))
    np.testing.assert_array_equal(rows, choose_rows(1000, 100, seed=0))
    assert not np.array_equal(rows, choose_rows(1000, 100, seed=1))
    np.testing.assert_array_equal(choose_rows(50, None, seed=0), np.arange(50))
    np.testing.assert_array_equal(choose_rows(50, 50, seed=0), np.arange(50))


def test_each_purpose_of_a_seed_has_its_own_numbers() -> None:
    first = generator(0, "split").normal(size=5)
    np.testing.assert_array_equal(first, generator(0, "split").normal(size=5))
    assert not np.array_equal(first, generator(0, "critic").normal(size=5))
    assert not np.array_equal(first, generator(1, "split").normal(size=5))


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
