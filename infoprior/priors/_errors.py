"""The one error of the room."""

from __future__ import annotations


class PriorError(ValueError):
    """A prior, a file holding one, or a point given to one is wrong; the message says where."""
