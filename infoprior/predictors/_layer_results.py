"""What a trained network's own layers say of how it ends, in a few numbers.

Of the rows that `infoprior.profiles.profile_network` gives for one network at one epoch:

- `last_validation`: I(T;Y) / H(Y) of validation rows in the last layer, on the probit scale;
- `memorised`: the same of training rows less that of validation rows, mean over layers;
- `last_xt`: log(1 + I(X; T + sigma Z)) of the last layer, I in nats;
- `last_rank`: log of the last layer's effective rank.

A network that diverged has zeros in all layers, and so has here the lowest values.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

QUANTITIES = ("last_validation", "memorised", "last_xt", "last_rank")
NEEDED = (
    "layer_index", "h_y", "mi_xt", "mi_ty_training_rows", "mi_ty_validation_rows", "effective_rank",
)  # fmt: skip
"""Columns of layers that are read."""
_MARGIN = 0.01  # of shares: 0 and 1 are taken for so much less extreme values


def layer_results(layers: pd.DataFrame, network: list[str]) -> pd.DataFrame:
    """The quantities of many networks.

    Args:
        layers: one row per network and layer, with the columns `NEEDED`.
        network: columns that tell networks, and epochs, apart.

    Returns:
        one row per network in the order of its key, the index; columns `QUANTITIES`. A missing
        value counts as zero.
    """
    h = layers["h_y"].to_numpy(np.float64)
    scale = np.where(h > 0.0, h, np.inf)
    shares = {
        rows: layers[f"mi_ty_{rows}_rows"].fillna(0.0).to_numpy(np.float64) / scale
        for rows in ("training", "validation")
    }
    inside = _MARGIN + (1.0 - 2.0 * _MARGIN) * np.clip(shares["validation"], 0.0, 1.0)
    xt = layers["mi_xt"].fillna(0.0).to_numpy(np.float64)
    rank = layers["effective_rank"].fillna(1.0).to_numpy(np.float64)
    table = layers[network].assign(
        order=layers["layer_index"],
        last_validation=ndtri(inside),
        memorised=shares["training"] - shares["validation"],
        last_xt=np.log1p(np.maximum(xt, 0.0)),
        last_rank=np.log(np.maximum(rank, 1.0)),
    )
    by = table.sort_values("order", kind="stable").groupby(network)
    last = by[["last_validation", "last_xt", "last_rank"]].last()
    return last.assign(memorised=by["memorised"].mean())[list(QUANTITIES)]
