"""What the hidden layers of a network in a chain give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior.search.evolution.chain import read_chain
from infoprior.search.evolution.errors import EvolutionError
from infoprior.spaces._reading import evaluation_mode


@default_settings()
@torch.no_grad()
def read_hidden(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Hidden layer -> what the next layer is given, in evaluation mode: (n, width) or (n, C, H, W).

    So activation, shortcut, pooling and flattening belong to the layer before them.

    Args:
        network: see `read_chain`; left in the mode it is in.
        x: rows, shape (n, ...), of the network's dtype.

    Raises:
        EvolutionError: as `read_chain`.
    """
    chain = read_chain(network)
    given: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[..., None]:
        def observe(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            given[name] = inputs[0]

        return observe

    handles = [
        network.get_submodule(after.path).register_forward_pre_hook(hook(layer.name))
        for layer, after in zip(chain.hidden, chain.layers[1:], strict=True)
    ]
    try:
        forward(network, x)
    finally:
        for handle in handles:
            handle.remove()
    return given


def forward(network: nn.Module, x: Tensor) -> Tensor:
    """The outputs of a network in evaluation mode; it is left in the mode it is in.

    Args:
        network: any.
        x: rows, shape (n, ...).

    Raises:
        EvolutionError: it doesn't take such rows.
    """
    with evaluation_mode(network):
        try:
            outputs: Tensor = network(x)
        except (RuntimeError, ValueError) as error:
            raise EvolutionError(
                f"The network doesn't take rows of shape {tuple(x.shape)}, {x.dtype}: {error}"
            ) from error
    return outputs
