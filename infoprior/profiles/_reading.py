"""The activations of a network's hidden layers, whatever kind of module it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from infoprior.profiles._schema import ProfileError
from infoprior.spaces._reading import evaluation_mode
from infoprior.spaces._space import INPUTS

_NEEDED = (
    "a network to profile has layer_names, the names of its hidden layers, and activations(X), "
    "which gives a dict of each layer's activations"
)


class Readable(Protocol):
    """What a network must offer: the networks that search spaces build do."""

    layer_names: tuple[str, ...]

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """Hidden layer -> T, shape (n, width) or (n, C, H, W), in evaluation mode, for x of shape
        (n, ...)."""
        ...


class HiddenLayers:
    """A network's layers without its encoded inputs: those are the same for many networks."""

    def __init__(self, network: Readable) -> None:
        self.network = network
        self.layer_names = tuple(name for name in network.layer_names if name != INPUTS)

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """See `Readable`."""
        layers = self.network.activations(x)
        return {name: layers[name] for name in self.layer_names}


def read_activations(network: Readable, x: np.ndarray) -> dict[str, np.ndarray]:
    """Layer -> activations, shape (n, width) or (n, C, H, W), in the network's order.

    A module reads x in the dtype and on the device of its parameters, in evaluation mode, and is
    left in the mode it was in. Activations of less than float32's precision become float32.

    Args:
        network: see `Readable`.
        x: shape (n, ...), float32.

    Raises:
        ProfileError: it has no layers, names some twice or without giving activations, its
            `activations` fails, or a layer has not one row per input or another shape.
    """
    names = _layer_names(network)
    given = _activations(network, x)
    if not isinstance(given, Mapping):
        raise ProfileError(
            f"The network's activations(X) gives {type(given).__name__}; a dict of layer name -> "
            "activations is needed."
        )
    layers = {}
    for name in names:
        if name not in given:
            raise ProfileError(f"The network names a layer {name!r}, but gives no activations.")
        t = _as_array(given[name], name)
        if t.ndim not in (2, 4) or len(t) != len(x) or 0 in t.shape:
            raise ProfileError(
                f"The activations of {name!r} have shape {t.shape}; (n, width) or (n, C, H, W) "
                f"with n = {len(x)} is needed."
            )
        layers[name] = t
    return layers


def _layer_names(network: Any) -> tuple[str, ...]:
    kind = type(network).__name__
    if isinstance(network, type):
        raise ProfileError(f"The network is the class {network.__name__}; give one of its objects.")
    if not hasattr(network, "layer_names") or not callable(getattr(network, "activations", None)):
        lacks = "layer_names" if not hasattr(network, "layer_names") else "activations(X)"
        raise ProfileError(f"The network, of type {kind}, has no {lacks}; {_NEEDED}.")
    named = network.layer_names
    if isinstance(named, str) or not hasattr(named, "__iter__"):
        raise ProfileError(
            f"The network's layer_names is {named!r}; give the names of several layers, as ('a',)."
        )
    names = tuple(named)
    if not names:
        raise ProfileError("The network has no hidden layers (layer_names is empty) to profile.")
    if not all(isinstance(name, str) for name in names):
        raise ProfileError(f"The network's layer_names are {names!r}; give texts.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ProfileError(f"The network names the layers {twice} twice; give each its own name.")
    return names


def _activations(network: Any, x: np.ndarray) -> Any:
    # Each network gets rows of its own: layers may work in place.
    rows = torch.from_numpy(np.array(x, dtype=np.float32))
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if isinstance(network, nn.Module):
            stack.enter_context(evaluation_mode(network))
            weights = [p for p in network.parameters() if p.is_floating_point()]
            if weights:
                rows = rows.to(weights[0])
        if rows.device.type != "cpu":
            stack.enter_context(torch.device(rows.device))
        try:
            return network.activations(rows)
        except Exception as error:
            raise ProfileError(
                f"The network's activations(X) fails on X of shape {tuple(rows.shape)}, "
                f"{rows.dtype}, on {rows.device}: {type(error).__name__}: {error}"
            ) from error


def _as_array(activations: Any, name: str) -> np.ndarray:
    """Float32 or float64, in C order."""
    try:
        if not isinstance(activations, Tensor):
            activations = torch.from_numpy(np.array(activations))
        t = activations.detach()
        if t.is_complex() or t.is_meta:
            raise TypeError(f"{t.dtype} on {t.device}")
        t = t.to_dense().cpu() if t.layout != torch.strided else t.cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ProfileError(
            f"The activations of {name!r} are no real numbers ({error}); give a tensor."
        ) from error
    if t.dtype != torch.float64:
        t = t.float()
    # Convolutions may leave maps in another order of memory.
    return t.contiguous().numpy()
