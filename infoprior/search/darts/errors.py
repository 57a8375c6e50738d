"""What a differentiable search cannot be made from."""

from __future__ import annotations


class DartsError(ValueError):
    """Arguments, a task or a checkpoint that nothing can be searched with, and why."""
