"""The published rows that predictors learn from."""

from __future__ import annotations

import os
from dataclasses import replace

from infoprior._arguments import whole_number
from infoprior.metadataset._chosen import chosen_tasks
from infoprior.metadataset._dataset import MetaDataset
from infoprior.metadataset._publication import PROBES, load_metadataset
from infoprior.metadataset._schema import MetaDatasetError, empty_table
from infoprior.profiles import READINGS
from infoprior.spaces import DEFAULT_SPACE
from infoprior.tasks import GENERATORS

SYNTHETIC = 1000
"""Synthetic tasks of the first generator that predictors learn from, of those that were chosen to
resemble real ones."""


def training_rows(
    space: str = DEFAULT_SPACE,
    synthetic: int | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
) -> MetaDataset:
    """All published tasks that aren't synthetic, some that are, and the architectures they share.

    Profiles are what a new task is read by: where a space's own networks are its probes, those of
    their layers at that epoch. Other networks' own layers (`load_metadataset`) are left out.

    Args:
        space: whose networks: "tabular", "mlp", or another one that `load_metadataset` has.
        synthetic: so many of the synthetic tasks: of the first generator those that were chosen to
            resemble real ones, of the second one, for "tabular", the first of its numbers. None:
            1,000 of the first, all that are published of the second.
        directory: as of `load_metadataset`.

    Raises:
        MetaDatasetError: there is no such space, or there are fewer such tasks.
    """
    meta = load_metadataset(space, directory=directory)
    tasks = meta.tasks
    here = set(tasks["task"][tasks["kind"] == "synthetic"])
    chosen = _chosen(space, here, synthetic)
    if missing := sorted(chosen - here):
        raise MetaDatasetError(
            f"synthetic = {synthetic}: {len(missing)} of these tasks ({missing[0]}, ...) are not "
            "published; ask for fewer."
        )
    kept = tasks["task"][(tasks["kind"] != "synthetic") | tasks["task"].isin(chosen)]
    return _as_read(meta.subset(list(kept)).shared())


def _chosen(space: str, here: set[str], synthetic: int | None) -> set[str]:
    """Names of the synthetic tasks that are wanted of those that are there."""
    if not here:  # the other spaces have networks on real tasks only
        return set()
    if space not in PROBES:
        return set(chosen_tasks(SYNTHETIC if synthetic is None else synthetic))
    if synthetic is None:
        return here
    n = whole_number(synthetic, "synthetic", 0, MetaDatasetError)
    return {f"{GENERATORS[1]}/{i}" for i in range(n)}


def _as_read(meta: MetaDataset) -> MetaDataset:
    if meta.space.name not in PROBES:
        return meta
    epochs = READINGS[meta.space.name].epochs
    return replace(
        meta,
        profiles=meta.profiles[meta.profiles["epoch"] == epochs],
        probe_curves=meta.probe_curves[meta.probe_curves["epoch"] <= epochs],
        layers=empty_table("layers"),
    )
