"""Training: networks on a task, one or many at once, give learning curves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior._threads import use_threads
    from infoprior.training._curves import CURVE_COLUMNS, RUNGS
    from infoprior.training._errors import TrainingError
    from infoprior.training._many import train_many
    from infoprior.training._objective import objective
    from infoprior.training._train import Training, train

_HOME = {
    "CURVE_COLUMNS": "_curves",
    "RUNGS": "_curves",
    "Training": "_train",
    "TrainingError": "_errors",
    "objective": "_objective",
    "train": "_train",
    "train_many": "_many",
    "use_threads": "._threads",  # of the package
}
__all__ = [
    "CURVE_COLUMNS",
    "RUNGS",
    "Training",
    "TrainingError",
    "objective",
    "train",
    "train_many",
    "use_threads",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
