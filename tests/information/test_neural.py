"""Critics of continuous pairs against analytic mutual information, and what must not change them.

Tolerances are the bias of a small critic and the noise of the rows; slow tests use the defaults.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from infoprior.information import Estimate, Estimates, estimate
from infoprior.information._neural.crossfit import CriticSettings, CrossFit, Fits, batches
from infoprior.information._neural.folds import deal
from infoprior.information.known import known_pairs
from tests.information.common import assert_only_tested_rows_differ, needs_cuda

METHODS = ["hybrid", "mine", "nwj", "infonce", "smile"]
QUICK: dict[str, Any] = {"steps": 120, "hidden": 32, "batch_size": 256, "folds": 3}
SHORT: dict[str, Any] = {
    "steps": 40,
    "hidden": 16,
    "batch_size": 128,
    "folds": 3,
    "check_every": 10,
}
SLOW_INFONCE = [m if m != "infonce" else pytest.param(m, marks=pytest.mark.slow) for m in METHODS]
"""It compares every row with 63 others."""
KNOWN = {k.name: k for k in known_pairs()}


def gaussians(rho: float, d: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """d independent pairs of correlation rho: I = -d/2 log(1 - rho^2)."""
    rng = np.random.default_rng([seed, d])
    x = rng.normal(size=(n, d))
    return x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=(n, d))


def one(x: np.ndarray, y: np.ndarray, method: str, **options: Any) -> Estimate:
    result = estimate(x, y, method, discrete_y=False, **options)
    assert isinstance(result, Estimate)
    return result


def several(
    x: Sequence[np.ndarray], y: Sequence[np.ndarray], method: str, **more: Any
) -> Estimates:
    result = estimate(list(x), list(y), method, **more)
    assert isinstance(result, Estimates)
    return result


# Against the truth


@pytest.mark.parametrize("method", SLOW_INFONCE)
def test_near_the_truth(method: str) -> None:
    tolerances = {"normal-0.5": 0.05, "asinh-student-1x1-df1": 0.1,
                  "dense-2x2": 0.06, "independent-5x5": 0.04}  # fmt: skip
    pairs = [KNOWN[name].sample(1000, seed=0) for name in tolerances]
    result = several([x for x, _ in pairs], [y for _, y in pairs], method, **QUICK)
    for (name, tolerance), e in zip(tolerances.items(), result, strict=True):
        assert e.nats == pytest.approx(KNOWN[name].nats, abs=tolerance), name


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_near_the_truth_with_the_defaults(method: str) -> None:
    tolerances = {"normal-0.75": 0.04, "additive-0.75": 0.06, "swissroll-2x1": 0.06,
                  "dense-5x5": 0.1, "sparse-5x5": 0.2, "independent-25x25": 0.05}  # fmt: skip
    pairs = [KNOWN[name].sample(2000, seed=1) for name in tolerances]
    result = several([x for x, _ in pairs], [y for _, y in pairs], method)
    for (name, tolerance), e in zip(tolerances.items(), result, strict=True):
        assert e.nats == pytest.approx(KNOWN[name].nats, abs=tolerance), name


@pytest.mark.slow
def test_the_copula_under_the_critic_carries_many_dimensions() -> None:
    x, y = KNOWN["sparse-25x25"].sample(3000, seed=0)
    truth = KNOWN["sparse-25x25"].nats
    hybrid, plain = one(x, y, "hybrid"), one(x, y, "mine")
    assert hybrid.nats == pytest.approx(truth, abs=0.08)
    assert plain.nats < truth - 0.15
    # As a lower bound the base alone is worth something, on held-out rows too.
    assert one(x, y, "mine", base=True).nats > plain.nats


def test_the_critic_adds_what_the_copula_cannot_say() -> None:
    """A spiral has next to no correlation."""
    known = KNOWN["swissroll-2x1"]
    x, y = known.sample(1200, seed=0)
    assert estimate(x, y, "t-copula").nats < 0.15
    assert one(x, y, "hybrid", **QUICK).nats > 0.25


@pytest.mark.parametrize("method", METHODS)
def test_permuted_pairs_carry_nothing(method: str) -> None:
    x, y = gaussians(0.9, 3, 600)
    order = np.random.default_rng(1).permutation(600)
    assert abs(one(x, y[order], method, **SHORT).nats) < 0.04


@pytest.mark.parametrize(("n", "d"), [(300, 30), (60, 40)])
@pytest.mark.parametrize("method", METHODS)
def test_independence_is_not_found_where_columns_are_many(method: str, n: int, d: int) -> None:
    x, y = np.random.default_rng(2).normal(size=(2, n, d))
    assert abs(one(x, y, method, **SHORT).nats) < 0.06


# What must not matter


@pytest.mark.parametrize("method", SLOW_INFONCE)
def test_batched_equals_one_by_one(method: str) -> None:
    # Different widths (padding), and critics that stop at different steps (they leave the stack).
    more: dict[str, Any] = {**SHORT, "steps": 60, "patience": 20}
    pairs = [gaussians(0.95, 4, 300), gaussians(0.0, 5, 300), gaussians(0.6, 3, 300),
             gaussians(0.7, 1, 300)]  # fmt: skip
    together = several([x for x, _ in pairs], [y for _, y in pairs], method, seed=5, **more)
    assert len(set(together.step)) > 1
    for e, (x, y) in zip(together, pairs, strict=True):
        alone = one(x, y, method, seed=5, **more)
        assert (e.step, e.flags) == (alone.step, alone.flags)
        for name in ("nats", "train", "validation", "test", "fold_spread"):
            assert getattr(e, name) == pytest.approx(getattr(alone, name), abs=2e-3), name


@pytest.mark.parametrize("method", METHODS)
def test_increasing_maps_change_nothing(method: str) -> None:
    x, y = gaussians(0.8, 2, 300)
    a = one(x, y, method, **SHORT)
    b = one(np.exp(2 * x), y**3, method, **SHORT)
    assert (a.nats, a.train, a.step) == (b.nats, b.train, b.step)


def test_without_ranks_scales_change_nothing() -> None:
    x, y = gaussians(0.8, 2, 300)
    a = one(x, y, "mine", ranks=False, **SHORT)
    assert one(1e6 * x - 3, y / 7, "mine", ranks=False, **SHORT).nats == pytest.approx(
        a.nats, abs=1e-3
    )
    assert one(np.exp(2 * x), y, "mine", ranks=False, **SHORT).nats != a.nats


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides_and_global_state_is_left_alone(method: str) -> None:
    x, y = gaussians(0.8, 2, 200)
    first = one(x, y, method, seed=1, **SHORT)
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.normal()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    state = torch.random.get_rng_state()
    again = one(x, y, method, seed=1, **SHORT)
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.random.normal() == expected  # noqa: NPY002
    assert (again.nats, again.train, again.step) == (first.nats, first.train, first.step)
    assert one(x, y, method, seed=2, **SHORT).nats != first.nats


@pytest.mark.parametrize("method", ["hybrid", "mine"])
def test_the_order_of_rows_matters_little(method: str) -> None:
    x, y = gaussians(0.8, 2, 1000)
    order = np.random.default_rng(0).permutation(1000)
    a, b = one(x, y, method, **QUICK), one(x[order], y[order], method, **QUICK)
    assert a.nats == pytest.approx(b.nats, abs=0.08)


def test_mutual_information_is_symmetric() -> None:
    x, y = KNOWN["swissroll-2x1"].sample(1000, seed=0)
    assert one(x, y, "mine", **QUICK).nats == pytest.approx(
        one(y, x, "mine", **QUICK).nats, abs=0.1
    )


# Who sees which rows


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Fits]:
    """What every stack of critics came to, in order."""
    recorded: list[Fits] = []
    run = CrossFit.run

    def recording(self: CrossFit, critics: object) -> Fits:
        recorded.append(run(self, critics))
        return recorded[-1]

    monkeypatch.setattr(CrossFit, "run", recording)
    return recorded


@pytest.mark.parametrize("method", METHODS)
def test_test_rows_neither_train_nor_choose(method: str, fits: list[Fits]) -> None:
    n, more = 300, {**SHORT, "patience": 1000}
    x, y = gaussians(0.95, 2, n)
    held_out = deal(n, 3, seed=0).test[0].numpy()
    changed = x.copy()
    # Rows swapped among themselves: every column keeps its ranks, so nothing else can move.
    changed[held_out] = x[np.roll(held_out, 1)]
    one(x, y, method, **more)
    one(changed, y, method, **more)
    assert_only_tested_rows_differ(*fits)


@pytest.mark.parametrize("method", METHODS)
def test_own_rows_are_worth_more_on_average(method: str) -> None:
    pairs = [gaussians(0.5, 3, 150, seed=s) for s in range(6)]
    more = {**SHORT, "learning_rate": 2e-2}
    result = several([x for x, _ in pairs], [y for _, y in pairs], method, **more)
    assert result.train.mean() > result.test.mean() + 0.01


def test_every_step_has_its_rows() -> None:
    drawn = batches(10, CriticSettings(batch_size=4, steps=5), seed=0)
    assert drawn.shape == (5, 4)
    assert sorted(drawn.flatten().tolist()) == sorted([*range(10)] * 2)  # two passes
    assert torch.equal(drawn, batches(10, CriticSettings(batch_size=4, steps=5), seed=0))
    assert batches(10, CriticSettings(batch_size=64, steps=5), seed=0).shape == (5, 10)


# Flags


def test_still_rising_where_steps_run_out() -> None:
    x, y = gaussians(0.9, 2, 300)
    assert "still_rising" in one(x, y, "mine", **{**SHORT, "steps": 10}).flags
    assert "still_rising" not in one(x, y, "mine", **{**QUICK, "patience": 20}).flags


@pytest.mark.parametrize(
    ("method", "steps"),  # SMILE's value is no bound: it may rise where there is nothing
    [("mine", 5), ("mine", 40), ("nwj", 5), ("nwj", 40), ("infonce", 40), ("smile", 5)],
)
def test_never_rose_is_exactly_nothing(method: str, steps: int) -> None:
    """Also where there are fewer steps than between two looks."""
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 100, 30)) for _ in range(8)]
    more = {**SHORT, "steps": steps, "learning_rate": 0.5}
    result = several([x for x, _ in pairs], [y for _, y in pairs], method, **more)
    never = [e for e in result if "never_rose" in e.flags]
    assert never
    for e in never:
        assert e.nats == pytest.approx(0.0, abs=1e-6)
        assert e.step == 0
        assert "still_rising" not in e.flags


def test_saturated_near_what_a_method_can_say() -> None:
    x, _ = gaussians(0.0, 5, 400)
    copied = one(x, x, "infonce", **QUICK)
    assert "saturated" in copied.flags
    assert copied.nats <= math.log(64) + 1e-6
    assert "saturated" in one(x, x, "hybrid", **SHORT).flags
    assert "saturated" not in one(*gaussians(0.8, 1, 400), "hybrid", **SHORT).flags


def test_below_zero_is_kept_and_said() -> None:
    pairs = [gaussians(0.0, 2, 150, seed=s) for s in range(8)]
    result = several([x for x, _ in pairs], [y for _, y in pairs], "mine", **SHORT)
    assert all(("below_zero" in e.flags) == (e.nats < 0) for e in result)
    assert (result.nats < 0).any()


@needs_cuda
@pytest.mark.parametrize("method", METHODS)
def test_cuda_equals_cpu(method: str) -> None:
    x, y = (torch.from_numpy(side) for side in gaussians(0.8, 3, 300))
    cpu = estimate(x, y, method, **SHORT)
    cuda = estimate(x.cuda(), y, method, **SHORT)
    assert isinstance(cpu, Estimate)
    assert isinstance(cuda, Estimate)
    assert cuda.step == cpu.step
    for name in ("nats", "train", "validation", "test"):
        assert getattr(cuda, name) == pytest.approx(getattr(cpu, name), abs=5e-3)


@pytest.mark.parametrize(("rho", "d", "n"), [(0.6, 12, 300), (0.3, 15, 200), (0.6, 20, 200)])
def test_hybrid_is_freed_of_the_bias_of_its_copula(rho: float, d: int, n: int) -> None:
    # Of Gaussians the copula is right, and with as few rows a column its bias is no small matter;
    # with as many nats, few sampled pairs say nothing of the mean exponential.
    x, y = gaussians(rho, d, n)
    exact = one(x, y, "copula").nats
    result = one(x, y, "hybrid", steps=1, check_every=1, learning_rate=1e-6)
    assert result.nats == pytest.approx(exact, abs=0.15)
