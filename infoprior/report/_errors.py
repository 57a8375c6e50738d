"""The one error of the room."""

from __future__ import annotations


class ReportError(ValueError):
    """A figure was asked for of something that it cannot show."""
