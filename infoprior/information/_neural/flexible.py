"""Flexible discriminant analysis: I(T; Y), of all rows and of parts of them, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from infoprior.information._entropy import entropy
from infoprior.information._inputs import generator
from infoprior.information._neural.bounds import smoothed
from infoprior.information._neural.crossfit import GAP, ROUNDING, SATURATED
from infoprior.information._neural.folds import deal
from infoprior.information._neural.lda import JITTER, discriminants
from infoprior.information._ranks import standardize
from infoprior.information._result import Estimate

COLUMNS = 112
"""Columns of layer and functions together, where the layer leaves room for them. This and the other
numbers here were chosen by benchmarks/information/fast_recipe.py."""
FEWEST = 32
"""Rectified projections beside a layer that leaves none."""
NEGLIGIBLE = 1e-4
"""Principal components of less variance than this share of the first are left out: in float32 they
may be rounding."""
LEAST_WITHIN = 1e-3
"""Share of a column's variance that is within classes, at least: the classes may determine it."""
TEMPERATURES = (0.5, 0.75, 1.0)
"""The discriminants' scores are multiplied by one of them: classes are never quite Gaussian."""
SMOOTHINGS = (0.0, 0.03, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
"""Shares of the labels' marginal in the posterior; the first becomes one in as many rows."""
MANY = 0.2
"""With so many parameters of the larger fit a row, and more, linear discriminants alone may be
better, and are tried."""


@dataclass(frozen=True)
class Parts:
    """An estimate of I(T; Y), and of what it is on each part of the rows.

    Attributes:
        whole: of all rows.
        nats: of each part's rows; 0.0 where the posterior tells nothing of its labels.
    """

    whole: Estimate
    nats: tuple[float, ...]


class Dealt:
    """Rows dealt to folds, stratified by class and part; what all layers of a call share.

    Args:
        y: classes 0 .. C-1, int64, shape (n,).
        part: of each row, 0 .. P-1, int64, shape (n,).
        folds: how many.
        seed: deals.

    Raises:
        InformationError: folds is out of range.
    """

    def __init__(self, y: Tensor, part: Tensor, folds: int, seed: int) -> None:
        n_classes, n_parts = int(y.max()) + 1, int(part.max()) + 1
        self.folds = deal(len(y), folds, seed, (y * n_parts + part).cpu().numpy()).test.to(y.device)
        self.order = self.folds.flatten()
        self.n, self.n_classes = len(self.order), n_classes
        left = torch.ones(len(y), dtype=torch.bool, device=y.device)
        left[self.order] = False
        self.left = left.nonzero()[:, 0]  # the few rows that no fold has
        self.y = y[self.order]
        self.members = one_hot(self.y, n_classes).float().view(*self.folds.shape, -1)  # (F, m, C)
        self.count = _leave_out(self.members.sum(dim=1))  # rows of each class in each fit, (G, C)
        self.shares = self.count[-1] / self.n
        belongs = one_hot(part[self.order], n_parts).float()
        belongs = torch.cat([torch.ones_like(belongs[:, :1]), belongs], dim=1)
        self.weights = belongs / belongs.sum(dim=0).clamp(min=1.0)  # (n, 1 + P)
        self.ceiling = entropy(y)


def flexible_lda(
    x: Sequence[Tensor], y: Tensor, *, seed: int = 0, folds: int = 5, functions: bool = True
) -> list[Estimate]:
    """I(T; Y) by flexible discriminant analysis, at a small part of the cost of "hybrid-labels".

    Hastie, Tibshirani & Buja, "Flexible Discriminant Analysis by Optimal Scoring", JASA 89, 1994:
    shrunk linear discriminants (`fit_discriminants`) of a layer, and of the layer with functions of
    its leading principal components beside it, products of two and rectified random projections
    (Rahimi & Recht, "Weighted Sums of Random Kitchen Sinks", NeurIPS 2008). Of the two those are
    taken whose posterior tells more of labels that it was not fitted to, at the best temperature
    and smoothing.

    `train` is what the fit to all rows is worth on them, `test` what fits to all folds but one are
    worth on the fold left out. A fit of k parameters to m rows is worth k / 2m too much on those,
    and as much too little on others (Akaike 1974): `nats` lies between the two accordingly.

    Args:
        x: K layers, shapes (n, d_k), float64.
        y: classes 0 .. C-1, int64, shape (n,).
        seed: deals the rows to folds.
        folds: number of folds.
        functions: False fits the layer's own columns alone: what a linear layer sees of Y in them,
            as "lda" does, with temperature and smoothing.

    Returns:
        K estimates in nats. `never_rose`: no posterior tells more than the labels' shares do, 0.0.

    Raises:
        InformationError: folds is out of range.
    """
    dealt = Dealt(y, torch.zeros_like(y), folds, seed)
    answers = []
    for t in x:
        z = standardize(t[dealt.order]).float()
        answers.append(measure(z, products(z, dealt), dealt, functions=functions).whole)
    return answers


def products(z: Tensor, dealt: Dealt) -> Tensor:
    """z' z of each fold's rows, (F, d, d), for z in the order of `dealt`, (n, d)."""
    blocks = z.view(*dealt.folds.shape, -1)
    return blocks.mT @ blocks


def measure(z: Tensor, by_fold: Tensor, dealt: Dealt, *, functions: bool = True) -> Parts:
    """I(T; Y) of one layer. Layers of a stack are measured one by one: their covariances would not
    fit into a processor's caches together.

    Args:
        z: standardised columns, or zeros, float32, shape (n, d), rows in the order of `dealt`.
        by_fold: its `products`.
        dealt: the rows' labels, parts and folds.
        functions: whether the discriminants of the layer with functions beside it are tried.
    """
    d = z.shape[1]
    if not functions:
        return _answer([_fit(z, _leave_out(by_fold), _class_sums(z, dealt), dealt)], dealt)
    t = torch.cat([z, _functions(z, by_fold.sum(dim=0) / dealt.n)], dim=1)
    product, sums = _sums(t, by_fold, dealt)
    fits = []
    if t.shape[1] * (dealt.n_classes - 1) > MANY * dealt.n:
        fits.append(_fit(z, product[:, :d, :d].clone(), sums[:, :, :d], dealt))
    fits.append(_fit(t, product, sums, dealt))
    return _answer(fits, dealt)


@dataclass
class _Fit:
    """What the discriminants of some columns are worth.

    Attributes:
        own: scores of all rows by the fit to all of them, (n, C).
        left_out: scores of each row by the fit without its fold.
        values: nats of all rows and of each part, (temperatures * smoothings, 1 + P).
    """

    own: Tensor
    left_out: _Scores
    values: Tensor


def _sums(t: Tensor, by_fold: Tensor, dealt: Dealt) -> tuple[Tensor, Tensor]:
    """Sums of products (G, D, D) and by class (G, C, D) of the rows of each fit, float32.

    The first F fits leave out a fold each, the last takes all. `by_fold` are the products of the
    first columns, (F, d, d).
    """
    d = by_fold.shape[1]
    blocks = t.view(*dealt.folds.shape, -1)  # (F, m, D)
    right = blocks[:, :, d:].mT @ blocks  # (F, D - d, D)
    product = t.new_empty(len(blocks) + 1, t.shape[1], t.shape[1])
    _leave_out(by_fold, product[:, :d, :d])
    _leave_out(right, product[:, d:])
    product[:, :d, d:] = product[:, d:, :d].mT
    return product, _class_sums(t, dealt)


def _class_sums(t: Tensor, dealt: Dealt) -> Tensor:
    """Sums by class of the rows of each fit, (G, C, D), float32."""
    return _leave_out(dealt.members.mT @ t.view(*dealt.folds.shape, -1))


def _leave_out(by_fold: Tensor, out: Tensor | None = None) -> Tensor:
    """Sums over all folds but one each, and over all; (F, ...) -> (F + 1, ...)."""
    if out is None:
        out = by_fold.new_empty(len(by_fold) + 1, *by_fold.shape[1:])
    every = by_fold.sum(dim=0)
    torch.sub(every, by_fold, out=out[:-1])
    out[-1] = every
    return out


def _fit(t: Tensor, product: Tensor, sums: Tensor, dealt: Dealt) -> _Fit:
    """Discriminants of columns t, (n, D), from the sums of products, which are overwritten."""
    scale = _within(product, sums, dealt.count)
    product.mul_(scale[:, :, None]).mul_(scale[:, None, :])
    weights, offsets = discriminants(product[None], (sums * scale[:, None])[None], dealt.count)
    weights, offsets = weights[0] * scale[..., None], offsets[0]
    blocks = t.unflatten(0, dealt.folds.shape)
    left_out = _Scores((blocks @ weights[:-1] + offsets[:-1]).flatten(0, 1), dealt)
    return _Fit(t @ weights[-1] + offsets[-1], left_out, _values(left_out, dealt))


def _within(product: Tensor, sums: Tensor, count: Tensor) -> Tensor:
    """One over the columns' standard deviations within classes, (G, D).

    In such units the covariance that fits are shrunk to, a multiple of the identity, is that of
    columns of noise. In units of the whole spread it would be too wide for what tells of Y.
    """
    rows = count.sum(dim=1, keepdim=True)
    mean = sums.sum(dim=1) / rows
    whole = product.diagonal(dim1=1, dim2=2) / rows - mean.square()
    between = (sums.square() / count.clamp(min=1.0)[..., None]).sum(dim=1) / rows - mean.square()
    within = torch.maximum(whole - between, LEAST_WITHIN * whole)
    return torch.where(whole > JITTER, within, 1.0).rsqrt()


@lru_cache(maxsize=32)
def _projections(components: int, many: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions of unit length, (components, many), and offsets, (many,); the same everywhere."""
    draw = generator(0, "rectified projections")
    directions = draw.normal(size=(components, many))
    directions /= np.linalg.norm(directions, axis=0)
    return directions.astype(np.float32), draw.normal(size=many).astype(np.float32)


def _leading(matrix: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues, (k,), and their vectors, (d, k), of a symmetric matrix (d, d).

    In float64: of matrices of low rank, as of units that are dead or copies, PyTorch's solver does
    not always converge in float32.
    """
    values, vectors = torch.linalg.eigh(matrix.double())
    return values[-k:].flip(0).to(matrix), vectors[:, -k:].flip(1).to(matrix)


def _functions(z: Tensor, correlation: Tensor) -> Tensor:
    """Standardised functions of the principal components of a layer z, (n, d)."""
    d = z.shape[1]
    components = min(3 if d > 64 else 4 if d > 24 else 6, d)
    first, second = torch.triu_indices(components, components, device=z.device)
    many = max(FEWEST, COLUMNS - d - len(first))
    variances, directions = _leading(correlation, components)
    # An eigenvector's sign is arbitrary: its largest entry is made positive.
    largest = directions.abs().argmax(dim=0, keepdim=True)
    directions = directions * directions.gather(0, largest).sign()
    scale = torch.where(variances > NEGLIGIBLE * variances[0], variances.rsqrt(), 0.0)
    whitened = z @ (directions * scale)
    towards, offset = (torch.from_numpy(a).to(z) for a in _projections(components, many))
    functions = z.new_empty(len(z), len(first) + many)
    torch.mul(whitened[:, first], whitened[:, second], out=functions[:, : len(first)])
    torch.addmm(offset, whitened, towards, out=functions[:, len(first) :]).relu_()
    functions -= functions.mean(dim=0)
    spread = torch.linalg.vector_norm(functions, dim=0) / len(z) ** 0.5
    functions /= torch.where(spread > 1e-6, spread, torch.inf)
    return functions


def _smoothings(n: int) -> list[float]:
    return [max(share, 1.0 / n) for share in SMOOTHINGS]


class _Scores:
    """Scores log p(t | c) up to a term without c, (n, C), less each row's largest."""

    def __init__(self, scores: Tensor, dealt: Dealt) -> None:
        self.relative = scores - scores.amax(dim=-1, keepdim=True)
        self.own = self.relative.gather(-1, dealt.y[:, None])[:, 0]
        self.shares = dealt.shares

    def log_ratios(self, temperature: float) -> Tensor:
        """log q(y | t) / p(y) of a row's own class, (n,)."""
        # Denormal powers would cost many times the others and add nothing.
        powers = (self.relative * temperature).clamp_(min=-80.0).exp_()
        return self.own * temperature - (powers @ self.shares).log()


def _values(scores: _Scores, dealt: Dealt) -> Tensor:
    """Nats of all rows and of each part, for every temperature and smoothing.

    Args:
        scores: of rows not fitted to.
        dealt: the rows.

    Returns:
        shape (temperatures * smoothings, 1 + P).
    """
    keep = 1.0 - torch.tensor(_smoothings(dealt.n), device=dealt.y.device)[:, None]
    values = []
    for temperature in TEMPERATURES:
        ratios = scores.log_ratios(temperature).expm1_()
        values.append((keep * ratios).log1p_() @ dealt.weights)
    return torch.cat(values)


def _answer(fits: list[_Fit], dealt: Dealt) -> Parts:
    """The answer by the fit that is worth most on rows that it was not fitted to."""
    fit = max(fits, key=lambda fit: float(fit.values[:, 0].max()))
    best = fit.values.max(dim=0).values.tolist()
    at = int(fit.values[:, 0].argmax())
    temperature = TEMPERATURES[at // len(SMOOTHINGS)]
    smoothing = _smoothings(dealt.n)[at % len(SMOOTHINGS)]

    def rowwise(scores: _Scores) -> Tensor:
        return smoothed(scores.log_ratios(temperature), smoothing)

    missing = 0.0
    if best[0] <= 0.0:
        whole = Estimate(0.0, "flexible-lda", dealt.n, train=0.0, test=0.0, fold_spread=0.0,
                         flags=("never_rose",))  # fmt: skip
    else:
        train = float(rowwise(_Scores(fit.own, dealt)).mean())
        by_fold = rowwise(fit.left_out).view_as(dealt.folds).mean(dim=1)
        test = float(by_fold.mean())
        folds = len(dealt.folds)
        missing = (train - test) * folds / (2 * folds - 1)
        nats = test + missing
        raised = {
            "saturated": nats >= SATURATED * dealt.ceiling,
            "below_zero": nats < -ROUNDING,
            "bounds_disagree": train - test > GAP,
        }
        whole = Estimate(nats, "flexible-lda", dealt.n, train=train, test=test,
                         fold_spread=float(by_fold.std()),
                         flags=tuple(flag for flag, up in raised.items() if up))  # fmt: skip
    return Parts(whole, tuple(v + missing if v > 0.0 else 0.0 for v in best[1:]))
