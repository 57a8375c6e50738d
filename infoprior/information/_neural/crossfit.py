"""Cross-fitted training of a stack of critics: train, choose the step, report on different rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from infoprior._arguments import is_real, is_whole
from infoprior.information._inputs import InformationError, generator
from infoprior.information._neural.critics import CriticStack
from infoprior.information._neural.folds import Folds
from infoprior.information._result import Estimate

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's usual ones

Critics = TypeVar("Critics", bound=CriticStack)
Contra = TypeVar("Contra", bound=CriticStack, contravariant=True)


@dataclass(frozen=True)
class CriticSettings:
    """How critics are trained; every number is per critic.

    Attributes:
        hidden: units in each of a critic's two hidden layers.
        batch_size: training rows per step (all of them if there are fewer).
        steps: at most so many steps of Adam.
        learning_rate: Adam's.
        weight_decay: decoupled, per step, times the learning rate.
        check_every: steps between two looks at the validation rows.
        patience: a critic stops after so many steps without a better validation value.
        folds: parts that the rows are dealt into.
    """

    hidden: int = 64
    batch_size: int = 512
    steps: int = 600
    learning_rate: float = 1e-2
    weight_decay: float = 0.0
    check_every: int = 20
    patience: int = 160
    folds: int = 5

    def __post_init__(self) -> None:
        for name, least in (("hidden", 0), ("batch_size", 2), ("steps", 1), ("check_every", 1),
                            ("patience", 1)):  # fmt: skip
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise InformationError(f"{name} is {value!r}; give a whole number >= {least}.")
        for name, positive in (("learning_rate", True), ("weight_decay", False)):
            value = getattr(self, name)
            if not is_real(value) or not 0.0 <= value < math.inf or (positive and value == 0.0):
                raise InformationError(
                    f"{name} is {value!r}; give a number {'above' if positive else 'from'} 0."
                )


class Problem(Protocol[Contra]):
    """What critics are trained to do. `who`: the numbers of the critics given, shape (b,)."""

    def loss(
        self, critics: Contra, who: Tensor, rows: Tensor, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """To be made small on rows (b, batch): shape (b,); and what the next step is told."""
        ...

    def value(self, critics: Contra, who: Tensor, rows: Tensor) -> Tensor:
        """Nats on rows (b, m): shape (b,), without gradient."""
        ...


@dataclass(frozen=True)
class Fits:
    """What B = K F trained critics are worth; every field has shape (K, F)."""

    train: Tensor
    validation: Tensor
    test: Tensor
    step: Tensor
    rising: Tensor

    def flags(self, k: int, nats: float, ceiling: float, disagree: bool = False) -> tuple[str, ...]:
        raised = {
            "still_rising": bool(self.rising[k].any()),
            "never_rose": bool((self.step[k] == 0).all()),
            "saturated": nats >= SATURATED * ceiling,
            "below_zero": nats < -ROUNDING,
            "bounds_disagree": disagree,
        }
        return tuple(flag for flag, up in raised.items() if up)

    def estimate(
        self,
        k: int,
        method: str,
        n: int,
        ceiling: float,
        *,
        corrected: bool = False,
        missed: float = 0.0,
    ) -> Estimate:
        """The k-th pair's answer.

        Args:
            corrected: the mean of `train` and `test` instead of `test`. A fit's value is too high
                on its own rows by about as much as it is too low on others (Akaike 1974; Efron,
                "How Biased is the Apparent Error Rate of a Prediction Rule?", JASA 81, 1986): to
                first order in parameters per row, their mean is what the best critic of the family
                is worth. What the family cannot express is still missing.
            missed: nats that are known to be missing from that mean.
        """
        train, validation, test = (
            float(part[k].mean()) for part in (self.train, self.validation, self.test)
        )
        nats = (train + test) / 2.0 + missed if corrected else test
        return Estimate(
            nats,
            method,
            n,
            train=train,
            validation=validation,
            test=test,
            fold_spread=float(self.test[k].std()),
            step=float(self.step[k].float().mean()),
            flags=self.flags(k, nats, ceiling, corrected and train - test > GAP),
        )


ROUNDING = 1e-6
"""Nats below zero that are float32 rounding."""
SATURATED = 0.95
"""An estimate above this share of its ceiling is flagged."""
GAP = 0.5
"""Where fitted and tested values differ by more nats, their middle is flagged `bounds_disagree`."""


class CrossFit(Generic[Critics]):
    """Trains a stack; each critic stops by its own validation value and then leaves it.

    Critic number k F + f belongs to pair k and fold f. All see the same row positions in the same
    order, and no draw depends on what else is in the stack.
    """

    def __init__(
        self, problem: Problem[Critics], folds: Folds, training: CriticSettings, seed: int
    ) -> None:
        self.problem = problem
        self.folds = folds
        self.training = training
        self.batches = batches(folds.train.shape[1], training, seed).to(folds.train.device)

    def rows(self, part: Tensor, who: Tensor) -> Tensor:
        return part[who % len(self.folds)]

    def run(self, critics: Critics) -> Fits:
        training, folds, live = self.training, self.folds, critics
        device = folds.train.device
        n_critics = len(live)
        everyone = torch.arange(n_critics, device=device)
        best = live.copy()
        best_value = self._value(live, everyone, folds.validation)
        best_step = torch.zeros(n_critics, dtype=torch.int64, device=device)
        numbers = everyone  # whom the live stack holds
        optimizer = _Adam(live.parameters, training)
        state: Tensor | None = None
        for step, positions in enumerate(self.batches, start=1):
            rows = self.rows(folds.train, numbers)[:, positions]
            loss, state = self.problem.loss(live, numbers, rows, state)
            optimizer.step(torch.autograd.grad(loss.sum(), live.parameters))
            if step % training.check_every and step != training.steps:
                continue
            value = self._value(live, numbers, folds.validation)
            better = (value > best_value[numbers]).nonzero()[:, 0]
            best.put(numbers[better], live, better)
            best_value[numbers[better]] = value[better]
            best_step[numbers[better]] = step
            going = (step - best_step[numbers] < training.patience).nonzero()[:, 0]
            if len(going) == 0:
                break
            if len(going) < len(numbers):
                numbers = numbers[going]
                state = None if state is None else state[going]
                live = live.keep(going)
                optimizer.keep(live.parameters, going)
        parts = (
            self._value(best, everyone, folds.train),
            best_value,
            self._value(best, everyone, folds.test),
            best_step,
            best_step > max(training.steps - training.check_every, 0),
        )
        return Fits(*(part.view(-1, len(folds)).cpu() for part in parts))

    @torch.no_grad()
    def _value(self, critics: Critics, who: Tensor, part: Tensor) -> Tensor:
        return self.problem.value(critics, who, self.rows(part, who))


def batches(n_train: int, training: CriticSettings, seed: int) -> Tensor:
    """Positions of every step, shape (steps, batch): passes over the training rows, shuffled."""
    size = min(training.batch_size, n_train)
    passes = math.ceil(training.steps * size / n_train)
    rng = generator(seed, "batches")
    order = np.concatenate([rng.permutation(n_train) for _ in range(passes)])
    return torch.from_numpy(order[: training.steps * size]).view(training.steps, size)


class _Adam:
    """Adam (Kingma & Ba, ICLR 2015, algorithm 1) with decoupled weight decay (Loshchilov & Hutter,
    ICLR 2019), in place, on stacked parameters.

    Written out, because critics leave the stack on the way and take their moments with them.
    """

    def __init__(self, parameters: list[Tensor], training: CriticSettings) -> None:
        self.parameters = [p.requires_grad_(True) for p in parameters]
        self.rate = training.learning_rate
        self.decay = 1.0 - training.learning_rate * training.weight_decay
        self.mean = [torch.zeros_like(p) for p in parameters]
        self.square = [torch.zeros_like(p) for p in parameters]
        self.step_number = 0

    def keep(self, parameters: list[Tensor], rows: Tensor) -> None:
        """Continue with those critics only, whose parameters are given anew."""
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
                if self.decay < 1.0:
                    p.mul_(self.decay)
                p.addcdiv_(m, v.sqrt().div_(root).add_(EPSILON), value=-rate)
