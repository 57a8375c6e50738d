"""Neural bounds for continuous pairs: MINE, NWJ, InfoNCE, SMILE, and the hybrid estimator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from infoprior.information._copula import wishart_bias
from infoprior.information._elliptical import Copula, fit_copula
from infoprior.information._inputs import InformationError
from infoprior.information._neural import bounds as bound
from infoprior.information._neural.conv import MAPS, ConvPairCritics, prepare
from infoprior.information._neural.critics import PairCritics
from infoprior.information._neural.crossfit import CriticSettings, CrossFit, Fits
from infoprior.information._neural.folds import Folds, deal
from infoprior.information._neural.groups import (
    group_entries,
    has_maps,
    in_blocks,
    rows_at_once,
    stack_padded,
)
from infoprior.information._result import Estimate

AVERAGE = 0.1
"""Share of the newest batch in MINE's moving average."""
SHIFTS = 8
"""Product-of-marginals pairs per held-out row."""
NCE_BATCH, NCE_TRAIN, NCE_SHIFTS = 256, 15, 63
"""InfoNCE: rows per step, other y per row in training, and where values are reported."""


class PairProblem:
    """Critics of (x, y), on top of a copula's log-ratio if one is given.

    Args:
        name: of the bound.
        x: float32, shape (K, n, dx), or maps (K, n, C, H, W).
        y: float32, shape (K, n, dy), or maps.
        folds: F of them.
        base: B = K F copulas, critic by critic, or None.
    """

    def __init__(
        self, name: str, x: Tensor, y: Tensor, folds: int, base: Copula | None = None
    ) -> None:
        self.name = name
        self.x, self.y, self.folds = x, y, folds
        self.at_once = rows_at_once(len(x) * folds, x.shape[2:], y.shape[2:])
        self.base = base
        self.weight: Tensor | None = None
        if base is not None:
            repeat = torch.arange(len(x), device=x.device).repeat_interleave(folds)
            self.side_x, self.side_y = base.side_x(x[repeat]), base.side_y(y[repeat])
            self.weight = torch.ones(len(repeat), device=x.device)

    def scores(
        self, critics: PairCritics, who: Tensor, rows: Tensor, shifts: range
    ) -> tuple[Tensor, Tensor]:
        """Of the joint, (b, m), and of the pairings of row i with row i + s, (b, S, m)."""
        of = who[:, None] // self.folds
        from_x, from_y = in_blocks(
            lambda part: critics.features(self.x[of, part], self.y[of, part]), rows, self.at_once
        )
        base = None
        if self.base is not None and self.weight is not None:
            each = who[:, None]
            a, b = ((side[0][each, rows], side[1][each, rows])
                    for side in (self.side_x, self.side_y))  # fmt: skip
            base = (self.base.take(who), a, b, self.weight[who][:, None])

        def score(s: int) -> Tensor:
            head = critics.head(from_x + (from_y.roll(-s, dims=1) if s else from_y))
            if base is None:
                return head
            copula, x, y, weight = base
            paired = (y[0].roll(-s, dims=1), y[1].roll(-s, dims=1)) if s else y
            return head + weight * copula.combine(x, paired)

        return score(0), torch.stack([score(s) for s in shifts], dim=1)

    def loss(
        self, critics: PairCritics, who: Tensor, rows: Tensor, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        shifts = NCE_TRAIN if self.name == "infonce" else 1
        joint, marginal = self.scores(critics, who, rows, _shifts(shifts, rows))
        if self.name == "nwj":
            return -bound.nwj(joint, marginal), None
        if self.name == "infonce":
            return -bound.infonce(joint, marginal), None
        if self.name == "smile":
            return -bound.jensen_shannon(joint, marginal), None
        batch = bound.log_mean_exp(marginal)
        state = bound.update_average(state, batch.detach(), AVERAGE)
        return -bound.mine_surrogate(joint, batch, state), state

    def value(self, critics: PairCritics, who: Tensor, rows: Tensor) -> Tensor:
        shifts = NCE_SHIFTS if self.name == "infonce" else SHIFTS
        joint, marginal = self.scores(critics, who, rows, _shifts(shifts, rows))
        values = {"nwj": bound.nwj, "infonce": bound.infonce, "smile": bound.smile}
        return values.get(self.name, bound.donsker_varadhan)(joint, marginal)

    def drop_useless(self, folds: Folds, critics: PairCritics) -> None:
        """No base where it is worth nothing: on average over the rows it was fitted to, where it is
        too high, and the validation rows, where it is as much too low."""
        assert self.base is not None
        assert self.weight is not None
        who = torch.arange(len(self.weight), device=self.x.device)
        with torch.no_grad():
            train, validation = (
                self.value(critics, who, part[who % len(folds)])
                for part in (folds.train, folds.validation)
            )
        # Beyond that many columns the two are not nearly as far off: fitted values explode.
        p, q = self.base.widths
        crowded = 2 * (p + q) > folds.train.shape[1]
        worth = torch.where(crowded, validation, train + validation)
        self.weight = (worth > 0.0).to(self.weight)

    def base_values(self, part: Tensor) -> Tensor:
        """Mean log-ratio of each critic's base on its fold's rows (F, m), 0 where it was dropped:
        shape (B,), float64."""
        assert self.base is not None
        assert self.weight is not None
        every = self.base.combine(self.side_x, self.side_y)
        rows = part[torch.arange(len(every), device=part.device) % len(part)]
        return every.gather(1, rows).double().mean(dim=1) * self.weight


def _shifts(wanted: int, rows: Tensor) -> range:
    return range(1, min(wanted, rows.shape[1] - 1) + 1)


def _fit(
    name: str, x: Sequence[Tensor], y: Sequence[Tensor], options: dict[str, Any], seed: int,
    *, ranks: bool, base: bool,
) -> list[tuple[Fits, int, int, float]]:  # fmt: skip
    """Per pair: the fits of its group, its number in them, the rows used, and what `_remainder`
    says (0 without a base)."""
    n = len(x[0])
    checked = CriticSettings(**options)
    if checked.hidden == 0:
        raise InformationError(f"hidden is 0; {name} needs a whole number >= 1.")
    folds = deal(n, checked.folds, seed).to(x[0].device)
    answers: dict[int, tuple[Fits, int, int, float]] = {}
    for group in group_entries(x, y):
        maps = has_maps(x[group[0]], y[group[0]])
        if maps and base:
            raise InformationError("base=True needs vectors; feature maps have no copula here.")
        training = CriticSettings(**((MAPS if maps else {}) | options))
        left = stack_padded([prepare(x[k], ranks) for k in group])
        right = stack_padded([prepare(y[k], ranks) for k in group])
        copulas = _base(left, right, folds) if base else None
        problem = PairProblem(name, left.float(), right.float(), len(folds), copulas)
        critics: PairCritics
        if maps:
            shapes = tuple(left.shape[2:]), tuple(right.shape[2:])
            critics = ConvPairCritics.draw_maps(
                *shapes, len(group), len(folds), training.hidden, seed
            )
        else:
            widths = [(x[k].shape[1], y[k].shape[1]) for k in group]
            critics = PairCritics.draw(widths, len(folds), training.hidden, seed)
        critics = critics.to(left.device)
        missed = [0.0] * len(group)
        if base:
            problem.drop_useless(folds, critics)
            missed = _remainder(left, right, problem, critics, folds).tolist()
        fits = CrossFit[PairCritics](problem, folds, training, seed).run(critics)
        answers |= {k: (fits, place, folds.n, missed[place]) for place, k in enumerate(group)}
    return [answers[k] for k in range(len(x))]


def _base(x: Tensor, y: Tensor, folds: Folds) -> Copula:
    """One copula per pair and fold, fitted to the fold's training rows."""
    train = [torch.cat([side[:, rows][:, None] for rows in folds.train], dim=1) for side in (x, y)]
    return fit_copula(train[0].flatten(0, 1), train[1].flatten(0, 1), nu=None)


def _remainder(
    x: Tensor, y: Tensor, problem: PairProblem, critics: PairCritics, folds: Folds
) -> Tensor:
    """What the middle of a copula's fitted and tested values misses, in nats: shape (K,).

    The middle is right to first order in columns per row. The copula of all rows is freed of its
    bias by `wishart_bias`, to every order where it is Gaussian. A mean exponential over sampled
    pairs that is below the 1 of a density ratio has missed the rare large ones (Jensen; McAllester
    & Stratos, AISTATS 2020): it then counts as 1.
    """
    assert problem.weight is not None
    whole = fit_copula(x, y, nu=None)
    value = whole.log_ratio(x, y).mean(dim=1)
    n, widths = x.shape[1], [(int(p), int(q)) for p, q in zip(*whole.widths, strict=True)]
    # With more columns than that the bias dwarfs the value, and with n of them it is infinite.
    few = value.new_tensor([2 * (p + q) <= n for p, q in widths])
    bias = [wishart_bias(n, p, q) if 2 * (p + q) <= n else 0.0 for p, q in widths]
    middle = (problem.base_values(folds.train) + problem.base_values(folds.test)) / 2.0
    who = torch.arange(len(critics), device=x.device)
    with torch.no_grad():
        bounds = [
            problem.value(critics, who, part[who % len(folds)]).double()
            for part in (folds.train, folds.test)
        ]
    kept = problem.weight.view(len(x), -1).double()
    corrected = (value - value.new_tensor(bias)) * kept.mean(1)
    missed_pairs = (middle - sum(bounds) / 2.0).view(len(x), -1).mean(1).clamp(max=0.0)
    return few * (corrected - middle.view(len(x), -1).mean(1)) + missed_pairs


def _bounds(
    name: str, x: Sequence[Tensor], y: Sequence[Tensor], seed: int, ranks: bool, base: bool,
    training: dict[str, Any],
) -> list[Estimate]:  # fmt: skip
    found = _fit(name, x, y, training, seed, ranks=ranks, base=base)
    answers = []
    for fits, k, n, _ in found:
        tested = n // fits.test.shape[1]
        others = min(NCE_SHIFTS, tested - 1) if name == "infonce" else tested - 1
        answers.append(fits.estimate(k, name, n, math.log(others + 1)))
    return answers


def hybrid(
    x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int = 0, **training: Any
) -> list[Estimate]:
    """The recommended estimate of continuous pairs: an elliptical copula, and a critic on top.

    In each fold the log-ratio of a Gaussian or Student-t copula is fitted to the training rows
    (`fit_copula`; degrees of freedom by likelihood), left out where it is worth less than nothing
    on the validation rows, and a critic that starts at zero is added to it and trained as in
    `mine`. What correlations of ranks and shared tails explain is thus known in closed form, with
    few parameters, and the critic is left with the rest. `nats` is the mean of `train` and `test`
    (see `Fits.estimate`), and what that misses of the copula's own bias; `test` alone is the lower
    bound.

    Args:
        x, y: K pairs of shapes (n, dx_k) and (n, dy_k), float64.
        seed: draws folds, batches and weights; every pair gets the same draws.
        training: fields of `CriticSettings`.

    Returns:
        K estimates in nats.

    Raises:
        InformationError: an option is out of range.
    """
    answers = []
    for fits, k, n, missed in _fit("hybrid", x, y, training, seed, ranks=True, base=True):
        ceiling = math.log(n // fits.test.shape[1])
        answers.append(fits.estimate(k, "hybrid", n, ceiling, corrected=True, missed=missed))
    return answers


def mine(
    x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int = 0, ranks: bool = True,
    base: bool = False, **training: Any,
) -> list[Estimate]:  # fmt: skip
    """MINE, cross-fitted: the Donsker-Varadhan bound of a small critic, on rows it has never seen.

    Belghazi et al., "Mutual Information Neural Estimation", ICML 2018: a critic f is trained to
    maximise E_joint[f] - log E_marginals[exp f] with the bias-corrected gradient of section 3.2,
    the moving average kept in log space. Rows are dealt into folds; each in turn is tested by a
    critic that was trained on others and stopped by a third part. A lower bound in expectation; it
    falls short where the information is large (log n at most), the dimensions many or rows few.
    Feature maps, on one side or both, get convolutional critics (`ConvPairCritics`).

    Args:
        x, y: K pairs of shapes (n, dx_k) and (n, dy_k), or maps (n, C, H, W), float64.
        seed: draws folds, batches and weights; every pair gets the same draws.
        ranks: columns are mapped to normal scores by rank (`normal_scores`), which changes no
            information between continuous sides; otherwise they are standardised. Maps are
            standardised channel by channel.
        base: critics are added to the log-ratio of an elliptical copula (`fit_copula`).
        training: fields of `CriticSettings`.

    Returns:
        K estimates in nats, `nats` being `test`.

    Raises:
        InformationError: an option is out of range.
    """
    return _bounds("mine", x, y, seed, ranks, base, training)


def nwj(
    x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int = 0, ranks: bool = True,
    base: bool = False, **training: Any,
) -> list[Estimate]:  # fmt: skip
    """The bound of Nguyen, Wainwright & Jordan 2010 (`bounds.nwj`), cross-fitted as `mine`.

    The arguments are those of `mine`. It needs no logarithm of a mean, so batches leave no bias,
    but exp(f) itself enters: where the information is large its variance is, and it can die
    (`never_rose`).
    """
    return _bounds("nwj", x, y, seed, ranks, base, training)


def infonce(
    x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int = 0, ranks: bool = True,
    base: bool = False, **training: Any,
) -> list[Estimate]:  # fmt: skip
    """InfoNCE (van den Oord et al. 2018; `bounds.infonce`), cross-fitted as `mine`.

    The arguments are those of `mine`. A row is told from 63 others (15 in training), so no value
    exceeds log 64 = 4.16 nats: `saturated` near it.
    """
    return _bounds("infonce", x, y, seed, ranks, base, {"batch_size": NCE_BATCH} | training)


def smile(
    x: Sequence[Tensor], y: Sequence[Tensor], *, seed: int = 0, ranks: bool = True,
    base: bool = False, **training: Any,
) -> list[Estimate]:  # fmt: skip
    """SMILE (Song & Ermon 2020; `bounds.smile`, scores clipped at 5), cross-fitted as `mine`.

    The arguments are those of `mine`. Critics learn the Jensen-Shannon objective; the clipped value
    varies less than MINE's where the information is large, and is no bound.
    """
    return _bounds("smile", x, y, seed, ranks, base, training)
