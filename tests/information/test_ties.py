"""Columns of few distinct values: every continuous method stays near what is possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from infoprior.information import estimate
from infoprior.information._ranks import break_ties, dither
from tests.information.common import options

RNG = np.random.default_rng(0)
N = 600
BIT = RNG.integers(0, 2, (N, 1)) * 1.0
FLIPPED = np.where(RNG.random((N, 1)) < 0.1, 1.0 - BIT, BIT)
BITS = RNG.integers(0, 2, (N, 6)) * 1.0
ONE_HOT = np.eye(4)
COUNTS = RNG.poisson(2.0, (N, 1)) * 1.0

# x, y, the information, the entropy of the poorer side.
PAIRS: dict[str, tuple[np.ndarray, np.ndarray, float, float]] = {
    "a bit, a tenth flipped": (BIT, FLIPPED, 0.368, 0.693),
    "a bit and two copies": (BIT, np.hstack([BIT, BIT]), 0.693, 0.693),
    "six bits and three of them": (BITS, BITS[:, :3], 2.079, 2.079),
    "independent one-hot columns": (
        ONE_HOT[RNG.integers(0, 4, N)], ONE_HOT[RNG.integers(0, 4, N)], 0.0, 1.386),
    "one-hot columns of counts": (
        ONE_HOT[COUNTS[:, 0].astype(int) % 4], ONE_HOT[COUNTS[:, 0].astype(int) % 4], 1.35, 1.35),
    "counts": (COUNTS, COUNTS + RNG.integers(0, 2, (N, 1)), 1.3, 1.75),
    "rare bits": ((RNG.random((N, 1)) < 0.01) * 1.0, (RNG.random((N, 1)) < 0.01) * 1.0, 0.0, 0.06),
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS.values(), ids=[*PAIRS])
@pytest.mark.parametrize(
    "method", ["auto", "ksg", "ksg-copula", "copula", "t-copula", "cca", "mine", "binning"]
)
@pytest.mark.filterwarnings("ignore:binning is vacuous")
def test_discrete_columns_carry_no_more_than_their_entropy(method: str, pair: Any) -> None:
    x, y, nats, most = pair
    more = {"steps": 40} if method in ("auto", "mine") and x.shape[1] + y.shape[1] > 3 else {}
    if method == "mine":
        more = {"steps": 40}
    answer = estimate(x, y, method, discrete_y=False, **more)
    assert -0.2 < answer.nats < most + 0.15
    if nats == 0.0:
        assert answer.nats < 0.1
    elif method not in ("mine", "auto"):
        assert answer.nats > 0.3 * nats
    if method in ("copula", "t-copula", "cca", "ksg-copula"):
        assert "ties" in answer.flags


def test_ties_are_broken_without_losing_the_values_or_touching_other_columns() -> None:
    samples = torch.tensor(np.hstack([COUNTS, RNG.normal(size=(N, 1)), np.ones((N, 1))]))
    for function in (break_ties, dither):
        broken, tied = function(samples, 0, "x")
        assert tied
        assert torch.equal(broken[:, 1:], samples[:, 1:])
        assert len(broken[:, 0].unique()) == N
        # The order of different values is kept, so that each can be read again.
        order = broken[:, 0].argsort()
        assert bool((samples[order, 0].diff() >= 0.0).all())
        again, _ = function(samples, 0, "x")
        assert torch.equal(again, broken)
        assert not torch.equal(function(samples, 1, "x")[0], broken)
        assert not function(samples[:, 1:], 0, "x")[1]
    spread, _ = dither(samples, 0, "x")
    assert float((spread[:, 0] - samples[:, 0]).abs().max()) <= 0.5


@pytest.mark.parametrize("width", [1, 2])
def test_nearly_every_row_alone_in_its_class_is_no_reason_for_nan(width: int) -> None:
    n = 60
    x = np.random.default_rng(1).normal(size=(n, width))
    for alone in (n, n - 1, n - 2):
        labels = np.where(np.arange(n) < alone, np.arange(n), 0)
        for method in ("lda", "hybrid-labels"):
            answer = estimate(x, labels, method, discrete_y=True, **options(method))
            assert np.isfinite([answer.nats, answer.train, answer.test]).all()


def test_neighbours_of_rows_of_one_class_or_without_spread_carry_nothing() -> None:
    n = 60
    alone = np.r_[1, np.zeros(n - 1, dtype=int)]
    x = np.random.default_rng(1).normal(size=(n, 2))
    for layer, labels in ((x, alone), (alone * 1.0, np.r_[2, np.arange(n - 1) % 2])):
        answer = estimate(layer, labels, "ross")
        assert (answer.nats, answer.flags, answer.n) == (0.0, ("constant",), n - 1)
