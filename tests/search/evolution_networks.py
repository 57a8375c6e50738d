"""Random networks for tests of surgery."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infoprior.spaces._cnn import CNN
from infoprior.spaces._mlp import MLP, layer_widths

ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU)


def seasoned(network: nn.Module, seed: int) -> nn.Module:
    """A network whose normalizations are not those of a new one, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.uniform_(-0.5, 0.5, generator=generator)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5, generator=generator)
                module.running_var.uniform_(0.5, 2.0, generator=generator)
    return network.eval()


def random_mlp(rng: np.random.Generator) -> tuple[nn.Module, Tensor]:
    """One of infoprior's, and 64 rows."""
    width, depth = int(rng.integers(8, 24)), int(rng.integers(1, 5))
    n_features = width if rng.random() < 0.2 else int(rng.integers(2, 20))
    network = MLP(
        n_features,
        int(rng.integers(2, 5)),
        layer_widths(width, depth, str(rng.choice(["constant", "funnel"]))),
        str(rng.choice(["relu", "tanh", "gelu", "silu"])),
        str(rng.choice(["none", "batch", "layer"])),
        float(rng.choice([0.0, 0.3])),
        bool(rng.random() < 0.5),
        seed=int(rng.integers(1000)),
    )
    rows = torch.from_numpy(rng.normal(size=(64, n_features)).astype(np.float32))
    return seasoned(network, int(rng.integers(1000))), rows


def random_cnn(rng: np.random.Generator) -> tuple[nn.Module, Tensor]:
    """One of infoprior's, and 32 images of 9 x 7 pixels."""
    shape = (int(rng.integers(1, 3)), 9, 7)
    network = CNN(
        shape,
        int(rng.integers(2, 5)),
        [int(n) for n in rng.integers(3, 8, size=int(rng.integers(1, 4)))],
        int(rng.choice([1, 3, 5])),
        str(rng.choice(["relu", "tanh", "gelu", "silu"])),
        str(rng.choice(["none", "batch"])),
        str(rng.choice(["max", "average", "stride"])),
        str(rng.choice(["gap", "dense"])),
        float(rng.choice([0.0, 0.3])),
        seed=int(rng.integers(1000)),
    )
    rows = torch.from_numpy(rng.normal(size=(32, *shape)).astype(np.float32))
    return seasoned(network, int(rng.integers(1000))), rows


def random_sequential(rng: np.random.Generator) -> tuple[nn.Module, Tensor]:
    """A user's own: convolutions now and then, then linear layers; and 32 rows."""
    torch.manual_seed(int(rng.integers(1000)))
    modules: list[nn.Module] = []
    n: int
    shape: tuple[int, ...]

    def activation() -> nn.Module:
        return ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))]()

    if rng.random() < 0.5:
        channels, side = int(rng.integers(1, 3)), 8
        shape = (channels, side, side)
        for _ in range(int(rng.integers(1, 3))):
            out, kernel = int(rng.integers(3, 7)), int(rng.choice([1, 3]))
            modules.append(nn.Conv2d(channels, out, kernel, padding=kernel // 2))
            if rng.random() < 0.5:
                modules.append(nn.BatchNorm2d(out))
            modules.append(activation())
            if rng.random() < 0.5:
                modules += [nn.MaxPool2d(2)]
                side //= 2
            channels = out
        modules.append(nn.Flatten())
        n = channels * side * side
        if rng.random() < 0.5:
            modules.append(nn.LayerNorm(n))
    else:
        n = int(rng.integers(2, 9))
        shape = (n,)
    for _ in range(int(rng.integers(1, 3))):
        out = int(rng.integers(4, 12))
        part: list[Any] = [nn.Linear(n, out, bias=bool(rng.random() < 0.8))]
        norm = rng.integers(3)
        if norm:
            part.append(nn.BatchNorm1d(out) if norm == 1 else nn.LayerNorm(out))
        part += [activation(), nn.Dropout(0.2)]
        modules += [nn.Sequential(*part)] if rng.random() < 0.3 else part
        n = out
    modules.append(nn.Linear(n, 3))
    rows = torch.from_numpy(rng.normal(size=(32, *shape)).astype(np.float32))
    return seasoned(nn.Sequential(*modules), int(rng.integers(1000))), rows
