"""Everything that is measured of layers, in one pass over each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, whole_number
from infoprior._threads import use_threads
from infoprior.information._inputs import InformationError, choose_rows, positive
from infoprior.information._neural.flexible import Dealt, Parts, measure, products
from infoprior.information._noisy import as_estimate, capped, sampled
from infoprior.information._result import Estimate, constant_estimate
from infoprior.information._samples import ROUNDINGS, as_classes, as_tensor, check_lengths
from infoprior.information._statistics import activation_entropy, dead_share

ROUNDING = 1e-7
"""Eigenvalues below this share of the largest may be rounding: what is left out changes effective
ranks by less than a hundredth."""


@dataclass(frozen=True)
class LayerMeasures:
    """What `measure_layers` says of one layer T.

    Attributes:
        ty: I(T; Y) of all rows, nats.
        ty_parts: I(T; Y) of the rows of each part, nats.
        xt: I(X; T + sigma Z), Z standard normal, nats.
        effective_rank: as `infoprior.information.effective_rank`.
        dead_units: share of units that do not vary.
        activation_entropy: bits, mean over units and the rows that noise was added to.
    """

    ty: Estimate
    ty_parts: tuple[float, ...]
    xt: Estimate
    effective_rank: float
    dead_units: float
    activation_entropy: float


@default_settings()
def measure_layers(
    layers: Sequence[Any],
    y: Any,
    part: Any = None,
    *,
    relative: float = 2.0,
    queries: int = 256,
    folds: int = 5,
    seed: int = 0,
    threads: int = 1,
) -> list[LayerMeasures]:
    """I(T; Y), I(X; T + sigma Z) and statistics of layers, in one pass over each.

    I(T; Y) is that of the method "flexible-lda", I(X; T + sigma Z) that of "noisy" with `queries`;
    both and the statistics share one matrix of products, which makes the pass cheap. A layer's
    values do not depend on the other layers.

    I(T; Y) is also told part by part, where rows differ in what the network knows of them, as
    training and validation rows do: one set of discriminants, each row judged by those that were
    fitted without it, temperature and smoothing part by part. What a layer says of the labels of
    rows that it was trained on and not of others' is memorised. Of a part of few rows the value
    scatters: of 375 by about 0.04 nat.

    Args:
        layers: arrays or tensors (n, d) or (n, C, H, W), finite, computed: units that vary by
            rounding alone count as constant.
        y: labels, whole numbers, shape (n,).
        part: of each row, whole numbers 0 .. P-1, shape (n,); None: all rows are one.
        relative: sigma as a share of the root mean square of the units' standard deviations.
        queries: rows that noise is added to, at most.
        folds: of the discriminants.
        seed: draws folds, rows and noise.
        threads: of PyTorch during the call.

    Returns:
        one entry per layer. Where a layer does not vary, both estimates are 0 and flagged
        "constant"; where labels do not, I(T; Y) is.

    Raises:
        InformationError: lengths differ, fewer than 50 rows, activations that are not finite or
            none, another shape, or an option out of range.
    """
    seed = check_seed(seed, InformationError)
    threads = whole_number(threads, "threads", 1, InformationError)
    queries = whole_number(queries, "queries", 1, InformationError)
    positive(relative, "relative", "a share of the units' standard deviations")
    with use_threads(threads):
        tensors = [_flat(t, f"layers[{k}]") for k, t in enumerate(layers)]
        (classes, *_), stacked = as_classes(y, "y")
        if stacked:
            raise InformationError("y holds labels of several stacks; give one of shape (rows,).")
        parts = _parts(part, len(classes))
        for t in tensors:
            check_lengths(len(t), len(classes))
        n_parts = int(parts.max()) + 1
        dealt = Dealt(classes, parts, folds, seed) if int(classes.max()) > 0 else None
        noise = (relative, queries, seed)
        return [_measure(t, dealt, n_parts, noise) for t in tensors]


def _flat(layer: Any, name: str) -> Tensor:
    """A layer as (n, d) on the CPU, float32 or float64."""
    t = as_tensor(layer, name).cpu()
    if t.ndim not in (2, 4) or 0 in t.shape:
        raise InformationError(
            f"{name} has shape {tuple(t.shape)}; give (rows, units), or maps (rows, C, H, W)."
        )
    t = t.flatten(1)
    return t if t.dtype in (torch.float32, torch.float64) else t.double()


def _parts(part: Any, n: int) -> Tensor:
    """Parts as int64, shape (n,)."""
    if part is None:
        return torch.zeros(n, dtype=torch.int64)
    parts = as_tensor(part, "part").cpu()
    if parts.shape != (n,) or parts.is_floating_point() or int(parts.min()) < 0:
        raise InformationError(
            f"part is {parts.dtype} of shape {tuple(parts.shape)}; give a whole number from 0 for "
            f"each of {n} rows."
        )
    return parts.long()


def _measure(
    t: Tensor, dealt: Dealt | None, n_parts: int, noise: tuple[float, int, int]
) -> LayerMeasures:
    """One layer t, (n, d); `dealt` is None where the labels do not vary."""
    relative, queries, seed = noise
    n = len(t)
    low, high = t.amin(dim=0), t.amax(dim=0)
    size = torch.maximum(low.abs(), high.abs())
    if not bool(size.isfinite().all()):
        raise InformationError("The activations are not finite; remove or impute such rows.")
    rounding = ROUNDINGS * torch.finfo(t.dtype).eps
    varies = (high.double() - low.double()) > rounding * size.double()
    largest = float(size.max())
    shown = activation_entropy(t[torch.from_numpy(choose_rows(n, queries, seed))])
    if not bool(varies.any()):
        return LayerMeasures(
            constant_estimate(n, "flexible-lda"), (0.0,) * n_parts, constant_estimate(n, "noisy"),
            0.0, dead_share(low, high), shown,
        )  # fmt: skip
    z, spread = _standardised(t, varies, largest)
    if dealt is None:
        ty, correlation = Parts(constant_estimate(n, "flexible-lda"), (0.0,) * n_parts), z.T @ z
    else:
        dealt_z = z[dealt.order]
        by_fold = products(dealt_z, dealt)
        ty = measure(dealt_z, by_fold, dealt)
        rest = z[dealt.left]
        correlation = by_fold.sum(dim=0).addmm_(rest.T, rest)

    # From here on in units of the noise. Eigenvalues below the rounding of float32 sums are none.
    mean_square = spread.square().mean()
    spread = spread / (relative * mean_square.sqrt())
    covariance = correlation.double() * (spread * spread[:, None])
    spectrum = torch.linalg.eigvalsh(covariance)
    spectrum = torch.where(spectrum > ROUNDING * spectrum[-1], spectrum, 0.0)
    singular = spectrum.sqrt()
    rank = torch.special.entr(singular / singular.sum()).sum().exp()
    z *= spread.float()
    lower, upper = sampled(z[None], covariance[None], seed, 1, queries)
    nats, low_xt, high_xt = capped(lower, upper, spectrum[None] / (n - 1), n)[0].tolist()
    xt = as_estimate(nats, low_xt, high_xt, float(relative * mean_square.sqrt()) * largest, n)
    return LayerMeasures(ty.whole, ty.nats, xt, float(rank), dead_share(low, high), shown)


def _standardised(t: Tensor, varies: Tensor, largest: float) -> tuple[Tensor, Tensor]:
    """Columns of mean 0 and variance 1, float32, or zeros; and their standard deviations over
    `largest`, float64."""
    z = t / largest  # so that squares of huge values stay finite
    z -= z.mean(dim=0)
    z -= z.mean(dim=0)  # what the rounding of a mean far from zero leaves
    spread = torch.linalg.vector_norm(z, dim=0) / len(z) ** 0.5
    spread = torch.where(varies, spread, 0.0)
    z /= torch.where(spread > 0.0, spread, torch.inf)
    return z.float(), spread.double()
