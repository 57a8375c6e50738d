"""What a layer carries besides mutual information: entropy of its units, rank, dead units."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from infoprior._ambient import default_settings
from infoprior.information._inputs import InformationError
from infoprior.information._samples import as_tensor, float64

CONSTANT = 1e-6
"""A unit in float32 whose range is at most this share of its largest magnitude is rounding noise;
in float64, as many roundings. Other dtypes have too few digits to tell: any difference counts."""


def entropy_functional(z: Any) -> Tensor:
    """H(z) = -1/ln 2 * integral of z dD with D = sigmoid(z), in bits, element by element.

    "Entropy Gradient" defines H by the integral along the path of D and its gradient
    dH/dz = -z D (1 - D) / ln 2. Since z = log(D / (1 - D)), the integral has the closed form

        H = -D log2 D - (1 - D) log2 (1 - D)

    from D = 0, where it vanishes: the binary entropy of D, 1 bit at z = 0 and 0 far from it.

    Args:
        z: numbers or a tensor of any shape; gradients pass through it.

    Returns:
        bits in [0, 1], the shape of z; float64 unless z is a floating tensor.

    Raises:
        InformationError: a value is not finite.
    """
    z = _as_tensor(z)
    # With |z| the exponentials only shrink: ln 2 * H = log(1 + e^-|z|) + |z| / (1 + e^|z|).
    size = z.abs()
    return _Entropy.apply(z, (softplus(-size) + size * torch.sigmoid(-size)) / math.log(2.0))


class _Entropy(torch.autograd.Function):
    """Gives the closed form its gradient as the source writes it, also at z = 0 and far out."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (z,) = ctx.saved_tensors
        return -gradient * z * torch.sigmoid(z) * torch.sigmoid(-z) / math.log(2.0), None


@default_settings()
def activation_entropy(t: Any) -> float:
    """Mean of `entropy_functional` over rows and units of a layer.

    Args:
        t: activations (before the nonlinearity, for the functional's own reading), shape (n, d).

    Returns:
        bits, in [0, 1].
    """
    return entropy_functional(_matrix(t)).mean().item()


@default_settings()
def effective_rank(t: Any) -> float:
    """exp of the entropy of the normalised singular values of the centred activations.

    Roy & Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007,
    definition 1: from 1 (one direction) to min(n - 1, d) (all alike); 0.0 if nothing varies.

    Args:
        t: activations, shape (n, d).

    Returns:
        from 0 to min(n - 1, d).
    """
    t, dead = _layer(t)
    if bool(dead.all()):
        return 0.0
    t = t / t.abs().amax()  # so that squares of huge values stay finite
    values = torch.linalg.svdvals(t - t.mean(dim=0))
    shares = values / values.sum()
    return torch.exp(torch.special.entr(shares).sum()).item()


@default_settings()
def dead_units(t: Any) -> float:
    """Share of the units whose activation does not vary over the rows.

    Args:
        t: activations, shape (n, d).

    Returns:
        from 0 to 1.
    """
    return _layer(t)[1].double().mean().item()


def _as_tensor(values: Any) -> Tensor:
    # A tensor keeps its gradient; the other one refuses what holds no numbers.
    plain = as_tensor(values, "The layer")
    tensor = values if isinstance(values, Tensor) else plain
    if not tensor.is_floating_point():
        tensor = tensor.double()
    if not bool(tensor.isfinite().all()):
        raise InformationError("The activations are not finite; remove or impute such rows.")
    return tensor


def _matrix(values: Any) -> Tensor:
    tensor = as_tensor(values, "The layer")
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise InformationError(
            f"The activations have shape {tuple(tensor.shape)}; give (rows, units)."
        )
    return tensor


def dead_share(low: Tensor, high: Tensor) -> float:
    """Share of units of these least and largest activations, (d,), that do not vary."""
    return _dead(low, high).double().mean().item()


def _dead(low: Tensor, high: Tensor) -> Tensor:
    """Which units of these least and largest activations do not vary, (d,)."""
    share = 0.0
    if low.dtype in (torch.float32, torch.float64):
        share = CONSTANT / torch.finfo(torch.float32).eps * torch.finfo(low.dtype).eps
    low, high = low.double(), high.double()
    return high - low <= share * torch.maximum(low.abs(), high.abs())


def _layer(values: Any) -> tuple[Tensor, Tensor]:
    """(rows, units) in float64, those far from zero shifted; and which units don't vary."""
    tensor = _matrix(values)
    _as_tensor(tensor)  # refuses what is not finite
    numbers = float64(tensor)[0]
    if tensor.is_floating_point():
        return numbers, _dead(tensor.amin(dim=0), tensor.amax(dim=0))
    # Of whole numbers float64 may not tell the largest apart.
    return numbers, (numbers == numbers[:1]).all(dim=0)
