"""Linear discriminant analysis with shrinkage, many fits at once, as an estimate of I(T; Y)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from infoprior.information._crossfit import Fits
from infoprior.information._entropy import entropy
from infoprior.information._folds import deal
from infoprior.information._groups import group_by_size, stack_padded
from infoprior.information._objective import label_information
from infoprior.information._ranks import standardize
from infoprior.information._result import Estimate

JITTER = 1e-9
"""Share of the identity in every covariance: columns of zeros (padding, dead units) stay there."""


def fit_discriminants(t: Tensor, classes: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Weights and offsets of Gaussian classes with one covariance, fitted to B samples.

    The covariance of the residuals is shrunk towards a multiple of the identity by the share of
    Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    Journal of Multivariate Analysis 88, 2004, lemma 3.3. A class without rows stays at the centre.

    Args:
        t: shape (B, m, d), float64; columns of zeros count for nothing.
        classes: int64, shape (B, m).

    Returns:
        (B, d, C) and (B, 1, C): t @ weights + offsets is log p(t | c) up to a term without c.
    """
    m = t.shape[1]
    member = torch.nn.functional.one_hot(classes, n_classes).to(t)
    count = member.sum(dim=1)
    means = member.mT @ t / count.clamp(min=1.0)[..., None]
    residual = t - member @ means
    present = (count > 0).sum(dim=1)
    freedom = (m - present).clamp(min=1).to(t)[:, None, None]
    product = residual.mT @ residual
    covariance = product / freedom
    # Padding must not change a fit: the shrinkage target lives on the columns that vary, be it
    # between classes only.
    spread = t.var(dim=1)
    varies = (spread > 0.0).to(t)
    width = varies.sum(dim=1).clamp(min=1.0)
    scale = covariance.diagonal(dim1=1, dim2=2).sum(dim=1) / width
    target = torch.diag_embed(varies * scale[:, None])
    distance = (covariance - target).square().sum((1, 2))
    fourth = residual.square().sum(dim=2).square().sum(dim=1) / m**2
    noise = (fourth - (product / m).square().sum((1, 2)) / m).clamp(min=0.0)
    share = (noise / distance.clamp(min=torch.finfo(t.dtype).tiny)).clamp(max=1.0)[:, None, None]
    shrunk = (1.0 - share) * covariance + share * target
    floor = torch.where(varies > 0.0, JITTER * torch.maximum(scale[:, None], spread), 1.0)
    factor = torch.linalg.cholesky(shrunk + torch.diag_embed(floor))
    centre = t.mean(dim=1, keepdim=True)
    means = torch.where(count[..., None] > 0, means, centre)
    white = torch.linalg.solve_triangular(factor, (means - centre).mT, upper=False)
    weights = torch.linalg.solve_triangular(factor.mT, white, upper=True)
    offsets = -0.5 * white.square().sum(dim=1, keepdim=True) - centre @ weights
    return weights, offsets


def log_ratios(scores: Tensor, log_shares: Tensor) -> Tensor:
    """log q(c | t) / p(c) from log p(t | c) up to a term without c; shapes (B, n, C)."""
    return scores - torch.logsumexp(scores + log_shares, dim=-1, keepdim=True)


def lda(x: Sequence[Tensor], y: Tensor, *, seed: int = 0, folds: int = 5) -> list[Estimate]:
    """I(T; Y) of Gaussian classes with one covariance: shrunk linear discriminant analysis.

    Exact for such classes; for others it is what a linear rule tells of Y. The mean of log q(y | t)
    / p(y) over the rows that were fitted is too high by about as much as it is too low over
    others; `nats` is the mean of the two (Efron, JASA 81, 1986).

    Args:
        x: K layers, shapes (n, d_k), float64. y: classes 0 .. C-1, int64, shape (n,).
        seed: deals the rows to folds; with each left out in turn the others are fitted.
        folds: so many.

    Returns:
        K estimates in nats.

    Raises:
        InformationError: an option is out of range.
    """
    parts = deal(len(y), folds, seed, y.cpu().numpy()).to(y.device)
    n_classes = int(y.max()) + 1
    counts = torch.bincount(y[parts.test.flatten()], minlength=n_classes).double()
    log_shares = (counts / counts.sum()).clamp(min=1e-300).log()
    fitted = torch.cat([parts.train, parts.validation], dim=1)
    ceiling = entropy(y)
    answers: dict[int, Estimate] = {}
    for group in group_by_size([t.shape[1] for t in x]):
        t = stack_padded([standardize(x[k]) for k in group])

        def taken(rows: Tensor, t: Tensor = t) -> tuple[Tensor, Tensor]:
            return t[:, rows].flatten(0, 1), y[rows].repeat(len(t), 1)

        weights, offsets = fit_discriminants(*taken(fitted), n_classes)

        def value(rows: Tensor, w: Tensor = weights, b: Tensor = offsets) -> Tensor:
            t, classes = taken(rows)
            return label_information(log_ratios(t @ w + b, log_shares), classes).view(-1, folds)

        train, test = value(fitted), value(parts.test)
        nothing = torch.zeros_like(test, dtype=torch.int64)
        fits = Fits(train, test, test, nothing, nothing.bool())
        for place, k in enumerate(group):
            found = fits.estimate(place, "lda", parts.n, ceiling, corrected=True)
            flags = tuple(flag for flag in found.flags if flag != "never_rose")
            answers[k] = Estimate(found.nats, "lda", parts.n, train=found.train, test=found.test,
                                  fold_spread=found.fold_spread, flags=flags)  # fmt: skip
    return [answers[k] for k in range(len(x))]
