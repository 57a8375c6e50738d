"""Columns by rank: normal scores, and Student-t scores from them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from infoprior.information._inputs import generator

DISTINCT = 0.99
"""A column with a smaller share of distinct values is tied; below float32's own collisions."""
KNOTS = 4096
REACH = 8.25
"""Normal scores are tabulated from 0 to here: beyond the reach of 10^15 rows."""


def ranks(samples: Tensor) -> Tensor:
    """Ranks 0 .. n-1 down the rows; equal values share their mean rank.

    Args:
        samples: shape (..., n, d).

    Returns:
        shape (..., n, d), float64.
    """
    columns = samples.mT.contiguous()
    n = columns.shape[-1]
    ordered, place = _sort(columns)
    starts = torch.ones_like(ordered, dtype=torch.bool)  # of a run of equal values
    starts[..., 1:] = ordered[..., 1:] > ordered[..., :-1]
    number = torch.arange(n, dtype=torch.float64, device=samples.device).expand_as(ordered)
    if bool(starts.all()):
        middle = number
    else:
        ends = torch.ones_like(starts)
        ends[..., :-1] = starts[..., 1:]
        first = torch.where(starts, number, 0.0).cummax(dim=-1).values
        last = torch.where(ends, number, float(n)).flip(-1).cummin(dim=-1).values.flip(-1)
        middle = (first + last) / 2.0
    return torch.empty_like(ordered, dtype=torch.float64).scatter_(-1, place, middle).mT


def break_ties(samples: Tensor, seed: int, purpose: str) -> tuple[Tensor, bool]:
    """Columns with many equal values by rank, equal ones in random order; and whether any has.

    The distributional transform (Rueschendorf, Journal of Statistical Planning and Inference 139,
    2009): a column is a function of its ranks so drawn, and what they add is independent noise. So
    no mutual information changes, and a copula, which needs continuous margins, has them.

    Args:
        samples: shape (n, d), finite. Constant columns and those of (nearly) distinct values stay.
        seed, purpose: of the random order.

    Returns:
        same shape, float64.
    """
    tied = tied_columns(samples)
    if len(tied) == 0:
        return samples, False
    n, answer = len(samples), samples.double().clone()
    noise = generator(seed, f"order of ties {purpose}").random((n, len(tied)))
    order = np.lexsort((noise, samples[:, tied].cpu().numpy()), axis=0)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(n)[:, None], axis=0)
    answer[:, tied] = torch.from_numpy(place).to(answer)
    return answer, True


def dither(samples: Tensor, seed: int, purpose: str) -> tuple[Tensor, bool]:
    """Columns with many equal values spread evenly over what is nearest to each value.

    As `break_ties`, for methods that read distances and not only order: a value becomes uniform
    between the middles to its neighbours, from which it can be read again.
    """
    tied = tied_columns(samples)
    if len(tied) == 0:
        return samples, False
    answer = samples.double().clone()
    noise = generator(seed, f"order of ties {purpose}").random((len(samples), len(tied)))
    for i, j in enumerate(tied.tolist()):
        values, where = answer[:, j].unique(return_inverse=True)
        middles = (values[1:] + values[:-1]) / 2.0
        edges = torch.cat(
            [2.0 * values[:1] - middles[:1], middles, 2.0 * values[-1:] - middles[-1:]]
        )
        share = torch.from_numpy(noise[:, i]).to(edges)
        answer[:, j] = edges[where] + share * (edges[where + 1] - edges[where])
    return answer, True


def tied_columns(samples: Tensor) -> Tensor:
    """Numbers of the columns that vary and have many equal values; samples of shape (n, d)."""
    ordered = samples.sort(dim=0).values
    distinct = (ordered[1:] > ordered[:-1]).sum(dim=0) + 1
    return ((distinct > 1) & (distinct < DISTINCT * len(samples))).nonzero()[:, 0]


def _sort(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Values in order along the last dimension, and where they were; ties in any order."""
    if columns.device.type != "cpu":
        return columns.sort(dim=-1)
    # numpy's argsort takes a third of the time of PyTorch's sort on one core.
    place = torch.from_numpy(np.argsort(columns.numpy(), axis=-1))
    return columns.gather(-1, place), place


def normal_scores(samples: Tensor) -> Tensor:
    """Standard-normal quantiles of (rank + 1/2) / n, column by column.

    A strictly increasing map of one column changes no mutual information; this one makes every
    margin normal. A constant column becomes zeros.

    Args:
        samples: shape (..., n, d), finite.

    Returns:
        shape (..., n, d), float64.
    """
    return torch.special.ndtri((ranks(samples) + 0.5) / samples.shape[-2])


@lru_cache(maxsize=64)
def _table(nu: float) -> Tensor:
    """asinh(t / sqrt(nu)) at the t with Phi(z) = F_nu(t), for z = 0 .. REACH; float64 (KNOTS,).

    With t = sqrt(nu) sinh u, the density of u is proportional to cosh(u)^-nu, and u grows only
    like z^2: a smooth thing to interpolate, where t itself explodes.
    """
    log_constant = math.lgamma((nu + 1.0) / 2.0) - math.lgamma(nu / 2.0) - 0.5 * math.log(math.pi)

    def density(u: np.ndarray) -> np.ndarray:
        log_cosh = u + np.log1p(np.exp(-2.0 * u)) - math.log(2.0)
        return np.exp(log_constant - nu * log_cosh)

    # The upper tail behaves like exp(-nu u): S(far) is below any normal tail tabulated here.
    far = (REACH**2 / 2.0 + 20.0) / nu + math.log(2.0)
    edges = np.linspace(0.0, far, 4 * KNOTS)
    points, weights = np.polynomial.legendre.leggauss(6)
    half = (edges[1] - edges[0]) / 2.0
    panels = density(edges[:-1, None] + half * (points + 1.0)) @ weights * half
    # Summed from the far end, so that the tail keeps its relative accuracy.
    survival = np.append(np.cumsum(panels[::-1])[::-1], 0.0) + density(edges[-1:]) / nu
    z = -torch.special.ndtri(torch.from_numpy(survival)).numpy()
    z[0] = 0.0
    # Cubic Hermite with the exact slope du/dz = phi(z) / density(u).
    slope = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi) / density(edges)
    at = np.linspace(0.0, REACH, KNOTS)
    left = np.clip(np.searchsorted(z, at, side="right") - 1, 0, len(z) - 2)
    width = z[left + 1] - z[left]
    s = (at - z[left]) / width
    value = (
        (1 + 2 * s) * (1 - s) ** 2 * edges[left]
        + s * (1 - s) ** 2 * width * slope[left]
        + s**2 * (3 - 2 * s) * edges[left + 1]
        + s**2 * (s - 1) * width * slope[left + 1]
    )
    return torch.from_numpy(value)


def student_scores(normal: Tensor, nu: Tensor) -> Tensor:
    """t_nu^-1(Phi(z)) of normal scores z, by linear interpolation: relative error below 1e-5.

    Args:
        normal: shape (B, n, d), float32 or float64.
        nu: degrees of freedom, shape (B,); infinity leaves the scores as they are.

    Returns:
        shape (B, n, d), dtype of `normal`.
    """
    answer = normal.clone()
    for value in nu.unique().tolist():
        if math.isinf(value):
            continue
        mine = (nu == value).nonzero()[:, 0]
        whole = len(mine) == len(normal)
        z = normal if whole else normal[mine]
        table = _table(value).to(normal)
        place = z.abs().mul(KNOTS - 1).div_(REACH).clamp_(max=KNOTS - 1.001)
        left = place.long()
        low = table[left]
        u = low + (place - left) * (table[left + 1] - low)
        scores = torch.copysign(u.sinh_().mul_(math.sqrt(value)), z)
        if whole:
            return scores
        answer[mine] = scores
    return answer


def standardize(samples: Tensor) -> Tensor:
    """Columns less their mean over their standard deviation; constant columns become zeros.

    Args:
        samples: shape (n, d), finite.

    Returns:
        same shape and dtype.
    """
    size = samples.abs().amax(dim=0)  # first, so that sums and squares of huge values stay finite
    scaled = samples / torch.where(size > 0.0, size, 1.0)
    scaled = scaled - scaled.mean(dim=0)
    spread = scaled.std(dim=0)
    # What is left of a constant column is rounding noise.
    varies = scaled.abs().amax(dim=0) > 1e-12
    return torch.where(varies, scaled / torch.where(varies, spread, 1.0), 0.0)
