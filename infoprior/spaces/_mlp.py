"""Multilayer perceptrons whose hidden layers can be read by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infoprior.spaces._dropout import MaskDraws, SeededDropout
from infoprior.spaces._reading import read_layers

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
MIN_FUNNEL_WIDTH = 8


def layer_widths(width: int, depth: int, shape: str) -> tuple[int, ...]:
    """Widths of the hidden layers: all equal, or halved from layer to layer (at least 8).

    Args:
        width: of the first one, in units.
        depth: number of hidden layers.
        shape: "constant" or "funnel".
    """
    if shape == "funnel":
        return tuple(max(MIN_FUNNEL_WIDTH, width >> i) if i else width for i in range(depth))
    return (width,) * depth


class Block(nn.Module):
    """Linear, normalization, activation, dropout; with the input added where widths agree.

    Args:
        n_in: width of the input.
        n_out: width of the output.
        activation: a key of `ACTIVATIONS`.
        normalization: a key of `NORMALIZATIONS`.
        dropout: probability to drop a unit.
        residual: whether to add the input, where the widths agree.
        generator: draws the weights.
        draws: of the dropout masks.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: str,
        normalization: str,
        dropout: float,
        residual: bool,
        generator: torch.Generator,
        draws: MaskDraws,
    ) -> None:
        super().__init__()
        self.linear = linear(n_in, n_out, generator)
        self.normalization = NORMALIZATIONS[normalization](n_out)
        self.activation = ACTIVATIONS[activation]()
        self.dropout = SeededDropout(dropout, draws)
        self.residual = residual and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(self.activation(self.normalization(self.linear(x))))
        return out + x if self.residual else out


class FeatureScale(nn.Module):
    """A learned factor for each column, 1 at first (Holzmüller et al., NeurIPS 2024, section 3).

    It is trained at `RATE` times the learning rate, as there, and does not decay: 0 would be a
    column switched off, not a simpler network.

    Args:
        width: number of columns.
    """

    RATE = 6.0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class MLP(nn.Module):
    """A classifier of `len(widths)` hidden layers, named hidden_1, hidden_2, ...

    Args:
        n_features: width of the input.
        n_classes: number of logits.
        widths: units of the hidden layers.
        activation: a key of `ACTIVATIONS`.
        normalization: a key of `NORMALIZATIONS`.
        dropout: probability to drop a unit.
        residual: whether layers add their input, where the widths agree.
        seed: draws the weights and the dropout masks.
        feature_scale: whether a `FeatureScale` is in front; the first layer then adds no input.
    """

    scale: FeatureScale | None

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        widths: Sequence[int],
        activation: str = "relu",
        normalization: str = "none",
        dropout: float = 0.0,
        residual: bool = False,
        seed: int = 0,
        feature_scale: bool = False,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.scale = FeatureScale(n_features) if feature_scale else None
        self.layer_names = tuple(f"hidden_{i}" for i in range(1, len(widths) + 1))
        n_in = n_features
        for i, (name, width) in enumerate(zip(self.layer_names, widths, strict=True)):
            adds = residual and not (feature_scale and i == 0)
            kinds = activation, normalization, dropout, adds
            self.add_module(name, Block(n_in, width, *kinds, generator, MaskDraws(seed, i)))
            n_in = width
        self.output = linear(n_in, n_classes, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes), of inputs x, shape (n, n_features)."""
        if self.scale is not None:
            x = self.scale(x)
        for name in self.layer_names:
            x = self._modules[name](x)  # type: ignore[misc]
        return self.output(x)

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """The output of each hidden layer in evaluation mode.

        Args:
            x: shape (n, n_features), float32.

        Returns:
            layer name -> T, shape (n, width), float32.
        """
        if self.scale is None:
            return read_layers(self, self.layer_names, x)
        read = read_layers(self, ("scale", *self.layer_names), x)
        return {name: read[name] for name in self.layer_names}


def perceptron(
    params: Mapping[str, Any], n_features: int, n_classes: int, widths: Sequence[int], seed: int
) -> MLP:
    """The `MLP` of a point of the space `mlp`, or of one that has a learned scale, too.

    Args:
        params: the point.
        n_features, n_classes, widths, seed: as of `MLP`.
    """
    return MLP(
        n_features,
        n_classes,
        widths,
        activation=params["activation"],
        normalization=params["normalization"],
        dropout=params["dropout"],
        residual=params["residual"],
        seed=seed,
        feature_scale=params.get("feature_scale", False),
    )


def linear(n_in: int, n_out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer drawn as PyTorch draws it by default, but from the given generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, n_in, n_out)  # type: ignore[assignment]
    bound = 1.0 / math.sqrt(n_in)
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer
