"""The thesis' score of an architecture: its accuracy less a price for every unit."""

from __future__ import annotations

import pandas as pd

from infoprior._arguments import instance_of, real_number
from infoprior.metadataset._dataset import MetaDataset
from infoprior.metadataset._schema import MetaDatasetError

PER_UNIT = 2e-4
"""lambda: the largest network of the space `thesis`, 480 units, pays a tenth of accuracy."""


def score(meta: MetaDataset, per_unit: float = PER_UNIT) -> pd.DataFrame:
    """accuracy - lambda * (sum of units) of every architecture on every task, at the last epoch.

    Kossmann, "Mutual information for fine-grained analysis of neural networks", ETH Zurich 2019,
    searches by this score, with filters of convolutions in place of units.

    Args:
        meta: of a space whose layers have their own parameters, units_1, units_2, ...
        per_unit: lambda, in accuracy.

    Returns:
        `meta.final()` with the columns units, validation_score and test_score.

    Raises:
        MetaDatasetError: the space has no such parameters, or an argument is wrong.
    """
    remedy = "give a MetaDataset, as load_metadataset returns it"
    instance_of(meta, MetaDataset, "meta", remedy, MetaDatasetError)
    per_unit = real_number(per_unit, "per_unit", 0.0, 1.0, error=MetaDatasetError)
    names = [name for name in meta.space if name.startswith("units_")]
    if not names:
        raise MetaDatasetError(
            f"The space {meta.space.name!r} has no parameters units_1, units_2, ...; the score is "
            "of spaces that have, as thesis."
        )
    units = meta.architectures.set_index("architecture")[names].sum(axis=1)
    table = meta.final()
    table["units"] = table["architecture"].map(units)
    for part in ("validation", "test"):
        table[f"{part}_score"] = table[f"{part}_accuracy"] - per_unit * table["units"]
    return table
