"""The one error of the room."""

from __future__ import annotations


class EvaluationError(ValueError):
    """An evaluation was asked for with tables or settings that can't give an honest answer."""
