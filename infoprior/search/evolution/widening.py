"""More units, and the same outputs.

As in Chen, Goodfellow & Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016
(section 3.2), but a unit and its copies must not stay copies. Net2Net leaves that to dropout or to
noise on the copies' incoming weights, which changes the outputs. Here the unit's *outgoing* weights
v are split into v / c + u_1, ..., v / c + u_c with random u_i of sum 0: the outputs are the same,
and the copies' gradients point in different directions from the first step on. (An uneven split of
v alone would scale their gradients, which AdamW undoes; zero outgoing weights would leave the
incoming ones of newborn units without gradient.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, whole_number
from infoprior.search.evolution.chain import INPUT, Chain, read_chain, units
from infoprior.search.evolution.channels import gather
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.operation import Moments, Operation, Surgery

SPREAD = 1.0
"""Size of the random parts of split outgoing weights, in root mean squares of the reader's weights
over the number of copies: newborn units then differ from the old ones by as much as old ones do
from each other."""


@default_settings()
def widen(
    network: nn.Module,
    layer: str,
    width: int,
    *,
    seed: int = 0,
    moments: Moments | None = None,
) -> Surgery:
    """More units in a layer, and the same outputs (Net2WiderNet).

    Layers that residual connections add to each other get them together.

    Args:
        network: see `read_chain`; left as it was.
        layer: a hidden layer's name.
        width: units (of convolutions: channels) that it gets.
        seed: draws which units are copied, and how their outgoing weights are split.
        moments: of the network's parameters, as `read_moments` gives them; copies of a unit get
            their share of its moments.

    Returns:
        the new network, in the mode the old one is in, and its moments.

    Raises:
        EvolutionError: the network cannot be operated on, has no such layer, the layer is not
            narrower than `width`, or its width is that of the inputs.
    """
    chain, stream, old = _growing(network, layer)
    seed = check_seed(seed, EvolutionError)
    width = whole_number(width, "width", 1, EvolutionError)
    if width <= old:
        raise EvolutionError(
            f"The layer {layer!r} has {old} units, and {width} are no more; prune takes some away."
        )
    generator = torch.Generator().manual_seed(seed)
    # Without replacement as long as there are units left: no unit is copied often by chance.
    rounds = -(-(width - old) // old)
    drawn = torch.cat([torch.randperm(old, generator=generator) for _ in range(rounds)])
    index = torch.cat([torch.arange(old), drawn[: width - old]])
    copies = torch.bincount(index, minlength=old)
    share = 1.0 / copies[index].double()
    operation = Operation(network, moments)

    def columns(weight: Tensor, entries: Tensor) -> Tensor:
        n = len(entries) // width
        return _split(weight, index, share, n, generator)

    gather(operation, chain, stream, index, share, columns)
    return operation.done()


def _split(
    weight: Tensor, index: Tensor, share: Tensor, n: int, generator: torch.Generator
) -> Tensor:
    """Outgoing weights (out, copies n, ...) of the copies, each a share and a random part."""
    out = weight.shape[0]
    grouped = weight.reshape(out, len(index), -1)
    noise = torch.randn(grouped.shape, generator=generator, dtype=torch.float64).to(weight)
    shares = share.to(weight)[None, :, None]
    old = int(index.max()) + 1
    total = torch.zeros(out, old, grouped.shape[2], dtype=weight.dtype)
    total = total.index_add(1, index, noise)
    centred = noise - total[:, index] * shares  # a unit without copies has no random part
    scale = SPREAD * weight.square().mean().sqrt()
    return (shares * (grouped + scale * centred)).reshape(weight.shape)


def _growing(network: nn.Module, layer: str) -> tuple[Chain, int, int]:
    """The chain, the stream of a layer, and its width."""
    chain = read_chain(network)
    one = chain.layers[chain.index(layer)]
    if one.stream == INPUT:
        raise EvolutionError(
            f"The layer {layer!r} adds the network's inputs to what it gives, so that its width is "
            "theirs; take another one."
        )
    return chain, one.stream, units(network.get_submodule(one.path))
