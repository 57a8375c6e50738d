"""Records of networks at epochs, of whatever form learning curves and layers are given in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from infoprior._arguments import data_frame, real_number, whole_number
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._layer_results import NEEDED, layer_results

_ACCURACY, _LOSS, _TRAINING = "validation_accuracy", "validation_loss", "train_loss"
_FIELDS = {"architecture", "params", "seed", "epoch", _ACCURACY, _LOSS, _TRAINING}
_IGNORED = {"task", "diverged", "train_accuracy", "test_loss", "test_accuracy"}
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
        train_loss: likewise, on training rows.
        layers: what its own layers said, in the order of `_layer_results.QUANTITIES`; or nothing.
    """

    architecture: str | tuple[tuple[str, Any], ...]
    seed: int
    epoch: int
    accuracy: float
    loss: float
    train_loss: float = float("nan")
    layers: tuple[float, ...] = ()


def curve_records(curves: Any) -> Iterator[Record]:
    """Of a frame or a list of dicts; see `Evidence`.

    Raises:
        PredictorError: a record lacks a field or holds a value that it cannot hold.
    """
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
    losses = [_number(row.get(name), f"{where}, {name}", np.inf) for name in (_LOSS, _TRAINING)]
    if row.get("diverged", False):
        losses = [np.inf if np.isnan(loss) else loss for loss in losses]
    return Record(
        architecture=_architecture(row, where),
        seed=whole_number(row.get("seed", 0), f"{where}, seed", 0, PredictorError),
        epoch=whole_number(row["epoch"], f"{where}, epoch", 1, PredictorError),
        accuracy=accuracy,
        loss=losses[0],
        train_loss=losses[1],
    )


def _architecture(row: Mapping[str, Any], where: str) -> str | tuple[tuple[str, Any], ...]:
    if isinstance(row.get("architecture"), str) and row["architecture"]:
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


def with_layers(records: Iterable[Record], layers: Any) -> list[Record]:
    """Records of curves, and beside them what the networks' own layers say at their epochs.

    Args:
        records: of curves.
        layers: a frame as of `infoprior.profiles.profile_network`; None: nothing.

    Raises:
        PredictorError: the frame lacks columns, or does not say which architecture.
    """
    records = list(records)
    if layers is None:
        return records
    frame = data_frame(layers, "layers", ("epoch", *NEEDED), PredictorError)
    networks: list[tuple[Any, int, int]] = []
    for place, row in enumerate(frame.to_dict("records")):
        where = f"layers, row {place}"
        seed = whole_number(row.get("seed", 0), f"{where}, seed", 0, PredictorError)
        epoch = whole_number(row["epoch"], f"{where}, epoch", 1, PredictorError)
        name = {k: row[k] for k in ("architecture", "params") if k in row}
        networks.append((_architecture(name, where), seed, epoch))
    names = list(dict.fromkeys(networks))
    number = {network: i for i, network in enumerate(names)}
    table = layer_results(
        frame[list(NEEDED)].assign(network=[number[n] for n in networks]), ["network"]
    )
    said = {
        names[i]: tuple(map(float, row))
        for i, row in zip(table.index, table.to_numpy(), strict=True)
    }
    for i, record in enumerate(records):
        key = record.architecture, record.seed, record.epoch
        if key in said:
            records[i] = replace(record, layers=said.pop(key))
    nothing = float("nan")
    return records + [
        Record(name, seed, epoch, nothing, nothing, layers=numbers)
        for (name, seed, epoch), numbers in said.items()
    ]
