"""Neural estimates of I(T; Y) for labels: the enumerated critic, probes, and the hybrid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from infoprior.information._entropy import entropy
from infoprior.information._inputs import InformationError
from infoprior.information._neural.bounds import label_information, smoothed
from infoprior.information._neural.conv import MAPS, ConvLabelCritics, coarse, prepare
from infoprior.information._neural.critics import LabelCritics
from infoprior.information._neural.crossfit import CriticSettings, CrossFit, Fits
from infoprior.information._neural.folds import Folds, deal
from infoprior.information._neural.groups import (
    group_entries,
    has_maps,
    in_blocks,
    rows_at_once,
    stack_padded,
)
from infoprior.information._neural.lda import fit_discriminants, held_out, log_ratios
from infoprior.information._ranks import normal_scores, standardize
from infoprior.information._result import Estimate

HYBRID = {
    "hidden": 32,
    "batch_size": 256,
    "steps": 200,
    "learning_rate": 5e-3,
    "check_every": 10,
    "patience": 20,
}
ENUMERATED = {
    "batch_size": 256,
    "steps": 400,
    "learning_rate": 3e-3,
    "check_every": 10,
    "patience": 60,
}
LINEAR = {
    "hidden": 0,
    "batch_size": 256,
    "steps": 400,
    "learning_rate": 1e-2,
    "check_every": 10,
    "patience": 60,
}

SMOOTHINGS = (0.03, 0.1, 0.2, 0.3, 0.5, 0.7)
"""Smoothings tried for the discriminants' posterior, on the validation rows: labels can be
wrong, and rows wild, more often than Gaussian classes allow."""
COARSE = 512
"""At most so many averages of a map for the discriminants."""


class LabelProblem:
    """Critics with one score per class, on top of given scores if there are any.

    Args:
        t: float32, shape (K, n, d) or, for maps, (K, n, C, H, W).
        source: which of them each critic reads, shape (B,).
        classes: int64, shape (n,).
        log_shares: log p(c), float32, shape (C,).
        offset: log q(c | t) / p(c) of a base, float32, shape (B, n, C), or None.
        normalized: scores are made log q(c | t) / p(c) row by row, the objective is the
            cross-entropy; otherwise they are those of the Donsker-Varadhan bound.
        smoothing: of the cross-entropy, see `label_information`.
    """

    def __init__(
        self, t: Tensor, source: Tensor, classes: Tensor, log_shares: Tensor,
        offset: Tensor | None = None, *, normalized: bool = True, smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        self.t, self.source, self.classes, self.log_shares = t, source, classes, log_shares
        self.offset, self.normalized, self.smoothing = offset, normalized, smoothing
        self.at_once = rows_at_once(len(source), t.shape[2:])

    def bound(self, critics: LabelCritics, who: Tensor, rows: Tensor) -> Tensor:
        source = self.source[who][:, None]
        (scores,) = in_blocks(
            lambda part: (critics.scores(self.t[source, part]),), rows, self.at_once
        )
        if self.offset is not None:
            scores = scores + self.offset[who[:, None], rows]
        if self.normalized:
            ratios = log_ratios(scores, self.log_shares)
            return label_information(ratios, self.classes[rows], self.smoothing)
        joint = label_information(scores, self.classes[rows])
        weighted = (scores + self.log_shares).flatten(1)
        return joint - (torch.logsumexp(weighted, dim=1) - torch.log(torch.tensor(rows.shape[1])))

    def loss(
        self, critics: LabelCritics, who: Tensor, rows: Tensor, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        return -self.bound(critics, who, rows), None

    def value(self, critics: LabelCritics, who: Tensor, rows: Tensor) -> Tensor:
        return self.bound(critics, who, rows)


def _discriminants(t: Tensor, y: Tensor, folds: Folds, log_shares: Tensor) -> Tensor:
    """log q(c | t) / p(c) of all rows by the discriminants of each fold's training rows.

    Args:
        t: float32, shape (K, n, d).
        y: classes, int64, shape (n,).
        folds: F of them.
        log_shares: log p(c), float32, shape (C,).

    Returns:
        shape (K, F, n, C), float32.
    """
    each = torch.arange(len(folds), device=y.device)
    used = each != each[:, None]
    used[each, (each + 1) % len(folds)] = False  # the fold that chooses
    weights, offsets = fit_discriminants(t, y, folds.test, used, len(log_shares))
    return log_ratios(t[:, None] @ weights + offsets, log_shares.to(t))


def _base(
    x: Sequence[Tensor], y: Tensor, folds: Folds, log_shares: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The discriminants that critics are added to.

    Args:
        x: K layers, shapes (n, d_k) or (n, C, H, W), float64.
        y: classes, int64, shape (n,).
        folds: F of them.
        log_shares: log p(c), float32, shape (C,).

    Returns:
        what critics read, (2 K, n, d): the layers as they are and by rank, or the maps (K, n, C, H,
        W), whatever form of the coarse maps the discriminants take; which of them each critic gets,
        (K F,): the one whose discriminants tell more of its validation rows' labels; and the
        log-ratios of those, with the best smoothing there, (K F, n, C).
    """
    maps = has_maps(*x)
    flat = [coarse(t, COARSE) if maps else t for t in x]
    both = [stack_padded([form(t) for t in flat]).float() for form in (standardize, normal_scores)]
    ratios = torch.stack([_discriminants(t, y, folds, log_shares) for t in both])
    least = 1.0 / folds.train.shape[1]
    smoothings = (least, *(d for d in SMOOTHINGS if d > least))
    values = torch.stack(
        [torch.stack([held_out(r, y, folds.validation, d) for r in ratios]) for d in smoothings]
    )  # (smoothings, 2, K, F)
    # Fold by fold: the rows that a fold tests are others' validation rows.
    value, choice = values.flatten(0, 1).max(dim=0)
    ranked = choice % 2 == 1
    smoothing = torch.tensor(smoothings, device=y.device)[choice // 2][..., None, None]
    each = torch.arange(len(x), device=y.device)[:, None].expand(-1, len(folds))
    chosen = smoothed(torch.where(ranked[..., None, None], ratios[1], ratios[0]), smoothing)
    # No base in a fold where it is worth less than nothing.
    offset = torch.where((value > 0.0)[..., None, None], chosen, 0.0).flatten(0, 1)
    if maps:
        return stack_padded([prepare(t, False) for t in x]), each.flatten(), offset
    return torch.cat(both), (each + len(x) * ranked).flatten(), offset


def _estimates(
    name: str, x: Sequence[Tensor], y: Tensor, seed: int, defaults: dict[str, Any],
    options: dict[str, Any], *,
    base: bool = False, normalized: bool = True, corrected: bool = False, ranks: bool = True,
) -> list[Estimate]:  # fmt: skip
    """Fit critics, group by group, and estimate each layer's information."""
    folds = deal(len(y), CriticSettings(**options).folds, seed, y.cpu().numpy()).to(y.device)
    n_classes = int(y.max()) + 1
    counts = torch.bincount(y[folds.test.flatten()], minlength=n_classes).double()
    log_shares = (counts / counts.sum()).clamp(min=1e-300).log()
    ceiling = entropy(y)
    answers: dict[int, Estimate] = {}
    for group in group_entries(x):
        layers = [x[k] for k in group]
        maps = has_maps(*layers)
        training = CriticSettings(**(defaults | (MAPS if maps else {}) | options))
        offset = None
        if base:
            t, source, offset = _base(layers, y, folds, log_shares)
        else:
            t = stack_padded([prepare(layer, ranks) for layer in layers])
            source = torch.arange(len(t), device=y.device).repeat_interleave(len(folds))
        problem = LabelProblem(
            t.float(), source, y, log_shares.float(), offset,
            normalized=normalized, smoothing=1.0 / folds.train.shape[1],
        )  # fmt: skip
        critics: LabelCritics
        if maps:
            shape = tuple(layers[0].shape[1:])
            critics = ConvLabelCritics.draw_maps(
                shape, len(layers), len(folds), n_classes, training.hidden, seed
            )
        else:
            widths = [layer.shape[1] for layer in layers]
            critics = LabelCritics.draw(widths, len(folds), n_classes, training.hidden, seed)
        fits: Fits = CrossFit[LabelCritics](problem, folds, training, seed).run(
            critics.to(y.device)
        )
        for place, k in enumerate(group):
            answers[k] = fits.estimate(place, name, folds.n, ceiling, corrected=corrected)
    return [answers[k] for k in range(len(x))]


def hybrid_labels(
    x: Sequence[Tensor], y: Tensor, *, seed: int = 0, **training: Any
) -> list[Estimate]:
    """The recommended estimate of I(T; Y): linear discriminants, and a critic on top.

    In each fold shrunk linear discriminants (`fit_discriminants`) are fitted to the training rows,
    of the layer as it is or by ranks, and smoothed towards the labels' shares, whichever tells most
    of the validation rows. A critic with one score per class that starts at zero is added to their
    log-ratio and trained on the cross-entropy, stopped by the validation rows. `nats` is the mean
    of `train` and `test`: see `Fits.estimate`; `test` alone is the lower bound. Feature maps get
    discriminants of their coarse averages, at most 512 a map, and convolutional critics
    (`ConvLabelCritics`).

    Args:
        x: K layers, shapes (n, d_k) or (n, C, H, W), float64.
        y: classes 0 .. C-1, int64, shape (n,).
        seed: draws folds, batches and weights; every layer gets the same draws.
        training: fields of `CriticSettings`.

    Returns:
        K estimates in nats; `saturated` means near H(Y).

    Raises:
        InformationError: an option is out of range.
    """
    return _estimates("hybrid-labels", x, y, seed, HYBRID, training, base=True, corrected=True)


def enumerated(
    x: Sequence[Tensor], y: Tensor, *, seed: int = 0, ranks: bool = True, **training: Any
) -> list[Estimate]:
    """MINE with the label enumerated: one score per class, the marginal of Y taken exactly.

    The Donsker-Varadhan bound of a critic f(t, c), E f(t, y) - log E_t sum_c p(c) exp f(t, c), with
    p(c) the shares of all rows used: no negative samples, no moving average. Cross-fitted.
    Feature maps get convolutional critics (`ConvLabelCritics`).

    Args:
        x: K layers, shapes (n, d_k) or (n, C, H, W), float64.
        y: classes 0 .. C-1, int64, shape (n,).
        seed: draws folds, batches and weights; every layer gets the same draws.
        ranks: columns are mapped to normal scores by rank; otherwise they are standardised. Maps
            are standardised channel by channel.
        training: fields of `CriticSettings`.

    Returns:
        K estimates in nats, `nats` being `test`, a lower bound in expectation.

    Raises:
        InformationError: an option is out of range.
    """
    return _estimates("enumerated", x, y, seed, ENUMERATED, training, normalized=False, ranks=ranks)


def mlp_probe(
    x: Sequence[Tensor], y: Tensor, *, seed: int = 0, ranks: bool = True, **training: Any
) -> list[Estimate]:
    """V-information of a small MLP: H(Y) less its cross-entropy on rows it has never seen.

    Xu et al., "A Theory of Usable Information Under Computational Constraints", ICLR 2020. A lower
    bound on I(T; Y). Arguments and answers as of `enumerated`.
    """
    return _estimates("mlp-probe", x, y, seed, ENUMERATED, training, ranks=ranks)


def conv_probe(x: Sequence[Tensor], y: Tensor, *, seed: int = 0, **training: Any) -> list[Estimate]:
    """V-information of a small convolutional network, for feature maps (n, C, H, W) only.

    As `mlp_probe`, with the critics of `enumerated` for maps. Arguments and answers as there.
    """
    if not all(has_maps(t) for t in x):
        raise InformationError("conv-probe takes feature maps (rows, channels, height, width).")
    return _estimates("conv-probe", x, y, seed, ENUMERATED, training)


def linear_probe(
    x: Sequence[Tensor], y: Tensor, *, seed: int = 0, ranks: bool = False, **training: Any
) -> list[Estimate]:
    """V-information of a linear probe: what a linear rule tells of Y (Alain & Bengio 2016; Xu et
    al. 2020). A lower bound on I(T; Y). Arguments and answers as of `enumerated`.
    """
    return _estimates("linear-probe", x, y, seed, LINEAR, training, ranks=ranks)
