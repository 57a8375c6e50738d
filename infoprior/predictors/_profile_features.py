"""What a profile says of a task, as a linear model reads it: shares on the logit scale, too.

The groups and their numbers are those of `infoprior.predictors._features`. Accuracies, entropies
and other numbers that are shares come a second time as logits, on which the results that they are
to tell lie straight.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

LOGIT = "/logit"
"""What ends the names of the columns that are added."""
_MARGIN = 0.01  # of the logits: shares of 0 and 1 are this far from the ends


def with_logits(table: pd.DataFrame, shares: list[str] | None = None) -> pd.DataFrame:
    """The table with a column more for each that holds shares.

    Args:
        table: features, one row per task.
        shares: names of the columns that hold shares; None: those within 0 and 1 in every row.
    """
    if shares is None:
        shares = shares_of(table)
    if not shares:
        return table
    inside = _MARGIN + (1.0 - 2.0 * _MARGIN) * table[shares].clip(0.0, 1.0).to_numpy(np.float64)
    logits = np.log(inside / (1.0 - inside))
    names = [f"{name}{LOGIT}" for name in shares]
    return pd.concat([table, pd.DataFrame(logits, table.index, names)], axis=1)


def shares_of(table: pd.DataFrame) -> list[str]:
    """Names of the columns whose values all lie from 0 to 1."""
    values = table.to_numpy(np.float64)
    known = np.isfinite(values)
    inside = ((values >= 0.0) & (values <= 1.0)) | ~known
    return [str(c) for c, yes in zip(table.columns, inside.all(axis=0), strict=True) if yes]
