"""Small convolutional networks whose blocks can be read by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infoprior.spaces._dropout import MaskDraws, SeededDropout
from infoprior.spaces._mlp import ACTIVATIONS
from infoprior.spaces._reading import read_layers

DENSE_WIDTH = 64
"""Units of the dense layer of the head "dense"."""

# Sides are halved and rounded up, whatever the pooling: a map of one pixel stays one.
POOLING: dict[str, Callable[[], nn.Module]] = {
    "max": lambda: nn.MaxPool2d(2, ceil_mode=True),
    "average": lambda: nn.AvgPool2d(2, ceil_mode=True),
    "stride": nn.Identity,  # the convolution has a stride of 2
}


class ConvBlock(nn.Module):
    """Convolution, normalization, activation, pooling: (n, C, H, W) -> (n, C', ⌈H/2⌉, ⌈W/2⌉)."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        activation: str,
        normalization: str,
        pooling: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        stride = 2 if pooling == "stride" else 1
        self.convolution = drawn(
            nn.Conv2d, n_in * kernel**2, generator,
            n_in, n_out, kernel, stride=stride, padding=kernel // 2,
        )  # fmt: skip
        self.normalization = nn.BatchNorm2d(n_out) if normalization == "batch" else nn.Identity()
        self.activation = ACTIVATIONS[activation]()
        self.pooling = POOLING[pooling]()

    def forward(self, x: Tensor) -> Tensor:
        return self.pooling(self.activation(self.normalization(self.convolution(x))))


class DenseLayer(nn.Module):
    """The head "dense": maps flattened, a linear layer, an activation."""

    def __init__(self, n_in: int, activation: str, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = drawn(nn.Linear, n_in, generator, n_in, DENSE_WIDTH)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.linear(x.flatten(1)))


class CNN(nn.Module):
    """A classifier of images: blocks named block_1, block_2, ..., then a head.

    The head "gap" averages each map of the last block (Lin et al., "Network In Network", ICLR 2014,
    section 3.2); the head "dense" has a hidden layer, named dense. Dropout is in front of the
    logits.

    Args:
        shape: (C, H, W) of an image.
        n_classes: number of logits.
        filters: of each block.
        kernel: side of the convolutions, odd, in pixels.
        activation: a key of `ACTIVATIONS`.
        normalization: "none" or "batch".
        pooling: "max", "average" or "stride"; each halves the sides.
        head: "gap" or "dense".
        dropout: probability to drop an input of the logits.
        seed: draws the weights and the dropout masks.
    """

    def __init__(
        self,
        shape: Sequence[int],
        n_classes: int,
        filters: Sequence[int],
        kernel: int = 3,
        activation: str = "relu",
        normalization: str = "none",
        pooling: str = "max",
        head: str = "gap",
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        n_in, height, width = shape
        self.layer_names: tuple[str, ...] = ()
        for i, n_out in enumerate(filters, start=1):
            block = ConvBlock(n_in, n_out, kernel, activation, normalization, pooling, generator)
            self._append(f"block_{i}", block)
            n_in, height, width = n_out, -(-height // 2), -(-width // 2)
        n_features = n_in
        if head == "dense":
            self._append("dense", DenseLayer(n_in * height * width, activation, generator))
            n_features = DENSE_WIDTH
        self.dropout = SeededDropout(dropout, MaskDraws(seed, len(self.layer_names)))
        self.output = drawn(nn.Linear, n_features, generator, n_features, n_classes)

    def _append(self, name: str, layer: nn.Module) -> None:
        self.add_module(name, layer)
        self.layer_names = (*self.layer_names, name)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes), of images x, shape (n, C, H, W)."""
        for name in self.layer_names:
            x = self._modules[name](x)  # type: ignore[misc]
        if x.ndim == 4:
            x = x.mean(dim=(2, 3))
        return self.output(self.dropout(x))

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """The output of each block, and of the dense layer, in evaluation mode.

        Args:
            x: images, shape (n, C, H, W), float32.

        Returns:
            layer name -> T, shape (n, C, H, W) of a block, (n, 64) of the dense layer, float32.
        """
        return read_layers(self, self.layer_names, x)


def drawn(
    kind: type[nn.Module], fan_in: int, generator: torch.Generator, *args: Any, **options: Any
) -> nn.Module:
    """A layer drawn as PyTorch draws it by default, but from the given generator."""
    layer = nn.utils.skip_init(kind, *args, **options)
    bound = 1.0 / math.sqrt(fan_in)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
