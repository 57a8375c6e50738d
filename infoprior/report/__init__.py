"""Figures of the report, each from a table of results to a matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

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
    from infoprior.report._strategies import critical_difference_figure, strategies_figure

__all__ = [
    "ReportError",
    "critical_difference_figure",
    "differences_figure",
    "information_plane_figure",
    "marginals_figure",
    "metadataset_figure",
    "regret_figure",
    "save_figure",
    "strategies_figure",
]

__getattr__, __dir__ = lazy(__name__)
