"""`Evidence`: whatever is known of a task, from nothing at all to a search half done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from infoprior._arguments import instance_of, real_number, whole_number
from infoprior.predictors._errors import PredictorError

if TYPE_CHECKING:
    from infoprior.profiles import TaskProfile

_ACCURACY, _LOSS = "validation_accuracy", "validation_loss"
_FIELDS = {"architecture", "params", "seed", "epoch", _ACCURACY, _LOSS}
_IGNORED = {"task", "diverged", "train_loss", "train_accuracy", "test_loss", "test_accuracy"}
"""Columns of a meta-dataset's curves that a search does not have, or that are not used."""


@dataclass(frozen=True)
class Record:
    """One network at one epoch.

    Attributes:
        architecture: the id of a recorded architecture, or the params as sorted (name, value).
        seed: of the network: records of one architecture and seed are one learning curve.
        epoch: from 1.
        accuracy: on validation rows, NaN where unknown.
        loss: on validation rows, nats, NaN where unknown; infinite where it diverged.
    """

    architecture: str | tuple[tuple[str, Any], ...]
    seed: int
    epoch: int
    accuracy: float
    loss: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a task; every part may be missing.

    >>> Evidence(curves=[{"architecture": "a003", "epoch": 1, "validation_accuracy": 0.7}])
    Evidence(1 records of 1 architectures)

    Args:
        profile: what its probes, its rows and its inputs showed.
        curves: partial learning curves of networks trained on it: a frame or a list of dicts, one
            row per network and epoch, with `epoch`, `validation_accuracy` and, where they are
            known, `validation_loss` (nats) and `seed` (0); and with `architecture` (the id of a
            recorded architecture), or `params` (a point of the space), or a column per parameter.
            Test results, if there are any, are not read.
        n_validation: rows that validation results are of; None: as many as training tasks had.

    Raises:
        PredictorError: the profile is none, or a record lacks a field or holds a value that it
            cannot hold.
    """

    profile: TaskProfile | None = None
    curves: Any = None
    n_validation: int | None = None
    records: tuple[Record, ...] = field(init=False, default=(), repr=False)

    def __post_init__(self) -> None:
        from infoprior.predictors._features import check_profile

        if self.profile is not None:
            check_profile(self.profile)
        if self.n_validation is not None:
            whole_number(self.n_validation, "n_validation", 1, PredictorError)
        object.__setattr__(self, "records", tuple(_records(self.curves)))

    def __repr__(self) -> str:
        parts = [] if self.profile is None else [f"profile of {self.profile.task!r}"]
        if self.records:
            networks = len({record.architecture for record in self.records})
            parts.append(f"{len(self.records)} records of {networks} architectures")
        return f"Evidence({', '.join(parts) or 'nothing'})"

    def with_curves(self, curves: Any) -> Evidence:
        """The same task with these curves instead of its own.

        Raises:
            PredictorError: as when it is made.
        """
        return replace(self, curves=curves)


def check_evidence(evidence: object) -> None:
    """PredictorError where it is no `Evidence`."""
    remedy = "give Evidence(profile=..., curves=...), or nothing"
    instance_of(evidence, Evidence, "evidence", remedy, PredictorError)


def _records(curves: Any) -> Iterable[Record]:
    if curves is None:
        return
    if isinstance(curves, pd.DataFrame):
        curves = curves.to_dict("records")
    if isinstance(curves, str | Mapping) or not isinstance(curves, Sequence):
        raise PredictorError(
            f"curves is of type {type(curves).__name__}; give a data frame or a list of dicts."
        )
    for place, row in enumerate(curves):
        if isinstance(row, Record):
            yield row
            continue
        if not isinstance(row, Mapping):
            raise PredictorError(f"curves, record {place} is no dict: {row!r}.")
        yield _record(row, f"curves, record {place}")


def _record(row: Mapping[str, Any], where: str) -> Record:
    if "epoch" not in row or (_ACCURACY not in row and _LOSS not in row):
        raise PredictorError(
            f"{where} has {sorted(map(str, row))}; it needs epoch and validation_accuracy or "
            "validation_loss."
        )
    accuracy = _number(row.get(_ACCURACY), f"{where}, {_ACCURACY}", 1.0)
    loss = _number(row.get(_LOSS), f"{where}, {_LOSS}", np.inf)
    if np.isnan(loss) and row.get("diverged", False):
        loss = np.inf
    return Record(
        architecture=_architecture(row, where),
        seed=whole_number(row.get("seed", 0), f"{where}, seed", 0, PredictorError),
        epoch=whole_number(row["epoch"], f"{where}, epoch", 1, PredictorError),
        accuracy=accuracy,
        loss=loss,
    )


def _architecture(row: Mapping[str, Any], where: str) -> str | tuple[tuple[str, Any], ...]:
    if isinstance(row.get("architecture"), str):
        return str(row["architecture"])
    params = row.get("params", {k: v for k, v in row.items() if k not in _FIELDS | _IGNORED})
    if not isinstance(params, Mapping) or not params:
        raise PredictorError(
            f"{where} does not say which architecture: give its id as `architecture` or its point "
            "as `params`."
        )
    return tuple(sorted(params.items()))


def _number(value: Any, name: str, most: float) -> float:
    """A number from 0 to the most; NaN where there is none."""
    if value is None or value != value or value == most:
        return float("nan") if value is None else float(value)
    return float(real_number(value, name, 0.0, most, error=PredictorError))


NOTHING = Evidence()
"""What is known of a task before anyone has looked at it."""
