"""The one error of the room."""

from __future__ import annotations


class EvolutionError(ValueError):
    """A network cannot be operated on, or a search was asked for with settings it cannot have."""
