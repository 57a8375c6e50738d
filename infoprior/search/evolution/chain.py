"""A network as a chain of layers: which of them can be widened, and who reads what they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.modules import Blend
from infoprior.spaces._cnn import CNN, DenseLayer
from infoprior.spaces._dropout import SeededDropout
from infoprior.spaces._mlp import MLP

INPUT = -1
"""The stream of the network's inputs."""

LINEAR, CONVOLUTION = nn.Linear, nn.Conv2d
NORMALIZATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
ACTIVATIONS = (
    nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Softplus, nn.Hardtanh, nn.Hardswish, nn.Tanh, nn.Sigmoid, nn.Identity,
)  # fmt: skip
DROPOUTS = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout, SeededDropout)
POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
_KNOWN = (*NORMALIZATIONS, *ACTIVATIONS, *DROPOUTS, *POOLINGS, nn.Flatten)
_NEEDED = (
    "give infoprior's MLP or CNN, or an nn.Sequential of linear, convolution, normalization, "
    "activation, dropout, pooling and flatten layers"
)


@dataclass(frozen=True)
class Layer:
    """One layer with weights, and what follows it up to the next one.

    Attributes:
        name: what callers say: as in the network's `layer_names`, or the path.
        path: of the module that holds the weights.
        followers: paths of the modules between it and the next layer, in order.
        stream: layers of one stream share their units, because residual connections add them.
        residual: whether what it gives is added to what it is given.
    """

    name: str
    path: str
    followers: tuple[str, ...]
    stream: int
    residual: bool = False


@dataclass(frozen=True)
class Chain:
    """The layers of a network in order; the last one gives the outputs."""

    layers: tuple[Layer, ...]

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """All but the last."""
        return self.layers[:-1]

    def index(self, name: str) -> int:
        """The number of a hidden layer.

        Raises:
            EvolutionError: there is none of this name.
        """
        for i, layer in enumerate(self.hidden):
            if layer.name == name:
                return i
        names = [layer.name for layer in self.hidden]
        raise EvolutionError(f"The network has no hidden layer {name!r}; it has {names}.")

    def writers(self, stream: int) -> list[Layer]:
        """The layers that write to a stream."""
        return [layer for layer in self.layers if layer.stream == stream]

    def readers(self, stream: int) -> list[Layer]:
        """The layers whose inputs are a stream."""
        before = [INPUT, *(layer.stream for layer in self.layers)]
        return [layer for layer, s in zip(self.layers, before, strict=False) if s == stream]


def units(module: nn.Module) -> int:
    """Units of a linear layer, channels of a convolution."""
    return int(module.out_features if isinstance(module, LINEAR) else module.out_channels)  # type: ignore[arg-type]


def widths(network: nn.Module) -> dict[str, int]:
    """Hidden layer -> its units, or its channels.

    Args:
        network: see `read_chain`.

    Raises:
        EvolutionError: as `read_chain`.
    """
    return {
        layer.name: units(network.get_submodule(layer.path)) for layer in read_chain(network).hidden
    }


def read_chain(network: nn.Module) -> Chain:
    """The chain of a network that surgery can be done on.

    Args:
        network: infoprior's MLP or CNN, or an `nn.Sequential` (also of `nn.Sequential`s) of linear,
            convolution, normalization, activation, dropout, pooling and flatten layers.

    Raises:
        EvolutionError: another network, or one that holds something else, some layer twice, or no
            hidden layer.
    """
    steps = list(_steps(network))
    seen = [id(network.get_submodule(path)) for _, path, _ in steps]
    if len(set(seen)) < len(seen):
        raise EvolutionError(
            "The network uses a module twice, and what is done to one place would be done to the "
            "other; give each place a module of its own."
        )
    layers: list[Layer] = []
    mapped: bool | None = None  # whether values are maps (n, C, H, W)
    for name, path, residual in steps:
        module = network.get_submodule(path)
        if type(module) in (LINEAR, CONVOLUTION):
            _check_weights(module, path, bool(mapped) and type(network) is nn.Sequential)
            mapped = type(module) is CONVOLUTION
            before = layers[-1].stream if layers else INPUT
            stream = before if residual else len(layers)
            layers.append(Layer(name, path, (), stream, residual))
            continue
        _check_follower(module, path, mapped)
        if isinstance(module, nn.Flatten):
            mapped = False
        if layers:
            last = layers.pop()
            layers.append(
                Layer(last.name, last.path, (*last.followers, path), last.stream, last.residual)
            )
    if len(layers) < 2:
        raise EvolutionError(f"The network has no hidden layer to operate on; {_NEEDED}.")
    return Chain(tuple(layers))


def _steps(network: nn.Module) -> Iterator[tuple[str, str, bool]]:
    """(name of the layer, path of the module, whether a layer's block adds its input), in order."""
    if type(network) is MLP:
        if network.scale is not None:
            raise EvolutionError(
                "The network learns a scale of its inputs, which surgery does not know; build it "
                "without feature_scale."
            )
        for name in network.layer_names:
            block = network.get_submodule(name)
            for part in ("linear", "normalization", "activation", "dropout"):
                yield name, f"{name}.{part}", bool(block.residual)
        yield "output", "output", False
    elif type(network) is CNN:
        for name in network.layer_names:
            dense = type(network.get_submodule(name)) is DenseLayer
            parts = ("linear", "activation") if dense else (
                "convolution", "normalization", "activation", "pooling",
            )  # fmt: skip
            for part in parts:
                yield name, f"{name}.{part}", False
        yield "dropout", "dropout", False
        yield "output", "output", False
    elif type(network) is nn.Sequential:
        yield from _leaves(network, "")
    else:
        raise EvolutionError(
            f"A network of type {type(network).__name__} cannot be operated on; {_NEEDED}."
        )


def _leaves(parent: nn.Sequential, prefix: str) -> Iterator[tuple[str, str, bool]]:
    for name, child in parent._modules.items():
        path = f"{prefix}{name}"
        if type(child) is nn.Sequential:
            yield from _leaves(child, f"{path}.")
        else:
            yield path, path, False


def _check_weights(module: nn.Module, path: str, mapped: bool) -> None:
    if isinstance(module, LINEAR) and mapped:
        raise EvolutionError(
            f"The linear layer {path!r} reads maps (n, C, H, W) along their last side, which "
            "surgery does not know; put an nn.Flatten before it."
        )
    if isinstance(module, CONVOLUTION) and (module.groups != 1 or module.padding_mode != "zeros"):
        raise EvolutionError(
            f"The convolution {path!r} has groups or a padding mode of its own, which surgery does "
            "not know; give one of groups=1 and padding_mode='zeros'."
        )


def _check_follower(module: nn.Module, path: str, mapped: bool | None) -> None:
    if isinstance(module, Blend):
        for part in (module.old, module.new):
            _check_follower(part, path, mapped)
        return
    normalizes_maps = isinstance(module, nn.LayerNorm) and (
        mapped or len(module.normalized_shape) > 1
    )
    own_start = isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1)
    if not isinstance(module, _KNOWN) or normalizes_maps or own_start:
        what = f"layer {path!r} is {module}"
        raise EvolutionError(f"The network cannot be operated on: its {what}; {_NEEDED}.")
