"""What a training cannot be made from."""

from __future__ import annotations


class TrainingError(ValueError):
    """Arguments that nothing can be trained from, and why."""
