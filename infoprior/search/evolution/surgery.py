"""Function-preserving growth: wider, deeper, or with another activation or normalization.

Widening and deepening are those of Chen, Goodfellow & Shlens, "Net2Net: Accelerating Learning via
Knowledge Transfer", ICLR 2016 (sections 3.2, 3.3), after which the network gives the outputs that
it gave before. Two things differ, because a live network is trained further:

- A unit and its copies must not stay copies. Net2Net leaves that to dropout or to noise on the
  copies' incoming weights, which changes the outputs. Here the unit's *outgoing* weights v are
  split into v / c + u_1, ..., v / c + u_c with random u_i of sum 0: the outputs are the same, and
  the copies' gradients point in different directions from the first step on. (An uneven split of
  v alone would scale their gradients, which AdamW undoes; zero outgoing weights would leave the
  incoming ones of newborn units without gradient.)
- An activation f with f(f(x)) other than f(x) can't be the activation of an identity layer, nor a
  layer normalization its normalization. They are blended in: see `Blend`.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, whole_number
from infoprior.search.evolution.chain import (
    ACTIVATIONS,
    CONVOLUTION,
    DROPOUTS,
    INPUT,
    LINEAR,
    NORMALIZATIONS,
    Chain,
    Layer,
    read_chain,
    units,
)
from infoprior.search.evolution.channels import gather
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.modules import Blend
from infoprior.search.evolution.operation import Moments, Operation, Surgery
from infoprior.spaces._dropout import MaskDraws, SeededDropout
from infoprior.spaces._mlp import MLP, Block

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


@default_settings()
def deepen(
    network: nn.Module, layer: str, *, seed: int = 0, moments: Moments | None = None
) -> Surgery:
    """One more layer behind a layer, and the same outputs in evaluation mode (Net2DeeperNet).

    The new layer is a copy of the layer's block whose weights are the identity. It adds no input,
    also among residual blocks. Where its activation changes what the identity gives, it is blended
    in (`Blend`), as is a layer normalization; a batch normalization undoes what it does at first,
    by running statistics of mean 0 and variance 1.

    Args:
        network: see `read_chain`; left as it was.
        layer: a hidden layer's name; an MLP's later layers are renamed.
        seed: of the new layer's dropout masks.
        moments: of the network's parameters; the new layer's have none.

    Returns:
        the new network, in the mode the old one is in, and its moments.

    Raises:
        EvolutionError: the network cannot be operated on, has no such layer, or is a CNN, whose
            blocks halve the maps, or the layer is a convolution that cannot be an identity.
    """
    chain = read_chain(network)
    i = chain.index(layer)
    seed = check_seed(seed, EvolutionError)
    operation = Operation(network, moments)
    if type(network) is MLP:
        _insert_block(operation.network, i, chain.layers[i], seed)  # type: ignore[arg-type]
    elif type(network) is nn.Sequential:
        _insert_modules(operation.network, chain.layers[i])
    else:
        raise EvolutionError(
            f"Blocks of a {type(network).__name__} halve the maps, so that none can be the "
            "identity; deepen an MLP or an nn.Sequential."
        )
    return operation.done()


def _insert_block(network: MLP, i: int, layer: Layer, seed: int) -> None:
    """A block behind the i-th."""
    old = network.get_submodule(layer.name)
    assert isinstance(old, Block)
    blocks = [network._modules[name] for name in network.layer_names]
    block = copy.copy(old)
    block._modules = dict(old._modules)
    block._modules["linear"] = _identity(old.linear)
    block.normalization = _fresh_normalization(old.normalization, old.linear.weight)
    block.activation = _fresh_activation(old.activation, repeats=not old.residual)
    draws = MaskDraws(seed, len(blocks))
    block.dropout = SeededDropout(old.dropout.p, draws).train(old.dropout.training)
    block.residual = False
    blocks.insert(i + 1, block)
    output = network.output
    for name in (*network.layer_names, "output"):
        del network._modules[name]
    network.layer_names = tuple(f"hidden_{k}" for k in range(1, len(blocks) + 1))
    for name, each in zip(network.layer_names, blocks, strict=True):
        network.add_module(name, each)  # type: ignore[arg-type]
    network.add_module("output", output)


def _insert_modules(network: nn.Module, layer: Layer) -> None:
    """Weights, normalization, activation and dropout of a layer once more, behind its activation
    or dropout."""
    kinds = (*NORMALIZATIONS, *ACTIVATIONS, *DROPOUTS, Blend)
    followers = []
    for path in layer.followers:
        if not isinstance(network.get_submodule(path), kinds):
            break  # pooling and flatten come later, and only once
        followers.append(path)
    weights = network.get_submodule(layer.path)
    new: list[nn.Module] = [_identity(weights)]
    activations = [
        path for path in followers if isinstance(network.get_submodule(path), (*ACTIVATIONS, Blend))
    ]
    for path in followers:
        old = network.get_submodule(path)
        if isinstance(old, NORMALIZATIONS):
            new.append(_fresh_normalization(old, weights.weight))  # type: ignore[arg-type]
        elif isinstance(old, DROPOUTS):
            new.append(copy.deepcopy(old))
        else:
            after = followers[followers.index(path) + 1 :]
            last = path == activations[-1] and len(activations) == 1
            plain = all(isinstance(network.get_submodule(p), DROPOUTS) for p in after)
            new.append(_fresh_activation(old, repeats=last and plain))
    place = followers[-1] if followers else layer.path
    prefix, _, name = place.rpartition(".")
    parent = network.get_submodule(prefix)
    children = list(parent._modules.items())
    at = [key for key, _ in children].index(name) + 1
    numbered = all(key.isdigit() for key, _ in children)
    taken = {key for key, _ in children}
    inserted = []
    for k, module in enumerate(new):
        key = f"{name}_deeper_{k}"
        while key in taken:
            key += "_"
        inserted.append((key, module))
    children[at:at] = inserted  # type: ignore[arg-type]
    parent._modules.clear()
    for k, (key, child) in enumerate(children):
        parent.add_module(str(k) if numbered else key, child)


def _identity(old: nn.Module) -> nn.Module:
    """A layer of the same kind that gives what it is given."""
    new: Any
    weight = old.weight
    assert isinstance(weight, Tensor)
    if isinstance(old, LINEAR):
        new = nn.utils.skip_init(
            nn.Linear, old.out_features, old.out_features, bias=old.bias is not None
        )
        new = new.to(weight)
        nn.init.eye_(new.weight)  # type: ignore[arg-type]
    else:
        assert isinstance(old, CONVOLUTION)
        if any(side % 2 == 0 for side in old.kernel_size):
            raise EvolutionError(
                f"A convolution of {old.kernel_size} cannot be the identity; its sides need to be "
                "odd."
            )
        height, width = old.kernel_size
        new = nn.Conv2d(
            old.out_channels, old.out_channels, (height, width),
            padding=(height // 2, width // 2), bias=old.bias is not None,
        ).to(weight)  # fmt: skip
        nn.init.dirac_(new.weight)  # type: ignore[arg-type]
    if new.bias is not None:
        nn.init.zeros_(new.bias)  # type: ignore[arg-type]
    return new.train(old.training)


def _fresh_normalization(old: nn.Module, weight: Tensor) -> nn.Module:
    """A normalization of the same kind that changes nothing in evaluation mode."""
    if isinstance(old, Blend):
        old = old.new
    if isinstance(old, nn.Identity):
        return nn.Identity()
    if isinstance(old, nn.LayerNorm):
        plain = nn.LayerNorm(old.normalized_shape, old.eps, old.elementwise_affine)
        return Blend(nn.Identity(), plain).to(weight).train(old.training)
    assert isinstance(old, nn.BatchNorm1d | nn.BatchNorm2d)
    new = copy.deepcopy(old)
    new.reset_running_stats()
    if not new.affine or not new.track_running_stats:
        return Blend(nn.Identity(), new).to(weight).train(old.training)
    with torch.no_grad():
        new.weight.fill_((1.0 + new.eps) ** 0.5)
        new.bias.zero_()
    return new


def _fresh_activation(old: nn.Module, *, repeats: bool) -> nn.Module:
    """The activation of a layer behind one that has it, too.

    Args:
        old: the layer's own.
        repeats: whether its values come straight out of it.
    """
    if isinstance(old, Blend):
        return Blend(nn.Identity(), copy.deepcopy(old.new))
    new = copy.deepcopy(old)
    if isinstance(new, nn.Identity) or (repeats and isinstance(new, nn.ReLU | nn.ReLU6)):
        return new
    return Blend(nn.Identity(), new).train(old.training)


@default_settings()
def change_activation(
    network: nn.Module, layer: str, activation: nn.Module, *, moments: Moments | None = None
) -> Surgery:
    """Another activation for a layer, blended in: the same outputs at first.

    Args:
        network: see `read_chain`; left as it was.
        layer: a hidden layer's name.
        activation: one of the kinds that surgery knows, such as `nn.GELU()`; it is copied.
        moments: of the network's parameters, which stay.

    Raises:
        EvolutionError: the network cannot be operated on, has no such layer, the layer no
            activation, or `activation` is of another kind.
    """
    return _exchange(network, layer, activation, ACTIVATIONS, "activation", moments)


@default_settings()
def change_normalization(
    network: nn.Module, layer: str, normalization: nn.Module, *, moments: Moments | None = None
) -> Surgery:
    """Another normalization for a layer, blended in: the same outputs at first.

    Args:
        network: see `read_chain`; left as it was.
        layer: a hidden layer's name; where it has no normalization, its place is a follower that is
            an `nn.Identity`, as in the MLPs of this package.
        normalization: `nn.BatchNorm1d`, `nn.BatchNorm2d` or `nn.LayerNorm` of the layer's width, or
            `nn.Identity()`; it is copied.
        moments: of the network's parameters, which stay.

    Raises:
        EvolutionError: the network cannot be operated on, has no such layer, the layer no
            normalization, or `normalization` is of another kind.
    """
    kinds = (*NORMALIZATIONS, nn.Identity)
    return _exchange(network, layer, normalization, kinds, "normalization", moments)


def _exchange(
    network: nn.Module,
    layer: str,
    new: nn.Module,
    kinds: tuple[type[nn.Module], ...],
    what: str,
    moments: Moments | None,
) -> Surgery:
    chain = read_chain(network)
    followers = chain.layers[chain.index(layer)].followers
    if not isinstance(new, kinds):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise EvolutionError(f"{what} is {new!r}; give one of {names}.")
    operation = Operation(network, moments)
    for path in followers:
        other = "normalization" if what == "activation" else "activation"
        if path.endswith(f".{other}"):
            continue  # either may be an nn.Identity
        old = operation.network.get_submodule(path)
        current = old.new if isinstance(old, Blend) else old
        if isinstance(current, kinds):
            width = units(network.get_submodule(chain.layers[chain.index(layer)].path))
            wanted, given = _features(current) or width, _features(new) or None
            if given not in (None, wanted):
                raise EvolutionError(
                    f"normalization is of {given} units, the layer {layer!r} gives {wanted}; give "
                    "one of as many."
                )
            parent, _, name = path.rpartition(".")
            weight = next(operation.network.parameters())
            blend = Blend(old, copy.deepcopy(new)).to(weight).train(old.training)
            setattr(operation.network.get_submodule(parent), name, blend)
            return operation.done()
    raise EvolutionError(f"The layer {layer!r} has no {what} that could be changed.")


def _features(module: nn.Module) -> int:
    """Units that a normalization is of; 0 for another module."""
    if isinstance(module, nn.LayerNorm):
        return int(module.normalized_shape[-1])
    return int(getattr(module, "num_features", 0))


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
