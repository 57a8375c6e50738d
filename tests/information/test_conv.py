"""Convolutional critics of feature maps, on images whose information about the label is known."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from infoprior.information import Estimate, Estimates, InformationError, estimate
from infoprior.information._neural import groups
from infoprior.information._neural.conv import coarse, convolve, prepare
from infoprior.information.known import gaussian_mixtures
from tests.information.common import needs_cuda

SHORT: dict[str, Any] = {"steps": 24, "hidden": 16, "batch_size": 64, "folds": 3, "check_every": 8}


@cache
def bars(size: int = 6, amplitude: float = 3.0) -> Any:
    """Noise with a bar of three pixels anywhere, lying or standing: two classes.

    Each class is a mixture over the places, so the truth is that of Gaussian mixtures.
    """
    means, owner = [], []
    for c in (0, 1):
        for i in range(size - 2):
            for j in range(size - 2):
                image = np.zeros((size, size))
                line = (i + 1, slice(j, j + 3)) if c == 0 else (slice(i, i + 3), j + 1)
                image[line] = amplitude
                means.append(image.ravel())
                owner.append(c)
    shares = (0.5, 0.5)
    return gaussian_mixtures("bars", "development", np.array(means), np.array(owner), shares)


def drawn_bars(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, y = bars().sample(n, seed)
    return x.reshape(n, 1, 6, 6), y


def patches(n: int, d: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
    """Maps (n, 2, 6, 6) whose one corner carries y (n, d): the mean of nine unit Gaussians."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n, d))
    x = rng.normal(size=(n, 2, 6, 6))
    x[:, 0, :3, :3] += y[:, :1, None]
    return x, y, 0.5 * float(np.log1p(9.0))


def one(x: Any, y: Any, method: str, **options: Any) -> Estimate:
    result = estimate(x, y, method, **options)
    assert isinstance(result, Estimate)
    return result


# Against the truth


@pytest.mark.parametrize("method", ["enumerated", "conv-probe"])
def test_a_pattern_anywhere_needs_convolutions(method: str) -> None:
    x, y = drawn_bars(800)
    truth = bars().nats
    result = one(x, y, method, folds=3, steps=200)
    flat = one(x.reshape(800, -1), y, "mlp-probe", folds=3)
    assert truth == pytest.approx(0.674, abs=0.01)  # of log 2 = 0.693
    assert truth - 0.3 < result.nats < truth + 0.05
    assert flat.nats < result.nats - 0.2


@pytest.mark.slow
def test_a_pattern_anywhere_with_the_defaults() -> None:
    x, y = drawn_bars(4000)
    result = estimate(x, y)
    assert isinstance(result, Estimate)
    assert result.method == "hybrid-labels"
    assert result.nats == pytest.approx(bars().nats, abs=0.1)


def test_a_pattern_in_its_place_is_seen_by_the_discriminants() -> None:
    # Convolutions and pooling lose most of where things are; the hybrid keeps it.
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=900)
    x = rng.normal(size=(900, 2, 6, 6))
    for c in range(3):
        x[y == c, 0, c : c + 2, c] += 2.0
    flat = one(x.reshape(900, -1), y, "lda", folds=3)
    assert one(x, y, "hybrid-labels", **SHORT).nats == pytest.approx(flat.nats, abs=0.05)
    assert one(x, y, "conv-probe", **SHORT).nats < flat.nats - 0.2


@pytest.mark.parametrize("method", ["mine", "infonce"])
def test_a_continuous_side_beside_maps(method: str) -> None:
    x, y, truth = patches(600)
    """Few steps: what is result is well above nothing, and not above what there is."""
    steps = 40 if method == "infonce" else 100
    result = one(x, y, method, folds=3, steps=steps, hidden=32, batch_size=128)
    assert 0.35 * truth < result.nats < truth + 0.05


@pytest.mark.slow
def test_a_continuous_side_beside_maps_with_the_defaults() -> None:
    x, y, truth = patches(4000)
    result = estimate(x, y)
    assert isinstance(result, Estimate)
    assert result.method == "mine"
    assert truth - 0.25 < result.nats < truth + 0.05


def test_maps_on_either_side_or_both() -> None:
    x, y, truth = patches(500)
    more = {"folds": 3, "steps": 60, "hidden": 32}
    assert one(y, x, "mine", **more).nats > 0.2 * truth
    other = np.random.default_rng(1).normal(size=(500, 1, 4, 4)) + y[:, :, None, None]
    assert one(x, other, "mine", **more).nats > 0.2 * truth


@pytest.mark.parametrize("method", ["enumerated", "conv-probe", "mine", "nwj", "infonce", "smile"])
def test_independent_maps_carry_nothing(method: str) -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(300, 3, 5, 4))
    y: Any = np.arange(300) % 3 if method in ("enumerated", "conv-probe") else rng.normal(size=300)
    assert abs(one(maps, y, method, **SHORT).nats) < 0.05


# What must not matter


def test_the_grouped_convolution_is_one_per_critic() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 4, 2, 5, 7, generator=generator)
    sizes = [(16, 2, 3, 3), (16,), (16, 16, 3, 3), (16,)]
    trunk = [torch.randn(3, *size, generator=generator) for size in sizes]
    together = convolve(maps, trunk)
    assert together.shape == (3, 4, 64)
    for b in range(3):
        first, first_bias, second, second_bias = (p[b] for p in trunk)
        hidden = torch.nn.functional.conv2d(maps[b], first, first_bias, padding=1)
        hidden = torch.nn.functional.avg_pool2d(torch.nn.functional.silu(hidden), 2)
        hidden = torch.nn.functional.conv2d(hidden, second, second_bias, padding=1)
        hidden = torch.nn.functional.adaptive_avg_pool2d(torch.nn.functional.silu(hidden), 2)
        torch.testing.assert_close(together[b], hidden.flatten(1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 2), (2, 2, 1), (1, 3, 3), (5, 1, 9), (3, 16, 16)])
def test_any_height_and_width(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    maps = rng.normal(size=(80, *shape)) + 3 * y[:, None, None, None]
    assert one(maps, y, "enumerated", **SHORT).nats > 0.2
    assert one(maps, y.astype(float) + rng.normal(size=80), "mine", **SHORT).step is not None


def assert_same(together: Estimates, alone: list[Estimate]) -> None:
    for a, b in zip(together, alone, strict=True):
        assert (a.method, a.step, a.flags) == (b.method, b.step, b.flags)
        for name in ("nats", "train", "validation", "test"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), abs=2e-3), name


def test_batched_equals_one_by_one() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(200) % 3
    signal = y[:, None, None, None]
    layers = [
        rng.normal(size=(200, 2, 6, 6)) + signal,
        rng.normal(size=(200, 8)) + y[:, None],
        rng.normal(size=(200, 1, 4, 4)),
        rng.normal(size=(200, 2, 6, 6)) - 0.3 * signal,
        rng.normal(size=(200, 5)),
    ]
    for method in ("enumerated", "auto"):
        result = estimate(layers, y, method, seed=4, **SHORT)
        assert isinstance(result, Estimates)
        assert_same(result, [one(t, y, method, seed=4, **SHORT) for t in layers])
    z = rng.normal(size=(200, 2)) + y[:, None]
    result = estimate(layers, z, "mine", seed=4, **SHORT)
    assert isinstance(result, Estimates)
    assert_same(result, [one(t, z, "mine", seed=4, **SHORT) for t in layers])


def test_a_stack_of_maps() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(100) % 2
    stack = rng.normal(size=(2, 100, 2, 4, 4)) + y[:, None, None, None]
    result = estimate(torch.from_numpy(stack).float(), torch.from_numpy(y), **SHORT)
    assert isinstance(result, Estimates)
    assert result.method == ["hybrid-labels"] * 2
    assert result.nats.shape == (2,)


def test_bounded_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, _ = patches(120)
    labels = (y[:, 0] > 0).astype(int)
    before = [one(x, y, "mine", **SHORT), one(x, labels, "enumerated", **SHORT)]
    monkeypatch.setattr(groups, "BLOCK_NUMBERS", 1)
    monkeypatch.setattr(groups, "MAP_NUMBERS", 1)
    after = [one(x, y, "mine", **SHORT), one(x, labels, "enumerated", **SHORT)]
    for a, b in zip(before, after, strict=True):
        assert a.step == b.step
        assert a.nats == pytest.approx(b.nats, abs=1e-4)


def test_channels_are_standardised_as_wholes() -> None:
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.normal(size=(50, 3, 4, 5)) * [[[5.0]], [[0.1]], [[0.0]]] + 7.0)
    ready = prepare(maps, ranks=True)
    assert ready.shape == maps.shape
    torch.testing.assert_close(ready.mean((0, 2, 3)), torch.zeros(3).double(), atol=1e-9, rtol=0)
    spread = ready.std((0, 2, 3))
    torch.testing.assert_close(spread, torch.tensor([1.0, 1.0, 0.0]).double(), atol=1e-6, rtol=0)
    # Pixels keep their differences.
    ratio = (maps[0, 0, 0, 0] - maps[1, 0, 2, 3]) / (maps[2, 0, 1, 1] - maps[3, 0, 3, 4])
    again = (ready[0, 0, 0, 0] - ready[1, 0, 2, 3]) / (ready[2, 0, 1, 1] - ready[3, 0, 3, 4])
    assert float(ratio) == pytest.approx(float(again))


def test_the_seed_decides() -> None:
    x, y, _ = patches(150)
    first = one(x, y, "mine", seed=1, **SHORT)
    state = torch.random.get_rng_state()
    assert one(x, y, "mine", seed=1, **SHORT).nats == first.nats
    assert torch.equal(state, torch.random.get_rng_state())
    assert one(x, y, "mine", seed=2, **SHORT).nats != first.nats


def test_no_copula_under_maps() -> None:
    x, y, _ = patches(60)
    with pytest.raises(InformationError, match="base"):
        estimate(x, y, "mine", base=True)


@needs_cuda
def test_cuda_equals_cpu() -> None:
    x, y, _ = patches(200)
    more = {**SHORT, "steps": 8}
    cpu = one(x, y, "mine", **more)
    cuda = one(torch.from_numpy(x).cuda(), y, "mine", **more)
    assert cuda.nats == pytest.approx(cpu.nats, abs=1e-2)


def test_coarse_averages_keep_the_place() -> None:
    maps = torch.zeros(2, 16, 10, 10)
    maps[1, 3, :2, :2] = 1.0
    flat = coarse(maps, 512)
    assert flat.shape == (2, 16 * 5 * 5)
    assert flat[1].nonzero()[:, 0].tolist() == [3 * 25]
    assert torch.equal(coarse(maps[:, :5], 512), maps[:, :5].flatten(1))
    assert coarse(maps, 4).shape == (2, 16)
