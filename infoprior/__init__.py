"""infoprior: the mutual information of small trained networks as a sampling prior for Hyperband.

>>> from infoprior import Prior, PriorSampler, load_predictor, suggest

Everything is loaded when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior._api import Suggestion, profile, suggest
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

__all__ = [
    "MetaDataset",
    "Prior",
    "PriorSampler",
    "SearchSpace",
    "Suggestion",
    "Task",
    "__version__",
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

__getattr__, __dir__ = lazy(__name__)
