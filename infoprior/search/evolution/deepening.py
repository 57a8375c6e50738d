"""One more layer, and the same outputs.

As in Chen, Goodfellow & Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016
(section 3.3): the new layer is the identity. An activation f with f(f(x)) other than f(x) can't be
the activation of one, nor a layer normalization its normalization: they are blended in (`Blend`).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed
from infoprior.search.evolution.chain import (
    ACTIVATIONS,
    CONVOLUTION,
    DROPOUTS,
    LINEAR,
    NORMALIZATIONS,
    Layer,
    read_chain,
)
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.modules import Blend
from infoprior.search.evolution.operation import Moments, Operation, Surgery
from infoprior.spaces._cnn import CNN, ConvBlock, DenseLayer
from infoprior.spaces._dropout import MaskDraws, SeededDropout
from infoprior.spaces._mlp import MLP, Block


@default_settings()
def deepen(
    network: nn.Module, layer: str, *, seed: int = 0, moments: Moments | None = None
) -> Surgery:
    """One more layer behind a layer, and the same outputs in evaluation mode (Net2DeeperNet).

    The new layer is a copy of the layer's block whose weights are the identity. It adds no input,
    also among residual blocks, and in a CNN it has no pooling and no stride, so that maps keep
    their size. Where its activation changes what the identity gives, it is blended in (`Blend`), as
    is a layer normalization; a batch normalization undoes what it does at first, by running
    statistics of mean 0 and variance 1.

    Args:
        network: see `read_chain`; left as it was.
        layer: a hidden layer's name; later layers of an MLP or CNN are renamed.
        seed: of the new layer's dropout masks.
        moments: of the network's parameters; the new layer's have none.

    Returns:
        the new network, in the mode the old one is in, and its moments.

    Raises:
        EvolutionError: the network cannot be operated on or has no such layer, or the layer is a
            convolution that cannot be an identity.
    """
    chain = read_chain(network)
    one = chain.layers[chain.index(layer)]
    seed = check_seed(seed, EvolutionError)
    operation = Operation(network, moments)
    if type(network) is nn.Sequential:
        _insert_modules(operation.network, one)
        return operation.done()
    block = operation.network.get_submodule(one.name)
    assert isinstance(block, Block | ConvBlock | DenseLayer)
    deeper = _deeper(block, seed, len(chain.hidden))
    _insert_block(operation.network, one.name, deeper)  # type: ignore[arg-type]
    return operation.done()


def _deeper(old: Block | ConvBlock | DenseLayer, seed: int, number: int) -> nn.Module:
    """A block of the same kind that gives what it is given.

    Args:
        old: the block that it comes behind.
        seed: of its dropout masks.
        number: of its stream of masks.
    """
    block = copy.copy(old)
    block._modules = dict(old._modules)
    weights = "convolution" if isinstance(old, ConvBlock) else "linear"
    weight = old._modules[weights]
    assert weight is not None
    block._modules[weights] = _identity(weight)
    # Poolings of values that an activation has given stay within its values.
    repeats = not (isinstance(old, Block) and old.residual)
    block.activation = _fresh_activation(old.activation, repeats=repeats)
    if isinstance(block, Block | ConvBlock):
        block.normalization = _fresh_normalization(block.normalization, weight.weight)  # type: ignore[arg-type]
    if isinstance(block, ConvBlock):
        block.pooling = nn.Identity()
    if isinstance(block, Block):
        dropout = SeededDropout(block.dropout.p, MaskDraws(seed, number))
        block.dropout = dropout.train(block.dropout.training)
        block.residual = False
    return block


def _insert_block(network: MLP | CNN, name: str, block: nn.Module) -> None:
    """Put a block behind the layer of this name, and number the layers anew."""
    old = [(each, network._modules[each]) for each in network.layer_names]
    at = [each for each, _ in old].index(name) + 1
    old.insert(at, (name, block))
    names: list[str] = []
    for each, _ in old:
        kind = each.rpartition("_")[0] or each  # hidden_1, block_1; dense has no number
        number = 1 + sum(other.partition("_")[0] == kind for other in names)
        names.append(kind if kind == "dense" and number == 1 else f"{kind}_{number}")
    others = [(key, child) for key, child in network._modules.items() if key not in dict(old)]
    network._modules.clear()
    network.layer_names = tuple(names)
    for key, (_, child) in zip(names, old, strict=True):
        network.add_module(key, child)
    for key, child in others:
        network.add_module(key, child)


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
