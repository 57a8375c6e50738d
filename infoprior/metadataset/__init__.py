"""The meta-dataset: rows of (architecture, MI profile, accuracy) that predictors learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.metadataset._card import data_card
    from infoprior.metadataset._chosen import FITTED_FAMILIES, chosen_tasks
    from infoprior.metadataset._dataset import MetaDataset
    from infoprior.metadataset._jobs import published_task
    from infoprior.metadataset._publication import load_metadataset
    from infoprior.metadataset._published import training_rows
    from infoprior.metadataset._schema import MetaDatasetError
    from infoprior.metadataset._score import score
    from infoprior.metadataset._space_json import space_from_dict, space_to_dict
    from infoprior.metadataset._tables import measured_layers

__all__ = [
    "FITTED_FAMILIES",
    "MetaDataset",
    "MetaDatasetError",
    "chosen_tasks",
    "data_card",
    "load_metadataset",
    "measured_layers",
    "published_task",
    "score",
    "space_from_dict",
    "space_to_dict",
    "training_rows",
]

__getattr__, __dir__ = lazy(__name__)
