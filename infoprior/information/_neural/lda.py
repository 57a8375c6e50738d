"""Linear discriminant analysis with shrinkage, many fits at once, as an estimate of I(T; Y)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from infoprior.information._entropy import entropy
from infoprior.information._neural.bounds import smoothed
from infoprior.information._neural.crossfit import Fits
from infoprior.information._neural.folds import deal
from infoprior.information._neural.groups import group_by_size, stack_padded
from infoprior.information._ranks import standardize
from infoprior.information._result import Estimate

JITTER = 1e-6
"""Share of the variance added to every column's: columns that repeat leave a covariance that can
be inverted, and sums of squares in float32 do not tell variances below it from zero."""


def fit_discriminants(
    t: Tensor, y: Tensor, parts: Tensor, used: Tensor, n_classes: int
) -> tuple[Tensor, Tensor]:
    """Weights and offsets of Gaussian classes with one covariance, fitted G times to K layers.

    Each fit takes some parts of the rows. Products are summed part by part, once for all fits: that
    is n d^2 instead of G times as much. The covariance within classes is shrunk towards a multiple
    of the identity by the share of Chen, Wiesel, Eldar & Hero, "Shrinkage Algorithms for MMSE
    Covariance Estimation", IEEE Transactions on Signal Processing 58, 2010, equation 23. A class
    without rows stays at the centre.

    Args:
        t: shape (K, n, d), columns of mean 0 and variance about 1; columns of zeros count for
            nothing.
        y: classes, int64, shape (n,).
        parts: row numbers, int64, shape (F, m).
        used: which parts each fit takes, bool, shape (G, F).

    Returns:
        (K, G, d, C) and (K, G, 1, C), dtype of t: t @ weights + offsets is log p(t | c) up to a
        term without c.
    """
    product, sums, count = class_sums(t, y, parts, used, n_classes)
    weights, offsets = discriminants(product, sums, count)
    return weights.to(t), offsets.to(t)


def class_sums(
    t: Tensor, y: Tensor, parts: Tensor, used: Tensor, n_classes: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of products, sums by class and rows by class of each of G fits; float64.

    Args:
        t, y, parts, used, n_classes: as of `fit_discriminants`.

    Returns:
        (K, G, d, d), (K, G, C, d) and (G, C).
    """
    n_parts, size = parts.shape
    rows = parts.flatten()
    taken = t[:, rows].view(len(t), n_parts, size, -1)
    member = torch.nn.functional.one_hot(y[rows], n_classes).to(t).view(n_parts, size, n_classes)
    take = used.to(torch.float64)

    def add_up(by_part: Tensor) -> Tensor:
        """(K, F, ...) -> (K, G, ...), float64."""
        flat = by_part.flatten(2).double()
        return (take @ flat).view(len(t), len(used), *by_part.shape[2:])

    return add_up(taken.mT @ taken), add_up(member.mT @ taken), take @ member.sum(dim=1).double()


def discriminants(product: Tensor, sums: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and offsets of `fit_discriminants` from the sums of `class_sums`.

    Returns:
        (K, G, d, C) and (K, G, 1, C), float64.
    """
    m = count.sum(dim=1)[:, None, None]
    means = sums / count.clamp(min=1.0)[..., None]
    centre = sums.sum(dim=2, keepdim=True) / m
    spread = (product.diagonal(dim1=2, dim2=3) / m[..., 0] - centre[:, :, 0].square()).clamp(min=0)
    freedom = (m - (count > 0).sum(dim=1)[:, None, None]).clamp(min=1.0)
    # In place from here on: these matrices do not fit into a processor's caches.
    covariance = torch.sub(product, sums.mT @ means).div_(freedom)
    # Padding must not change a fit: the shrinkage target lives on the columns that vary, be it
    # between classes only.
    varies = (spread > JITTER).to(spread)
    width = varies.sum(dim=2).clamp(min=1.0)
    scale = (covariance.diagonal(dim1=2, dim2=3) * varies).sum(dim=2).clamp(min=0.0) / width
    squares = covariance.square().sum((2, 3))
    share = _shrinkage(squares, scale * width, width, freedom[..., 0, 0])
    diagonal = torch.where(varies > 0.0, (share * scale)[..., None], 1.0)
    covariance.mul_((1.0 - share)[..., None, None]).diagonal(dim1=2, dim2=3).add_(diagonal)
    factor = _cholesky(covariance, varies * spread)
    means = torch.where(count[..., None] > 0.0, means, centre) - centre
    white = torch.linalg.solve_triangular(factor, (means * varies[:, :, None]).mT, upper=False)
    weights = torch.linalg.solve_triangular(factor.mT, white, upper=True)
    offsets = -0.5 * white.square().sum(dim=2, keepdim=True) - centre @ weights
    return weights, offsets


def _cholesky(covariance: Tensor, spread: Tensor) -> Tensor:
    """Of covariance + jitter * diag(spread), with as little jitter, matrix by matrix, as leaves no
    negative eigenvalue: rounding alone makes some of columns that copy each other or the classes.
    The covariance's diagonal is overwritten.
    """
    jitter = torch.full_like(spread[..., :1], JITTER)
    diagonal = covariance.diagonal(dim1=2, dim2=3)
    plain = diagonal.clone()
    while True:
        diagonal.copy_(plain + jitter * spread)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if not bool(failed.any()) or float(jitter.max()) > 1.0:
            return factor
        jitter = torch.where(failed[..., None] > 0, 10.0 * jitter, jitter)


def _shrinkage(squares: Tensor, trace: Tensor, width: Tensor, freedom: Tensor) -> Tensor:
    """The oracle-approximating share, in [0, 1], from tr S^2, tr S, p and n."""
    excess = (squares - trace.square() / width).clamp(min=torch.finfo(squares.dtype).tiny)
    numerator = (1.0 - 2.0 / width) * squares + trace.square()
    weight = freedom + 1.0 - 2.0 / width
    share = numerator / (weight.clamp(min=torch.finfo(squares.dtype).tiny) * excess)
    # One column and one degree of freedom: the covariance is a multiple of the identity anyway.
    return torch.where(weight > 0.0, share.clamp(0.0, 1.0), 1.0)


def log_ratios(scores: Tensor, log_shares: Tensor) -> Tensor:
    """log q(c | t) / p(c) from log p(t | c) up to a term without c; shapes (B, n, C)."""
    # The largest off first: next to scores of 10^6, float32 would round the rest to tenths.
    scores = scores - scores.detach().amax(dim=-1, keepdim=True)
    return scores - torch.logsumexp(scores + log_shares, dim=-1, keepdim=True)


def held_out(ratios: Tensor, y: Tensor, rows: Tensor, smoothing: float) -> Tensor:
    """Mean log-ratio of the labels on each fold's rows, smoothed.

    Args:
        ratios: log q(c | t) / p(c), shape (K, F, n, C).
        y: classes, int64, shape (n,).
        rows: of each fold, shape (F, m).
        smoothing: as of `label_information`.

    Returns:
        nats, shape (K, F).
    """
    each = torch.arange(len(rows), device=rows.device)[:, None]
    own = ratios[:, each, rows, y[rows]]  # (K, F, m)
    return smoothed(own, smoothing).mean(dim=-1)


def lda(x: Sequence[Tensor], y: Tensor, *, seed: int = 0, folds: int = 5) -> list[Estimate]:
    """I(T; Y) of Gaussian classes with one covariance: shrunk linear discriminant analysis.

    Exact for such classes; for others it is what a linear rule tells of Y. The mean of log q(y | t)
    / p(y) over the rows that were fitted is too high by about as much as it is too low over others;
    `nats` is the mean of the two (Efron, JASA 81, 1986). The posterior fitted to m rows is smoothed
    by 1 / m (`label_information`).

    Args:
        x: K layers, shapes (n, d_k), float64.
        y: classes 0 .. C-1, int64, shape (n,).
        seed: deals the rows to folds; with each left out in turn the others are fitted.
        folds: number of folds.

    Returns:
        K estimates in nats.

    Raises:
        InformationError: an option is out of range.
    """
    parts = deal(len(y), folds, seed, y.cpu().numpy()).to(y.device)
    n_classes = int(y.max()) + 1
    counts = torch.bincount(y[parts.test.flatten()], minlength=n_classes).double()
    log_shares = (counts / counts.sum()).clamp(min=1e-300).log()
    used = ~torch.eye(folds, dtype=torch.bool, device=y.device)
    fitted = torch.cat([parts.train, parts.validation], dim=1)
    ceiling = entropy(y)
    answers: dict[int, Estimate] = {}
    for group in group_by_size([t.shape[1] for t in x]):
        t = stack_padded([standardize(x[k]) for k in group]).float()
        weights, offsets = fit_discriminants(t, y, parts.test, used, n_classes)
        scores = log_ratios(t[:, None] @ weights + offsets, log_shares.to(t))

        def value(rows: Tensor, scores: Tensor = scores) -> Tensor:
            return held_out(scores, y, rows, 1.0 / fitted.shape[1])

        train, test = value(fitted), value(parts.test)
        nothing = torch.zeros_like(test, dtype=torch.int64)
        fits = Fits(train, test, test, nothing, nothing.bool())
        for place, k in enumerate(group):
            mean = fits.estimate(place, "lda", parts.n, ceiling, corrected=True)
            flags = tuple(flag for flag in mean.flags if flag != "never_rose")
            answers[k] = Estimate(mean.nats, "lda", parts.n, train=mean.train, test=mean.test,
                                  fold_spread=mean.fold_spread, flags=flags)  # fmt: skip
    return [answers[k] for k in range(len(x))]
