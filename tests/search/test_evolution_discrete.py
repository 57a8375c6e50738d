"""Whole numbers that are trained: their range, their gradient, what they decide."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infoprior.search.evolution import (
    DiscreteParameter,
    ElasticConv2d,
    EvolutionError,
    WidthMask,
)

RANGES = [(1, 7, 2), (0, 10, 1), (3, 3, 1), (5, 256, 1)]


@pytest.mark.parametrize(("low", "high", "step"), RANGES)
def test_values_stay_in_range_for_every_theta(low: int, high: int, step: int) -> None:
    parameter = DiscreteParameter(low, high, step=step)
    allowed = set(range(low, high + 1, step))
    seen = set()
    thetas = [*np.linspace(-8, 8, 1501), -math.inf, math.inf, 1e30, -1e30]
    for theta in thetas:
        parameter.theta.data.fill_(float(theta))
        seen.add(parameter.value)
    assert seen == allowed
    parameter.theta.data.fill_(math.nan)
    with pytest.raises(EvolutionError, match="diverged"):
        parameter()


@pytest.mark.parametrize(("low", "high", "step"), RANGES)
def test_the_gradient_is_that_of_the_relaxation(low: int, high: int, step: int) -> None:
    parameter = DiscreteParameter(low, high, step=step)
    for theta in np.linspace(-4, 4, 9):
        parameter.theta.data.fill_(float(theta))
        parameter.theta.grad = None
        (3.0 * parameter()).backward()
        share = 1 / (1 + math.exp(-theta))
        expected = 3.0 * share * (1 - share) * (high - low)
        assert float(parameter.theta.grad) == pytest.approx(expected, rel=1e-5)


def test_first_values_are_drawn_from_the_middle_of_the_range() -> None:
    thetas = torch.stack([DiscreteParameter(0, 100, seed=s).theta.detach() for s in range(400)])
    assert float(thetas.abs().max()) <= 2.0
    assert float(thetas.std()) == pytest.approx(4 / math.sqrt(12), rel=0.1)
    values = [DiscreteParameter(0, 100, seed=s).value for s in range(400)]
    assert min(values) >= 12  # not all over the range
    assert max(values) <= 88
    for value in range(1, 8, 2):
        assert DiscreteParameter(1, 7, step=2, value=value).value == value
    with pytest.raises(EvolutionError, match="multiple"):
        DiscreteParameter(1, 6, step=2)
    with pytest.raises(EvolutionError, match="value = 2"):
        DiscreteParameter(1, 7, step=2, value=2)


def descend(parameters: list[nn.Parameter], loss: object, steps: int, rate: float = 0.02) -> None:
    optimizer = torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.95))
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()  # type: ignore[operator]
        optimizer.step()


def test_a_width_is_trained_with_the_weights() -> None:
    """Six inputs are copied through a layer, whose units have a price: about six are worth it."""
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    for start in (2, 12):
        torch.manual_seed(0)
        mask = WidthMask(DiscreteParameter(1, 12, value=start))
        network = nn.Sequential(nn.Linear(6, 12), mask, nn.Linear(12, 6))

        def loss(network: nn.Module = network, mask: WidthMask = mask) -> Tensor:
            return (network(x) - x).square().mean() + 0.01 * mask.width()

        descend(list(network.parameters()), loss, 500)
        assert 5 <= mask.width.value <= 7
        out = mask(torch.ones(1, 12)).detach()[0]
        assert out.tolist() == [1.0] * mask.width.value + [0.0] * (12 - mask.width.value)
    with pytest.raises(EvolutionError, match="12 units"):
        mask(torch.ones(2, 11))


def blurred(x: Tensor, side: int) -> Tensor:
    return nn.functional.avg_pool2d(x, side, stride=1, padding=side // 2)


@pytest.mark.parametrize("start", [1, 7])
def test_a_kernel_is_trained_with_the_weights(start: int) -> None:
    """A blur over 3 x 3 pixels is learned: a kernel of one pixel grows, one of seven shrinks."""
    x = torch.randn(8, 1, 10, 10, generator=torch.Generator().manual_seed(1))
    kernel = DiscreteParameter(1, 7, step=2, value=start)
    layer = ElasticConv2d(1, 1, kernel)
    descend(
        list(layer.parameters()),
        lambda: (layer(x) - blurred(x, 3)).square().mean() / 0.1 + 0.01 * kernel(),
        400,
    )
    assert kernel.value == 3


def test_a_stride_is_trained_towards_what_costs_nothing() -> None:
    """Maps that are constant over squares lose nothing by a stride of 2, others do."""
    fine = torch.randn(4, 1, 12, 12, generator=torch.Generator().manual_seed(2))
    coarse = fine[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    for x, start, expected in ((coarse, 1, 2), (fine, 1, 1), (fine, 2, 1)):
        stride = DiscreteParameter(1, 3, value=start)
        layer = ElasticConv2d(1, 1, DiscreteParameter(1, 1), stride)
        descend(
            list(layer.parameters()),
            lambda layer=layer, x=x, stride=stride: (
                (layer(x) - x).square().mean() - 0.02 * stride()
            ),
            200,
        )
        assert stride.value == expected


def test_a_hardened_convolution_gives_the_same_values() -> None:
    x = torch.randn(2, 3, 11, 9, generator=torch.Generator().manual_seed(3))
    for k in (1, 3, 5):
        for s in (1, 2, 3):
            layer = ElasticConv2d(
                3, 4, DiscreteParameter(1, 5, step=2, value=k), DiscreteParameter(1, 3, value=s)
            )
            plain = layer.hardened()
            assert plain.kernel_size == (k, k)
            assert plain.stride == (s, s)
            assert layer(x).shape == (2, 4, 11, 9)
            assert torch.allclose(plain(x), layer(x)[:, :, ::s, ::s], atol=1e-6)
    with pytest.raises(EvolutionError, match="odd"):
        ElasticConv2d(1, 1, DiscreteParameter(2, 4))
    with pytest.raises(EvolutionError, match="low = 1"):
        ElasticConv2d(1, 1, DiscreteParameter(1, 3, step=2), DiscreteParameter(0, 2))
