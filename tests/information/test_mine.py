"""Estimates against analytic mutual information, and what must not change them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from infoprior.information import Estimate, MineSettings, entropy, mine, mine_labels

ALL_ROWS = MineSettings(max_rows=None)
QUICK = MineSettings(hidden=32, steps=100)


def gaussians(rho: float, d: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """d independent pairs of correlation rho: I = -d/2 log(1 - rho^2)."""
    rng = np.random.default_rng([seed, d])
    x = rng.normal(size=(n, d))
    return x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=(n, d))


def classes(
    separation: float, d: int, k: int, n: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, float]:
    """Class Gaussians x, labels y, and I(X; Y) by Monte Carlo over 100,000 points."""
    rng = np.random.default_rng([seed, d, k])
    means = rng.normal(size=(k, d)) * separation / math.sqrt(d)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, k, n)
        return means[y] + rng.normal(size=(n, d)), y

    x, y = draw(100_000)
    log_density = x @ means.T - 0.5 * (means**2).sum(axis=1)
    log_ratio = log_density[np.arange(len(y)), y] - np.logaddexp.reduce(log_density, axis=1)
    return *draw(n), float(log_ratio.mean() + math.log(k))


# Bias (the critic finds less than there is) and the noise of 1,000 test rows.
CASES = [(0.0, 1, 0.03), (0.5, 1, 0.05), (0.9, 1, 0.12), (0.5, 3, 0.12), (0.8, 3, 0.25),
         (0.0, 10, 0.04), (0.5, 10, 0.6)]  # fmt: skip


def test_correlated_gaussians() -> None:
    pairs = [gaussians(rho, d, 5000) for rho, d, _ in CASES]
    x, y = [p[0] for p in pairs], [p[1] for p in pairs]
    for (rho, d, tolerance), estimate in zip(
        CASES, mine(x, y, seed=0, settings=ALL_ROWS), strict=True
    ):
        truth = -0.5 * d * math.log(1 - rho**2)
        assert estimate.nats == pytest.approx(truth, abs=tolerance), (rho, d)
        assert estimate.nats == estimate.test
        assert estimate.n == 5000
        assert estimate.estimator == "mine"


@pytest.mark.parametrize(
    ("separation", "d", "k", "tolerance"),
    [(0.0, 5, 4, 0.02), (1.5, 2, 2, 0.06), (3.0, 10, 3, 0.08), (4.0, 2, 10, 0.12)],
)
def test_class_gaussians(separation: float, d: int, k: int, tolerance: float) -> None:
    x, y, truth = classes(separation, d, k, 3000)
    [estimate] = mine_labels([x], y, seed=0, settings=ALL_ROWS)
    assert estimate.nats == pytest.approx(truth, abs=tolerance)
    assert estimate.estimator == "mine-enumerated"


def test_permuted_labels_carry_nothing() -> None:
    x, y, truth = classes(3.0, 5, 4, 1000)
    assert truth > 0.7
    permuted = np.random.default_rng(1).permutation(y)
    [estimate] = mine_labels([x], permuted, seed=0)
    assert abs(estimate.nats) < 0.03
    # What a critic finds on its own rows is not there on others.
    wide = np.random.default_rng(2).normal(size=(1000, 30))
    nothing = [mine_labels([wide], permuted, seed=s)[0] for s in range(4)]
    assert all(abs(e.nats) < 0.03 for e in nothing)
    never = [e for e in nothing if "never_rose" in e.flags]
    assert never
    assert all((e.nats, e.step) == (0.0, 0) for e in never)


def test_label_names_do_not_matter() -> None:
    x, y, _ = classes(3.0, 5, 4, 300)
    assert mine_labels([x], y, seed=0, settings=QUICK) == mine_labels(
        [torch.from_numpy(x)], torch.from_numpy(y * 7 - 3), seed=0, settings=QUICK
    )


def assert_close(a: Estimate, b: Estimate) -> None:
    assert a.step == b.step
    assert a.flags == b.flags
    for name in ("nats", "train", "validation", "test"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), abs=2e-3), name


def test_batched_equals_one_by_one() -> None:
    # Different widths (padding), and critics that stop at different steps (they leave the stack).
    settings = replace(QUICK, steps=200, patience=30)
    pairs = [gaussians(0.9, 1, 600), gaussians(0.0, 20, 600), gaussians(0.7, 4, 600)]
    x, y = [p[0] for p in pairs], [p[1] for p in pairs]
    together = mine(x, y, seed=5, settings=settings)
    alone = [mine([a], [b], seed=5, settings=settings)[0] for a, b in pairs]
    assert len({e.step for e in together}) > 1
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b)
    for a, b in zip(together, mine(x[::-1], y[::-1], seed=5, settings=settings)[::-1], strict=True):
        assert_close(a, b)


def test_batched_labels_equal_one_by_one() -> None:
    x, y, _ = classes(3.0, 8, 3, 600)
    t = [x, x[:, :2], np.zeros((600, 3)), np.random.default_rng(0).normal(size=(600, 30))]
    together = mine_labels(t, y, seed=5, settings=QUICK)
    for a, layer in zip(together, t, strict=True):
        assert_close(a, mine_labels([layer], y, seed=5, settings=QUICK)[0])


def test_same_seed_same_result() -> None:
    x, y = gaussians(0.8, 2, 400)
    first = mine([x], [y], seed=1, settings=QUICK)
    state = torch.random.get_rng_state()
    assert mine([x], [y], seed=1, settings=QUICK) == first
    assert torch.equal(state, torch.random.get_rng_state())  # global state is left alone
    assert mine([x], [y], seed=2, settings=QUICK) != first


def test_order_of_rows_matters_little() -> None:
    x, y = gaussians(0.8, 2, 3000)
    order = np.random.default_rng(0).permutation(3000)
    [a] = mine([x], [y], seed=0, settings=ALL_ROWS)
    [b] = mine([x[order]], [y[order]], seed=0, settings=ALL_ROWS)
    assert a.nats == pytest.approx(b.nats, abs=0.15)


def test_test_rows_neither_train_nor_choose() -> None:
    from infoprior.information._inputs import split_rows

    x, y, _ = classes(3.0, 4, 3, 500)
    held_out = split_rows(500, 0, y).test.numpy()
    changed = x.copy()
    # Rows swapped among themselves: every column keeps its ranks, so nothing else can move.
    changed[held_out] = x[np.roll(held_out, 1)]
    [a], [b] = (mine_labels([v], y, seed=0, settings=QUICK) for v in (x, changed))
    assert (a.train, a.validation, a.step) == (b.train, b.validation, b.step)
    assert b.test < a.test - 0.2


def test_constant_sides_are_zero_by_definition() -> None:
    x, y = gaussians(0.9, 1, 100)
    flat = np.full((100, 2), 3.0)
    estimates = mine([flat, x, x], [y, y, flat], seed=0, settings=QUICK)
    assert [e.flags == ("constant",) for e in estimates] == [True, False, True]
    assert [e.nats for e in estimates][::2] == [0.0, 0.0]
    [label] = mine_labels([x], np.zeros(100, dtype=int), seed=0)
    assert (label.nats, label.flags) == (0.0, ("constant",))
    assert mine([], [], seed=0) == []


def test_flags() -> None:
    x, y, _ = classes(30.0, 2, 3, 500)
    [copied] = mine_labels([y.astype(float)], y, seed=0)
    assert "saturated" in copied.flags
    assert copied.nats == pytest.approx(entropy(y), abs=0.05)
    [short] = mine_labels([x], y, seed=0, settings=replace(QUICK, steps=20))
    assert "still_rising" in short.flags
    below = [mine(*([v] for v in gaussians(0.0, 2, 500)), seed=s)[0] for s in range(4)]
    assert all(("below_zero" in e.flags) == (e.nats < 0) for e in below)
    assert any(e.nats < 0 for e in below)  # the raw value is kept


def test_fifty_rows_and_huge_values_are_finite() -> None:
    x, y = gaussians(0.9, 40, 50)
    for e in (*mine([1e30 * x], [y], seed=0), *mine_labels([1e30 * x], np.arange(50) % 7, seed=0)):
        assert all(math.isfinite(v) for v in (e.nats, e.train, e.validation, e.test))
