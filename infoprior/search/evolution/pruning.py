"""Fewer units by the least change of what is read from them, with the readers refitted.

A reader of a stream computes W h + b. Without unit j, and with W and b refitted by least squares,
its outputs change by a mean square of

    tr(W_J [C^-1]_JJ^-1 W_J^T),

C the covariance of h, J the columns of unit j (several where it is a channel): the saliency of
Hassibi & Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon", NIPS 1992,
for squares of outputs instead of a loss, by blocks as in Frantar & Alistarh, "Optimal Brain
Compression", NeurIPS 2022. Units are removed one after the other, the cheapest first; what W
becomes on the way is the closed form's refit. A unit that is dead, or that others can replace,
costs nothing. Costs of several readers are added, each relative to the variance of its outputs. A
reader of flattened maps may have too many inputs for C; its units then cost the variance of what
they contribute.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior._arguments import whole_number
from infoprior.search.evolution.chain import INPUT, Chain, Layer, read_chain, units
from infoprior.search.evolution.channels import entries_per_unit, gather
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.operation import Moments, Operation, Surgery
from infoprior.search.evolution.refit import MOST_COLUMNS, RIDGE, observe, output_change, refit


@dataclass
class _Reader:
    """What one reader is given, and its weights; units that are gone have zeros.

    Attributes:
        inverse: of the covariance of its inputs, shape (d, d), float64.
        weight: shape (out, d), float64; refitted while units are removed.
        variance: sum of its outputs' variances.
        per_unit: columns for each unit.
    """

    inverse: Tensor
    weight: Tensor
    variance: float
    per_unit: int

    def costs(self, gone: Tensor) -> Tensor:
        """Of each unit, shape (units,); of those that are `gone`, booleans of that shape, none."""
        n, k = self.per_unit, len(gone)
        blocks = self.inverse.view(k, n, k, n).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        blocks = blocks + gone[:, None, None] * torch.eye(n, dtype=blocks.dtype)
        columns = self.weight.reshape(-1, k, n).permute(1, 2, 0)  # units x n x out
        solved = torch.linalg.solve(blocks, columns) if n > 1 else columns / blocks
        return (columns * solved).sum(dim=(1, 2)) / self.variance

    def remove(self, unit: int) -> None:
        """Refit the weights without a unit."""
        mine = slice(unit * self.per_unit, (unit + 1) * self.per_unit)
        factor = torch.linalg.solve(self.inverse[mine, mine], self.inverse[mine])
        self.weight = self.weight - self.weight[:, mine] @ factor
        self.inverse = self.inverse - self.inverse[:, mine] @ factor
        self.weight[:, mine] = 0.0
        self.inverse[mine] = 0.0
        self.inverse[:, mine] = 0.0


@dataclass
class _WideReader:
    """One of too many inputs for their covariances: units cost what they contribute.

    Attributes:
        contributions: sum of the outputs' variances that each unit brings about, shape (units,).
        variance: sum of its outputs' variances.
    """

    contributions: Tensor
    variance: float

    def costs(self, gone: Tensor) -> Tensor:
        """As of `_Reader`, as if no other unit could make up for one."""
        return self.contributions / self.variance

    def remove(self, unit: int) -> None:
        """Others are not refitted for the choice; they are in the end."""


@default_settings()
@torch.no_grad()
def prune(
    network: nn.Module,
    layer: str,
    width: int,
    x: Tensor,
    *,
    moments: Moments | None = None,
    keep: Tensor | None = None,
) -> Surgery:
    """Fewer units in a layer: those go whose loss changes least what the next layers compute.

    The next layers are refitted by least squares on what they are given afterwards, so that what a
    layer normalization does to the units that stay is made up for, too.

    Args:
        network: see `read_chain`; left as it was.
        layer: a hidden layer's name; layers of one residual stream lose the same units.
        width: units (of convolutions: channels) that it keeps.
        x: rows on which the change is measured, shape (n, ...), of the network's dtype.
        moments: of the network's parameters; those of units that stay are kept.
        keep: numbers of the units that stay, shape (width,); None: chosen as above.

    Returns:
        the new network, its moments, and the relative change of its outputs on x in evaluation
        mode.

    Raises:
        EvolutionError: the network cannot be operated on, has no such layer, the layer is not wider
            than `width`, its width is that of the inputs, or `keep` names other units.
    """
    chain = read_chain(network)
    one = chain.layers[chain.index(layer)]
    old = units(network.get_submodule(one.path))
    width = whole_number(width, "width", 1, EvolutionError)
    if one.stream == INPUT:
        raise EvolutionError(
            f"The layer {layer!r} adds the network's inputs to what it gives, so that its width is "
            "theirs; take another one."
        )
    if width >= old:
        raise EvolutionError(
            f"The layer {layer!r} has {old} units, and {width} are no fewer; widen makes it wider."
        )
    readers = chain.readers(one.stream)
    rows, outputs = observe(network, readers, x)
    if keep is None:
        index = _choose(network, readers, rows, old, width)
    else:
        index = torch.as_tensor(keep, dtype=torch.int64).sort().values
        if (
            len(index) != width
            or len(index.unique()) != width
            or not 0 <= index[0] <= index[-1] < old
        ):
            raise EvolutionError(
                f"keep names {len(index)} units; name {width} of 0..{old - 1}, each once."
            )
    operation = Operation(network, moments)
    ones = torch.ones(width, dtype=torch.float64)
    heirs = None
    if _layer_normalized(network, chain, one.stream):
        heirs = _heirs(rows[readers[0].path], old, index)
    gather(operation, chain, one.stream, index, ones, lambda weight, _: weight, heirs)
    for reader in readers:
        given, _ = observe(operation.network, [reader], x)
        target = outputs[reader.path]
        if reader.stream == one.stream:  # it writes what it reads: it lost the units, too
            target = target[:, index]
        refit(operation.network.get_submodule(reader.path), given[reader.path], target)
    return operation.done(output_change(network, operation.network, x))


def _columns_per_unit(module: nn.Module, width: int) -> int:
    """Columns of the rows of `_rows` for each unit of the stream."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return entries_per_unit(module, width) * int(weight[0, 0].numel())


def _choose(
    network: nn.Module, readers: list[Layer], rows: dict[str, Tensor], old: int, width: int
) -> Tensor:
    """The units that stay, shape (width,), in order."""
    statistics: list[_Reader | _WideReader] = []
    for layer in readers:
        module = network.get_submodule(layer.path)
        h = rows[layer.path]
        weight = module.weight.detach().double().flatten(1)  # type: ignore[operator, union-attr]
        if h.shape[1] > MOST_COLUMNS:
            statistics.append(_wide_reader(h, weight, old))
            continue
        covariance = torch.cov(h.T, correction=0).reshape(h.shape[1], h.shape[1])
        variance = float(((weight @ covariance) * weight).sum())
        ridge = RIDGE * float(covariance.diagonal().mean()) + 1e-30
        covariance.diagonal().add_(ridge)
        inverse = torch.linalg.inv(covariance)
        per_unit = _columns_per_unit(module, old)
        statistics.append(_Reader(inverse, weight, max(variance, 1e-30), per_unit))
    gone = torch.zeros(old, dtype=torch.bool)
    for _ in range(old - width):
        cost = torch.stack([reader.costs(gone) for reader in statistics]).sum(0)
        unit = int(cost.masked_fill(gone, torch.inf).argmin())
        gone[unit] = True
        for reader in statistics:
            reader.remove(unit)
    return (~gone).nonzero().flatten()


def _wide_reader(h: Tensor, weight: Tensor, units: int) -> _WideReader:
    """Of inputs (n, d) and weights (out, d)."""
    by_unit = zip(h.chunk(units, 1), weight.chunk(units, 1), strict=True)
    each = [(part @ columns.T).var(0, correction=0).sum() for part, columns in by_unit]
    variance = float((h @ weight.T).var(0, correction=0).sum())
    return _WideReader(torch.stack(each), max(variance, 1e-30))


def _layer_normalized(network: nn.Module, chain: Chain, stream: int) -> bool:
    """Whether what a stream is given goes through a layer normalization."""
    paths = [path for layer in chain.writers(stream) for path in layer.followers]
    modules = [module for path in paths for module in network.get_submodule(path).modules()]
    return any(isinstance(module, nn.LayerNorm) for module in modules)


def _heirs(h: Tensor, old: int, index: Tensor) -> Tensor:
    """Who takes over each unit's part in layer normalizations, shape (old,): itself where it stays.

    The nearest unit that stays takes it over if it is nearer than the mean of those that stay:
    copies are, and the statistics stay as they were.

    Args:
        h: what a reader is given, shape (n, old columns-per-unit), float64.
        old: number of units.
        index: those that stay, shape (new,).
    """
    each = h.reshape(len(h), old, -1).permute(1, 0, 2).flatten(1)  # old x (n columns)
    kept = each[index]
    distance = torch.cdist(each, kept, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distance.min(dim=1)
    heirs = torch.where(nearest.values < (each - kept.mean(0)).norm(dim=1), nearest.indices, -1)
    heirs[index] = torch.arange(len(index))
    return heirs
