"""MINE: mutual information as the best Donsker-Varadhan bound that a small critic finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from infoprior.information._critics import LabelCritics, PairCritics, Scores, Stack
from infoprior.information._entropy import entropy
from infoprior.information._estimate import Estimate, MineSettings, constant_estimate
from infoprior.information._inputs import (
    InformationError,
    Parts,
    as_labels,
    as_samples,
    check_rows,
    choose_rows,
    gaussianize,
    generator,
    pad_and_stack,
    split_rows,
)
from infoprior.information._objective import donsker_varadhan, surrogate, update_average

SATURATED = 0.95
"""An estimate above this share of its ceiling is flagged."""
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's usual ones

Critics = TypeVar("Critics", bound=Stack)


def mine(
    x: Sequence[Any], y: Sequence[Any], *, seed: int = 0, settings: MineSettings | None = None
) -> list[Estimate]:
    """I(X_k; Y_k) in nats of K pairs of continuous samples, all critics trained as one stack.

    Belghazi et al., "Mutual Information Neural Estimation", ICML 2018: a critic f is trained to
    maximise E_joint[f] - log E_marginals[exp f] with the bias-corrected gradient of section 3.2.
    Columns are mapped to normal quantiles by rank. Rows are dealt out 60 / 20 / 20 by the seed: the
    first train the critic, the second choose the step, the third give the value. What comes out is
    a lower bound in expectation, up to the noise of the test rows; it falls short where the
    information is large (a few nats), the dimensions are many or the rows few.

    An estimate does not depend on what else is in the stack, up to float rounding.

    Args:
        x: K arrays or tensors, shapes (n, dx_k) (or (n,)), numbers, the same n throughout.
        y: K arrays or tensors, shapes (n, dy_k) (or (n,)).
        seed: draws rows, parts, batches and weights; every pair gets the same draws.
        settings: see `MineSettings`; by default at most 1,500 rows are used.

    Returns:
        one `Estimate` per pair, in order.

    Raises:
        InformationError: (a ValueError) lengths differ, fewer than 50 rows, a value is not finite.
    """
    settings = settings or MineSettings()
    if len(x) != len(y):
        raise InformationError(f"x has {len(x)} arrays, but y has {len(y)}; give pairs.")
    if not x:
        return []
    sides = {f"{s}[{k}]": as_samples(v, f"{s}[{k}]")
             for s, values in (("x", x), ("y", y)) for k, v in enumerate(values)}  # fmt: skip
    n = check_rows({name: len(side) for name, side in sides.items()})
    rows = choose_rows(n, settings.max_rows, seed)
    prepared = {name: gaussianize(side[rows]) for name, side in sides.items()}
    pairs = [(prepared[f"x[{k}]"], prepared[f"y[{k}]"]) for k in range(len(x))]
    varying = [k for k, (a, b) in enumerate(pairs) if a.shape[1] and b.shape[1]]
    estimates = [constant_estimate(len(rows), "mine")] * len(x)
    if not varying:
        return estimates
    parts = split_rows(len(rows), seed)
    stacks = [pad_and_stack([pairs[k][side] for k in varying]) for side in (0, 1)]

    def scores(critics: PairCritics, rows: Tensor, taken: list[Tensor], shifts: int) -> Scores:
        x_rows, y_rows = taken
        return critics.scores(x_rows, y_rows, range(1, min(shifts, len(rows) - 1) + 1))

    widths = [(pairs[k][0].shape[1], pairs[k][1].shape[1]) for k in varying]
    critics = PairCritics.draw(widths, settings.hidden, seed)
    fits = _Fitting[PairCritics](critics, stacks, scores, parts, seed, settings).run()
    ceiling = math.log(len(parts.test))
    for k, fit in zip(varying, fits, strict=True):
        estimates[k] = fit.estimate(ceiling, len(rows), "mine", settings)
    return estimates


def mine_labels(
    t: Sequence[Any], y: Any, *, seed: int = 0, settings: MineSettings | None = None
) -> list[Estimate]:
    """I(T_k; Y) in nats of K continuous samples and the same labels, all critics as one stack.

    MINE with the label enumerated ("mine-enumerated"): the critic gives one score per class, so
    the expectation over the marginal of Y is an exact sum over the class shares of all rows used,
    with no negative samples. Otherwise as `mine`; rows are dealt out class by class.

    Args:
        t: K arrays or tensors, shapes (n, d_k) (or (n,)), numbers.
        y: labels, shape (n,), whole numbers; the values only name the classes.
        seed: draws rows, parts, batches and weights.
        settings: see `MineSettings` (`shifts` does nothing here).

    Returns:
        one `Estimate` per entry of t, in order; `saturated` means near H(Y).

    Raises:
        InformationError: (a ValueError) lengths differ, fewer than 50 rows, a value is not finite,
            y holds other than whole numbers.
    """
    settings = settings or MineSettings()
    labels = as_labels(y, "y")
    sides = [as_samples(v, f"t[{k}]") for k, v in enumerate(t)]
    n = check_rows({"y": len(labels), **{f"t[{k}]": len(side) for k, side in enumerate(sides)}})
    rows = choose_rows(n, settings.max_rows, seed)
    _, classes, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    prepared = [gaussianize(side[rows]) for side in sides]
    varying = [k for k, side in enumerate(prepared) if side.shape[1] and len(counts) > 1]
    estimates = [constant_estimate(len(rows), "mine-enumerated")] * len(sides)
    if not varying:
        return estimates
    parts = split_rows(len(rows), seed, classes)
    stacks = [pad_and_stack([prepared[k] for k in varying])]
    class_of = torch.from_numpy(classes)
    log_shares = torch.from_numpy(np.log(counts / counts.sum())).float()

    def scores(critics: LabelCritics, rows: Tensor, taken: list[Tensor], shifts: int) -> Scores:
        return critics.scores(taken[0], class_of[rows], log_shares)

    widths = [prepared[k].shape[1] for k in varying]
    critics = LabelCritics.draw(widths, len(counts), settings.hidden, seed)
    fits = _Fitting[LabelCritics](critics, stacks, scores, parts, seed, settings).run()
    for k, fit in zip(varying, fits, strict=True):
        estimates[k] = fit.estimate(entropy(classes), len(rows), "mine-enumerated", settings)
    return estimates


@dataclass(frozen=True)
class _Fit:
    """One trained critic: its values in nats on the three parts, and the step chosen."""

    train: float
    validation: float
    test: float
    step: int

    def estimate(self, ceiling: float, n: int, estimator: str, settings: MineSettings) -> Estimate:
        raised = {
            "still_rising": self.step > settings.steps - settings.check_every,
            "never_rose": self.step == 0,
            "saturated": self.test >= SATURATED * ceiling,
            "below_zero": self.test < 0.0,
        }
        flags = tuple(flag for flag, up in raised.items() if up)
        return Estimate(
            self.test, self.train, self.validation, self.test, self.step, flags, n, estimator
        )


class _Fitting(Generic[Critics]):
    """Trains a stack; each critic stops by its own validation values and then leaves it.

    Args:
        critics: K of them, freshly drawn.
        stacks: what they see, each of shape (K, n, width).
        scores: `(critics, row numbers, the stacks at those rows, shifts) -> Scores`.
    """

    def __init__(
        self,
        critics: Critics,
        stacks: list[Tensor],
        scores: Callable[[Critics, Tensor, list[Tensor], int], Scores],
        parts: Parts,
        seed: int,
        settings: MineSettings,
    ) -> None:
        self.critics = critics
        self.stacks = stacks
        self.scores = scores
        self.parts = parts
        self.settings = settings
        self.batches = _batches(parts.train, seed, settings)

    def run(self) -> list[_Fit]:
        settings, live, stacks = self.settings, self.critics, self.stacks
        n_critics = len(live.parameters[0])
        best = live.copy()
        best_value = torch.zeros(n_critics)  # a constant critic's, exactly
        best_step = torch.zeros(n_critics, dtype=torch.int64)
        numbers = torch.arange(n_critics)  # whom the live stack holds
        optimizer = _Adam(live.parameters, settings.learning_rate)
        average: Tensor | None = None
        for step, batch in enumerate(self.batches, start=1):
            joint, batch_log = self.scores(live, batch, _take(stacks, batch), 1)
            average = update_average(average, batch_log.detach(), settings.average)
            loss = -surrogate(joint, batch_log, average).sum()
            optimizer.step(torch.autograd.grad(loss, live.parameters))
            if step % settings.check_every and step != settings.steps:
                continue
            value = self._value(live, stacks, self.parts.validation)
            better = (value > best_value[numbers]).nonzero()[:, 0]
            best.put(numbers[better], live, better)
            best_value[numbers[better]] = value[better]
            best_step[numbers[better]] = step
            going = (step - best_step[numbers] < settings.patience).nonzero()[:, 0]
            if len(going) == 0:
                break
            if len(going) < len(numbers):
                numbers, average = numbers[going], average[going]
                live, stacks = live.keep(going), [stack[going] for stack in stacks]
                optimizer.keep(live.parameters, going)
        train = self._value(best, self.stacks, self.parts.train)
        test = self._value(best, self.stacks, self.parts.test)
        return [
            _Fit(float(train[k]), float(best_value[k]), float(test[k]), int(best_step[k]))
            for k in range(n_critics)
        ]

    @torch.no_grad()
    def _value(self, critics: Critics, stacks: list[Tensor], rows: Tensor) -> Tensor:
        joint, marginal = self.scores(critics, rows, _take(stacks, rows), self.settings.shifts)
        return donsker_varadhan(joint, marginal)


def _take(stacks: list[Tensor], rows: Tensor) -> list[Tensor]:
    return [stack.index_select(1, rows) for stack in stacks]


def _batches(train: Tensor, seed: int, settings: MineSettings) -> Tensor:
    """Row numbers of every step, shape (steps, batch): passes over the training rows, shuffled."""
    size = min(settings.batch_size, len(train))
    passes = math.ceil(settings.steps * size / len(train))
    rng = generator(seed, "batches")
    order = np.concatenate([rng.permutation(len(train)) for _ in range(passes)])
    return train[torch.from_numpy(order[: settings.steps * size])].view(settings.steps, size)


class _Adam:
    """Adam (Kingma & Ba, ICLR 2015, algorithm 1), in place, on stacked parameters.

    Written out, because critics leave the stack on the way and take their moments with them.
    """

    def __init__(self, parameters: list[Tensor], rate: float) -> None:
        self.parameters = [p.requires_grad_(True) for p in parameters]
        self.rate = rate
        self.mean = [torch.zeros_like(p) for p in parameters]
        self.square = [torch.zeros_like(p) for p in parameters]
        self.step_number = 0

    def keep(self, parameters: list[Tensor], rows: Tensor) -> None:
        """Go on with those critics only, whose parameters are given anew."""
        self.parameters = [p.requires_grad_(True) for p in parameters]
        self.mean = [m[rows] for m in self.mean]
        self.square = [v[rows] for v in self.square]

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step; `gradients` are those of what is to become small."""
        self.step_number += 1
        rate = self.rate / (1.0 - BETA_1**self.step_number)
        root = math.sqrt(1.0 - BETA_2**self.step_number)
        with torch.no_grad():
            for p, g, m, v in zip(self.parameters, gradients, self.mean, self.square, strict=True):
                m.lerp_(g, 1.0 - BETA_1)
                v.mul_(BETA_2).addcmul_(g, g, value=1.0 - BETA_2)
                p.addcdiv_(m, v.sqrt().div_(root).add_(EPSILON), value=-rate)
