"""Which networks to stack: a model of what a step costs, fitted to measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

# Microseconds of a step on one core, fitted by least squares to a hundred groups of two to seven
# random networks, trained both ways (median errors 15 % and 11 %). Only their ratios matter. On
# those groups the choice costs 3 % more time than always the better way, "single" 11 %.
FIXED, LAYER, NORM = 174.0, 31.0, 86.0
STACK_FIXED, STACK_LAYER, STACK_RUN, STACK_BATCH, STACK_LAYER_NORM = 286.0, 78.0, 52.0, 181.0, 162.0
MEGAFLOP, THOUSAND_UNITS = 18.0, 14.0
MARGIN = 1.07
"""A stack must be estimated to be faster by more than the estimate is wrong by."""

LARGEST = 16
"""Networks in a stack on a CPU, at most: more bring little, and their arrays leave the cache."""


def plan(
    networks: Sequence[Any],
    batch_sizes: Sequence[int],
    stackable: Sequence[bool],
    engine: str,
    device: str,
) -> list[list[int]]:
    """Groups of networks to train together, as their numbers; a group has one batch size.

    Args:
        networks: built; those that are `stackable` are multilayer perceptrons.
        batch_sizes: of each.
        engine: "single": groups of one; "stacked": a group a batch size; "auto": that on a GPU,
            where operations cost the same whatever their size, and what is estimated to be fastest
            on a CPU.
    """
    alone = [[i] for i in range(len(networks)) if not stackable[i] or engine == "single"]
    rest = [i for i in range(len(networks)) if [i] not in alone]
    groups: list[list[int]] = []
    for batch_size in sorted(set(batch_sizes)):
        same = [i for i in rest if batch_sizes[i] == batch_size]
        if not same:
            continue
        if engine == "stacked" or device.startswith("cuda"):
            groups.append(same)
        else:
            groups += _partition(networks, same, batch_size)
    return alone + groups


def _partition(networks: Sequence[Any], numbers: list[int], batch_size: int) -> list[list[int]]:
    """The cheapest division of a row of networks, like ones side by side, into groups."""
    numbers = sorted(numbers, key=lambda i: _likeness(networks[i]))
    line = [networks[i] for i in numbers]
    # best[j]: (cost, where the last group begins) of the first j networks.
    best = [(0.0, 0)]
    for j in range(1, len(line) + 1):
        choices = [(best[j - 1][0] + single_cost(line[j - 1], batch_size), j - 1)]
        for i in range(max(0, j - LARGEST), j - 1):
            choices.append((best[i][0] + MARGIN * stack_cost(line[i:j], batch_size), i))
        best.append(min(choices))
    groups, j = [], len(line)
    while j:
        i = best[j][1]
        groups.append(numbers[i:j])
        j = i
    return groups[::-1]


def _likeness(network: Any) -> tuple[str, str, int, int]:
    blocks = _blocks(network)
    widths = [block.linear.out_features for block in blocks]
    kinds = str(type(blocks[0].normalization)), str(type(blocks[0].activation))
    return *kinds, max(widths), len(blocks)


def single_cost(network: Any, batch_size: int) -> float:
    """Estimated microseconds of a step of a network by itself."""
    blocks = _blocks(network)
    norms = sum(not isinstance(block.normalization, nn.Identity) for block in blocks)
    weights = sum(m.weight.numel() for m in [b.linear for b in blocks] + [network.output])
    units = sum(block.linear.out_features for block in blocks)
    return FIXED + LAYER * len(blocks) + NORM * norms + _arithmetic(weights, units, batch_size)


def stack_cost(networks: Sequence[Any], batch_size: int) -> float:
    """Estimated microseconds of a step of a stack, padding included."""
    stack = [_blocks(network) for network in networks]
    cost, n_in = STACK_FIXED, stack[0][0].linear.in_features
    weights = sum(network.output.weight.numel() for network in networks)
    units = 0
    for level in range(max(len(blocks) for blocks in stack)):
        here = [blocks[level] for blocks in stack if len(blocks) > level]
        n_out = max(block.linear.out_features for block in here)
        weights += len(here) * n_in * n_out
        units += len(here) * n_out
        n_in = n_out
        norms = {type(block.normalization) for block in here}
        # Runs of like activations, deep networks first.
        runs = {(len(b), type(b[level].activation)) for b in stack if len(b) > level}
        cost += STACK_LAYER + STACK_RUN * len(runs)
        cost += STACK_BATCH * (nn.BatchNorm1d in norms) + STACK_LAYER_NORM * (nn.LayerNorm in norms)
    return cost + _arithmetic(weights, units, batch_size)


def _arithmetic(weights: int, units: int, batch_size: int) -> float:
    return batch_size * (MEGAFLOP * 6e-6 * weights + THOUSAND_UNITS * 1e-3 * units)


def _blocks(network: Any) -> list[Any]:
    return [network._modules[name] for name in network.layer_names]
