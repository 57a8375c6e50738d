"""The error and the warning of this room."""

from __future__ import annotations


class PredictorError(ValueError):
    """A predictor was asked for something it cannot do."""


class PredictorWarning(UserWarning):
    """A predictor answers with less than it was given."""
