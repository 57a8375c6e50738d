"""Cells: small graphs whose edges carry one operation each, and the networks made of them.

A cell has nodes 0, 1, ..., and an edge (i, j) from every node to each later one. Node 0 is the
cell's input, every other node the sum of what its edges bring, and the last node is the output:
the topology of NAS-Bench-201 (Dong & Yang, ICLR 2020). Which operation each edge carries is what
DARTS (Liu, Simonyan & Yang, ICLR 2019) searches; here it is one categorical parameter an edge, so
that an architecture is an ordinary point of a `SearchSpace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior.spaces._cnn import drawn
from infoprior.spaces._mlp import ACTIVATIONS, linear
from infoprior.spaces._reading import evaluation_mode
from infoprior.spaces._shapes import columns, image
from infoprior.spaces._space import Params, SearchSpace, Shape, SpaceError

NONE, SKIP = "none", "skip"
"""Names of the operations that give zero, and what they are given."""

Operation = Callable[[int, torch.Generator, bool], nn.Module]
"""(width, draws the weights, whether for a supernet) -> a module that keeps shapes."""

Stem = Callable[[Shape, int, torch.Generator, bool], nn.Module]
"""(shape of a row, width, ...) -> a module from rows to the first cell's input, of that width."""


class Zero(nn.Module):
    """The operation "none": zeros of the input's shape."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


@dataclass(frozen=True)
class Cell:
    """What the cells of a space are made of.

    Attributes:
        operations: name -> what builds one; the choices on every edge.
        stem: builds what is in front of the first cell.
        width: columns, or channels, of every node.
        nodes: of a cell, the input among them.
        repeats: cells one after the other, which share their choices but no weights.
        between: builds what stands between two cells.
    """

    operations: Mapping[str, Operation]
    stem: Stem
    width: int
    nodes: int = 4
    repeats: int = 1
    between: Callable[[], nn.Module] = nn.Identity

    def __post_init__(self) -> None:
        if self.nodes < 2 or self.repeats < 1 or self.width < 1 or not self.operations:
            raise SpaceError(
                f"A cell of {self.nodes} nodes, {self.repeats} repeats, width {self.width} and "
                f"{len(self.operations)} operations; at least 2, 1, 1 and 1 are needed."
            )

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(from, to) of every edge, by the node that it leads to."""
        return tuple((i, j) for j in range(1, self.nodes) for i in range(j))


def edge_name(edge: tuple[int, int]) -> str:
    """The parameter that says which operation an edge carries."""
    return f"edge_{edge[0]}_{edge[1]}"


class CellSpace(SearchSpace):
    """A space with one categorical parameter an edge, and the settings of a training.

    Args:
        name: of the space.
        cell: what its networks are made of.

    Attributes:
        cell: as given.
    """

    def __init__(self, name: str, cell: Cell) -> None:
        distributions: dict[str, BaseDistribution] = {
            edge_name(edge): CategoricalDistribution(tuple(cell.operations)) for edge in cell.edges
        }
        # As of the spaces "mlp" and "cnn": a cell is retrained under several, all points of it.
        distributions |= {
            "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
            "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
            "batch_size": CategoricalDistribution((32, 64, 128, 256)),
        }
        super().__init__(name, distributions, partial(_build, cell))
        self.cell = cell

    def __reduce__(self) -> tuple[Any, ...]:
        return CellSpace, (self.name, self.cell)


def _build(cell: Cell, params: Params, shape: Shape, n_classes: int, seed: int) -> CellNetwork:
    choices = {edge: params[edge_name(edge)] for edge in cell.edges}
    return CellNetwork(cell, choices, shape, n_classes, seed)


class CellNetwork(nn.Module):
    """A classifier of cells; its layers are the stem and the nodes of each cell.

    Layers are named stem, cell_1_node_1, cell_1_node_2, ... The logits are linear in the last node,
    of images in the average of each of its maps. A node that no edge brings anything to is zero.

    Args:
        cell: what it is made of.
        choices: edge -> name of its operation.
        shape: of a row.
        n_classes: number of logits.
        seed: draws the weights.
    """

    def __init__(
        self,
        cell: Cell,
        choices: Mapping[tuple[int, int], str],
        shape: Shape,
        n_classes: int,
        seed: int = 0,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.cell = cell
        self.stem = cell.stem(shape, cell.width, generator, False)
        self.between = cell.between()
        self.edges = nn.ModuleDict()
        for repeat in range(1, cell.repeats + 1):
            for edge in cell.edges:
                if choices[edge] != NONE:
                    operation = cell.operations[choices[edge]](cell.width, generator, False)
                    self.edges[f"{repeat}_{edge_name(edge)}"] = operation
        self.output = linear(cell.width, n_classes, generator)
        self.layer_names: tuple[str, ...] = (
            "stem",
            *(
                f"cell_{repeat}_node_{node}"
                for repeat in range(1, cell.repeats + 1)
                for node in range(1, cell.nodes)
            ),
        )

    def _layers(self, x: Tensor) -> Iterator[Tensor]:
        """The stem's output and that of each node, in the order of `layer_names`."""
        x = self.stem(x)
        yield x
        for repeat in range(1, self.cell.repeats + 1):
            nodes = [x if repeat == 1 else self.between(x)]
            for target in range(1, self.cell.nodes):
                total: Tensor | None = None
                for source in range(target):
                    name = f"{repeat}_{edge_name((source, target))}"
                    if name in self.edges:
                        brought = self.edges[name](nodes[source])
                        total = brought if total is None else total + brought
                nodes.append(torch.zeros_like(nodes[0]) if total is None else total)
                yield nodes[-1]
            x = nodes[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes), of rows x, shape (n, d) or (n, C, H, W)."""
        *_, last = self._layers(x)
        return self.output(pooled(last))

    @default_settings()
    @torch.no_grad()
    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """The output of the stem and of each node, in evaluation mode.

        Args:
            x: shape (n, d) or (n, C, H, W), float32.

        Returns:
            layer name -> T, shape (n, width) or (n, width, H', W'), float32.
        """
        with evaluation_mode(self):
            return dict(zip(self.layer_names, self._layers(x), strict=True))


def pooled(x: Tensor) -> Tensor:
    """Maps, (n, C, H, W), by their averages, (n, C); vectors, (n, d), as they are."""
    return x.mean(dim=(2, 3)) if x.ndim == 4 else x


# Operations -------------------------------------------------------------------------------------


def none(width: int, generator: torch.Generator, supernet: bool) -> nn.Module:
    """Nothing: zeros."""
    return Zero()


def skip(width: int, generator: torch.Generator, supernet: bool) -> nn.Module:
    """The input itself."""
    return nn.Identity()


def dense(width: int, generator: torch.Generator, supernet: bool, *, activation: str) -> nn.Module:
    """A linear layer, then an activation.

    Args:
        width: of input and output.
        generator: draws the weights.
        supernet: unused.
        activation: a key of `ACTIVATIONS`.
    """
    return nn.Sequential(linear(width, width, generator), ACTIVATIONS[activation]())


def convolution(
    width: int, generator: torch.Generator, supernet: bool, *, kernel: int
) -> nn.Module:
    """ReLU, convolution, batch normalization: the order of NAS-Bench-201.

    Args:
        width: channels of input and output.
        generator: draws the weights.
        supernet: normalize by each batch, without weights of the normalization, which would
            rescale what alpha has weighted (Liu et al., appendix A.1.1).
        kernel: side in pixels, odd.
    """
    return nn.Sequential(
        nn.ReLU(),
        _convolution(width, width, kernel, generator),
        _normalization(width, supernet),
    )


def average(width: int, generator: torch.Generator, supernet: bool) -> nn.Module:
    """Averages of 3 x 3 pixels, those outside the image left out."""
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def dense_stem(shape: Shape, width: int, generator: torch.Generator, supernet: bool) -> nn.Module:
    """A linear layer from a table's columns.

    Raises:
        SpaceError: the rows are images.
    """
    return linear(columns(shape), width, generator)


def convolution_stem(
    shape: Shape, width: int, generator: torch.Generator, supernet: bool
) -> nn.Module:
    """A 3 x 3 convolution with batch normalization.

    Raises:
        SpaceError: the rows are no images.
    """
    return nn.Sequential(
        _convolution(image(shape)[0], width, 3, generator), _normalization(width, supernet)
    )


def halve() -> nn.Module:
    """Between cells: averages of 2 x 2 pixels, sides rounded up."""
    return nn.AvgPool2d(2, ceil_mode=True)


def _normalization(width: int, supernet: bool) -> nn.Module:
    return nn.BatchNorm2d(width, affine=not supernet, track_running_stats=not supernet)


def _convolution(n_in: int, n_out: int, kernel: int, generator: torch.Generator) -> nn.Module:
    """A convolution that keeps the sides, without a bias, which batch normalization would undo."""
    return drawn(
        nn.Conv2d, n_in * kernel**2, generator,
        n_in, n_out, kernel, padding=kernel // 2, bias=False,
    )  # fmt: skip


# The cells that ship ----------------------------------------------------------------------------


def dense_cell() -> Cell:
    """For tables: none, skip, and a linear layer with each of the package's activations."""
    activated = {name: partial(dense, activation=name) for name in ACTIVATIONS}
    return Cell({NONE: none, SKIP: skip, **activated}, dense_stem, width=64)


def convolution_cell() -> Cell:
    """For small images: the five operations of NAS-Bench-201, in two cells at half the sides.

    Its networks there are of 15 cells and three sizes; these are of two, for images of 8 x 8.
    """
    operations: dict[str, Operation] = {
        NONE: none,
        SKIP: skip,
        "convolution_1x1": partial(convolution, kernel=1),
        "convolution_3x3": partial(convolution, kernel=3),
        "average_3x3": average,
    }
    return Cell(operations, convolution_stem, width=16, repeats=2, between=halve)
