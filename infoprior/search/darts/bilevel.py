"""The gradient of the validation loss in alpha, in first and in second order.

The problem has two levels (Liu et al., eqs. 3 and 4): alpha minimises the validation loss at the
weights that minimise the training loss for that alpha. These weights are replaced by one step from
the current ones, w' = w - xi grad_w L_train(w, alpha) (eq. 6). In first order xi = 0: the weights
count as given. In second order, by the chain rule (eq. 7), the gradient is

    grad_alpha L_val(w', alpha) - xi grad^2_{alpha, w} L_train(w, alpha) grad_{w'} L_val(w', alpha)

and the product with the mixed second derivative is a central difference of first ones (eq. 8):

    (grad_alpha L_train(w + e v, alpha) - grad_alpha L_train(w - e v, alpha)) / (2 e)

with v = grad_{w'} L_val(w', alpha) and e = 0.01 / ||v||.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from infoprior._ambient import default_settings

Loss = Callable[[], Tensor]
"""Computes a loss, a scalar, from the weights and alpha as they are then."""

DIFFERENCE = 0.01
"""Length of the step of the central difference (Liu et al., section 2.3, in a footnote)."""


def gradients(loss: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of a loss in each tensor; zeros where the loss does not depend on it."""
    if not loss.requires_grad:
        return [torch.zeros_like(tensor) for tensor in tensors]
    return list(torch.autograd.grad(loss, tensors, allow_unused=True, materialize_grads=True))


@default_settings()
def first_order_gradient(validation_loss: Loss, alpha: Tensor) -> Tensor:
    """The gradient in alpha at the weights as they are.

    Args:
        validation_loss: a scalar, in nats.
        alpha: requires a gradient.

    Returns:
        the shape and dtype of alpha.
    """
    return gradients(validation_loss(), [alpha])[0]


@default_settings()
def second_order_gradient(
    train_loss: Loss,
    validation_loss: Loss,
    weights: Sequence[Tensor],
    alpha: Tensor,
    *,
    step: float,
    direction: Callable[[list[Tensor]], list[Tensor]] | None = None,
    difference: float = DIFFERENCE,
) -> Tensor:
    """The gradient in alpha through one step of the weights.

    Args:
        train_loss: a scalar, in nats.
        validation_loss: likewise.
        weights: what the step moves; left as they were, to the bit.
        alpha: requires a gradient.
        step: xi, the learning rate of the step; 0 gives the first-order gradient.
        direction: gradients of the training loss -> what the optimiser would subtract, times the
            learning rate; None: the gradients themselves. Momentum and weight decay add terms that
            do not depend on alpha, so that the derivative stays that of plain descent.
        difference: length of the step of the central difference, in the norm of the weights.

    Returns:
        the shape and dtype of alpha.
    """
    with _restored(weights) as before:
        steps = gradients(train_loss(), weights)
        _move(weights, before, direction(steps) if direction else steps, -step)
        *v, explicit = gradients(validation_loss(), [*weights, alpha])
        norm = float(torch.stack([part.norm() for part in v]).norm())
        if step == 0.0 or norm == 0.0:
            return explicit
        e = difference / norm
        _move(weights, before, v, e)
        above = gradients(train_loss(), [alpha])[0]
        _move(weights, before, v, -e)
        below = gradients(train_loss(), [alpha])[0]
        return explicit - step * (above - below) / (2.0 * e)


@torch.no_grad()
def _move(
    weights: Sequence[Tensor], start: Sequence[Tensor], directions: Sequence[Tensor], by: float
) -> None:
    for weight, origin, direction in zip(weights, start, directions, strict=True):
        torch.add(origin, direction, alpha=by, out=weight)


@contextmanager
def _restored(weights: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The weights as they are; after the block they are that again, also after an exception."""
    before = [weight.detach().clone() for weight in weights]
    try:
        yield before
    finally:
        with torch.no_grad():
            for weight, origin in zip(weights, before, strict=True):
                weight.copy_(origin)
