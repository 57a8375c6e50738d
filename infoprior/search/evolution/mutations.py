"""What a mutation can make of a layer: another activation, normalization, kernel or stride."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from infoprior.search.evolution.chain import CONVOLUTION, LINEAR, Layer, read_chain, units
from infoprior.search.evolution.exchange import (
    activation_path,
    change_activation,
    change_normalization,
    current,
    features,
    normalization_path,
)
from infoprior.search.evolution.kernels import change_kernel, kernel_side, smallest_side
from infoprior.search.evolution.operation import Moments, Surgery
from infoprior.search.evolution.settings import EvolutionSettings
from infoprior.search.evolution.strides import change_stride, stride_of

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
"""Those of the package's search spaces."""

Choices = dict[str, list[str]]
"""Attribute -> its value, and then the values that it could have."""


def choices(
    network: nn.Module, layer: Layer, side: int | None, settings: EvolutionSettings
) -> Choices:
    """What a layer's attributes are and could be; those that nothing else can be made of are left
    out.

    Args:
        network: see `read_chain`.
        layer: of its chain.
        side: the shorter side of the maps that it is given, in pixels; None: it is given vectors.
        settings: which attributes are changed, and the largest kernel.
    """
    possible = {
        "activation": _activations(network, layer),
        "normalization": _normalizations(network, layer),
        "kernel": _kernels(network.get_submodule(layer.path), side, settings.max_kernel),
        "stride": _strides(network, layer),
    }
    return {
        name: values
        for name, values in possible.items()
        if name in settings.mutations and len(values) > 1
    }


def change(
    network: nn.Module,
    layer: str,
    attribute: str,
    value: str,
    x: Tensor,
    moments: Moments | None,
) -> Surgery:
    """Another value of an attribute, one of `choices`.

    Args:
        network: left as it was.
        layer: its name.
        attribute: of `MUTATIONS`.
        value: that it gets.
        x: rows, shape (n, ...).
        moments: of the network's parameters.
    """
    if attribute == "activation":
        return change_activation(network, layer, ACTIVATIONS[value](), moments=moments)
    if attribute == "kernel":
        return change_kernel(network, layer, int(value), x=x, moments=moments)
    if attribute == "stride":
        return change_stride(network, layer, int(value), moments=moments)
    chain = read_chain(network)
    one = chain.layers[chain.index(layer)]
    path = normalization_path(network, one)
    assert path is not None
    width = features(current(network, path)) or units(network.get_submodule(one.path))
    new: nn.Module = nn.Identity()
    if value == "layer":
        new = nn.LayerNorm(width)
    elif value == "batch":
        new = nn.BatchNorm2d(width) if _is_of_maps(network, one, path) else nn.BatchNorm1d(width)
    return change_normalization(network, layer, new, x=x, moments=moments)


def _activations(network: nn.Module, layer: Layer) -> list[str]:
    path = activation_path(network, layer)
    kinds = {type(make()): name for name, make in ACTIVATIONS.items()}
    now = None if path is None else kinds.get(type(current(network, path)))
    return [] if now is None else [now, *sorted(set(ACTIVATIONS) - {now})]


def _normalizations(network: nn.Module, layer: Layer) -> list[str]:
    path = normalization_path(network, layer)
    if path is None:
        return []
    module = current(network, path)
    maps = _is_of_maps(network, layer, path)
    now = "batch"
    if isinstance(module, nn.Identity):
        now = "none"
        if not maps and not isinstance(network.get_submodule(layer.path), LINEAR):
            return []  # of flattened maps, whose number is not known
    elif isinstance(module, nn.LayerNorm):
        now = "layer"
    others = ("batch", "none") if maps else ("batch", "layer", "none")
    return [now, *(name for name in others if name != now)]


def _is_of_maps(network: nn.Module, layer: Layer, path: str) -> bool:
    """Whether a follower of a layer is given maps."""
    before = layer.followers[: layer.followers.index(path)]
    flat = any(isinstance(network.get_submodule(each), nn.Flatten) for each in before)
    return not flat and isinstance(network.get_submodule(layer.path), CONVOLUTION)


def _kernels(module: nn.Module, side: int | None, most: int) -> list[str]:
    """One ring less where padding allows it, one more where it reads more than padding."""
    now = kernel_side(module)
    if now is None or side is None:
        return []
    assert isinstance(module, nn.Conv2d)
    others = []
    if now - 2 >= smallest_side(module):
        others.append(now - 2)
    if now + 2 <= most and max(module.dilation) * (now + 1) // 2 < side:
        others.append(now + 2)
    return [str(now), *map(str, others)]


def _strides(network: nn.Module, layer: Layer) -> list[str]:
    now = stride_of(network, layer.name)
    return [] if now is None else [str(now), str(3 - now)]
