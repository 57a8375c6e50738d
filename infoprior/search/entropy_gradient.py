r"""The entropy of decisions: a functional in closed form, and a layer that trains on it alone.

A unit with activation z decides "yes" with probability D = σ(z) = 1 / (1 + e^-z), so that
z = ln(D / (1 − D)). The source document defines

    H = −(1 / ln 2) ∫ z dD

and leaves the limits open. From 0 to D the integral is improper (z → −∞) and converges:

    ∫₀ᴰ ln(u / (1 − u)) du = [u ln u + (1 − u) ln(1 − u)]₀ᴰ = D ln D + (1 − D) ln(1 − D),

since d/du [u ln u + (1 − u) ln(1 − u)] = ln u − ln(1 − u), and u ln u → 0 for u → 0. So with the
lower limit 0, where H(D = 0) = 0, H *is* the binary entropy of D in bits; any other lower limit
adds a constant and leaves gradients alone. With ln D = z − softplus(z) and ln(1 − D) = −softplus(z)

    H(z) = (softplus(z) − z σ(z)) / ln 2,        dH/dz = −z D (1 − D) / ln 2.

For large z the two terms of H cancel. H is even, and for −|z| both are positive,

    H(z) = (ln(1 + e) + |z| e / (1 + e)) / ln 2,        e = exp(−|z|),

so this is what is computed: relative accuracy is kept until e underflows.

The gradient points towards z = 0, where H is at its maximum of one bit, so a descent of H moves
every z away from 0, in proportion to z D (1 − D): decisions become sharper whichever way they
lean, and no label has a part in it. A unit at z = 0 exactly has no gradient and stays there.

With z_i = Σ_j (w_ij + G_ij) x_j + b_i the gradients are dH/dz_i · x_j for w_ij and for G_ij alike,
and dH/dz_i for b_i.

Cover & Thomas, "Elements of Information Theory", 2nd edition, section 2.1 (binary entropy);
Grandvalet & Bengio, "Semi-supervised Learning by Entropy Minimization", NIPS 2004 (H as a
regulariser beside cross-entropy).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

_LARGEST = 1000.0  # exp(-1000) is 0 in float64 too; keeps 0 * inf from becoming NaN


def decision_entropy(z: Tensor) -> Tensor:
    """Binary entropy of σ(z), in bits: the functional H in closed form.

    >>> import torch
    >>> decision_entropy(torch.tensor([0.0, 1.0986, float("inf")]))
    tensor([1.0000, 0.8113, 0.0000])

    Args:
        z: activations, any shape, float32 or float64. Infinite ones have entropy 0, NaN stays NaN.

    Returns:
        shape and dtype of z, in [0, 1]. Its gradient is `entropy_slope`, to any order.
    """
    return _DecisionEntropy.apply(z)  # type: ignore[no-any-return]


def entropy_slope(z: Tensor) -> Tensor:
    """dH/dz = −z D (1 − D) / ln 2, in bits.

    Args:
        z: activations, any shape, float32 or float64.

    Returns:
        shape and dtype of z; 0 where z is 0 or infinite, NaN where it is NaN.
    """
    z = z.clamp(-_LARGEST, _LARGEST)
    # D (1 - D) as a product of two sigmoids: 1 - D would round to 0 for z above 17 in float32.
    return -z * torch.sigmoid(z) * torch.sigmoid(-z) / math.log(2.0)


class _DecisionEntropy(torch.autograd.Function):
    """H(z) with the document's gradient in place of autograd's, which has a kink at |z| = 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        size = z.abs().clamp(max=_LARGEST)
        e = torch.exp(-size)
        return (torch.log1p(e) + size * e / (1.0 + e)) / math.log(2.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grads[0] * entropy_slope(z)


class EntropyGradients(NamedTuple):
    """Gradients of the mean over rows of Σ_i H(z_i), in bits."""

    w: Tensor
    """∂H/∂w, shape (n_out, n_in)."""
    G: Tensor
    """∂H/∂G, shape (n_out, n_in): equal to that of w, and the same tensor."""
    b: Tensor
    """∂H/∂b, shape (n_out,)."""


def entropy_gradients(x: Tensor, z: Tensor) -> EntropyGradients:
    """The document's gradients with respect to w, G and b of one layer, without autograd.

    The document gives them for one row; here they are the mean over rows, and the entropies of a
    layer's units are summed, so that each unit's gradient is its own.

    Args:
        x: inputs of the layer, shape (n, n_in).
        z: its activations (w + G) x + b, shape (n, n_out), of the same dtype.

    Returns:
        ∂H/∂w, ∂H/∂G and ∂H/∂b.
    """
    slope = entropy_slope(z) / len(z)
    weight = slope.T @ x
    return EntropyGradients(weight, weight, slope.sum(0))
