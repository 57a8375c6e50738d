"""Mutations: what a layer can become, and how little the outputs change on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior.search.evolution import (
    EvolutionError,
    EvolutionSettings,
    advance_blends,
    change_kernel,
    change_normalization,
    change_stride,
    fold_strides,
    make_adamw,
    output_change,
    read_chain,
    read_moments,
)
from infoprior.search.evolution.mutations import change
from infoprior.search.evolution.states import describe
from infoprior.search.evolution.strides import stride_of
from infoprior.spaces._cnn import CNN
from infoprior.spaces._mlp import MLP
from tests.search.evolution_networks import random_cnn, random_mlp, random_sequential, seasoned

MAKERS = {"mlp": random_mlp, "cnn": random_cnn, "sequential": random_sequential}
SETTINGS = EvolutionSettings()


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("seed", range(6))
def test_every_mutation_that_is_offered_is_made(maker: str, seed: int) -> None:
    """Outputs stay, but where a kernel shrinks; afterwards the layer has the value that it got."""
    network, x = MAKERS[maker](np.random.default_rng([seed, 5]))
    with torch.no_grad():
        before = network(x)
    seen = set()
    for shape in describe(network, x, SETTINGS):
        for attribute, values in shape.choices.items():
            assert len(values) == len(set(values)) > 1
            for value in values[1:]:
                surgery = change(network, shape.layer, attribute, value, x, None)
                smaller = attribute == "kernel" and int(value) < int(values[0])
                with torch.no_grad():
                    after = surgery.network(x)
                assert after.shape == before.shape
                if smaller:
                    assert surgery.change == pytest.approx(
                        output_change(network, surgery.network, x)
                    )
                else:
                    assert torch.allclose(before, after, atol=1e-5)
                assert advance_blends(surgery.network, 1.0) == 0
                layers = {each.layer: each for each in describe(surgery.network, x, SETTINGS)}
                assert layers[shape.layer].choices[attribute][0] == value
                seen.add(attribute)
    assert "activation" in seen or maker == "sequential"
    assert "normalization" in seen or maker == "sequential"
    only = EvolutionSettings(mutations=("activation",))
    assert {name for each in describe(network, x, only) for name in each.choices} <= {"activation"}


def test_kernels_are_offered_between_one_pixel_and_what_maps_hold() -> None:
    x = torch.zeros(2, 1, 8, 8)

    def offered(network: nn.Module, settings: EvolutionSettings = SETTINGS) -> list[list[str]]:
        shapes = describe(network, x, settings)
        return [list(shape.choices.get("kernel", ())) for shape in shapes]

    # The second block reads maps of 4 pixels, the third of 2: five pixels would see padding alone.
    assert offered(CNN((1, 8, 8), 2, (3, 3, 3), 3)) == [["3", "1", "5"]] * 2 + [["3", "1"]]
    assert offered(CNN((1, 8, 8), 2, (3,), 1)) == [["1", "3"]]
    assert offered(CNN((1, 8, 8), 2, (3,), 7)) == [["7", "5"]]
    assert offered(CNN((1, 8, 8), 2, (3,), 3), EvolutionSettings(max_kernel=3)) == [["3", "1"]]
    valid = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2))
    assert offered(valid) == [["3", "5"]]
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.ReLU(), nn.Linear(3, 2))
    assert offered(flat) == [[]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": "same"}, {}, {"padding": (2, 0)},
                                     {"padding": 2, "dilation": 2, "stride": 2}])  # fmt: skip
def test_a_larger_kernel_keeps_the_outputs(options: dict[str, object], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(2, 4, 3, **options)  # type: ignore[arg-type]
    network = nn.Sequential(convolution, nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)).to(dtype)
    x = torch.randn(8, 2, 10, 9, dtype=dtype)
    before = network(x).detach()
    large = change_kernel(network, "0", 7).network
    assert large[0].weight.shape == (4, 2, 7, 7)
    assert float((large(x).detach() - before).abs().max()) < (
        1e-5 if dtype is torch.float32 else 1e-10
    )
    back = change_kernel(large, "0", 3, x=x)
    assert back.change < 1e-6  # what is dropped are zeros
    assert torch.allclose(back.network[0].weight, convolution.weight, atol=1e-5)


def test_new_weights_of_a_kernel_learn_as_fast_as_old_ones() -> None:
    network = seasoned(CNN((1, 8, 8), 3, (4, 4), 3, "gelu", "batch"), 0).train()
    x = torch.randn(128, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    y = torch.arange(128) % 3
    optimizer = make_adamw(network, learning_rate=1e-3)
    for _ in range(20):
        optimizer.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    large = change_kernel(network, "block_1", 5, moments=read_moments(network, optimizer))
    weight = large.network.block_1.convolution.weight
    ring = torch.ones(5, 5, dtype=torch.bool)
    ring[1:4, 1:4] = False
    old = weight.detach().clone()
    assert float(old[..., ring].abs().max()) == 0.0
    optimizer = make_adamw(large.network, large.moments, learning_rate=1e-3)
    for _ in range(5):
        optimizer.zero_grad()
        functional.cross_entropy(large.network(x), y).backward()
        optimizer.step()
    grad = weight.grad.abs()
    assert 0.3 < float(grad[..., ring].mean() / grad[..., ~ring].mean()) < 3.0
    moved = (weight.detach() - old).abs()
    assert 0.1 < float(moved[..., ring].mean() / moved[..., ~ring].mean()) < 3.0


def test_a_smaller_kernel_is_refitted() -> None:
    """Least squares change the outputs less than cutting the ring off."""
    ratios = []
    for seed in range(6):
        network = CNN((1, 8, 8), 3, (6,), 5, "gelu", seed=seed)
        generator = torch.Generator().manual_seed(seed)
        x = functional.avg_pool2d(torch.randn(80, 1, 10, 10, generator=generator), 3, 1)
        cut = change_kernel(network, "block_1", 3, x=x)
        plain = change_kernel(network, "block_1", 3, x=x).network
        with torch.no_grad():
            whole = network.block_1.convolution
            plain.block_1.convolution.weight.copy_(whole.weight[..., 1:-1, 1:-1])
            plain.block_1.convolution.bias.copy_(whole.bias)
        ratios.append(cut.change / output_change(network, plain, x))
    assert np.median(ratios) < 0.7


def halfway(network: nn.Module, new: nn.Module, x: Tensor, fitted: bool) -> float:
    changed = change_normalization(network, "hidden_2", new, x=x if fitted else None).network
    advance_blends(changed, 0.5)
    return output_change(network, changed, x)


@pytest.mark.parametrize("kind", ["none", "batch", "layer"])
def test_a_fitted_normalization_changes_little(kind: str) -> None:
    """Batch normalization undoes itself; layer normalization of a row is no sum of its units."""
    network = seasoned(MLP(5, 3, (16, 16, 16), "gelu", kind), 1)
    x = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))
    if kind != "batch":
        assert halfway(network, nn.BatchNorm1d(16), x, True) < (1e-5 if kind == "none" else 0.5)
    if kind != "layer":
        plain, fitted = (halfway(network, nn.LayerNorm(16), x, each) for each in (False, True))
        assert fitted < 0.7 * plain


def test_a_removed_normalization_leaves_the_activation_where_it_was() -> None:
    """An nn.Identity is a place for a normalization, and no activation as long as there is one."""
    network: nn.Module = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)
    ).eval()
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    for attribute, value in (("normalization", "none"), ("activation", "tanh")):
        network = change(network, "0", attribute, value, x, None).network
        advance_blends(network, 1.0)
    assert [type(module) for module in network] == [nn.Linear, nn.Identity, nn.Tanh, nn.Linear]
    network = change(network, "0", "normalization", "layer", x, None).network
    advance_blends(network, 1.0)
    assert type(network[1]) is nn.LayerNorm


@pytest.mark.parametrize("pooling", ["max", "average", "stride"])
def test_a_stride_takes_the_place_of_a_pooling_and_back(pooling: str) -> None:
    network = seasoned(CNN((1, 9, 7), 3, (4, 5), 3, "gelu", "batch", pooling, "dense"), 0)
    x = torch.randn(40, 1, 9, 7, generator=torch.Generator().manual_seed(0))
    now, other = (2, 1) if pooling == "stride" else (1, 2)
    changed = change_stride(network, "block_1", other).network
    assert stride_of(network, "block_1") == now
    assert torch.allclose(network(x), changed(x), atol=1e-6)
    assert advance_blends(changed, 0.5) == 1
    assert output_change(network, changed, x) > 1e-3
    assert advance_blends(changed, 0.5) == 0
    before = changed(x).detach()
    fold_strides(changed)  # the same with less computation
    assert torch.allclose(before, changed(x), atol=1e-6)
    block = changed.block_1
    assert block.convolution.stride == (other, other)
    assert type(block.pooling) is (nn.Identity if other == 2 else nn.AvgPool2d)
    back = change_stride(changed, "block_1", now).network
    assert torch.allclose(changed(x), back(x), atol=1e-6)
    with pytest.raises(EvolutionError, match="no stride"):
        change_stride(changed, "block_1", other)
    with pytest.raises(EvolutionError, match="no stride"):
        change_stride(changed, "dense", 2)


def test_kernels_that_cannot_be_are_refused() -> None:
    network = CNN((1, 8, 8), 2, (3,), 3, head="dense")
    x = torch.zeros(2, 1, 8, 8)
    for side in (3, 4):
        with pytest.raises(EvolutionError, match="even number"):
            change_kernel(network, "block_1", side)
    with pytest.raises(EvolutionError, match="x is missing"):
        change_kernel(network, "block_1", 1)
    with pytest.raises(EvolutionError, match="side"):
        change_kernel(network, "block_1", 0, x=x)
    with pytest.raises(EvolutionError, match="no convolution"):
        change_kernel(network, "dense", 5)
    valid = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(108, 2))
    with pytest.raises(EvolutionError, match="padding"):
        change_kernel(valid, "0", 1, x=x)
    with pytest.raises(EvolutionError, match="square"):
        change_kernel(nn.Sequential(nn.Conv2d(1, 3, (3, 1)), nn.Conv2d(3, 3, 1)), "0", 5)
    assert len(read_chain(network).hidden) == 2
    with pytest.raises(EvolutionError, match="mutations"):
        EvolutionSettings(mutations=("width",))
