"""MINE: mutual information as the best Donsker-Varadhan bound that a small critic finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from infoprior.information._critics import LabelCritics, PairCritics, Scores
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

Critics = TypeVar("Critics", PairCritics, LabelCritics)


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
    pairs = [
        (gaussianize(sides[f"x[{k}]"][rows]), gaussianize(sides[f"y[{k}]"][rows]))
        for k in range(len(x))
    ]
    varying = [k for k, (a, b) in enumerate(pairs) if a.shape[1] and b.shape[1]]
    estimates = [constant_estimate(len(rows), "mine")] * len(x)
    if not varying:
        return estimates
    parts = split_rows(len(rows), seed)
    stack_x = pad_and_stack([pairs[k][0] for k in varying])
    stack_y = pad_and_stack([pairs[k][1] for k in varying])

    def scores(critics: PairCritics, which: Tensor, at: Tensor, shifts: int) -> Scores:
        a, b = stack_x[which[:, None], at], stack_y[which[:, None], at]
        return critics.scores(a, b, range(1, min(shifts, len(at) - 1) + 1))

    widths = [(pairs[k][0].shape[1], pairs[k][1].shape[1]) for k in varying]
    critics = PairCritics.draw(widths, settings.hidden, seed)
    fits = _Fitting[PairCritics](critics, scores, parts, seed, settings).run()
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
    stack = pad_and_stack([prepared[k] for k in varying])
    class_of = torch.from_numpy(classes)
    log_shares = torch.from_numpy(np.log(counts / counts.sum())).float()

    def scores(critics: LabelCritics, which: Tensor, at: Tensor, shifts: int) -> Scores:
        return critics.scores(stack[which[:, None], at], class_of[at], log_shares)

    widths = [prepared[k].shape[1] for k in varying]
    critics = LabelCritics.draw(widths, len(counts), settings.hidden, seed)
    fits = _Fitting[LabelCritics](critics, scores, parts, seed, settings).run()
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
        scores: `(critics, their numbers, row numbers, shifts) -> Scores` on those rows.
    """

    def __init__(
        self,
        critics: Critics,
        scores: Callable[[Critics, Tensor, Tensor, int], Scores],
        parts: Parts,
        seed: int,
        settings: MineSettings,
    ) -> None:
        self.critics = critics
        self.scores = scores
        self.parts = parts
        self.settings = settings
        self.batches = _batches(parts.train, seed, settings)

    def run(self) -> list[_Fit]:
        settings, live = self.settings, self.critics
        n_critics = len(live.parameters[0])
        best = live.copy()
        best_value = torch.zeros(n_critics)  # a constant critic's, exactly
        best_step = torch.zeros(n_critics, dtype=torch.int64)
        numbers = torch.arange(n_critics)  # whom the live stack holds
        optimizer = _adam(live.parameters, settings)
        average: Tensor | None = None
        for step, batch in enumerate(self.batches, start=1):
            joint, batch_log = self.scores(live, numbers, batch, 1)
            average = update_average(average, batch_log.detach(), settings.average)
            loss = -surrogate(joint, batch_log, average).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if step % settings.check_every and step != settings.steps:
                continue
            value = self._value(live, numbers, self.parts.validation)
            better = (value > best_value[numbers]).nonzero()[:, 0]
            best.put(numbers[better], live, better)
            best_value[numbers[better]] = value[better]
            best_step[numbers[better]] = step
            going = (step - best_step[numbers] < settings.patience).nonzero()[:, 0]
            if len(going) == 0:
                break
            if len(going) < len(numbers):
                numbers, average = numbers[going], average[going]
                live = live.keep(going)
                optimizer = _adam(live.parameters, settings, optimizer, going)
        everyone = torch.arange(n_critics)
        train = self._value(best, everyone, self.parts.train)
        test = self._value(best, everyone, self.parts.test)
        return [
            _Fit(float(train[k]), float(best_value[k]), float(test[k]), int(best_step[k]))
            for k in range(n_critics)
        ]

    @torch.no_grad()
    def _value(self, critics: Critics, numbers: Tensor, rows: Tensor) -> Tensor:
        joint, marginal = self.scores(critics, numbers, rows, self.settings.shifts)
        return donsker_varadhan(joint, marginal)


def _batches(train: Tensor, seed: int, settings: MineSettings) -> Tensor:
    """Row numbers of every step, shape (steps, batch): passes over the training rows, shuffled."""
    size = min(settings.batch_size, len(train))
    passes = math.ceil(settings.steps * size / len(train))
    rng = generator(seed, "batches")
    order = np.concatenate([rng.permutation(len(train)) for _ in range(passes)])
    return train[torch.from_numpy(order[: settings.steps * size])].view(settings.steps, size)


def _adam(
    parameters: list[Tensor],
    settings: MineSettings,
    before: torch.optim.Adam | None = None,
    kept: Tensor | None = None,
) -> torch.optim.Adam:
    """Adam over stacked parameters; given the one before, its state for the critics kept."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, fused=True)
    if before is not None and kept is not None:
        for old, new in zip(before.param_groups[0]["params"], parameters, strict=True):
            state = before.state[old]
            optimizer.state[new] = {
                name: value if name == "step" else value[kept] for name, value in state.items()
            }
    return optimizer
