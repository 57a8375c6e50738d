"""Mutual information in closed form: canonical correlations, Gaussian and Student-t copulas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from infoprior.information._elliptical import RIDGE, fit_copula
from infoprior.information._inputs import InformationError, generator
from infoprior.information._ranks import break_ties, dither, normal_scores
from infoprior.information._result import Estimate

RANK = 1e-9
"""Directions with less than this share of a side's largest variance are rounding noise."""
CLOSEST = 1.0 - 1e-9
"""Squared canonical correlations count as at most this: 10.4 nats each, `saturated`."""
SINGULAR = 2.0
"""A correlation matrix with an eigenvalue below so many times the ridge: `saturated`."""
FOLDS = 5
BLOCK = 4_000_000
"""Numbers held at once by the stacks of folds: 32 MB each."""


def copula(x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int = 0) -> list[Estimate]:
    """Mutual information of the Gaussian copula.

    Columns are mapped to normal scores, and the information is that of a Gaussian with their
    correlations, -1/2 log(|R| / (|Rx| |Ry|)), less its bias (`cca`). Exact where the dependence is
    Gaussian whatever the margins; blind to dependence that correlations of ranks do not see.
    Ince et al., "A statistical framework for neuroimaging data analysis based on mutual
    information estimated via a Gaussian copula", Human Brain Mapping 38, 2017. Equal values are
    ranked in random order (`break_ties`), and flagged `ties`.

    Args:
        x, y: K pairs of shapes (n, p) and (n, q), float64.
        seed: of the order of equal values.

    Returns:
        K estimates in nats. `saturated`: some direction of y is a function of x.

    Raises:
        InformationError: as many columns as rows.
    """
    answers = []
    for a, b in zip(x, y, strict=True):
        a, b, tied = _both_untied(a, b, seed)
        answers.append(_gaussian(normal_scores(a), normal_scores(b), "copula", tied))
    return answers


def _both_untied(x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor, bool]:
    """Each side with its ties broken, by draws of its own; and whether there were any."""
    (x, tied_x), (y, tied_y) = break_ties(x, seed, "x"), break_ties(y, seed, "y")
    return x, y, tied_x or tied_y


def cca(x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int = 0) -> list[Estimate]:
    """Mutual information of jointly Gaussian data, from the canonical correlations of the data.

    I = -1/2 sum log(1 - rho_i^2). Its expectation is too high by that of the log-determinants of
    Wishart matrices, sums of digamma functions that are known exactly (Goodman, Annals of
    Mathematical Statistics 34, 1963; Misra, Singh & Demchuk, Journal of Multivariate Analysis 92,
    2005, theorem 2.1) and taken off, so that independent Gaussians give 0 on average. Columns with
    many equal values are spread between their neighbours (`dither`), and flagged `ties`.

    Args:
        x, y: K pairs of shapes (n, p) and (n, q), float64. Columns that repeat, or follow linearly
            from others of the same side, count once.
        seed: of what spreads equal values.

    Returns:
        K estimates in nats. `saturated`: some direction of y is a linear function of x.

    Raises:
        InformationError: as many columns as rows.
    """
    answers = []
    for a, b in zip(x, y, strict=True):
        (a, tied_x), (b, tied_y) = dither(a, seed, "x"), dither(b, seed, "y")
        answers.append(_gaussian(_standardize(a), _standardize(b), "cca", tied_x or tied_y))
    return answers


def _standardize(samples: Tensor) -> Tensor:
    """Columns of mean 0 and variance 1; constant columns become zeros."""
    centred = samples - samples.mean(dim=0)
    scale = centred.abs().amax(dim=0)  # first, so that squares of huge values stay finite
    centred = centred / torch.where(scale > 0.0, scale, 1.0)
    spread = centred.std(dim=0)
    return centred / torch.where(spread > 0.0, spread, 1.0)


def _gaussian(x: Tensor, y: Tensor, method: str, tied: bool = False) -> Estimate:
    """The information of a Gaussian pair from its canonical correlations, less its bias."""
    n = len(x)
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    white_x, white_y = _whitening(x), _whitening(y)
    p, q = white_x.shape[1], white_y.shape[1]
    check_rows(n - 1, p, q, method)
    squared = torch.linalg.svdvals(white_x.mT @ (x.mT @ y) @ white_y).square()
    saturated = bool((squared > CLOSEST).any())
    nats = -0.5 * torch.log1p(-squared.clamp(max=CLOSEST)).sum().item()
    value = nats - wishart_bias(n, p, q)
    return Estimate(value, method, n, flags=_raised(saturated, value, tied))


def _raised(saturated: bool, nats: float, tied: bool) -> tuple[str, ...]:
    """The flags that are raised."""
    flags = {"saturated": saturated, "below_zero": nats < 0.0, "ties": tied}
    return tuple(flag for flag, up in flags.items() if up)


def check_rows(fitted: int, p: int, q: int, method: str) -> None:
    """Refuse p + q columns that are as many as the rows they are fitted to."""
    if p + q >= fitted:
        raise InformationError(
            f"{method} fits {p} + {q} columns to {fitted} rows and needs more rows than columns; "
            "give more rows or fewer columns."
        )


def _whitening(centred: Tensor) -> Tensor:
    """W of shape (d, rank) with W' (z' z) W = I."""
    values, vectors = torch.linalg.eigh(centred.mT @ centred)
    kept = values > RANK * values[-1]
    return vectors[:, kept] / values[kept].sqrt()


def wishart_bias(n: int, p: int, q: int) -> float:
    """By how much -1/2 log(|S| / (|Sx| |Sy|)) of n Gaussian rows is too high on average, in nats.

    E log |S| = log |Sigma| + sum_{i<=d} digamma((n - i) / 2) - d log((n - 1) / 2) for the sample
    covariance about the mean; the last term cancels between the three determinants.
    """

    def digammas(d: int) -> float:
        return torch.digamma((n - torch.arange(1, d + 1, dtype=torch.float64)) / 2.0).sum().item()

    return 0.5 * (digammas(p) + digammas(q) - digammas(p + q))


def student_copula(
    x: Sequence[Tensor],
    y: Sequence[Tensor],
    *,
    seed: int = 0,
    nu: float | None = None,
    ridge: float = RIDGE,
) -> list[Estimate]:
    """Mutual information of the elliptical Student-t copula.

    Columns are mapped to t scores (equal values in random order, see `break_ties`), scatter and
    degrees of freedom fitted by maximum likelihood (`fit_copula`), and
    log t_{p+q} - log t_p - log t_q averaged over the rows. With few degrees of
    freedom x and y share their scale, so that there is information without any correlation
    (Arellano-Valle, Contreras-Reyes & Genton, Scandinavian Journal of Statistics 40, 2013,
    section 3); with infinitely many it is the Gaussian copula. The mean over the rows that were
    fitted (`train`) is too high by the bias of the scatter's log-determinants, exactly so for the
    Gaussian copula and to within a tenth of it for two degrees of freedom: `nats` is `train` less
    that bias (`wishart_bias`). `test` comes from rows left out of the fit, five folds.

    Args:
        x, y: K pairs of shapes (n, p) and (n, q), float64.
        seed: deals the rows to folds, and orders equal values; without these `nats` does not
            depend on it.
        nu: degrees of freedom, from 0.5 up; None chooses from 1 to infinity by likelihood.
        ridge: share of the identity in the correlation matrix.

    Returns:
        K estimates in nats; `test` is too low by about as much as `train` is too high.
        `saturated`: columns determine each other, and the ridge the value; `ties`: equal values.

    Raises:
        InformationError: nu or ridge out of range; as many columns as fitted rows.
    """
    answers: dict[int, Estimate] = {}
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for k, (a, b) in enumerate(zip(x, y, strict=True)):
        groups[(*a.shape, b.shape[1])].append(k)
    for (n, p, q), members in groups.items():
        check_rows(n - n // FOLDS, p, q, "t-copula")
        order = torch.from_numpy(generator(seed, "folds").permutation(n)).to(x[members[0]].device)
        at_once = max(1, BLOCK // (n * (p + q)))
        for first in range(0, len(members), at_once):
            part = members[first : first + at_once]
            untied = [_both_untied(x[k], y[k], seed) for k in part]
            z_x = normal_scores(torch.stack([a for a, _, _ in untied]))
            z_y = normal_scores(torch.stack([b for _, b, _ in untied]))
            fit = fit_copula(z_x, z_y, nu=nu, ridge=ridge)
            train = fit.log_ratio(z_x, z_y).mean(-1)
            test = _left_out(z_x[:, order], z_y[:, order], fit.nu, ridge)
            singular = torch.linalg.eigvalsh(fit.correlation)[:, 0] < SINGULAR * ridge
            tied = [ties for _, _, ties in untied]
            for k, inside, p_k, q_k, outside, flat, ties in zip(
                part, train, *fit.widths, test, singular.tolist(), tied, strict=True
            ):
                nats = inside.item() - wishart_bias(n, int(p_k), int(q_k))
                answers[k] = Estimate(
                    nats,
                    "t-copula",
                    n,
                    train=inside.item(),
                    test=outside.mean().item(),
                    fold_spread=outside.std().item(),
                    flags=_raised(flat, nats, ties),
                )
    return [answers[k] for k in range(len(x))]


def _left_out(x: Tensor, y: Tensor, nu: Tensor, ridge: float) -> Tensor:
    """Mean log-ratio of each fifth of the rows under a fit to the other four: (B, FOLDS)."""
    size = x.shape[1] // FOLDS
    values = []
    for fold in range(FOLDS):
        test = slice(fold * size, (fold + 1) * size)
        fitted_x, fitted_y = (torch.cat([z[:, : test.start], z[:, test.stop :]], 1) for z in (x, y))
        fit = fit_copula(fitted_x, fitted_y, nu=nu, ridge=ridge)
        values.append(fit.log_ratio(x[:, test], y[:, test]).mean(-1))
    return torch.stack(values, dim=1)
