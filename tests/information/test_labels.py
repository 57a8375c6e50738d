"""Critics, probes and discriminants of labels against known I(T; Y), and what must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from infoprior.information import Estimate, Estimates, entropy, estimate
from infoprior.information._neural.crossfit import CrossFit, Fits
from infoprior.information._neural.folds import deal
from infoprior.information._neural.lda import fit_discriminants
from infoprior.information.known import known_layers
from tests.information.common import assert_only_tested_rows_differ, needs_cuda

TRAINED = ["hybrid-labels", "enumerated", "mlp-probe", "linear-probe"]
METHODS = [*TRAINED, "lda"]
KNOWN = {k.name: k for k in known_layers()}
GAUSSIANS = ["class-gaussians-2x2-s1.5", "class-gaussians-3x32-s3", "class-gaussians-10x16-s3"]
"""Linear rules are right for these."""


def short(method: str) -> dict[str, Any]:
    if method == "lda":
        return {}
    more = {"steps": 60, "batch_size": 128, "folds": 3}
    return more if method == "linear-probe" else {**more, "hidden": 16}


def one(t: np.ndarray, y: np.ndarray, method: str, **options: Any) -> Estimate:
    result = estimate(t, y, method, **options)
    assert isinstance(result, Estimate)
    return result


def several(t: list[np.ndarray], y: np.ndarray, method: str, **options: Any) -> Estimates:
    result = estimate(t, y, method, **options)
    assert isinstance(result, Estimates)
    return result


# Against the truth


@pytest.mark.parametrize(
    ("method", "tolerances"),
    [
        ("hybrid-labels", (0.03, 0.06, 0.06)),
        ("lda", (0.03, 0.06, 0.06)),
        ("enumerated", (0.03, 0.15, 0.35)),
        ("mlp-probe", (0.03, 0.15, 0.3)),
        ("linear-probe", (0.03, 0.15, 0.25)),
    ],
)
def test_class_gaussians(method: str, tolerances: tuple[float, ...]) -> None:
    """Held-out values of the probes and of the enumerated critic lie below the truth."""
    for name, tolerance in zip(GAUSSIANS, tolerances, strict=True):
        t, y = KNOWN[name].sample(1500, seed=0)
        result = one(t, y, method, folds=3)
        assert result.nats == pytest.approx(KNOWN[name].nats, abs=tolerance), name
        if method not in ("hybrid-labels", "lda"):
            assert result.nats < KNOWN[name].nats + 0.03, name


@pytest.mark.parametrize("name", ["xor-2", "rings-2"])
def test_only_linear_rules_are_blind_to_these(name: str) -> None:
    t, y = KNOWN[name].sample(1200, seed=0)
    truth = KNOWN[name].nats
    assert truth > 0.2
    for method in ("hybrid-labels", "enumerated", "mlp-probe"):
        assert one(t, y, method, folds=3).nats == pytest.approx(truth, abs=0.1), method
    for method in ("linear-probe", "lda"):
        assert abs(one(t, y, method, folds=3).nats) < 0.03, method


@pytest.mark.slow
@pytest.mark.parametrize("group", ["development", "confirmation"])
def test_every_known_layer(group: str) -> None:
    known = [k for k in known_layers() if k.group == group]
    errors = []
    for k in known:
        t, y = k.sample(2000, seed=0)
        errors.append(one(t, y, "hybrid-labels").nats - k.nats)
    assert np.abs(errors).mean() < 0.05
    assert abs(np.mean(errors)) < 0.03


@pytest.mark.parametrize("method", METHODS)
def test_permuted_labels_carry_nothing(method: str) -> None:
    t, y = KNOWN["class-gaussians-10x16-s3"].sample(800, seed=0)
    y = np.random.default_rng(1).permutation(y)
    wide = np.random.default_rng(2).normal(size=(800, 40))
    result = several([t, wide], y, method, **short(method))
    assert np.abs(result.nats).max() < 0.06


# What must not matter


@pytest.mark.parametrize("method", METHODS)
def test_label_names_do_not_matter(method: str) -> None:
    """Adding a number keeps their order; another order changes starts and sums only."""
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(400, seed=0)
    result = one(t, y, method, **short(method)).nats
    assert one(t, y * 7 - 3, method, **short(method)).nats == result
    assert one(t, 2 - y, method, **short(method)).nats == pytest.approx(result, abs=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_batched_equals_one_by_one(method: str) -> None:
    # Different widths (padding), a constant layer, and critics that leave the stack early.
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(400, seed=0)
    wide = np.random.default_rng(0).normal(size=(400, 45))
    more = short(method) | ({"patience": 20} if method in TRAINED else {})
    layers = [t, np.zeros((400, 3)), wide, t[:, :25] ** 3, t[:, :2], t + 5 * wide[:, :32]]
    together = several(layers, y, method, seed=5, **more)
    assert together.flags[1] == ("constant",)
    for layer, e in zip(layers, together, strict=True):
        alone = one(layer, y, method, seed=5, **more)
        assert (e.step, e.flags) == (alone.step, alone.flags)
        for name in ("nats", "train", "test", "fold_spread"):
            a, b = getattr(e, name), getattr(alone, name)
            assert (a is None) == (b is None)
            assert a is None or a == pytest.approx(b, abs=2e-3), name


@pytest.mark.parametrize("method", ["enumerated", "mlp-probe"])
def test_increasing_maps_change_nothing(method: str) -> None:
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(300, seed=0)
    a, b = (one(v, y, method, **short(method)) for v in (t, np.exp(t)))
    assert (a.nats, a.train) == (b.nats, b.train)


@pytest.mark.parametrize("method", ["linear-probe", "lda", "hybrid-labels"])
def test_scales_change_nothing(method: str) -> None:
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(400, seed=0)
    scales = np.logspace(-3, 3, 32)
    result = one(t, y, method, **short(method)).nats
    assert one(t * scales + 1, y, method, **short(method)).nats == pytest.approx(result, abs=2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides_and_global_state_is_left_alone(method: str) -> None:
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(200, seed=0)
    first = one(t, y, method, seed=1, **short(method))
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.normal()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    state = torch.random.get_rng_state()
    again = one(t, y, method, seed=1, **short(method))
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.random.normal() == expected  # noqa: NPY002
    assert (again.nats, again.train, again.step) == (first.nats, first.train, first.step)
    assert one(t, y, method, seed=2, **short(method)).nats != first.nats


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_rows_matters_little(method: str) -> None:
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(1000, seed=0)
    order = np.random.default_rng(0).permutation(1000)
    a, b = one(t, y, method, **short(method)), one(t[order], y[order], method, **short(method))
    assert a.nats == pytest.approx(b.nats, abs=0.06)


# Who sees which rows


@pytest.mark.parametrize("method", TRAINED)
def test_test_rows_neither_train_nor_choose(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[Fits] = []
    run = CrossFit.run

    def recording(self: CrossFit, critics: Any) -> Fits:
        fits.append(run(self, critics))
        return fits[-1]

    monkeypatch.setattr(CrossFit, "run", recording)
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(300, seed=0)
    held_out = deal(300, 3, seed=0, labels=y).test[0].numpy()
    changed = t.copy()
    # Rows swapped among themselves: every column keeps its ranks, so nothing else can move.
    changed[held_out] = t[np.roll(held_out, 1)]
    for layer in (t, changed):
        one(layer, y, method, **short(method), patience=1000)
    assert_only_tested_rows_differ(*fits)


@pytest.mark.parametrize("method", METHODS)
def test_own_rows_are_worth_more_on_average(method: str) -> None:
    layers, more = [], short(method)
    for seed in range(5):
        t, y = KNOWN["class-gaussians-3x32-s3"].sample(200, seed=seed)
        layers.append(one(t, y, method, **more))
    gaps = [e.train - e.test for e in layers if e.train is not None and e.test is not None]
    assert len(gaps) == 5
    assert np.mean(gaps) > 0.02


# Flags, and the edges


@pytest.mark.parametrize("method", METHODS)
def test_a_copy_of_the_label_carries_its_entropy(method: str) -> None:
    y = np.random.default_rng(0).choice(4, size=500, p=[0.4, 0.3, 0.2, 0.1])
    more = {} if method == "lda" else {"learning_rate": 0.05, "steps": 200}
    result = one(np.eye(4)[y], y, method, **more)
    assert result.nats == pytest.approx(entropy(y), abs=0.05)
    assert result.nats < entropy(y) + 0.01
    assert "saturated" in result.flags


def test_still_rising_never_rose_below_zero() -> None:
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(300, seed=0)
    assert "still_rising" in one(t, y, "enumerated", steps=10).flags
    nothing = [np.random.default_rng(s).normal(size=(100, 40)) for s in range(8)]
    result = several(nothing, np.arange(100) % 4, "mlp-probe", learning_rate=0.3, steps=20)
    never = [e for e in result if "never_rose" in e.flags]
    assert never
    assert all((e.nats, e.step) == (0.0, 0) for e in never)
    result = several(nothing, np.arange(100) % 4, "enumerated", **short("enumerated"))
    assert (result.nats < 0).any()
    assert all(("below_zero" in e.flags) == (e.nats < 0) for e in result)


def test_classes_of_one_row_do_no_harm() -> None:
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(300, seed=0)
    y[:3] = [7, 8, 9]
    for method in METHODS:
        result = one(t, y, method, **short(method))
        assert result.nats == pytest.approx(KNOWN["class-gaussians-3x32-s3"].nats, abs=0.4), method


@pytest.mark.parametrize("method", ["lda", "hybrid-labels"])
def test_columns_that_copy_each_other(method: str) -> None:
    """Their covariance is singular, and worse by rounding."""
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(400, seed=0)
    result = one(t, y, method, **short(method))
    copies = np.hstack([t, np.repeat(t[:, :2], 50, axis=1), np.full((400, 1), 2.0)])
    more = one(copies, y, method, **short(method))
    assert more.nats == pytest.approx(result.nats, abs=0.15)
    told = np.hstack([np.eye(3)[y]] * 40)
    assert one(told, y, method, **short(method)).nats == pytest.approx(entropy(y), abs=0.02)


def test_discriminants_by_hand() -> None:
    """Two classes on a line, no shrinkage in one dimension: Fisher's rule."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    t = y + rng.normal(size=200)
    weights, offsets = fit_discriminants(
        torch.from_numpy(t)[None, :, None],
        torch.from_numpy(y),
        torch.arange(200)[None],
        torch.ones(1, 1, dtype=torch.bool),
        2,
    )
    means = np.array([t[y == c].mean() for c in (0, 1)])
    variance = sum(((t[y == c] - means[c]) ** 2).sum() for c in (0, 1)) / 198
    slope = float(weights[0, 0, 0, 1] - weights[0, 0, 0, 0])
    assert slope == pytest.approx((means[1] - means[0]) / variance, rel=1e-4)
    middle = -float(offsets[0, 0, 0, 1] - offsets[0, 0, 0, 0]) / slope
    assert middle == pytest.approx(means.mean(), rel=1e-4)


@needs_cuda
@pytest.mark.parametrize("method", METHODS)
def test_cuda_equals_cpu(method: str) -> None:
    t, y = KNOWN["class-gaussians-3x32-s3"].sample(400, seed=0)
    cpu = one(t, y, method, **short(method))
    cuda = estimate(torch.from_numpy(t).cuda(), torch.from_numpy(y), method, **short(method))
    assert isinstance(cuda, Estimate)
    assert cuda.step == cpu.step
    assert cuda.nats == pytest.approx(cpu.nats, abs=5e-3)
    assert cuda.train == pytest.approx(cpu.train, abs=5e-3)


def test_a_few_wild_rows_do_not_ruin_the_value() -> None:
    # Without smoothing, one row far on the wrong side costs hundreds of nats.
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=600)
    t = rng.normal(size=(600, 4)) + 1.5 * y[:, None]
    clean = one(t, y, "hybrid-labels").nats
    t[::100] *= -40.0
    wild = one(t, y, "hybrid-labels")
    assert clean > 0.45
    assert wild.nats > 0.25
    assert wild.test > 0.2
    assert one(t, y, "lda").test > 0.0


def test_wrong_labels_are_allowed_for() -> None:
    """Three labels in ten redrawn: without smoothing, discriminants are overconfident and worth
    0.2 nat less than these."""
    rng = np.random.default_rng(7)
    means, wrong = 2.0 * rng.normal(size=(10, 8)), 0.3

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, 10, size=n)
        shown = np.where(rng.random(n) < wrong, rng.integers(0, 10, size=n), y)
        return means[y] + rng.normal(size=(n, 8)), shown

    t, y = draw(50_000)
    density = np.exp(t @ means.T - 0.5 * (means**2).sum(axis=1) - 0.5 * (t**2).sum(1)[:, None])
    posterior = (1 - wrong) * density / density.sum(axis=1, keepdims=True) + wrong / 10
    truth = np.log(10 * posterior[np.arange(len(y)), y]).mean()
    assert one(*draw(500), "hybrid-labels").nats == pytest.approx(truth, abs=0.12)
