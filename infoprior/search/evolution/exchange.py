"""Another activation or normalization, blended in: the same outputs at first."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior.search.evolution.chain import (
    ACTIVATIONS,
    NORMALIZATIONS,
    Layer,
    read_chain,
    units,
)
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.modules import Blend
from infoprior.search.evolution.operation import Moments, Operation, Surgery
from infoprior.search.evolution.reading import forward

Kinds = tuple[type[nn.Module], ...]


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
    _check_kind(activation, ACTIVATIONS, "activation")
    chain = read_chain(network)
    one = chain.layers[chain.index(layer)]
    path = activation_path(network, one)
    if path is None:
        raise EvolutionError(f"The layer {layer!r} has no activation that could be changed.")
    operation = Operation(network, moments)
    _blend(operation, path, copy.deepcopy(activation))
    return operation.done()


@default_settings()
def change_normalization(
    network: nn.Module,
    layer: str,
    normalization: nn.Module,
    *,
    x: Tensor | None = None,
    moments: Moments | None = None,
) -> Surgery:
    """Another normalization for a layer, blended in: the same outputs at first.

    Args:
        network: see `read_chain`; left as it was.
        layer: a hidden layer's name; where it has no normalization, its place is a follower that is
            an `nn.Identity`, as in the MLPs and CNNs of this package.
        normalization: `nn.BatchNorm1d`, `nn.BatchNorm2d` or `nn.LayerNorm` of the layer's width, or
            `nn.Identity()`; it is copied.
        x: rows, shape (n, ...), of the network's dtype, by which the new one begins as near as it
            can to what stood there: with their statistics, and with the scale and shift of each
            unit that least squares give. So the outputs change little while it is blended in. None:
            it begins as it is.
        moments: of the network's parameters, which stay.

    Raises:
        EvolutionError: the network cannot be operated on, has no such layer, the layer no
            normalization, or `normalization` is of another kind.
    """
    _check_kind(normalization, (*NORMALIZATIONS, nn.Identity), "normalization")
    chain = read_chain(network)
    one = chain.layers[chain.index(layer)]
    path = normalization_path(network, one)
    if path is None:
        raise EvolutionError(f"The layer {layer!r} has no normalization that could be changed.")
    wanted = features(current(network, path)) or units(network.get_submodule(one.path))
    given = features(normalization) or wanted
    if given != wanted:
        raise EvolutionError(
            f"normalization is of {given} units, the layer {layer!r} gives {wanted}; give one of "
            "as many."
        )
    operation = Operation(network, moments)
    new = copy.deepcopy(normalization).to(next(operation.network.parameters()))
    if x is not None and features(new):
        _fit(new, *_observe(network, path, x))
    _blend(operation, path, new)
    return operation.done()


def activation_path(network: nn.Module, layer: Layer) -> str | None:
    """Where a layer's activation stands, that of an `nn.Identity` if need be; None: nowhere."""
    return _place(network, layer.followers, ACTIVATIONS, "normalization")


def normalization_path(network: nn.Module, layer: Layer) -> str | None:
    """Where a layer's normalization stands, that of an `nn.Identity` if need be; None: nowhere."""
    return _place(network, layer.followers, NORMALIZATIONS, "activation")


def _place(network: nn.Module, followers: Sequence[str], kinds: Kinds, other: str) -> str | None:
    identity = None
    for path in followers:
        if path.rpartition(".")[2] in (other, "pooling"):
            continue  # of the package's blocks, where any of them may be an nn.Identity
        module = current(network, path)
        if isinstance(module, kinds) and not isinstance(module, nn.Identity):
            return path
        if isinstance(module, nn.Identity) and identity is None:
            identity = path
    return identity


def current(network: nn.Module, path: str) -> nn.Module:
    """The module at a path, of a blend the new one."""
    module = network.get_submodule(path)
    return module.new if isinstance(module, Blend) else module


def features(module: nn.Module) -> int:
    """Units that a normalization is of; 0 for another module."""
    if isinstance(module, nn.LayerNorm):
        return int(module.normalized_shape[-1])
    return int(getattr(module, "num_features", 0))


def _check_kind(module: nn.Module, kinds: Kinds, what: str) -> None:
    if not isinstance(module, kinds):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise EvolutionError(f"{what} is {module!r}; give one of {names}.")


def _blend(operation: Operation, path: str, new: nn.Module) -> None:
    old = operation.network.get_submodule(path)
    parent, _, name = path.rpartition(".")
    blend = Blend(old, new).to(next(operation.network.parameters())).train(old.training)
    setattr(operation.network.get_submodule(parent), name, blend)


@torch.no_grad()
def _observe(network: nn.Module, path: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """What a module is given and what it gives in evaluation mode: (rows, units), float64."""
    values: list[Tensor] = []

    def observe(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        values.extend((_rows(inputs[0]), _rows(output)))

    handle = network.get_submodule(path).register_forward_hook(observe)
    try:
        forward(network, x)
    finally:
        handle.remove()
    return values[0], values[1]


def _rows(t: Tensor) -> Tensor:
    """Vectors, or of maps one for every pixel."""
    return (t if t.ndim == 2 else t.flatten(2).transpose(1, 2).flatten(0, 1)).double()


@torch.no_grad()
def _fit(new: nn.Module, h: Tensor, target: Tensor) -> None:
    """Statistics, scale and shift of a new normalization, so that it gives most nearly `target`.

    Args:
        new: a batch or layer normalization, changed in place.
        h: what it is given, shape (n, units), float64.
        target: what it is to give, the same shape.
    """
    mean, variance = h.mean(0), h.var(0, correction=0)
    if isinstance(new, nn.LayerNorm):
        h = nn.functional.layer_norm(h, new.normalized_shape, eps=new.eps)
    else:
        assert isinstance(new, nn.BatchNorm1d | nn.BatchNorm2d)
        if new.running_mean is not None and new.running_var is not None:
            new.running_mean.copy_(mean)
            new.running_var.copy_(variance)
        h = (h - mean) * torch.rsqrt(variance + new.eps)
    if new.weight is None:
        return
    centred, wanted = h - h.mean(0), target - target.mean(0)
    power = centred.square().sum(0)
    scale = (centred * wanted).sum(0) / power.clamp_min(1e-30)
    scale = torch.where(power > 0.0, scale, 1.0)  # a unit that is constant may come alive later
    new.weight.copy_(scale)
    new.bias.copy_(target.mean(0) - h.mean(0) * scale)
