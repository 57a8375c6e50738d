"""What an estimator is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

FLAGS = ("still_rising", "never_rose", "saturated", "below_zero", "constant")
"""Every warning an `Estimate` can carry, in the order in which they are written."""


@dataclass(frozen=True)
class MineSettings:
    """How critics are trained. Every number is per critic; units of information are nats.

    Attributes:
        hidden: units in each of a critic's two hidden layers.
        batch_size: training rows per step (all of them if there are fewer).
        steps: at most so many steps of Adam.
        learning_rate: Adam's.
        average: share of the newest batch in the moving average of the marginal's mean
            exponential (Belghazi et al. 2018, section 3.2), in (0, 1].
        check_every: steps between two looks at the validation rows.
        patience: a critic stops after so many steps without a better validation value.
        shifts: product-of-marginals pairs per held-out row, where Y is not enumerated.
        max_rows: at most so many rows are used, drawn by the seed; None: all of them.
    """

    hidden: int = 64
    batch_size: int = 256
    steps: int = 300
    learning_rate: float = 3e-3
    average: float = 0.1
    check_every: int = 10
    patience: int = 60
    shifts: int = 8
    max_rows: int | None = 1500

    def __post_init__(self) -> None:
        for name in ("hidden", "batch_size", "steps", "check_every", "patience", "shifts"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"MineSettings.{name} = {value!r}: give a whole number >= 1.")
        if self.batch_size < 2:
            raise ValueError("MineSettings.batch_size = 1: a batch needs two rows to pair.")
        if not 0.0 < self.learning_rate < float("inf"):
            raise ValueError(
                f"MineSettings.learning_rate = {self.learning_rate!r}: give a positive number."
            )
        if not 0.0 < self.average <= 1.0:
            raise ValueError(f"MineSettings.average = {self.average!r}: it lies in (0, 1].")
        if self.max_rows is not None and self.max_rows < 50:
            raise ValueError(f"MineSettings.max_rows = {self.max_rows}: give 50 or more, or None.")


@dataclass(frozen=True)
class Estimate:
    """One critic's answer, in nats.

    Nothing is clipped: a held-out bound can come out below zero, or above H(Y) by chance, and the
    raw value stays. A critic that never beat a constant one on the validation rows is replaced by
    the constant one, whose value is exactly 0.0 (`never_rose`).

    Where the mean exponential is sampled ("mine"), information beyond the log of the number of
    rows cannot be measured with confidence (McAllester & Stratos, "Formal Limitations on the
    Measurement of Mutual Information", AISTATS 2020): the held-out value of an overconfident critic
    can then exceed the truth without limit. Read `saturated` as "large, unknown how large".

    Attributes:
        nats: the estimate, the same number as `test`.
        train: value of the chosen critic on the rows it was trained on (too high).
        validation: its value on the rows that chose the step (slightly too high).
        test: its value on rows that did neither: a lower bound up to their noise, unless saturated.
        step: the step chosen.
        flags: any of `still_rising` (the step budget ended it), `never_rose` (no step beat a
            constant critic), `saturated` (near its ceiling: log of the number of test rows, or
            H(Y) for labels), `below_zero` (the test value is), `constant` (a side does not vary:
            0.0 by definition, nothing was trained).
        n: rows used: 60 % trained the critic, 20 % chose the step, 20 % gave the value.
        estimator: "mine", or "mine-enumerated" (one score per class, exact marginal of Y).
    """

    nats: float
    train: float
    validation: float
    test: float
    step: int
    flags: tuple[str, ...]
    n: int
    estimator: str


def constant_estimate(n: int, estimator: str) -> Estimate:
    """The answer where one side does not vary: 0 nats, by definition."""
    return Estimate(0.0, 0.0, 0.0, 0.0, 0, ("constant",), n, estimator)
