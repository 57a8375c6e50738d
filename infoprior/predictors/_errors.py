"""The one error of this room."""

from __future__ import annotations


class PredictorError(ValueError):
    """A predictor was asked for something it cannot do."""
