"""The published rows that predictors learn from."""

from __future__ import annotations

from infoprior.metadataset._chosen import chosen_tasks
from infoprior.metadataset._dataset import MetaDataset
from infoprior.metadataset._publication import load_metadataset
from infoprior.metadataset._schema import MetaDatasetError

SYNTHETIC = 1000
"""Synthetic tasks that predictors learn from, of those that were chosen to resemble real ones."""


def training_rows(space: str = "mlp", synthetic: int = SYNTHETIC) -> MetaDataset:
    """All published tasks that aren't synthetic, some that are, and the architectures they share.

    Args:
        space: whose networks: "mlp", or another one that `load_metadataset` has.
        synthetic: so many of the synthetic tasks that were chosen to resemble real ones.

    Raises:
        MetaDatasetError: there is no such space, or there are fewer such tasks.
    """
    meta = load_metadataset(space)
    tasks = meta.tasks
    here = set(tasks["task"][tasks["kind"] == "synthetic"])
    # The other spaces have networks on real tasks only.
    chosen = set(chosen_tasks(synthetic)) if here else set()
    if missing := sorted(chosen - here):
        raise MetaDatasetError(
            f"synthetic = {synthetic}: {len(missing)} of these tasks ({missing[0]}, ...) are not "
            "published; ask for fewer."
        )
    kept = tasks["task"][(tasks["kind"] != "synthetic") | tasks["task"].isin(chosen)]
    return meta.subset(list(kept)).shared()
