"""Nearest neighbours with the bias that they have on a fitted copula taken off."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from infoprior._arguments import is_whole
from infoprior.information._copula import FOLDS, check_rows, wishart_bias
from infoprior.information._elliptical import Copula, fit_copula, from_correlation
from infoprior.information._inputs import InformationError, generator
from infoprior.information._neighbors import ksg
from infoprior.information._ranks import break_ties, normal_scores, ranks
from infoprior.information._result import Estimate


def corrected_ksg(
    x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int, k: int = 3, draws: int = 1
) -> list[Estimate]:
    """KSG less its bias on samples from the pair's own Student-t copula, a parametric bootstrap.

    Nearest neighbours see any dependence in a few columns and next to none in many; a copula sees
    only elliptical dependence, in however many columns. So a copula is fitted (`fit_copula`), its
    correlations between x and y shrunk until they carry no more information than is left after
    the fit's own bias (`wishart_bias`), `draws` samples of the same n rows and the same margins are
    drawn from it, and

        I = KSG(data) - [KSG(drawn) - mean log-ratio of the drawn rows].

    On elliptical copulas that is right up to noise whatever the dimensions; on others, KSG's bias
    is corrected as far as the copula resembles the data. Equal values come in random order first
    (`break_ties`): a copula has continuous margins, and this changes no information. The
    bootstrap's correction of bias is Efron & Tibshirani, "An Introduction to the Bootstrap", 1993,
    chapter 10.

    Args:
        x, y: K pairs of shapes (n, p) and (n, q), float64.
        seed: draws the samples, and the order of equal values.
        k: neighbours, from 1 to n - 1.
        draws: samples drawn, each as much work as the estimate itself.

    Returns:
        K estimates in nats; `ties`: equal values.

    Raises:
        InformationError: k or draws out of range; about as many columns as rows.
    """
    if not is_whole(draws) or draws < 1:
        raise InformationError(f"draws is {draws}; give a whole number from 1 up.")
    return [_corrected(a, b, seed, k, draws) for a, b in zip(x, y, strict=True)]


def _corrected(x: Tensor, y: Tensor, seed: int, k: int, draws: int) -> Estimate:
    """`corrected_ksg` of one pair."""
    n = len(x)
    (x, tied_x), (y, tied_y) = break_ties(x, seed, "x"), break_ties(y, seed, "y")
    [plain] = ksg([x], [y], seed=seed, k=k)
    z_x, z_y = normal_scores(x)[None], normal_scores(y)[None]
    p, q = (int((z != 0.0).any(dim=1).sum()) for z in (z_x, z_y))
    check_rows(n - n // FOLDS, p, q, "ksg-copula")
    copula = _shrunk(fit_copula(z_x, z_y, nu=None), x.shape[1], wishart_bias(n, p, q))
    random = generator(seed, "copula sample")
    bias = 0.0
    for _ in range(draws):
        z = _draw(copula, n, random)
        scores = normal_scores(z)
        drawn_x, drawn_y = scores[:, : x.shape[1]], scores[:, x.shape[1] :]
        truth = copula.log_ratio(drawn_x[None], drawn_y[None]).mean().item()
        like_x, like_y = _with_margins(drawn_x, x), _with_margins(drawn_y, y)
        bias += (ksg([like_x], [like_y], seed=seed, k=k)[0].nats - truth) / draws
    nats = plain.nats - bias
    flags = {
        "saturated": "saturated" in plain.flags,
        "below_zero": nats < 0.0,
        "ties": tied_x or tied_y,
    }
    return Estimate(nats, "ksg-copula", n, flags=tuple(flag for flag, up in flags.items() if up))


def _shrunk(copula: Copula, dx: int, excess: float) -> Copula:
    """The copula with the correlations between the sides scaled down to carry `excess` nats less.

    None of them is left where they carry less than that.
    """
    cross = copula.correlation[0, :dx, dx:]
    squared = torch.linalg.svdvals(copula.white_x[0].mT @ cross @ copula.white_y[0]).square()
    squared = squared.clamp(max=1.0 - 1e-12)

    def information(scale: float) -> float:
        return -0.5 * torch.log1p(-(scale**2) * squared).sum().item()

    target, low, high = information(1.0) - excess, 0.0, 1.0
    for _ in range(40 if target > 0.0 else 0):
        middle = (low + high) / 2.0
        low, high = (middle, high) if information(middle) < target else (low, middle)
    correlation = copula.correlation.clone()
    correlation[:, :dx, dx:] *= low
    correlation[:, dx:, :dx] *= low
    return from_correlation(correlation, copula.nu, copula.widths, dx)


def _draw(copula: Copula, n: int, random: np.random.Generator) -> Tensor:
    """n rows of the first copula's t scores, (n, p + q)."""
    factor = torch.linalg.cholesky(copula.correlation[0])
    normal = torch.from_numpy(random.normal(size=(n, len(factor)))).to(factor)
    nu = copula.nu[0].item()
    if math.isinf(nu):
        return normal @ factor.mT
    scale = torch.from_numpy(random.chisquare(nu, size=(n, 1)) / nu).to(factor)
    return normal @ factor.mT / scale.sqrt()


def _with_margins(drawn: Tensor, like: Tensor) -> Tensor:
    """The values of `like` in the order of `drawn`, column by column."""
    return like.sort(dim=0).values.gather(0, ranks(drawn).long())
