"""Mutual information from distances to nearest neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from infoprior._arguments import is_whole
from infoprior.information._inputs import InformationError, generator
from infoprior.information._ranks import normal_scores, tied_columns
from infoprior.information._result import Estimate, constant_estimate

TIE_NOISE = 1e-6
"""Noise that breaks ties, as a share of the column's standard deviation."""
SATURATED = 0.95
"""`saturated` above this share of psi(n) - psi(k), KSG's value of a column beside itself."""
BLOCK = 2_000_000
"""Distances held at once."""


def ksg(
    x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int, k: int = 3, ranks: bool = True
) -> list[Estimate]:
    """Kraskov, Stoegbauer & Grassberger's first estimator.

    "Estimating mutual information", Physical Review E 69, 2004, equation 8, in the maximum norm:
    I = psi(k) + psi(n) - <psi(n_x + 1) + psi(n_y + 1)>, with n_x the rows closer in x than the
    k-th neighbour in (x, y). Exact for large n, and it takes very many rows in more than a few
    dimensions: it then comes out too low.

    A column with many equal values gets normal noise of `TIE_NOISE` standard deviations, since
    distances of 0 have no neighbour that is k-th: the estimate is flagged `ties` and `sigma` is
    that share. Noise well below the gaps between the values takes away no information.

    Args:
        x, y: K pairs of shapes (n, p) and (n, q), float64.
        seed: draws the noise that breaks ties.
        k: neighbours, from 1 to n - 1. More lower the variance and raise the bias: 3 to 10 are
            alike in one or two dimensions a side, and 1 to 3 err less where there are more.
        ranks: map columns to normal scores first (no mutual information changes); otherwise they
            are scaled to unit variance, which errs more where tails are heavy.

    Returns:
        K estimates in nats; `sigma` in units of the scaled columns.

    Raises:
        InformationError: k out of range.
    """
    return [_ksg(a, b, seed, k, ranks) for a, b in zip(x, y, strict=True)]


def _ksg(x: Tensor, y: Tensor, seed: int, k: int, ranks: bool) -> Estimate:
    n = len(x)
    _check_neighbours(k, n)
    (x, tied_x), (y, tied_y) = _prepare(x, ranks, seed, "x"), _prepare(y, ranks, seed, "y")
    tied = tied_x or tied_y
    if x.shape[1] == y.shape[1] == 1:
        counts = _counts_of_two_columns(x, y, k)
    else:
        # Ties are broken below the resolution of float32.
        dtype = torch.float64 if tied else torch.float32
        counts = _counts(x.to(dtype), y.to(dtype), k)
    digammas = torch.digamma(counts.double() + 1.0).sum(dim=0).mean()
    whole = torch.digamma(torch.tensor([k, n], dtype=torch.float64)).sum().item()
    parts = torch.digamma(torch.tensor([n, k], dtype=torch.float64))
    return _estimate(whole - digammas.item(), "ksg", n, tied, (parts[0] - parts[1]).item())


def _counts(x: Tensor, y: Tensor, k: int) -> Tensor:
    """n_x and n_y of every row, shape (2, n)."""
    n = len(x)
    counts = []
    for rows in torch.arange(n, device=x.device).split(max(1, BLOCK // n)):
        near_x = torch.cdist(x[rows], x, p=torch.inf)
        near_y = torch.cdist(y[rows], y, p=torch.inf)
        # The row itself is at distance 0: the (k+1)-th smallest is the k-th neighbour.
        joint = torch.maximum(near_x, near_y)
        radius = joint.topk(k + 1, dim=1, largest=False, sorted=False).values.amax(1, keepdim=True)
        counts.append(torch.stack([_closer(near_x, radius), _closer(near_y, radius)]))
    return (torch.cat(counts, dim=1) - 1.0).clamp(min=0.0)


def _closer(distances: Tensor, radius: Tensor) -> Tensor:
    """How many rows are closer to each than its radius, from distances (m, n)."""
    return torch.lt(distances, radius, out=torch.empty_like(distances)).sum(dim=1)


def _counts_of_two_columns(x: Tensor, y: Tensor, k: int) -> Tensor:
    """The same of one column each, whose rows within the radius are counted by bisection."""
    n = len(x)
    radii = []
    for rows in torch.arange(n, device=x.device).split(max(1, BLOCK // n)):
        joint = (x[rows] - x.T).abs_()
        torch.maximum(joint, (y[rows] - y.T).abs_(), out=joint)
        radii.append(joint.topk(k + 1, dim=1, largest=False, sorted=False).values.amax(1))
    # A hair less, so that the k-th neighbour itself stays out whatever way the sum is rounded.
    radius = torch.cat(radii) * (1.0 - 1e-12)
    counts = []
    for column in (x[:, 0], y[:, 0]):
        ordered = column.sort().values
        above = torch.searchsorted(ordered, column + radius)
        below = torch.searchsorted(ordered, column - radius, right=True)
        counts.append(above - below - 1)
    return torch.stack(counts).clamp(min=0)


def ross(x: Sequence[Tensor], y: Tensor, *, seed: int, k: int = 3) -> list[Estimate]:
    """Ross's estimator between samples and classes.

    "Mutual information between discrete and continuous data sets", PLoS ONE 9, 2014, equation 2:
    I = psi(n) + <psi(k)> - <psi(n_c)> - <psi(m)>, with n_c the rows of the row's class and m the
    rows, itself among them, closer than its k-th neighbour of the same class; Euclidean distances
    of columns scaled to unit variance. A class of k rows or fewer takes all its others as
    neighbours; rows that are alone in their class have none and are left out.

    Args:
        x: K samples of shapes (n, d), float64.
        y: classes 0 .. C-1, shape (n,), int64.
        seed: draws the noise that breaks ties, as for `ksg`.
        k: neighbours, from 1 to n - 1.

    Returns:
        K estimates in nats; n is the number of rows that are not alone in their class; `constant`
        where these are of one class, or a layer does not vary over them.

    Raises:
        InformationError: k out of range, or every row is alone in its class.
    """
    _check_neighbours(k, len(y))
    sizes = torch.bincount(y)
    kept = (sizes[y] > 1).nonzero()[:, 0]
    if len(kept) == 0:
        raise InformationError("Every class has one row only; ross needs two of a class.")
    order = kept[y[kept].argsort(stable=True)]
    shared = sizes[sizes > 1].tolist()
    return [
        constant_estimate(len(order), "ross")
        if len(shared) == 1 or bool((side[order] == side[order[0]]).all())
        else _ross(side[order], shared, seed, k)
        for side in x
    ]


def _ross(x: Tensor, sizes: list[int], seed: int, k: int) -> Estimate:
    """x: rows class by class, of these sizes, all above 1."""
    n = len(x)
    x, tied = _prepare(x, False, seed, "x")
    # Exact differences where they are cheap; squares through a matrix product where not.
    how = "donot_use_mm_for_euclid_dist" if x.shape[1] <= 4 else "use_mm_for_euclid_dist"
    total, start = 0.0, 0
    for size in sizes:
        neighbours = min(k, size - 1)
        own = slice(start, start + size)
        for rows in x[own].split(max(1, BLOCK // n)):
            near = torch.cdist(rows, x, compute_mode=how)
            same = near[:, own].topk(neighbours + 1, dim=1, largest=False, sorted=False).values
            closer = _closer(near, same.amax(1, keepdim=True)).clamp(min=1.0)
            total -= torch.digamma(closer).sum().item()
        parts = torch.digamma(torch.tensor([neighbours, size], dtype=torch.float64))
        total += size * (parts[0] - parts[1]).item()
        start += size
    nats = total / n + torch.digamma(torch.tensor(n, dtype=torch.float64)).item()
    return _estimate(nats, "ross", n, tied)


def _check_neighbours(k: int, n: int) -> None:
    if not is_whole(k) or not 1 <= k < n:
        raise InformationError(f"k is {k}; give a whole number of neighbours from 1 to {n - 1}.")


def _prepare(samples: Tensor, ranks: bool, seed: int, side: str) -> tuple[Tensor, bool]:
    """Varying columns made comparable, ties broken; and whether there were any."""
    if ranks:
        samples = normal_scores(samples)
    samples = samples - samples.mean(dim=0)
    largest = samples.abs().amax(dim=0)
    samples = (samples / largest)[:, largest > 0.0]  # so that squares of huge values stay finite
    samples = samples / samples.std(dim=0)
    tied = tied_columns(samples)
    if len(tied):
        noise = generator(seed, f"ties {side}").normal(size=(len(samples), len(tied)))
        samples[:, tied] += TIE_NOISE * torch.from_numpy(noise).to(samples)
    return samples, len(tied) > 0


def _estimate(nats: float, method: str, n: int, tied: bool, ceiling: float = math.inf) -> Estimate:
    """An estimate with its flags."""
    raised = {
        "saturated": nats >= SATURATED * ceiling, "below_zero": nats < 0.0, "ties": tied,
    }  # fmt: skip
    flags = [flag for flag, up in raised.items() if up]
    return Estimate(nats, method, n, sigma=TIE_NOISE if tied else None, flags=tuple(flags))
