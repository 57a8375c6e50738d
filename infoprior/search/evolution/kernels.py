"""A convolution with a larger or a smaller kernel, whose maps keep their size.

A larger kernel holds the old one in its middle, with zeros around it: the outputs are the same, and
the zeros get gradient at once, from the pixels that they will read. A smaller one loses the outer
ring; the rest is refitted by least squares to what the whole gave.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior._ambient import default_settings
from infoprior._arguments import whole_number
from infoprior.search.evolution.chain import read_chain
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.operation import Moments, Operation, Surgery
from infoprior.search.evolution.refit import observe, output_change, refit


@default_settings()
@torch.no_grad()
def change_kernel(
    network: nn.Module,
    layer: str,
    side: int,
    *,
    x: Tensor | None = None,
    moments: Moments | None = None,
) -> Surgery:
    """A convolution's kernel of another side, with maps of the same size.

    Args:
        network: see `read_chain`; left as it was.
        layer: a hidden layer's name, of a convolution with a square kernel.
        side: of the kernel, in pixels; odd where the old one is, even where it is.
        x: rows by which a smaller kernel is refitted and its change measured, shape (n, ...), of
            the network's dtype; a larger kernel needs none.
        moments: of the network's parameters; new weights have a first moment of 0, and the mean
            second moment of the kernel that they surround, so that their first steps are no longer
            than those of the others.

    Returns:
        the new network, its moments, and the relative change of its outputs on x in evaluation
        mode (0.0 of a larger kernel).

    Raises:
        EvolutionError: the network cannot be operated on, has no such layer, the layer is no
            convolution with a square kernel, it has this side already or one that differs by an odd
            number, its padding is less than what a smaller kernel gives up, or `x` is missing.
    """
    chain = read_chain(network)
    one = chain.layers[chain.index(layer)]
    side = whole_number(side, "side", 1, EvolutionError)
    old = network.get_submodule(one.path)
    now = kernel_side(old)
    if now is None:
        raise EvolutionError(f"The layer {layer!r} is no convolution with a square kernel.")
    if side == now or (side - now) % 2:
        raise EvolutionError(
            f"The kernel of {layer!r} has a side of {now}, and {side} is no other one that has the "
            "same middle; give one that differs by an even number."
        )
    if side < now and x is None:
        raise EvolutionError("x is missing; give rows by which the smaller kernel is refitted.")
    if side < smallest_side(old):
        raise EvolutionError(
            f"The convolution {layer!r} has too little padding to keep the size of its maps with a "
            f"kernel of {side}; its least side is {smallest_side(old)}."
        )
    rim = (side - now) // 2
    operation = Operation(network, moments)
    module = operation.network.get_submodule(one.path)

    def moment(value: Tensor, order: int) -> Tensor:
        padded = _padded(value, rim)
        if order == 1 or rim < 0:
            return padded
        mean = value.mean((2, 3), keepdim=True)
        outside = _padded(torch.ones_like(value), rim) == 0.0
        return torch.where(outside, mean, padded)

    operation.replace(module, "weight", lambda weight: _padded(weight, rim), moment)
    parent, _, name = one.path.rpartition(".")
    new = _like(module, side, rim)
    setattr(operation.network.get_submodule(parent), name, new)
    if rim > 0 or x is None:
        return operation.done()
    target = observe(network, [one], x)[1][one.path]
    refit(new, observe(operation.network, [one], x)[0][one.path], target)
    return operation.done(output_change(network, operation.network, x))


def kernel_side(module: nn.Module) -> int | None:
    """Side of a convolution's square kernel, in pixels; None of another module."""
    if not isinstance(module, nn.Conv2d) or module.kernel_size[0] != module.kernel_size[1]:
        return None
    return int(module.kernel_size[0])


def smallest_side(module: nn.Module) -> int:
    """The least side with which a convolution's maps keep their size: its padding ends there."""
    assert isinstance(module, nn.Conv2d)
    side = module.kernel_size[0]
    if isinstance(module.padding, str):
        return side if module.padding == "valid" else 2 - side % 2
    rings = min(p // d for p, d in zip(module.padding, module.dilation, strict=True))
    return max(side - 2 * rings, 2 - side % 2)


def _padded(weight: Tensor, rim: int) -> Tensor:
    """A kernel with `rim` rings of zeros around it, or without -rim of its rings."""
    return functional.pad(weight, (rim, rim, rim, rim))


def _like(old: nn.Module, side: int, rim: int) -> nn.Conv2d:
    """The convolution with the parameters that `old` has by now, a kernel's side further."""
    assert isinstance(old, nn.Conv2d)
    padding: str | tuple[int, ...] = old.padding
    if padding != "same":
        before = (0, 0) if isinstance(padding, str) else padding
        padding = tuple(p + rim * d for p, d in zip(before, old.dilation, strict=True))
    new = nn.utils.skip_init(
        nn.Conv2d, old.in_channels, old.out_channels, side,
        stride=old.stride, padding=padding, dilation=old.dilation, bias=old.bias is not None,
    )  # fmt: skip
    assert isinstance(new, nn.Conv2d)
    new.weight, new.bias = old.weight, old.bias
    return new.train(old.training)
