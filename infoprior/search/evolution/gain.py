"""What a wider layer promises to the loss, to first order."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior._ambient import default_settings
from infoprior._arguments import real_number
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.widening import widen
from infoprior.spaces._reading import evaluation_mode


@default_settings()
def expansion_gain(
    network: nn.Module,
    layer: str,
    width: int,
    x: Tensor,
    y: Tensor,
    *,
    rate: float = 1e-3,
    seed: int = 0,
) -> float:
    """By how much more one step of gradient descent lowers the loss once a layer is wider; nats.

    To first order a step of rate r lowers the loss by r |g|^2, g its gradient. Widening leaves the
    loss as it is and gives it more directions to fall in, so that the gain is r (|g'|^2 - |g|^2),
    g' the wider network's gradient: the quantity that Evci et al., "GradMax: Growing Neural
    Networks using Gradient Information", ICLR 2022, maximise. It is negative where copies share the
    gradient of one unit and little is added.

    Args:
        network: see `read_chain`; in evaluation mode, left as it was.
        layer: a hidden layer's name.
        width: that it would get.
        x: rows, shape (n, ...), of the network's dtype.
        y: labels, shape (n,), int64.
        rate: of the step.
        seed: of the widening.

    Raises:
        EvolutionError: as `widen`, or the rate isn't above 0.
    """
    rate = real_number(rate, "rate", 0.0, above=True, error=EvolutionError)
    wide = widen(network, layer, width, seed=seed).network
    return rate * (_square(wide, x, y) - _square(copy.deepcopy(network), x, y))


def _square(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Square of the norm of the loss's gradient in all parameters."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    with evaluation_mode(network):
        loss = functional.cross_entropy(network(x), y)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return sum(float(g.double().square().sum()) for g in gradients if g is not None)
