"""Units of a stream, gathered in every tensor that has one entry or more for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from infoprior.search.evolution.chain import (
    CONVOLUTION,
    LINEAR,
    NORMALIZATIONS,
    Chain,
    units,
)
from infoprior.search.evolution.modules import Blend, WeightedLayerNorm
from infoprior.search.evolution.operation import Operation


def gather(
    operation: Operation,
    chain: Chain,
    stream: int,
    index: Tensor,
    share: Tensor,
    columns: Callable[[Tensor, Tensor], Tensor],
    heirs: Tensor | None = None,
) -> None:
    """Give a stream the units `index` of those it has, in that order.

    Args:
        operation: on the network, whose tensors are replaced.
        chain: of the network as it was.
        stream: of the chain.
        index: which old unit each new one is a copy of, shape (new,), int64.
        share: of the old unit's effect that each copy has, shape (new,); its gradients, and so its
            moments, are that share of the old one's.
        columns: (weight, entries) -> the values of a reader's weight whose columns `entries` have
            been taken; called with the gathered weight.
        heirs: which new unit takes over the weight that each old one has in layer normalizations,
            shape (old,), -1: none; None: units keep their own, and copies divide it.
    """
    network = operation.network
    width = units(network.get_submodule(chain.writers(stream)[0].path))
    module: Any
    for layer in chain.writers(stream):
        module = network.get_submodule(layer.path)
        _rows(operation, module, index, share)
        for path in layer.followers:
            _follower(operation, path, width, index, share, heirs)
    for layer in chain.readers(stream):
        module = network.get_submodule(layer.path)
        entries = spread(index, entries_per_unit(module, width))
        moved = entries

        def change(weight: Tensor, moved: Tensor = moved) -> Tensor:
            return columns(weight.index_select(1, moved), moved)

        def moment(value: Tensor, order: int, moved: Tensor = moved) -> Tensor:
            return value.index_select(1, moved)

        operation.replace(module, "weight", change, moment)
        if isinstance(module, LINEAR):
            module.in_features = len(entries)
        else:
            module.in_channels = len(entries)


def entries_per_unit(module: nn.Module, width: int) -> int:
    """Columns of a reader's weight for each unit: H W after maps are flattened, else 1."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.shape[1] // width


def spread(index: Tensor, n: int) -> Tensor:
    """Entries of units that have n of them each, one after the other: shape (len(index) n,)."""
    return (index[:, None] * n + torch.arange(n)).flatten()


def _rows(operation: Operation, module: nn.Module, index: Tensor, share: Tensor) -> None:
    for name in ("weight", "bias"):
        operation.replace(module, name, *_selection(index, share))
    if isinstance(module, LINEAR):
        module.out_features = len(index)
    elif isinstance(module, CONVOLUTION):
        module.out_channels = len(index)


def _selection(
    index: Tensor, share: Tensor
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor, int], Tensor]]:
    def change(value: Tensor) -> Tensor:
        return value.index_select(0, index)

    def moment(value: Tensor, order: int) -> Tensor:
        factor = share.to(value).pow(order).view(-1, *[1] * (value.ndim - 1))
        return value.index_select(0, index) * factor

    return change, moment


def _follower(
    operation: Operation,
    path: str,
    width: int,
    index: Tensor,
    share: Tensor,
    heirs: Tensor | None,
) -> None:
    module = operation.network.get_submodule(path)
    if isinstance(module, Blend):
        for part in ("old", "new"):
            _follower(operation, f"{path}.{part}", width, index, share, heirs)
        return
    if not isinstance(module, NORMALIZATIONS):
        return
    if isinstance(module, nn.LayerNorm):
        if type(module) is nn.LayerNorm:
            module = WeightedLayerNorm.of(module, next(operation.network.parameters()))
            parent, _, name = path.rpartition(".")
            setattr(operation.network.get_submodule(parent), name, module)
        features = module.normalized_shape[0]
    else:
        features = module.num_features
    n = features // width
    entries, shares = spread(index, n), share.repeat_interleave(n)
    for name in ("weight", "bias"):
        operation.replace(module, name, *_selection(entries, shares))
    if isinstance(module, WeightedLayerNorm):
        if heirs is None:
            kept = module.share.index_select(0, entries) * shares.to(module.share)
        else:
            taken = heirs >= 0
            kept = torch.zeros(len(entries), dtype=module.share.dtype)
            kept.index_add_(
                0, spread(heirs[taken], n), module.share.reshape(width, n)[taken].flatten()
            )
        module.share = kept / kept.sum()
        module.normalized_shape = (len(entries),)
        return
    for name in ("running_mean", "running_var"):
        operation.replace(module, name, lambda value: value.index_select(0, entries))
    module.num_features = len(entries)  # type: ignore[assignment]
