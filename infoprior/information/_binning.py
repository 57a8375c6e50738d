"""Mutual information of samples cut into cells."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from infoprior._arguments import is_whole
from infoprior.information._inputs import InformationError, generator
from infoprior.information._result import Estimate

ALONE = 0.8
"""`vacuous` where more than this share of the rows have a cell of their own."""


def binning(
    x: Sequence[Tensor],
    y: Sequence[Tensor] | Tensor,
    *,
    seed: int = 0,
    bins: int = 30,
    miller_madow: bool = False,
) -> list[Estimate]:
    """Plug-in mutual information of columns cut into bins of equal width.

    Shwartz-Ziv & Tishby, "Opening the black box of deep neural networks via information", 2017,
    section 3.1: every unit's range is cut into `bins`, a row's cell is the tuple of its bins, and
    I = H(x cells) + H(y cells) - H(pairs of cells), with frequencies for probabilities. In more
    than a few columns nearly every row has a cell of its own; the value is then H(y), or log n,
    whatever the dependence: `vacuous`, with a warning. Even where it is not, it is too high by
    about (pairs - cells of x - cells of y + 1) / 2n, which `miller_madow` takes off (Miller,
    Information Theory in Psychology, 1955; Paninski, Neural Computation 15, 2003, section 4.1).

    Args:
        x: K samples of shapes (n, d), float64.
        y: K samples of the same rows, or classes 0 .. C-1 of shape (n,), int64, which are cells
            already.
        seed: unused but for the hash of the cells, which no value depends on.
        bins: bins per column, from 2 up.
        miller_madow: correct the bias to first order.

    Returns:
        K estimates in nats. `saturated`: within a hundredth of H(y cells).

    Raises:
        InformationError: bins below 2.
    """
    if not is_whole(bins) or bins < 2:
        raise InformationError(f"bins is {bins}; give a whole number from 2 up.")
    labels = y if isinstance(y, Tensor) else None
    estimates = []
    for k, side in enumerate(x):
        other = _cells(y[k], bins, seed) if labels is None else labels
        estimates.append(_estimate(_cells(side, bins, seed), other, labels is None, miller_madow))
    vacuous = [k for k, estimate in enumerate(estimates) if "vacuous" in estimate.flags]
    if vacuous:
        warnings.warn(
            f"binning is vacuous for {len(vacuous)} of {len(estimates)} estimates (the first is "
            f"number {vacuous[0]}): nearly every row has a cell of its own, so that the value "
            "follows from the number of rows. Use fewer bins or columns, or another method.",
            UserWarning,
            stacklevel=2,
        )
    return estimates


def _cells(samples: Tensor, bins: int, seed: int) -> Tensor:
    """A number for every row's cell, (n,), int64."""
    low, high = samples.amin(dim=0), samples.amax(dim=0)
    # Halves, since the range itself of finite numbers can be infinite.
    width = high / 2.0 - low / 2.0
    place = (samples / 2.0 - low / 2.0) / torch.where(width > 0.0, width, 1.0)
    number = (place * bins).long().clamp_(max=bins - 1)
    # A random linear hash modulo 2^64 stands for the tuple: n = 10^5 rows meet by chance with
    # probability below 10^-9, and one sort of n numbers replaces that of n rows.
    keys = generator(seed, "cells").integers(-(2**63), 2**63 - 1, size=samples.shape[1])
    return (number * torch.from_numpy(keys | 1).to(samples.device)).sum(dim=1)


def _estimate(x: Tensor, y: Tensor, continuous: bool, miller_madow: bool) -> Estimate:
    n = len(x)
    of_x, count_x = torch.unique(x, return_inverse=True, return_counts=True)[1:]
    of_y, count_y = torch.unique(y, return_inverse=True, return_counts=True)[1:]
    count_pair = torch.unique(of_x * len(count_y) + of_y, return_counts=True)[1]
    h_x, h_y, h_pair = (_entropy(count, n) for count in (count_x, count_y, count_pair))
    nats = h_x + h_y - h_pair
    alone = [count_x, count_y] if continuous else [count_x]
    raised = {
        "saturated": nats > 0.99 * h_y,
        "vacuous": any(int((count == 1).sum()) > ALONE * n for count in alone),
    }
    if miller_madow:
        nats -= (len(count_pair) - len(count_x) - len(count_y) + 1) / (2.0 * n)
        raised = {"saturated": raised["saturated"], "below_zero": nats < 0.0, **raised}
    return Estimate(nats, "binning", n, flags=tuple(flag for flag, up in raised.items() if up))


def _entropy(counts: Tensor, n: int) -> float:
    """Plug-in entropy of cells in nats, from the counts of those of n rows."""
    counts = counts.double()
    return math.log(n) - ((counts * counts.log()).sum() / n).item()
