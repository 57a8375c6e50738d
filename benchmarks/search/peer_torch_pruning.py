"""torch-pruning on networks from a folder; runs in the peers' environment (make bench-peers).

    .venv-peers/bin/python benchmarks/search/peer_torch_pruning.py jobs answers

A file NAME.npz of the folder `jobs` holds a network of linear layers with a ReLU after each but the
last (weight0, bias0, weight1, ...), training rows (x, y), and shares of the hidden units to remove.
The answer, NAME.npz in the folder `answers`, holds for each importance and share the weights and
biases, ARM/SHARE/weight0, ..., and ARM/SHARE/seconds: CPU seconds of one thread, imports excluded.

Every hidden layer loses the same share, in one step, by `MagnitudePruner` as it comes, with one of
two importances, as they come: "magnitude" (L2 norm of a unit's weights, in and out) and "Taylor"
(first order: weights times gradients of the cross-entropy; Molchanov et al., CVPR 2019). On the
rows that a network has learned the mean gradient nearly vanishes; so beside that of all training
rows ("Taylor") the root mean square of those of batches of 64 is given to it ("Taylor, batches").
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch_pruning as tp
from torch import nn

IMPORTANCES = {
    "magnitude": tp.importance.MagnitudeImportance,
    "Taylor": tp.importance.TaylorImportance,
    "Taylor, batches": tp.importance.TaylorImportance,
}
BATCH = 64


def network_of(data: np.lib.npyio.NpzFile) -> nn.Sequential:
    """The network that a file holds."""
    layers: list[nn.Module] = []
    for i in range(sum(name.startswith("weight") for name in data.files)):
        weight, bias = (torch.from_numpy(data[f"{kind}{i}"]) for kind in ("weight", "bias"))
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def prune(
    network: nn.Sequential, arm: str, share: float, x: torch.Tensor, y: torch.Tensor
) -> float:
    """Prune in place; CPU seconds."""
    start = time.process_time()
    pruner = tp.pruner.MagnitudePruner(
        network, x[:2], importance=IMPORTANCES[arm](), pruning_ratio=share,
        ignored_layers=[network[-1]],
    )  # fmt: skip
    if arm == "Taylor":
        nn.functional.cross_entropy(network(x), y).backward()
    elif arm == "Taylor, batches":
        squares = {parameter: torch.zeros_like(parameter) for parameter in network.parameters()}
        for rows, classes in zip(x.split(BATCH), y.split(BATCH), strict=True):
            network.zero_grad()
            nn.functional.cross_entropy(network(rows), classes).backward()
            for parameter, square in squares.items():
                square += parameter.grad.square()
        for parameter, square in squares.items():
            parameter.grad = square.sqrt()
    pruner.step()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("jobs", type=Path)
    parser.add_argument("answers", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warm = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    prune(warm, "Taylor", 0.5, torch.randn(4, 4), torch.zeros(4, dtype=torch.int64))
    for path in sorted(options.jobs.glob("*.npz")):
        answer: dict[str, np.ndarray] = {}
        with np.load(path) as data:
            x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])
            for arm in IMPORTANCES:
                for share in data["shares"].tolist():
                    network = network_of(data)
                    seconds = prune(network, arm, share, x, y)
                    key = f"{arm}/{share}"
                    answer[f"{key}/seconds"] = np.array(seconds)
                    for i, layer in enumerate(network[::2]):
                        answer[f"{key}/weight{i}"] = layer.weight.detach().numpy()
                        answer[f"{key}/bias{i}"] = layer.bias.detach().numpy()
        np.savez(options.answers / path.name, **answer)


if __name__ == "__main__":
    main()
