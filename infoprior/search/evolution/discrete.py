"""Whole numbers of an architecture that are trained with its weights (section 2).

`DiscreteParameter` is the number; `WidthMask` and `ElasticConv2d` are what it decides: how many
units a layer has, how large a convolution's kernel is, and by how many pixels it moves. What they
compute is a function f(k) of whole numbers, with the slope of f between the neighbours of k. What
would be added at the next k is trained already, though it isn't used: otherwise it would be as it
was drawn, and of no use to grow into. Slopes are local: k may stay where both neighbours are worse,
and what it becomes depends on where it starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior._arguments import check_seed, whole_number
from infoprior.search.evolution.errors import EvolutionError

INITIAL = 2.0
"""theta ~ U(-2, 2) (section 2.2): sigma'(theta) is 0.1 at least, and 0.25 at most. The first values
lie in the middle 76 % of the range, as sigma(-2) = 0.12 and sigma(2) = 0.88: not, as the document
says, all over it."""


class DiscreteParameter(nn.Module):
    """k = low + step floor(sigma(theta) n + 1/2), n = (high - low) / step, trained through theta.

    The document's formula (section 2.1) lacks the k_min that its range begins with, so that its
    values lie in 0..k_max - k_min; here it is added. The gradient is the straight-through
    estimator's (Bengio, Léonard & Courville, "Estimating or Propagating Gradients Through
    Stochastic Neurons", 2013): dk/dtheta = sigma'(theta) (high - low). The ends of the range own
    half a cell each.

    Args:
        low: the least value.
        high: the largest, low + n step.
        step: between two values, 2 for odd kernels.
        seed: draws theta from U(-2, 2).
        value: start there instead: theta is the middle of its cell, at the ends of the range -2, 2
            or further out, where the cell begins later.

    Attributes:
        theta: shape (), float32, a parameter.

    Raises:
        EvolutionError: these are no such whole numbers.
    """

    def __init__(
        self, low: int, high: int, *, step: int = 1, seed: int = 0, value: int | None = None
    ) -> None:
        super().__init__()
        self.low = whole_number(low, "low", 0, EvolutionError)
        self.high = whole_number(high, "high", self.low, EvolutionError)
        self.step = whole_number(step, "step", 1, EvolutionError)
        if (self.high - self.low) % self.step:
            raise EvolutionError(f"high = {high} isn't low = {low} and a multiple of {step}.")
        if value is None:
            generator = torch.Generator().manual_seed(check_seed(seed, EvolutionError))
            theta = torch.empty(()).uniform_(-INITIAL, INITIAL, generator=generator)
        else:
            theta = torch.tensor(self._theta(value))
        self.theta = nn.Parameter(theta)

    def _theta(self, value: int) -> float:
        value = whole_number(value, "value", self.low, EvolutionError)
        n = (self.high - self.low) // self.step
        cell = (value - self.low) / self.step
        if value > self.high or cell != int(cell):
            raise EvolutionError(
                f"value = {value}: one of {self.low}, {self.low + self.step}, ..., {self.high} is "
                "needed."
            )
        if n == 0:
            return 0.0
        share = min(max(cell / n, 0.25 / n), 1.0 - 0.25 / n)
        return math.log(share / (1.0 - share))

    def forward(self) -> Tensor:
        """k, shape (), a whole number as a float, which carries the gradient.

        Raises:
            EvolutionError: theta is NaN, because a training diverged.
        """
        if bool(self.theta.isnan()):
            raise EvolutionError("theta is NaN: the training has diverged; take a smaller rate.")
        relaxed = torch.sigmoid(self.theta) * (self.high - self.low)
        n = (self.high - self.low) // self.step
        cell = torch.floor(torch.sigmoid(self.theta.detach()) * n + 0.5).clamp(max=n)
        return self.low + self.step * cell + (relaxed - relaxed.detach())

    @property
    def value(self) -> int:
        """k."""
        return int(self.forward().detach().round())

    def interpolate(self, function: Callable[[int], Tensor]) -> Tensor:
        """function(k), whose slope in k is that between the neighbours of k in the range.

        Args:
            function: of a value in the range.
        """
        k = self.forward()
        here = int(k.detach().round())
        below, above = max(here - self.step, self.low), min(here + self.step, self.high)
        out = function(here)
        if above == below or not torch.is_grad_enabled():
            return out
        slope = (function(above) - function(below)) / (above - below)
        return out + (k - k.detach()) * slope

    def masked(self, x: Tensor, inside: Callable[[int], Tensor]) -> Tensor:
        """x where it is inside at k, 0 elsewhere; what the next k adds gets gradient as if it were.

        Args:
            x: values.
            inside: of a value in the range; booleans that broadcast to x.
        """
        out = x * self.interpolate(lambda k: inside(k).to(x.dtype))
        here = self.value
        if here == self.high or not torch.is_grad_enabled():
            return out
        added = (inside(here + self.step) & ~inside(here)).to(x.dtype)
        return out + (x - x.detach()) * added


class WidthMask(nn.Module):
    """The first k of a layer's units; the others are 0.

    Args:
        width: k, a `DiscreteParameter` whose `high` is the layer's width.
    """

    def __init__(self, width: DiscreteParameter) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """x, shape (n, width) or (n, width, H, W), with the units from k on set to 0."""
        if x.shape[1] != self.width.high:
            raise EvolutionError(
                f"The mask is for {self.width.high} units and is given {x.shape[1]}; make its "
                "parameter's `high` the layer's width."
            )
        units = torch.arange(x.shape[1], device=x.device).view(-1, *[1] * (x.ndim - 2))
        return self.width.masked(x, lambda k: units < k)


class ElasticConv2d(nn.Module):
    """A convolution whose kernel and stride are trained: the middle k x k of the largest kernel.

    Maps keep their size, whatever the stride: with a stride of s each value is repeated over s x s
    pixels, so that what follows doesn't change with s. `hardened` gives the plain convolution,
    whose maps have every s-th of these values.

    Args:
        n_in: channels of the inputs.
        n_out: channels of the outputs.
        kernel: sides, odd: `low` is odd and `step` 2.
        stride: pixels, from 1 on; None: 1.
        seed: draws the weights.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: DiscreteParameter,
        stride: DiscreteParameter | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if kernel.low % 2 == 0 or (kernel.high > kernel.low and kernel.step % 2):
            raise EvolutionError("Kernels need to be odd: give low = 1 or 3, and step = 2.")
        if stride is not None and stride.low < 1:
            raise EvolutionError("A stride begins at 1: give low = 1.")
        self.kernel, self.stride = kernel, stride
        generator = torch.Generator().manual_seed(check_seed(seed, EvolutionError))
        bound = 1.0 / math.sqrt(n_in * kernel.high**2)
        shape = (n_out, n_in, kernel.high, kernel.high)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(n_out).uniform_(-bound, bound, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, H, W) -> (n, n_out, H, W)."""
        side = self.kernel.high
        place = (torch.arange(side, device=x.device) - side // 2).abs()
        ring = torch.maximum(place[:, None], place[None, :])
        weight = self.kernel.masked(self.weight, lambda k: ring <= k // 2)
        out = functional.conv2d(x, weight, self.bias, padding=side // 2)
        if self.stride is None:
            return out
        return self.stride.interpolate(lambda s: _every(out, s))

    def hardened(self) -> nn.Conv2d:
        """The plain convolution with the kernel and stride that it has now."""
        k, s = self.kernel.value, self.stride.value if self.stride is not None else 1
        n_out, n_in = self.weight.shape[:2]
        out = nn.Conv2d(n_in, n_out, k, stride=s, padding=k // 2).to(self.weight)
        cut = (self.kernel.high - k) // 2
        with torch.no_grad():
            out.weight.copy_(self.weight[:, :, cut : cut + k, cut : cut + k])
            assert out.bias is not None
            out.bias.copy_(self.bias)
        return out


def _every(x: Tensor, stride: int) -> Tensor:
    """Every `stride`-th value of maps, repeated so that they keep their size."""
    if stride == 1:
        return x
    height, width = x.shape[2:]
    kept = x[:, :, ::stride, ::stride]
    repeated = kept.repeat_interleave(stride, 2).repeat_interleave(stride, 3)
    return repeated[:, :, :height, :width]
