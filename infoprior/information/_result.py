"""What an estimator answers: a value in nats, and everything needed to distrust it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, overload

import numpy as np

FLAGS = (
    "still_rising",
    "never_rose",
    "saturated",
    "below_zero",
    "bounds_disagree",
    "vacuous",
    "ties",
    "rounding",
    "constant",
)
"""Every warning an `Estimate` can carry, in the order in which they are written."""


@dataclass(frozen=True)
class Estimate:
    """One estimate of mutual information. Everything but `n`, `step` and `seconds` is in nats.

    Nothing is clipped: a held-out value can come out below zero, or above H(Y) by chance, and stays
    as it is. No field is ever NaN or infinite; what a method does not have is None.

    Attributes:
        nats: the estimate.
        method: what was computed (one of `METHODS`; "auto" says what it chose).
        n: rows used.
        train: value on the rows that were fitted (too high), mean over folds.
        validation: value on the rows that chose the step (slightly too high), mean over folds.
        test: value on rows that did neither, mean over folds. For probes and label critics a lower
            bound in expectation; for neural bounds of continuous pairs as well, while it is well
            below the log of the rows tested (`saturated`), beyond which a sampled mean
            exponential is too low and the value too high.
        lower, upper: for methods that give two values between which the truth lies in expectation.
        fold_spread: standard deviation of the folds' test values. Folds share most of their rows
            and any bias: this is *no* confidence interval.
        step: optimiser step chosen, mean over folds.
        seconds: wall time of this estimate's share of the call.
        sigma: standard deviation of the noise that was added, in the units of the data: the
            estimate is then I(X; T + sigma Z), or has ties broken by it (`ties`).
        flags: any of `FLAGS`. `still_rising`: the step budget ended some fold's training;
            `never_rose`: no step beat the start (a constant critic, or the closed form alone) in
            any fold; `saturated`: near the most that the method can say (log n, or H(Y) for
            labels); `below_zero`; `bounds_disagree`: `lower` and `upper`, or `train` and `test`
            where `nats` lies between them, are too far apart to trust it; `vacuous`: the value
            follows from n alone (binning a wide layer); `ties`: equal values were broken by
            noise; `rounding`: a column varies by at most 16 roundings of its dtype, so that where
            it was computed it may be rounding alone, or float64 doesn't hold all its digits;
            `constant`: a side does not vary, 0.0 by definition.
    """

    nats: float
    method: str
    n: int
    train: float | None = None
    validation: float | None = None
    test: float | None = None
    lower: float | None = None
    upper: float | None = None
    fold_spread: float | None = None
    step: float | None = None
    seconds: float = 0.0
    sigma: float | None = None
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ArithmeticError(
                    f"{self.method}: {field.name} came out as {value}; this is a bug in infoprior, "
                    "please report it with the data."
                )
        unknown = set(self.flags) - set(FLAGS)
        if unknown:
            raise ValueError(f"Unknown flags {sorted(unknown)}; known are {list(FLAGS)}.")


class Estimates(Sequence[Estimate]):
    """Estimates of a stack of K pairs: a sequence of `Estimate`, and their fields as arrays.

    `.nats`, `.train`, `.sigma` ... are float64 arrays of shape (K,), None if no entry has the
    value, masked where only some have it. `.flags` and `.method` are lists.
    """

    def __init__(self, entries: Iterable[Estimate]) -> None:
        self._entries = tuple(entries)

    @overload
    def __getitem__(self, index: int) -> Estimate: ...
    @overload
    def __getitem__(self, index: slice) -> Estimates: ...
    def __getitem__(self, index: int | slice) -> Estimate | Estimates:
        if isinstance(index, slice):
            return Estimates(self._entries[index])
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in Estimate.__dataclass_fields__:
            raise AttributeError(f"Estimates has no attribute {name!r}")
        values = [getattr(entry, name) for entry in self._entries]
        if name in ("flags", "method"):
            return values
        if name == "n":
            return np.array(values, dtype=np.int64)
        if values and all(value is None for value in values):
            return None
        missing = [value is None for value in values]
        array = np.array([0.0 if v is None else v for v in values], dtype=np.float64)
        return np.ma.masked_array(array, missing) if any(missing) else array

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Estimates) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(self._entries)

    def __repr__(self) -> str:
        return f"Estimates({list(self._entries)!r})"


def constant_estimate(n: int, method: str) -> Estimate:
    """The answer where one side does not vary: 0 nats, by definition."""
    return Estimate(0.0, method, n, flags=("constant",))
