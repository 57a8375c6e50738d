"""The network that holds every architecture of a cell space at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from infoprior.search.darts.mixed import MixedOperation
from infoprior.spaces._cells import Cell, edge_name, pooled
from infoprior.spaces._mlp import linear

ALPHA_SCALE = 1e-3
"""Standard deviation of the initial alpha: Liu et al.'s code. At 1 (the source document's
`torch.randn`) the largest of six is expected at 1.27: chance alone gives one operation exp(1.27) =
3.6 times the weight of a median one."""


class Supernet(nn.Module):
    """A network of cells with a mixed operation on every edge.

    Args:
        cell: what it is made of.
        shape: of a row, (d,) or (C, H, W).
        n_classes: number of logits.
        seed: draws the weights and alpha.
        alpha_scale: standard deviation of the initial alpha.

    Attributes:
        alpha: shape (n_edges, n_operations), edges in the order of `cell.edges`; no parameter of
            the module, so that an optimiser of its `parameters()` leaves it alone.
        allowed: 1 where an operation takes part, 0 where it is removed from its edge; the shape of
            alpha. Shares of the others stay as they are.
        decided: shape (n_edges,), bool: where the operations that are allowed count in full.
    """

    alpha: Tensor
    allowed: Tensor
    decided: Tensor

    def __init__(
        self,
        cell: Cell,
        shape: int | Sequence[int],
        n_classes: int,
        seed: int = 0,
        alpha_scale: float = ALPHA_SCALE,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.cell = cell
        self.stem = cell.stem(shape, cell.width, generator, True)
        self.between = cell.between()
        self.edges = nn.ModuleDict(
            {
                f"{repeat}_{edge_name(edge)}": MixedOperation(
                    build(cell.width, generator, True) for build in cell.operations.values()
                )
                for repeat in range(1, cell.repeats + 1)
                for edge in cell.edges
            }
        )
        self.output = linear(cell.width, n_classes, generator)
        size = (len(cell.edges), len(cell.operations))
        self.alpha = torch.randn(size, generator=generator).mul_(alpha_scale).requires_grad_()
        self.allowed = torch.ones(size)
        self.decided = torch.zeros(size[0], dtype=torch.bool)

    def shares(self) -> Tensor:
        """The weight of each operation on each edge, the shape of alpha: softmax over operations.

        Those of removed operations are 0, and the others' add up to less than 1.
        """
        softmax = torch.softmax(self.alpha, dim=1)
        if bool(self.decided.any()):
            softmax = softmax.masked_fill(self.decided[:, None], 1.0)
        return softmax * self.allowed

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes), of rows x, shape (n, d) or (n, C, H, W)."""
        shares = self.shares().unbind(0)
        x = self.stem(x)
        for repeat in range(1, self.cell.repeats + 1):
            nodes = [x if repeat == 1 else self.between(x)]
            incoming: list[list[Tensor]] = [[] for _ in range(self.cell.nodes)]
            for edge, share in zip(self.cell.edges, shares, strict=True):
                source, target = edge
                if source == len(nodes):  # all that its first edge needs has been added up
                    nodes.append(_sum(incoming[source]))
                mixed = self.edges[f"{repeat}_{edge_name(edge)}"]
                incoming[target].append(mixed(nodes[source], share))
            x = _sum(incoming[-1])
        return self.output(pooled(x))


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total
