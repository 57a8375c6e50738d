"""Whether information rises with depth, where theory says that it cannot."""

from __future__ import annotations

from itertools import combinations
from typing import Any, cast

import numpy as np
import pandas as pd

from infoprior._ambient import default_settings
from infoprior.profiles._schema import NON_FINITE, ProfileError

KEY = ["task", "architecture", "seed", "epoch"]
LEAST_ERROR = 0.05
"""Nats that an estimate of I(T;Y) is not told apart by, however little its folds differ."""
_READ = (
    "layer", "layer_index", "recipe", "flags", "mi_ty", "mi_ty_fold_spread", "mi_xt",
    "mi_xt_lower", "mi_xt_upper",
)  # fmt: skip
FOLDS = 5
"""Of the recipes: a mean over folds varies by the folds' spread over the root of their number."""


@default_settings()
def data_processing(table: pd.DataFrame) -> pd.DataFrame:
    """Per network: the rise of I(T;Y) and of I(X; T + sigma Z) from a layer to a deeper one.

    Layers of a network are a chain, X -> T_1 -> T_2 -> ...: by the data-processing inequality
    neither I(X; T) nor I(T; Y) can rise along it (Cover & Thomas, Elements of Information Theory,
    theorem 2.8.1). With residual connections they still are a chain, each step going over the
    whole layer, shortcut included. So what rises is an error of the estimate, or of how it is read:

    - I(T;Y): critics have an easier task on deeper layers, whose classes lie further apart. A rise
      beyond the error is information that the estimate missed in the earlier layer.
    - I(X; T + sigma Z): noise is added to each layer apart, T_2 is no function of T_1 + sigma Z,
      and sigma follows each layer's own spread. The inequality does not hold for these values: a
      rise beyond the error shows by how much a layer spreads inputs apart relative to the noise.

    Of all pairs of layers of a network the one is taken whose rise stands out most from its error:
    for I(T;Y) 0.05 nat, or the two layers' `mi_ty_fold_spread` in quadrature over the root of
    the number of folds where that is more;
    for I(X; T + sigma Z) the sum of the two layers' `mi_xt_upper - mi_xt_lower`. Layers of unlike
    recipes have unlike noise: their I(X; T + sigma Z) are not compared.

    Args:
        table: columns of `PROFILE_COLUMNS`. Layers that are not finite are left out.

    Returns:
        one row per (task, architecture, seed, epoch): layers (how many were compared), and
        for q in ty, xt: `q_rise` (nats; negative where the information falls from every layer to
        every deeper one, 0.0 with a single layer), `q_error` (nats), `q_from`, `q_to` (the names of
        the layers, "" with a single one), `q_beyond` (whether the rise exceeds the error; False
        where the recipe's method gives no bounds).

    Raises:
        ProfileError: no table, or one without some of the columns.
    """
    if not isinstance(table, pd.DataFrame):
        raise ProfileError(f"The profile is {type(table).__name__}; give a pandas DataFrame.")
    missing = [name for name in (*KEY, *_READ) if name not in table]
    if missing:
        raise ProfileError(f"The profile lacks the columns {missing}; see PROFILE_COLUMNS.")
    rows = []
    for key, group in table.groupby(KEY, sort=True):
        finite = ~group["flags"].str.contains(NON_FINITE).to_numpy(dtype=bool)
        layers = group[finite].sort_values("layer_index")
        row: dict[str, Any] = dict(zip(KEY, cast(tuple, key), strict=True))
        rows.append(row | {"layers": len(layers)} | _rise("ty", layers) | _rise("xt", layers))
    columns = [*KEY, "layers", *(f"{q}_{c}" for q in ("ty", "xt") for c in COLUMNS)]
    return pd.DataFrame(rows, columns=columns)


COLUMNS = ("rise", "error", "from", "to", "beyond")


def _rise(quantity: str, layers: pd.DataFrame) -> dict[str, Any]:
    """The rise that stands out most among pairs of one network's layers, in order of depth."""
    values = layers[f"mi_{quantity}"].to_numpy(dtype=np.float64)
    names, recipes = layers["layer"].tolist(), layers["recipe"].tolist()
    if quantity == "ty":
        spread = layers["mi_ty_fold_spread"].fillna(0.0).to_numpy(dtype=np.float64)
    else:
        spread = (layers["mi_xt_upper"] - layers["mi_xt_lower"]).to_numpy(dtype=np.float64)
    best: tuple[float, float, str, str] = (0.0, 0.0, "", "")
    most = -np.inf
    for i, j in combinations(range(len(values)), 2):
        if quantity == "xt" and recipes[i] != recipes[j]:
            continue
        if quantity == "ty":
            error = max(LEAST_ERROR, float(np.hypot(spread[i], spread[j])) / FOLDS**0.5)
        else:
            error = float(spread[i] + spread[j])
        rise = float(values[j] - values[i])
        excess = rise - error if np.isfinite(error) else rise
        if excess > most:
            most, best = excess, (rise, error, names[i], names[j])
    cells = (*best, bool(best[0] > best[1]))  # an unknown error is never exceeded
    return {f"{quantity}_{c}": v for c, v in zip(COLUMNS, cells, strict=True)}
