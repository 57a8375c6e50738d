"""Convolutional networks: shapes, known answers, gradients, seeds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from infoprior.spaces import SpaceError, get_space

POINT = {
    "n_blocks": 2,
    "filters": 6,
    "kernel": 3,
    "activation": "relu",
    "normalization": "batch",
    "pooling": "max",
    "head": "dense",
    "dropout": 0.2,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "batch_size": 64,
}


def images(n: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["cnn", "thesis-cnn"])
def test_every_point_builds_a_network_whose_last_layer_its_output_reads(name: str) -> None:
    space = get_space(name)
    x = images(5, 2, 9, 9)
    for i, point in enumerate(space.design(16)):
        network = space.build(point, (2, 9, 9), n_classes=3, seed=i).eval()
        assert network(x).shape == (5, 3)
        read = network.activations(x)
        assert tuple(read) == network.layer_names
        last = read[network.layer_names[-1]]
        assert torch.equal(
            network.output(last if last.ndim == 2 else last.mean(dim=(2, 3))), network(x)
        )


@pytest.mark.parametrize("pooling", ["max", "average", "stride"])
@pytest.mark.parametrize("kernel", [3, 5])
def test_blocks_halve_the_sides_and_round_up(pooling: str, kernel: int) -> None:
    params = {**POINT, "n_blocks": 3, "pooling": pooling, "kernel": kernel}
    read = get_space("cnn").build(params, (1, 7, 12), 2).activations(images(4, 1, 7, 12))
    assert {name: tuple(t.shape) for name, t in read.items()} == {
        "block_1": (4, 6, 4, 6),
        "block_2": (4, 6, 2, 3),
        "block_3": (4, 6, 1, 2),
        "dense": (4, 64),
    }
    assert all(t.dtype == torch.float32 for t in read.values())


def test_thesis_cnn_has_four_blocks_of_the_given_filters() -> None:
    point = {"filters_1": 10, "filters_2": 25, "filters_3": 120, "filters_4": 15}
    read = get_space("thesis-cnn").build(point, (1, 8, 8), 2).activations(images(2, 1, 8, 8))
    assert [t.shape[1] for t in read.values()] == [10, 25, 120, 15]


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        # The identity filter, then each pooling of 1..9 in rows of three; the margin is left out.
        ("max", [[5.0, 6.0], [8.0, 9.0]]),
        ("average", [[3.0, 4.5], [7.5, 9.0]]),
        ("stride", [[1.0, 3.0], [7.0, 9.0]]),
    ],
)
def test_a_block_of_the_identity_filter_pools(pooling: str, expected: list[list[float]]) -> None:
    params = {**POINT, "n_blocks": 1, "filters": 4, "normalization": "none", "pooling": pooling}
    network = get_space("cnn").build(params, (1, 3, 3), 2)
    with torch.no_grad():
        network.block_1.convolution.weight.zero_()
        network.block_1.convolution.weight[:, 0, 1, 1] = 1.0
        network.block_1.convolution.bias.zero_()
    maps = network.activations(torch.arange(1.0, 10.0).reshape(1, 1, 3, 3))["block_1"]
    assert maps[0, 0].tolist() == expected


OPTIONS = list(
    itertools.product(
        ("relu", "tanh", "gelu", "silu"),
        ("none", "batch"),
        ("max", "average", "stride"),
        ("gap", "dense"),
    )
)


def test_gradients_are_finite_and_reach_every_parameter_for_every_option() -> None:
    x, y = images(16, 1, 7, 7), torch.arange(16) % 3
    for i, (activation, normalization, pooling, head) in enumerate(OPTIONS):
        params = {
            **POINT, "n_blocks": 1 + i % 3, "kernel": (3, 5)[i % 2], "activation": activation,
            "normalization": normalization, "pooling": pooling, "head": head,
        }  # fmt: skip
        network = get_space("cnn").build(params, (1, 7, 7), 3, seed=i).train()
        functional.cross_entropy(network(x), y).backward()
        for name, parameter in network.named_parameters():
            assert torch.isfinite(parameter.grad).all(), (params, name)
            # Batch normalization takes away whatever a convolution's bias adds.
            if not (normalization == "batch" and name.endswith("convolution.bias")):
                assert (parameter.grad != 0).any(), (params, name)


@pytest.mark.parametrize("head", ["gap", "dense"])
def test_dropout_is_of_training_only_and_seeded(head: str) -> None:
    params = {**POINT, "head": head, "dropout": 0.5, "normalization": "none"}
    x = images(8, 1, 7, 7)
    a, b = (get_space("cnn").build(params, (1, 7, 7), 3, seed=4) for _ in range(2))
    first = a.train()(x)
    assert torch.equal(first, b.train()(x))
    assert not torch.equal(first, a(x))  # the next masks
    assert torch.equal(a.eval()(x), b.eval()(x))


def test_activations_are_read_in_evaluation_mode_and_leave_the_mode_alone() -> None:
    network = get_space("cnn").build(POINT, (1, 7, 7), 3).train()
    x = images(8, 1, 7, 7)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    read = network.activations(x)
    assert network.training is True
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])  # running statistics too
    again = network.eval().activations(x)
    assert network.training is False
    assert all(torch.equal(read[name], again[name]) for name in again)


def test_building_is_seeded_and_leaves_global_state_alone() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    a, b, c = (get_space("cnn").build(POINT, (1, 7, 7), 3, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name])
    assert not torch.equal(a.output.weight, c.output.weight)
    # As PyTorch draws them: uniform up to one over the root of the inputs of a unit.
    weights = a.block_2.convolution.weight.detach().numpy()
    assert np.abs(weights).max() == pytest.approx(54**-0.5, rel=0.02)
    assert np.abs(weights).max() < 54**-0.5


def test_vectors_for_images_and_images_for_vectors_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"\(C, H, W\), not 5"):
        get_space("cnn").build(POINT, 5, 2)
    with pytest.raises(SpaceError, match=r"\(C, H, W\), not \(5,\)"):
        get_space("thesis-cnn").build(get_space("thesis-cnn").design(1)[0], (5,), 2)
    for name in ("mlp", "thesis"):
        space = get_space(name)
        point = space.design(1)[0]
        with pytest.raises(SpaceError, match="flatten"):
            space.build(point, (1, 8, 8), 2)
        assert space.build(point, (5,), 2)(torch.zeros(1, 5)).shape == (1, 2)
