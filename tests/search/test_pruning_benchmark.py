"""The benchmark of pruning: its arms remove what they say, and its differences are paired."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks._common import PEERS
from benchmarks.search import pruning_peer as benchmark


@pytest.fixture(scope="module")
def network() -> Any:
    draw = torch.Generator().manual_seed(0)
    shapes = [(64, 5), (64, 64), (64, 64), (3, 64)]
    weights = [torch.randn(shape, generator=draw) for shape in shapes]
    return benchmark.sequential(weights, [torch.randn(len(w), generator=draw) for w in weights])


def test_a_network_without_refit_is_the_one_whose_other_units_are_silent(network: Any) -> None:
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    sliced = benchmark.sliced(network, 40, None)
    silent = benchmark.sequential(
        [layer.weight.detach() for layer in network[::2]],
        [layer.bias.detach() for layer in network[::2]],
    )
    for i in range(3):
        norms = network[2 * i].weight.detach().abs().sum(1)
        with torch.no_grad():
            silent[2 * i + 2].weight[:, norms.argsort()[:24]] = 0.0
    assert torch.allclose(sliced(x), silent(x), rtol=1e-4, atol=1e-2)


def test_every_arm_removes_the_share_that_it_says(network: Any) -> None:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(1))
    arms = list(benchmark.pruned(network, x, seed=0))
    assert len(arms) == 15
    for _, share, one, seconds in arms:
        assert [layer.out_features for layer in one[::2]] == [round(64 * (1 - share))] * 3 + [3]
        assert seconds >= 0.0
    again = {(arm, share): one for arm, share, one, _ in benchmark.pruned(network, x, seed=0)}
    for arm, share, one, _ in arms:
        assert torch.equal(one(x), again[arm, share](x))


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="torch-pruning is there after make bench-peers")
def test_torch_pruning_removes_the_share_too_and_keeps_weights_as_they_are(network: Any) -> None:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(1))
    answers = benchmark.peers({"0": network}, x, network(x).argmax(1))["0"]
    assert len(answers) == 9
    for arm, share, one, seconds in answers:
        assert arm in benchmark.ARMS
        assert [layer.out_features for layer in one[::2]] == [round(64 * (1 - share))] * 3 + [3]
        assert seconds > 0.0
        kept = {tuple(row) for row in network[0].weight.tolist()}
        assert all(tuple(row) in kept for row in one[0].weight.tolist())


def test_differences_are_of_the_same_tasks() -> None:
    tasks = ["a", "b", "c"]
    ours = pd.Series([0.1, 0.5, 0.9], index=tasks)
    theirs = ours + np.array([0.01, 0.02, 0.03])
    assert benchmark.difference(ours, theirs, 100.0) == "+2.00 [-0.48, +4.48]"
