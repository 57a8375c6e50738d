"""infoprior: the mutual information of small trained networks as a sampling prior for Hyperband.

>>> from infoprior import Prior, PriorSampler, load_predictor, suggest

Everything is loaded when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior._face import Suggestion, profile, suggest
    from infoprior.metadataset import MetaDataset, load_metadataset
    from infoprior.predictors import load_predictor
    from infoprior.priors import (
        Prior,
        PriorSampler,
        fail_stale,
        hyperband_study,
        optimize,
        resumed_from,
    )
    from infoprior.spaces import SearchSpace, get_space
    from infoprior.tasks import Task, load_task, read_table

__version__ = "0.1.0"

_HOME = {
    "MetaDataset": "infoprior.metadataset",
    "Prior": "infoprior.priors",
    "PriorSampler": "infoprior.priors",
    "SearchSpace": "infoprior.spaces",
    "Suggestion": "infoprior._face",
    "Task": "infoprior.tasks",
    "fail_stale": "infoprior.priors",
    "get_space": "infoprior.spaces",
    "hyperband_study": "infoprior.priors",
    "load_metadataset": "infoprior.metadataset",
    "load_predictor": "infoprior.predictors",
    "load_task": "infoprior.tasks",
    "optimize": "infoprior.priors",
    "profile": "infoprior._face",
    "read_table": "infoprior.tasks",
    "resumed_from": "infoprior.priors",
    "suggest": "infoprior._face",
}

__all__ = [
    "MetaDataset",
    "Prior",
    "PriorSampler",
    "SearchSpace",
    "Suggestion",
    "Task",
    "fail_stale",
    "get_space",
    "hyperband_study",
    "load_metadataset",
    "load_predictor",
    "load_task",
    "optimize",
    "profile",
    "read_table",
    "resumed_from",
    "suggest",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
