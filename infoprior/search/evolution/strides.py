"""A convolution's stride, or a pooling in its place: who halves the maps of a block.

A stride of 2 gives every second value of what a stride of 1 gives. So it becomes one of 1 with the
same outputs if these values are taken where the block has its pooling, which is then blended into
means over 2 x 2 pixels. The other way round, a pooling is blended into taking every second value,
and in the end the others aren't computed: the stride is 2. What follows is given maps of the same
size.

A stride by itself cannot change in a live network: maps of another size come out, for which a layer
that reads them flattened has no weights, and whose pixels are at other distances.
"""

from __future__ import annotations

from torch import nn

from infoprior._ambient import default_settings
from infoprior.search.evolution.chain import read_chain
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.modules import Blend
from infoprior.search.evolution.operation import Moments, Operation, Surgery
from infoprior.spaces._cnn import ConvBlock


@default_settings()
def change_stride(
    network: nn.Module, layer: str, stride: int, *, moments: Moments | None = None
) -> Surgery:
    """A stride of 2 instead of a pooling, or a pooling by means instead of the stride; blended in.

    Args:
        network: infoprior's CNN; left as it was.
        layer: the name of one of its blocks.
        stride: 1 or 2, not the one that it has.
        moments: of the network's parameters, which stay.

    Returns:
        the new network with the same outputs, and its moments. Once a stride of 2 is blended in
        (`advance_blends`), `fold_strides` saves its computation.

    Raises:
        EvolutionError: the network cannot be operated on, has no such layer, or the layer's maps
            are not halved in the other one of these two ways.
    """
    chain = read_chain(network)
    chain.index(layer)
    now = stride_of(network, layer)
    if now is None or stride not in (1, 2) or stride == now:
        raise EvolutionError(
            f"The layer {layer!r} has no stride that could become {stride!r}: give 1 for a block "
            "of a CNN that halves its maps by a stride of 2, or 2 for one that does by a pooling."
        )
    operation = Operation(network, moments)
    block = operation.network.get_submodule(layer)
    assert isinstance(block, ConvBlock)
    convolution = block.convolution
    assert isinstance(convolution, nn.Conv2d)
    convolution.stride = (1, 1)
    old = _subsampling() if stride == 1 else block.pooling
    new = nn.AvgPool2d(2, ceil_mode=True) if stride == 1 else _subsampling()
    weight = next(operation.network.parameters())
    block.pooling = Blend(old, new).to(weight).train(network.training)
    return operation.done()


def fold_strides(network: nn.Module) -> None:
    """Don't compute what is dropped: strides of 2, in place, where every second value is taken.

    Args:
        network: any; blocks of infoprior's CNNs are looked at.
    """
    for block in network.modules():
        if isinstance(block, ConvBlock) and _is_subsampling(block.pooling):
            convolution = block.convolution
            assert isinstance(convolution, nn.Conv2d)
            convolution.stride = (2, 2)
            block.pooling = nn.Identity()


def stride_of(network: nn.Module, layer: str) -> int | None:
    """2 where a block halves its maps by its stride, 1 where by a pooling; None: in no such way."""
    block = network._modules.get(layer)
    if not isinstance(block, ConvBlock):
        return None
    stride, pooling = block.convolution.stride, block.pooling
    if (stride == (2, 2) and isinstance(pooling, nn.Identity)) or _is_subsampling(pooling):
        return 2
    halves = isinstance(pooling, nn.MaxPool2d | nn.AvgPool2d) and pooling.kernel_size == 2
    return 1 if halves and stride == (1, 1) else None


def _subsampling() -> nn.Module:
    """Every second value: sides are halved and rounded up, as the poolings of the CNN do."""
    return nn.MaxPool2d(1, stride=2)


def _is_subsampling(module: nn.Module) -> bool:
    return isinstance(module, nn.MaxPool2d) and (module.kernel_size, module.stride) == (1, 2)
