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
    entropy_weight: float = 0.0
    """Of the mean entropy of the predicted classes, in bits, beside the cross-entropy, in nats:
    above 0 it is minimised, below 0 maximised. Autograd alone knows it."""

    @property
    def cross_entropy_only(self) -> bool:
        """Whether the loss is the plain cross-entropy: the only one that all engines know."""
        return self.entropy_weight == 0.0
