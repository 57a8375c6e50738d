"""Gaussian and Student-t copulas of many pairs at once, and their log density ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from infoprior.information._inputs import InformationError, positive
from infoprior.information._ranks import student_scores

NU = (math.inf, 32.0, 16.0, 10.0, 7.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.5, 1.25, 1.0)
"""Degrees of freedom that are tried, from the Gaussian copula to the Cauchy copula."""
RIDGE = 1e-6
"""Share of the identity in every correlation matrix: columns that repeat stay invertible."""
NU_ROWS = 2000
"""Rows that choose the degrees of freedom: two numbers' worth of fit needs no more."""
SWEEPS = 4
"""Fixed-point sweeps per degree of freedom tried; each starts where its neighbour ended."""
FINAL_SWEEPS = 12

Side = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Copula:
    """B fitted elliptical copulas, and log c(x, y) / (c(x) c(y)) for any rows, in nats.

    The ratio needs two numbers of each side and one residual of the pair: with z the t scores,

        log r = k - (nu+p+q)/2 log(1 + (a + e)/nu) + (nu+p)/2 log(1 + a/nu) + (nu+q)/2 log(1 + b/nu)

    where a = x' Rx^-1 x, b = y' Ry^-1 y and e = |W (y - A x)|^2 with W' W the inverse of the
    conditional scatter; nu = infinity is the Gaussian copula, -e/2 + b/2 plus a constant. So
    `side_x` and `side_y` are computed once per row, and any pairing of rows is then cheap.

    Attributes:
        nu: degrees of freedom, shape (B,), float64; infinity for Gaussian.
        white_x: (B, dx, dx), white_y: (B, dy, dy): maps to a and b; transition: (B, dx, dy) and
            residual: (B, dy, dy): e = |y residual - x transition|^2.
        constant: k, shape (B,). widths: p and q, the columns that vary, two tensors of shape (B,).
        correlation: R, shape (B, dx + dy, dx + dy), float64.
    """

    nu: Tensor
    white_x: Tensor
    white_y: Tensor
    transition: Tensor
    residual: Tensor
    constant: Tensor
    widths: tuple[Tensor, Tensor]
    correlation: Tensor

    def side_x(self, x: Tensor) -> Side:
        """What the ratio needs of x: normal scores (B, n, dx) -> a of (B, n) and (B, n, dy)."""
        t = student_scores(x, self.nu)
        return (t @ self.white_x.to(t)).square().sum(-1), t @ self.transition.to(t)

    def side_y(self, y: Tensor) -> Side:
        """What the ratio needs of y: normal scores (B, n, dy) -> b of (B, n) and (B, n, dy)."""
        t = student_scores(y, self.nu)
        return (t @ self.white_y.to(t)).square().sum(-1), t @ self.residual.to(t)

    def combine(self, x: Side, y: Side) -> Tensor:
        """log r of rows of `side_x` beside rows of `side_y`; leading dimension B, any others."""
        return self._ratio(x[0], y[0], (y[1] - x[1]).square().sum(-1))

    def combine_all(self, x: Side, y: Side) -> Tensor:
        """log r of every x beside every y: shape (B, rows of x, rows of y)."""
        return self._ratio(x[0][..., None], y[0][..., None, :], torch.cdist(x[1], y[1]).square())

    def log_ratio(self, x: Tensor, y: Tensor) -> Tensor:
        """log r of the pairs (x, y) row by row.

        Args:
            x, y: normal scores (`normal_scores`), shapes (B, n, dx) and (B, n, dy), float32
                or float64.

        Returns:
            shape (B, n), nats, dtype of x.
        """
        return self.combine(self.side_x(x), self.side_y(y))

    def take(self, rows: Tensor) -> Copula:
        """The copulas with these numbers along B."""
        return Copula(
            self.nu[rows],
            self.white_x[rows],
            self.white_y[rows],
            self.transition[rows],
            self.residual[rows],
            self.constant[rows],
            (self.widths[0][rows], self.widths[1][rows]),
            self.correlation[rows],
        )

    def _ratio(self, a: Tensor, b: Tensor, e: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (e.ndim - 1)
        nu, constant = self.nu.to(e).view(shape), self.constant.to(e).view(shape)
        p, q = (width.to(e).view(shape) for width in self.widths)
        gaussian = nu.isinf()
        if bool(gaussian.all()):
            return constant + (b - e) / 2.0
        finite = torch.where(gaussian, 1.0, nu)
        student = (
            (finite + p) / 2.0 * torch.log1p(a / finite)
            + (finite + q) / 2.0 * torch.log1p(b / finite)
            - (finite + p + q) / 2.0 * torch.log1p((a + e) / finite)
        )
        return constant + torch.where(gaussian, (b - e) / 2.0, student)


def fit_copula(
    x: Tensor, y: Tensor, *, nu: float | Tensor | None = math.inf, ridge: float = RIDGE
) -> Copula:
    """Fit B copulas to B pairs of samples.

    The scatter of the t scores is the maximum-likelihood one for the given nu (fixed point
    R <- sum w z z' / sum w with w = (nu + d) / (nu + z' R^-1 z); Kent, Tyler & Vardi,
    Communications in Statistics 23, 1994, section 4, the parameter-expanded EM step), scaled to a
    correlation after each sweep since the margins' scale is known. It costs n d^2 a sweep where
    Kendall's tau costs n^2 d^2, and is the more efficient estimate of the same matrix.

    Args:
        x, y: normal scores, shapes (B, n, dx) and (B, n, dy), float32 or float64. Columns of zeros
            (padding, constants) are left out.
        nu: degrees of freedom, one for all or of shape (B,); infinity is the Gaussian copula; None
            chooses from `NU` by the likelihood of the copula of (x, y), on at most `NU_ROWS` rows,
            and keeps infinity where the choice would lower the mean of the ratio.
        ridge: share of the identity in the correlation matrix.

    Raises:
        InformationError: nu below 0.5 or of another shape; ridge outside (0, 1].
    """
    if positive(ridge, "ridge", "a share") > 1.0:
        raise InformationError(f"ridge is {ridge}; give a share above 0, at most 1.")
    z = torch.cat([x, y], dim=-1).double()
    if nu is None:
        chosen, start = _choose(z, ridge)
    else:
        try:
            chosen = torch.as_tensor(nu, dtype=torch.float64, device=z.device)
        except (TypeError, ValueError, RuntimeError):
            chosen = torch.full((len(z),), math.nan)  # refused below
        if chosen.ndim == 0:
            chosen = chosen.expand(len(z)).clone()
        if chosen.shape != (len(z),) or bool((chosen < 0.5).any()) or bool(chosen.isnan().any()):
            raise InformationError(f"nu is {nu!r}; give one number from 0.5 up, or one a pair.")
        start = _correlate(z, None, ridge)
    varies, dx = _varying(z), x.shape[-1]
    widths = varies[:, :dx].sum(-1).double(), varies[:, dx:].sum(-1).double()
    gaussian = _correlate(z, None, ridge)
    if bool(chosen.isinf().all()):
        return from_correlation(gaussian, chosen, widths, dx)
    correlation = _scatter(student_scores(z, chosen), chosen, start, FINAL_SWEEPS, ridge)
    if nu is None:
        # Heavy tails inside x alone also ask for few degrees of freedom, but x and y then share
        # no scale, and the ratio of the t copula falls below that of the Gaussian one.
        rows = z[:, :NU_ROWS]
        student = from_correlation(correlation, chosen, widths, dx)
        normal = from_correlation(gaussian, torch.full_like(chosen, math.inf), widths, dx)
        a, b = rows[..., :dx], rows[..., dx:]
        worse = student.log_ratio(a, b).mean(-1) < normal.log_ratio(a, b).mean(-1)
        chosen = torch.where(worse, math.inf, chosen)
        correlation = torch.where(worse[:, None, None], gaussian, correlation)
    return from_correlation(correlation, chosen, widths, dx)


def _varying(z: Tensor) -> Tensor:
    """Which columns vary, shape (B, d)."""
    return (z != 0.0).any(dim=-2)  # (B, d)


def _correlate(t: Tensor, weights: Tensor | None, ridge: float) -> Tensor:
    """Correlation about zero, (B, d, d), with unit diagonal for columns of zeros too."""
    product = (t if weights is None else t * weights[..., None]).mT @ t
    scale = product.diagonal(dim1=-2, dim2=-1).sqrt()
    scale = torch.where(scale > 0.0, scale, 1.0)
    product = product / scale[..., None] / scale[..., None, :] * (1.0 - ridge)
    product.diagonal(dim1=-2, dim2=-1).fill_(1.0)
    return product


def _distance(t: Tensor, correlation: Tensor) -> tuple[Tensor, Tensor]:
    """z' R^-1 z of each row, (B, n), and log |R|, (B,)."""
    factor = torch.linalg.cholesky(correlation)
    inverse = _inverse_factor(factor)
    return (t @ inverse).square().sum(-1), _log_det(factor)


def _inverse_factor(factor: Tensor) -> Tensor:
    """L^-T of a Cholesky factor L: z' R^-1 z = |z' L^-T|^2."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, identity, upper=False).mT


def _log_det(factor: Tensor) -> Tensor:
    """log |R|, (B,), of Cholesky factors."""
    return 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _scatter(t: Tensor, nu: Tensor, start: Tensor, sweeps: int, ridge: float) -> Tensor:
    """The scatter of t scores as a correlation matrix, (B, d, d), after so many sweeps."""
    width = _varying(t).sum(-1)
    correlation = start
    # Weights of a Gaussian copula are all one; a large nu stands for it.
    degrees = nu.clamp(max=1e12)[:, None]
    for _ in range(sweeps):
        distance, _ = _distance(t, correlation)
        weights = (degrees + width[:, None]) / (degrees + distance)
        correlation = _correlate(t, weights, ridge)
    return correlation


def _choose(z: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """The degrees of freedom of highest likelihood, (B,), and the scatter there, (B, d, d)."""
    every = max(1, -(-z.shape[1] // NU_ROWS))
    z = z[:, ::every]
    varies = _varying(z)
    width = varies.sum(-1)
    best_nu = torch.full((len(z),), math.inf, dtype=torch.float64, device=z.device)
    correlation = _correlate(z, None, ridge)
    best = _likelihood(z, best_nu, correlation, varies)
    best_correlation = correlation
    live = torch.arange(len(z), device=z.device)
    for value in NU[1:]:
        nu = torch.full((len(live),), value, dtype=torch.float64, device=z.device)
        t = student_scores(z[live], nu)
        correlation = _scatter(t, nu, correlation, SWEEPS, ridge)
        reached = _likelihood(t, nu, correlation, varies[live])
        better = reached > best[live]
        rows = live[better]
        best[rows], best_nu[rows] = reached[better], value
        best_correlation = best_correlation.index_copy(0, rows, correlation[better])
        # The likelihood has one peak in nu: whoever falls clearly is past it.
        stay = reached > best[live] - 0.01 * width[live]
        live, correlation = live[stay], correlation[stay]
        if len(live) == 0:
            break
    return best_nu, best_correlation


def _likelihood(t: Tensor, nu: Tensor, correlation: Tensor, varies: Tensor) -> Tensor:
    """Mean log density of the copula: log t_d(z) - sum log t_1(z_j), shape (B,)."""
    distance, log_det = _distance(t, correlation)
    d = varies.sum(-1).double()
    gaussian = nu.isinf()
    degrees = torch.where(gaussian, 1.0, nu)
    margins = torch.log1p(t.square() / degrees[:, None, None]).sum(-1)
    joint = torch.log1p(distance / degrees[:, None])
    constant = (
        torch.lgamma((degrees + d) / 2.0)
        - torch.lgamma(degrees / 2.0)
        - d * (torch.lgamma((degrees + 1.0) / 2.0) - torch.lgamma(degrees / 2.0))
    )
    student = constant + (
        (degrees[:, None] + 1.0) / 2.0 * margins - (degrees + d)[:, None] / 2.0 * joint
    ).mean(-1)
    normal = (t.square().sum(-1) - distance).mean(-1) / 2.0
    return torch.where(gaussian, normal, student) - log_det / 2.0


def from_correlation(
    correlation: Tensor, nu: Tensor, widths: tuple[Tensor, Tensor], dx: int
) -> Copula:
    """The copulas of correlation matrices (B, dx + dy, dx + dy); `widths` as in `Copula`."""
    factor = torch.linalg.cholesky(correlation)
    # The lower block of the inverse factor whitens y given x; the upper block x alone.
    inverse = _inverse_factor(factor)
    factor_y = torch.linalg.cholesky(correlation[:, dx:, dx:])
    p, q = widths
    degrees = torch.where(nu.isinf(), 1.0, nu)
    gammas = (
        torch.lgamma((degrees + p + q) / 2.0)
        + torch.lgamma(degrees / 2.0)
        - torch.lgamma((degrees + p) / 2.0)
        - torch.lgamma((degrees + q) / 2.0)
    )
    information = (_log_det(factor_y) + _log_det(factor[:, :dx, :dx]) - _log_det(factor)) / 2.0
    return Copula(
        nu,
        inverse[:, :dx, :dx].contiguous(),
        _inverse_factor(factor_y),
        -inverse[:, :dx, dx:].contiguous(),
        inverse[:, dx:, dx:].contiguous(),
        information + torch.where(nu.isinf(), 0.0, gammas),
        (p, q),
        correlation,
    )
