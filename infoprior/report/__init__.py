"""Figures of the report, each from a table of results to a matplotlib figure."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior.report._errors import ReportError
    from infoprior.report._figures import (
        differences_figure,
        information_plane_figure,
        regret_figure,
        save_figure,
    )
    from infoprior.report._marginals import marginals_figure
    from infoprior.report._metadataset import metadataset_figure

_HOME = {
    "ReportError": "_errors",
    "metadataset_figure": "_metadataset",
    "differences_figure": "_figures",
    "information_plane_figure": "_figures",
    "marginals_figure": "_marginals",
    "regret_figure": "_figures",
    "save_figure": "_figures",
}
__all__ = [
    "ReportError",
    "differences_figure",
    "information_plane_figure",
    "marginals_figure",
    "metadataset_figure",
    "regret_figure",
    "save_figure",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
