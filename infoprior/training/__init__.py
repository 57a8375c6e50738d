"""Training: one network on one task gives a learning curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior.training._train import CURVE_COLUMNS, RUNGS, Training, train

__all__ = ["CURVE_COLUMNS", "RUNGS", "Training", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from infoprior.training import _train

        return getattr(_train, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
