"""The meta-dataset: rows of (architecture, MI profile, accuracy) that predictors learn from."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOME = {
    "FITTED_FAMILIES": "_chosen",
    "MetaDataset": "_dataset",
    "MetaDatasetError": "_schema",
    "chosen_tasks": "_chosen",
    "data_card": "_card",
    "load_metadataset": "_publication",
    "measured_layers": "_tables",
    "published_task": "_jobs",
    "score": "_score",
    "space_from_dict": "_space_json",
    "space_to_dict": "_space_json",
    "training_rows": "_published",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: pandas and pyarrow cost most of a second.
    if name in _HOME:
        return getattr(import_module(f"infoprior.metadataset.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
