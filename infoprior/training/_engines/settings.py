"""What an optimiser needs to know."""

from __future__ import annotations

from typing import NamedTuple


class TrainingSettings(NamedTuple):
    """How a network is trained: AdamW with a constant learning rate, on batches of rows."""

    learning_rate: float
    weight_decay: float
    """Decoupled: a step takes learning_rate * weight_decay of each parameter from it."""
    batch_size: int
    """Rows of a step's gradient; the last batch of an epoch may have fewer, or one more."""
