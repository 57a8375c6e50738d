"""The columns of profile and probe-curve tables, and the check that a table has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from infoprior.information import FLAGS

NON_FINITE = "non_finite"
"""Flag of a layer whose activations are not finite (its network diverged)."""

CONSTANT = "constant"
"""Flag of a layer that does not vary over the rows."""

PROFILE_FLAGS = (
    *(f"ty:{flag}" for flag in FLAGS),
    *(f"xt:{flag}" for flag in FLAGS if flag != CONSTANT),
    CONSTANT,
    NON_FINITE,
)
"""What a row can be flagged with: what the estimate of I(T;Y) warns of, then that of
I(X; T + sigma Z) (see `infoprior.information.FLAGS`), then what concerns the layer itself.
`ty:constant` means that the labels do not vary."""

PROFILE_COLUMNS: Mapping[str, str] = {
    "task": "str",
    "architecture": "str",
    "seed": "int64",
    "epoch": "int64",
    "layer": "str",
    "layer_index": "int64",
    "recipe": "str",
    "width": "int64",
    "n": "int64",
    "mi_xt": "float64",
    "mi_xt_lower": "float64",
    "mi_xt_upper": "float64",
    "sigma": "float64",
    "mi_ty": "float64",
    "h_y": "float64",
    "mi_ty_train": "float64",
    "mi_ty_validation": "float64",
    "mi_ty_test": "float64",
    "mi_ty_fold_spread": "float64",
    "step_ty": "float64",
    "effective_rank": "float64",
    "dead_units": "float64",
    "activation_entropy": "float64",
    "flags": "str",
}
"""One row per layer T. Information (`mi_*`, `h_y`) is in nats.

- `recipe`: id of the `Recipe`; `width`: units (of feature maps: C H W); `n`: rows used.
- `mi_xt`: I(X; T + sigma Z), Z standard normal; `mi_xt_lower`, `mi_xt_upper`: values between which
  it lies in expectation; `sigma`: in the layer's units.
- `mi_ty`: I(T;Y); `mi_ty_train`, `_validation`, `_test`: the critic's value on rows that it was
  trained on, that chose its step, and that did neither, means over folds; `mi_ty_fold_spread`: the
  standard deviation of the folds' test values, no confidence interval; `step_ty`: of the optimiser,
  mean over folds. `h_y`: H(Y) of the same rows, the most that I(T;Y) can be.
- `effective_rank` (from 1 to the width), `dead_units` (share of units, 0 to 1) and
  `activation_entropy` (**bits**, mean over units) of the layer as the network gives it.
- `flags`: any of `PROFILE_FLAGS`, joined with commas.

A layer that does not vary, or is not finite, has zeros. NaN stands in `DIAGNOSTICS` alone, where a
recipe's method does not have the value."""

PART_COLUMNS: Mapping[str, str] = {
    "n_validation": "int64",
    "mi_ty_training_rows": "float64",
    "mi_ty_validation_rows": "float64",
}
"""Further columns of profiles by a recipe of `one_pass`: how many of the `n` rows are validation
rows, and I(T;Y) in nats of the task's training and of its validation rows. Their difference is what
the layer memorised of the labels that its network was trained on. Not to be confused with
`mi_ty_train` and `mi_ty_validation`, which are about the rows of the estimator's own folds."""

DIAGNOSTICS = (
    "mi_xt_lower",
    "mi_xt_upper",
    "sigma",
    "mi_ty_train",
    "mi_ty_validation",
    "mi_ty_test",
    "mi_ty_fold_spread",
    "step_ty",
)
"""Columns that not every method of estimation fills."""

PROBE_CURVE_COLUMNS: Mapping[str, str] = {
    "task": "str",
    "architecture": "str",
    "seed": "int64",
    "epoch": "int64",
    "train_loss": "float64",
    "validation_loss": "float64",
    "test_loss": "float64",
    "train_accuracy": "float64",
    "validation_accuracy": "float64",
    "test_accuracy": "float64",
    "diverged": "bool",
}
"""One row per epoch of a probe. Losses are in nats per row, and NaN once the probe diverged."""


class ProfileError(ValueError):
    """A table that is no profile, or a network that cannot be profiled; the message says why."""


def validate_profile(table: pd.DataFrame) -> pd.DataFrame:
    """The table with exactly the columns and dtypes of `PROFILE_COLUMNS`, and `PART_COLUMNS` too
    where it has any of those.

    Args:
        table: any.

    Raises:
        ProfileError: a column is missing, unknown or of another type, an estimate is not finite, a
            layer occurs twice, or a flag is unknown.
    """
    columns = PROFILE_COLUMNS
    if isinstance(table, pd.DataFrame) and any(name in table for name in PART_COLUMNS):
        columns = {**PROFILE_COLUMNS, **PART_COLUMNS}
    table = _typed(table, columns, "profile")
    for name, dtype in columns.items():
        if dtype != "float64":
            continue
        bad = np.isinf(table[name]) if name in DIAGNOSTICS else ~np.isfinite(table[name])
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ProfileError(f"The profile's {name} is not finite in row {row}.")
    key = ["task", "architecture", "seed", "epoch", "layer", "recipe"]
    twice = table.duplicated(key)
    if twice.any():
        first = table.loc[twice, key].iloc[0].to_dict()
        raise ProfileError(f"The profile has two rows for {first}; each layer has one.")
    unknown = {f for flags in table["flags"] for f in flags.split(",") if f} - set(PROFILE_FLAGS)
    if unknown:
        raise ProfileError(
            f"The profile has unknown flags {sorted(unknown)}; known are {list(PROFILE_FLAGS)}."
        )
    return table


def validate_curves(table: pd.DataFrame) -> pd.DataFrame:
    """The table with exactly the columns and dtypes of `PROBE_CURVE_COLUMNS`.

    Args:
        table: any.

    Raises:
        ProfileError: a column is missing, unknown or of another type.
    """
    return _typed(table, PROBE_CURVE_COLUMNS, "curve")


def _typed(table: pd.DataFrame, columns: Mapping[str, str], what: str) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        raise ProfileError(f"The {what} table is {type(table).__name__}; give a pandas DataFrame.")
    twice = table.columns[table.columns.duplicated()].tolist()
    if twice:
        raise ProfileError(f"The {what} table has the columns {twice} twice.")
    missing = [name for name in columns if name not in table]
    unknown = [name for name in table if name not in columns]
    if missing or unknown:
        raise ProfileError(
            f"The {what} table lacks the columns {missing} and has the unknown columns {unknown}."
        )
    typed: dict[str, Any] = {}
    for name, dtype in columns.items():
        column = table[name]
        if len(column) and not _fits(column, dtype):
            raise ProfileError(f"The {what} table's {name} holds {column.dtype}, not {dtype}.")
        # The type `str` is pandas' default for text: object before pandas 3, str from then on.
        kind: Any = str if dtype == "str" else dtype
        typed[name] = column.astype(kind)
    return pd.DataFrame(typed).reset_index(drop=True)


def _fits(column: pd.Series, dtype: str) -> bool:
    if dtype == "str":
        return all(isinstance(value, str) for value in column)
    if dtype == "bool":
        return pd.api.types.is_bool_dtype(column)
    if dtype == "int64":
        return pd.api.types.is_integer_dtype(column)
    return pd.api.types.is_float_dtype(column) or pd.api.types.is_integer_dtype(column)
