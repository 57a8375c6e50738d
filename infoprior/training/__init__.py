"""Training: networks on a task, one or many at once, give learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior._threads import use_threads
    from infoprior.training._curves import CURVE_COLUMNS, RUNGS
    from infoprior.training._errors import TrainingError
    from infoprior.training._many import train_many
    from infoprior.training._objective import objective
    from infoprior.training._train import TrainedNetwork, train

__all__ = [
    "CURVE_COLUMNS",
    "RUNGS",
    "TrainedNetwork",
    "TrainingError",
    "objective",
    "train",
    "train_many",
    "use_threads",
]

__getattr__, __dir__ = lazy(__name__)
