"""Modules that surgery leaves in a network: they compute at first what stood there before."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Blend(nn.Module):
    """(1 - mix) old(x) + mix new(x): one module turns into another without a jump.

    At mix = 0 it is the old module to the bit, at 1 the new one. Whoever trains the network raises
    `mix` by `advance_blends`, which puts the new module in its place once it is reached.

    Args:
        old: maps x to the shape of x.
        new: the same.

    Attributes:
        mix: share of the new module, shape (), in [0, 1]; a buffer, not trained.
    """

    mix: Tensor

    def __init__(self, old: nn.Module, new: nn.Module) -> None:
        super().__init__()
        self.old, self.new = old, new
        self.register_buffer("mix", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        mix = float(self.mix)
        if mix == 0.0:
            return self.old(x)
        return (1.0 - mix) * self.old(x) + mix * self.new(x)


class WeightedLayerNorm(nn.LayerNorm):
    """Layer normalization whose mean and variance weigh each unit: sum_j share_j x_j.

    A unit and its copies share one weight, so that they leave the statistics as they were: with
    plain layer normalization no widening but that of all units alike leaves the outputs equal.

    Args:
        width: units.
        eps: added to the variance.
        affine: whether it scales and shifts.

    Attributes:
        share: weights of the units, shape (width,), sum 1; a buffer, not trained.
    """

    share: Tensor

    def __init__(self, width: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__(width, eps, affine)
        self.register_buffer("share", torch.full((width,), 1.0 / width))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - (x @ self.share)[..., None]
        out = centred * torch.rsqrt((centred.square() @ self.share)[..., None] + self.eps)
        if self.weight is not None:
            out = out * self.weight
        return out if self.bias is None else out + self.bias

    @classmethod
    def of(cls, norm: nn.LayerNorm, like: Tensor) -> WeightedLayerNorm:
        """The same normalization with equal weights; its parameters are those of `norm`.

        Args:
            norm: over one dimension.
            like: has the dtype and the device of the weights.
        """
        width = norm.normalized_shape[0]
        weighted = cls(width, norm.eps, norm.elementwise_affine)
        weighted.weight, weighted.bias = norm.weight, norm.bias
        weighted.share = torch.full((width,), 1.0 / width, dtype=like.dtype, device=like.device)
        return weighted.train(norm.training)


def advance_blends(network: nn.Module, step: float) -> int:
    """Raise the share of the new module in every `Blend`, and put it in its place at 1.

    Args:
        network: changed in place.
        step: what is added to each share.

    Returns:
        how many blends are left.
    """
    left = 0
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, Blend):
                continue
            child.mix.fill_(min(1.0, float(child.mix) + step))
            if float(child.mix) == 1.0:
                setattr(parent, name, child.new)
            else:
                left += 1
    return left
