"""The continuous relaxation of a choice: all operations at once, weighted."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from infoprior.search.darts.errors import DartsError
from infoprior.spaces._cells import Zero


class MixedOperation(nn.Module):
    """The sum of several operations on the same input, each with a weight (Liu et al., eq. 2).

    The weights are an argument, not a parameter: alpha belongs to an edge of the cell, is shared by
    all cells, and must not be among the parameters that learn from training rows.

    Args:
        operations: modules whose outputs have one shape.

    Raises:
        DartsError: there is none.
    """

    def __init__(self, operations: Iterable[nn.Module]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operations)
        if not self.operations:
            raise DartsError("A mixed operation has no operations; give at least one.")
        # Zeros times a weight are zeros: they need no computing, only their share of the softmax.
        self._computed = [
            k for k, operation in enumerate(self.operations) if not isinstance(operation, Zero)
        ]

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of the operations' outputs.

        Args:
            x: shape (n, ...).
            weights: shape (n_operations,), such as softmax(alpha).

        Raises:
            DartsError: an operation's output has another shape than the first one's: adding them
                would repeat one along the other.
        """
        total: Tensor | None = None
        for k in self._computed:
            output = self.operations[k](x)
            if total is None:
                total = weights[k] * output
                continue
            if output.shape != total.shape:
                raise DartsError(
                    f"Operation {k} gives shape {tuple(output.shape)} where those before it give "
                    f"{tuple(total.shape)}; operations on an edge need one shape."
                )
            total = total + weights[k] * output
        return torch.zeros_like(x) if total is None else total
