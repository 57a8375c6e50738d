"""Statistics over a task's inputs: the same names for every task, whatever inputs it has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from infoprior.spaces._tabular import INPUT_ENCODINGS

ENCODINGS = INPUT_ENCODINGS
"""Encodings of numeric columns that input profiles know, by name: those of the space `tabular`."""

BASIC_INPUT_FEATURES = (
    "mi_mean", "mi_max", "linear_mean", "linear_max", "gap_mean", "gap_max", "all_linear",
    "all_mi", "all_gap", "n_numeric",
)  # fmt: skip
"""Of the numeric columns: mean and largest of I(X_j;Y) / H(Y) by bins (`mi`), of the same by linear
discriminants of one column (`linear`), and of their difference (`gap`); of all columns together the
same three, by "auto" and by linear discriminants; and the number of numeric columns."""

_SPREAD = ("median", "high", "top_share", "even")
_OVER_INPUTS = ("mi", "linear", "gap")
_PAIRS = ("pair_max", "pair_mean", "pair_high", "pair_share", "redundancy")
_ENCODED = ("all_linear", "all_gain", "linear_mean", "linear_max", "left_mean")

INPUT_FEATURES = (
    *BASIC_INPUT_FEATURES,
    *(f"{value}_{statistic}" for value in _OVER_INPUTS for statistic in _SPREAD),
    *_PAIRS,
    *(f"{value}/{encoding}" for encoding in ENCODINGS for value in _ENCODED),
)
"""Names of `InputProfile.features`; information is over H(Y), so that tasks compare.

- `<value>_median`, `_high` (nine tenths of the inputs have less), `_top_share` (of the strongest
  input, in the sum over inputs), `_even` (exp of the entropy of those shares over their number: 1
  where all inputs say as much): of what is positive of mi, linear and gap.
- `pair_max`, `pair_mean`, `pair_high` (nine tenths of the pairs have less), `pair_share` (of the
  pairs above 0.01): of the interaction of pairs; `redundancy`: sum over inputs of mi less `all_mi`.
- for each encoding `all_linear` (what linear discriminants see of all columns), `all_gain` (more
  than that of "standard"), `linear_mean`, `linear_max` (over single inputs, the 20 that say most),
  `left_mean` (mi less that of the encoding, mean over them: what is still to be made visible)."""

READ_ENCODINGS = ("standard", "quantile", "piecewise-8")
"""Encodings that a new task's inputs are read under. All seven, single inputs and pairs tell little
more of rankings, on the families that this was chosen by, at ten times the cost
(benchmarks/predictors/disagreement.py)."""

READ_INPUT_FEATURES = (
    "all_linear",
    *(f"{value}/{encoding}" for encoding in READ_ENCODINGS for value in ("all_linear", "all_gain")),
)
"""What predictors read of a task's inputs: `input_profile` has them with `linear_only`."""

INTERACTS = 0.01
"""Share of H(Y) from which the interaction of a pair counts in `pair_share`."""


def input_features(
    inputs: pd.DataFrame, pairs: pd.DataFrame, whole: Mapping[str, float], h_y: float
) -> dict[str, float]:
    """`INPUT_FEATURES` from the tables of an `InputProfile`."""
    mi, linear = (inputs[name].to_numpy(dtype=np.float64) / h_y for name in ("mi", "linear"))
    over_inputs = {"mi": mi, "linear": linear, "gap": mi - linear}
    all_mi, all_linear = whole.get("mi", np.nan) / h_y, whole["linear"] / h_y
    values = {f"{name}_mean": _mean(v) for name, v in over_inputs.items()}
    values |= {f"{name}_max": _max(v) for name, v in over_inputs.items()}
    values |= {"all_linear": all_linear, "all_mi": all_mi, "all_gap": all_mi - all_linear}
    values["n_numeric"] = float(len(inputs))
    for name, v in over_inputs.items():
        values |= {f"{name}_{key}": value for key, value in _spread(v).items()}
    interaction = pairs["interaction"].to_numpy(dtype=np.float64) / h_y
    if "mi" not in whole:  # nothing was asked of pairs
        interaction = np.array([np.nan])
    values |= {
        "pair_max": _max(interaction),
        "pair_mean": _mean(interaction),
        "pair_high": _high(interaction),
        "pair_share": _mean(np.where(np.isnan(interaction), np.nan, interaction > INTERACTS)),
        "redundancy": float(np.sort(mi).sum()) - all_mi,
    }
    for encoding in ENCODINGS:
        values |= {
            f"{key}/{encoding}": value
            for key, value in _encoded(encoding, inputs, mi, whole, h_y).items()
        }
    return {name: float(values[name]) for name in INPUT_FEATURES}


def _encoded(
    encoding: str, inputs: pd.DataFrame, mi: np.ndarray, whole: Mapping[str, float], h_y: float
) -> dict[str, float]:
    key = f"linear/{encoding}"
    if key not in whole:
        return dict.fromkeys(_ENCODED, float("nan"))
    together = whole[key] / h_y
    base = whole.get("linear/standard", whole["linear"]) / h_y
    known = {"all_linear": together, "all_gain": together - base}
    if key not in inputs:
        return dict.fromkeys(_ENCODED, float("nan")) | known
    alone = inputs[key].to_numpy(dtype=np.float64) / h_y
    measured = ~np.isnan(alone)
    alone, mi = alone[measured], mi[measured]
    return known | {
        "linear_mean": _mean(alone),
        "linear_max": _max(alone),
        "left_mean": _mean(mi - alone),
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    """How a value is spread over inputs, by the names of `_SPREAD`."""
    if np.isnan(values).any():
        return dict.fromkeys(_SPREAD, float("nan"))
    positive = np.sort(np.clip(values, 0.0, None))  # sorted: sums do not depend on the order
    total = positive.sum()
    if total <= 0.0:
        return {"median": 0.0, "high": 0.0, "top_share": 0.0, "even": 0.0}
    shares = positive / total
    some = shares[shares > 0.0]
    evenness = np.exp(-(some * np.log(some)).sum()) / len(values)
    return {
        "median": float(np.median(positive)),
        "high": _high(positive),
        "top_share": float(shares[-1]),
        "even": float(evenness),
    }


def _mean(values: np.ndarray) -> float:
    """Of values in any order; 0 of none."""
    return float(np.sort(values).mean()) if len(values) else 0.0


def _max(values: np.ndarray) -> float:
    return float(values.max()) if len(values) else 0.0


def _high(values: np.ndarray) -> float:
    return float(np.quantile(values, 0.9)) if len(values) else 0.0
