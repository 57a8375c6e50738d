"""What columns each table of a meta-dataset has, and the check that says what is wrong with one.

Extra columns are kept as they are: a column more is no error, a column less is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from infoprior.profiles._schema import PART_COLUMNS

TABLES = ("tasks", "architectures", "curves", "profiles", "probe_curves", "layers")


class MetaDatasetError(ValueError):
    """A table of a meta-dataset is not what it has to be."""


@dataclass(frozen=True)
class Column:
    """One column: its type, and whether NaN may stand in it (infinities never may).

    Attributes:
        kind: "text", "integer", "number", "boolean" or "any".
        missing: whether NaN is allowed.
        low, high: bounds of the values, both included.
    """

    kind: str
    missing: bool = False
    low: float = -np.inf
    high: float = np.inf


_TEXT, _COUNT, _FLAG = Column("text"), Column("integer", low=0), Column("boolean")
_ACCURACY = Column("number", low=0.0, high=1.0)
_LOSS = Column("number", missing=True)  # NaN from the epoch at which a network diverged
_NATS = Column("number")
_MAYBE = Column("number", missing=True)  # NaN where a recipe's method does not have the value
_SHARE = Column("number", low=0.0, high=1.0)

_LAYERS = {
    "task": _TEXT,
    "architecture": _TEXT,
    "seed": _COUNT,
    "epoch": _COUNT,
    "layer": _TEXT,
    "layer_index": _COUNT,
    "recipe": _TEXT,
    "width": _COUNT,
    "n": _COUNT,
    "mi_xt": _NATS,
    "mi_xt_lower": _MAYBE,
    "mi_xt_upper": _MAYBE,
    "sigma": Column("number", missing=True, low=0.0),
    "mi_ty": _NATS,
    "h_y": _NATS,
    "mi_ty_train": _MAYBE,
    "mi_ty_validation": _MAYBE,
    "mi_ty_test": _MAYBE,
    "mi_ty_fold_spread": _MAYBE,
    "step_ty": _MAYBE,
    "effective_rank": Column("number", low=0.0),
    "dead_units": _SHARE,
    "activation_entropy": _SHARE,  # bits a unit
    "flags": _TEXT,
}

_CURVES = {
    "task": _TEXT,
    "architecture": _TEXT,
    "seed": _COUNT,
    "epoch": Column("integer", low=1),
    "train_loss": _LOSS,
    "validation_loss": _LOSS,
    "test_loss": _LOSS,  # as test_accuracy, NaN where there is no test set
    "train_accuracy": _ACCURACY,
    "validation_accuracy": _ACCURACY,
    # Studies of one's own often keep no test set: NaN there.
    "test_accuracy": Column("number", missing=True, low=0.0, high=1.0),
    "diverged": _FLAG,
}

SCHEMAS: dict[str, dict[str, Column]] = {
    "tasks": {
        "task": _TEXT,
        "family": _TEXT,
        "source": _TEXT,
        "kind": _TEXT,
        "n_train": _COUNT,
        "n_validation": _COUNT,
        "n_test": _COUNT,
        "n_features": _COUNT,
        "n_classes": Column("integer", low=1),
    },
    "architectures": {"architecture": _TEXT},
    "curves": _CURVES,
    "profiles": _LAYERS,
    "probe_curves": _CURVES,
    "layers": _LAYERS | dict.fromkeys(PART_COLUMNS, _MAYBE),
}

KEYS: dict[str, tuple[str, ...]] = {
    "tasks": ("task",),
    "architectures": ("architecture",),
    "curves": ("task", "architecture", "seed", "epoch"),
    "profiles": ("task", "architecture", "seed", "epoch", "layer_index", "recipe"),
    "probe_curves": ("task", "architecture", "seed", "epoch"),
    "layers": ("task", "architecture", "seed", "epoch", "layer_index", "recipe"),
}


def empty_table(name: str) -> pd.DataFrame:
    """The table without rows."""
    kinds = {"text": str, "integer": np.int64, "number": np.float64, "boolean": bool}
    return pd.DataFrame({c: pd.Series(dtype=kinds[rule.kind]) for c, rule in SCHEMAS[name].items()})


def check_table(
    name: str, frame: pd.DataFrame, columns: dict[str, Column], where: str
) -> pd.DataFrame:
    """The table with a plain 0..n-1 index, or an error that names table, column and row.

    Args:
        name: which of `TABLES`.
        frame: the table.
        columns: what it has to hold.
        where: the file it came from, for the message ("" where it came from memory).

    Raises:
        MetaDatasetError: a column is missing or of the wrong type, a value is out of bounds or not
            finite where it has to be, a key occurs twice.
    """
    where = f"{where}: " if where else ""
    if not isinstance(frame, pd.DataFrame):
        raise MetaDatasetError(
            f"{where}table {name!r} is a {type(frame).__name__}; give a pandas DataFrame."
        )
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise MetaDatasetError(
            f"{where}table {name!r} misses the column(s) {missing}; it has {list(frame.columns)}."
        )
    repeated = [str(c) for c in frame.columns[frame.columns.duplicated()]]
    if repeated:
        raise MetaDatasetError(f"{where}table {name!r} has the column(s) {repeated} twice.")
    frame = frame.reset_index(drop=True)
    for column, rule in columns.items():
        # An empty table read from nowhere has no types to speak of.
        if len(frame) and rule.kind != "any":
            _check_column(f"{where}table {name!r}, column {column!r}", frame[column], rule)
    keys = list(KEYS[name])
    twice = frame.duplicated(subset=keys)
    if twice.any():
        row = frame[keys].iloc[int(twice.to_numpy().argmax())].to_dict()
        key = ", ".join(f"{k}={row[k]!r}" for k in keys)
        raise MetaDatasetError(f"{where}table {name!r} has the key ({key}) more than once.")
    return frame


def _check_column(place: str, series: pd.Series, rule: Column) -> None:
    types = pd.api.types
    kind_ok = {
        "text": lambda: all(isinstance(v, str) for v in series.unique()),
        "integer": lambda: types.is_integer_dtype(series) and not series.hasnans,
        "number": lambda: types.is_numeric_dtype(series) and not types.is_bool_dtype(series),
        "boolean": lambda: types.is_bool_dtype(series) and not series.hasnans,
    }[rule.kind]
    if not kind_ok():
        raise MetaDatasetError(f"{place}: expected {rule.kind}, found dtype {series.dtype}.")
    if rule.kind not in ("integer", "number"):
        return
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.isinf(values) if rule.missing else ~np.isfinite(values)
    if bad.any():
        row = int(bad.argmax())
        raise MetaDatasetError(
            f"{place}: {values[row]} in row {row}; the values have to be finite"
            + (" or NaN." if rule.missing else ".")
        )
    outside = (values < rule.low) | (values > rule.high)
    if outside.any():
        row = int(outside.argmax())
        raise MetaDatasetError(
            f"{place}: {values[row]} in row {row} lies outside [{rule.low}, {rule.high}]."
        )


def check_known(
    table: str, column: str, values: Iterable[str], known: Iterable[str], where: str
) -> None:
    """Refuse a table that names a task or an architecture that no table lists.

    Args:
        table, column: where the names stand, for the message.
        values: the names.
        known: the names that are listed.
        where: the file they came from ("" where they came from memory).

    Raises:
        MetaDatasetError: a name is not listed.
    """
    unknown = sorted(set(values) - set(known))
    if unknown:
        where = f"{where}: " if where else ""
        shown = ", ".join(map(repr, unknown[:3])) + (", ..." if len(unknown) > 3 else "")
        raise MetaDatasetError(
            f"{where}table {table!r}, column {column!r}: {len(unknown)} unknown {column}(s) "
            f"({shown}); list them in table {column + 's'!r} or drop their rows."
        )
