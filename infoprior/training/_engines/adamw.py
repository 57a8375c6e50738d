"""AdamW on one flat vector."""

from __future__ import annotations

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class FlatAdamW:
    """AdamW on one flat vector (Loshchilov & Hutter, ICLR 2019, algorithm 2; PyTorch's defaults).

    One pass over memory does all of a step: PyTorch's own fused kernel, called without the
    bookkeeping of `torch.optim`, which costs more than a step of a small network.

    Args:
        parameters: shape (n,); updated in place.
        gradients: shape (n,); read at every step.
        learning_rate: until the attribute of that name is set to another.
        weight_decay: decoupled.
    """

    def __init__(
        self, parameters: Tensor, gradients: Tensor, learning_rate: float, weight_decay: float
    ) -> None:
        exp_avg, exp_avg_sq = torch.zeros_like(parameters), torch.zeros_like(parameters)
        self.steps = torch.zeros((), device=parameters.device)
        self.learning_rate = learning_rate
        self.lists = (
            [parameters],
            [gradients],
            [exp_avg],
            [exp_avg_sq],
            list[Tensor](),
            [self.steps],
        )
        self.options = {
            "beta1": BETAS[0], "beta2": BETAS[1], "eps": EPSILON,
            "weight_decay": weight_decay, "amsgrad": False, "maximize": False,
        }  # fmt: skip

    def step(self) -> None:
        """One update by the current gradients."""
        self.steps.add_(1.0)
        torch._fused_adamw_(*self.lists, lr=self.learning_rate, **self.options)  # type: ignore[call-overload]


class StackedAdamW:
    """AdamW on a flat vector whose elements have their own learning rate and weight decay.

    The fused kernel takes one rate: it writes the direction of a step at rate 1 into a vector of
    zeros, which is then added at each element's own rate.

    Args:
        parameters: shape (n,); updated in place.
        gradients: shape (n,); read at every step.
        rates: learning rates, shape (n,).
        decays: weight decays, shape (n,).
    """

    def __init__(
        self, parameters: Tensor, gradients: Tensor, rates: Tensor, decays: Tensor
    ) -> None:
        self.parameters, self.rates = parameters, rates
        self.keep = 1.0 - rates * decays
        self.direction = torch.zeros_like(parameters)
        self.inner = FlatAdamW(self.direction, gradients, 1.0, 0.0)

    def step(self) -> None:
        """One update by the current gradients."""
        self.direction.zero_()
        self.inner.step()
        self.parameters.mul_(self.keep).addcmul_(self.direction, self.rates)
