"""What an optimiser needs to know."""

from __future__ import annotations

import math
from typing import NamedTuple

SCHEDULES = ("constant", "cosine", "flat-cosine")


class TrainingSettings(NamedTuple):
    """How a network is trained: AdamW on batches of rows."""

    learning_rate: float
    """Of the first epoch; the later ones' are `rate` of it."""
    weight_decay: float
    """Decoupled: a step takes learning_rate * weight_decay of each parameter from it."""
    batch_size: int
    """Rows of a step's gradient; the last batch of an epoch may have fewer, or one more."""
    entropy_weight: float = 0.0
    """Of the mean entropy of the predicted classes, in bits, beside the cross-entropy, in nats:
    above 0 it is minimised, below 0 maximised. Autograd alone knows it."""
    label_smoothing: float = 0.0
    """Share of each label that all classes have alike (Szegedy et al., "Rethinking the Inception
    Architecture for Computer Vision", CVPR 2016, section 7)."""
    schedule: str = "constant"
    """One of `SCHEDULES`, see `rate`."""

    @property
    def compilable(self) -> bool:
        """Whether the compiled engine knows the loss."""
        return self.entropy_weight == 0.0

    @property
    def stackable(self) -> bool:
        """Whether stacks know it: the plain cross-entropy at a constant learning rate."""
        plain = self.entropy_weight == 0.0 and self.label_smoothing == 0.0
        return plain and self.schedule == "constant"

    def rate(self, epoch: int, epochs: int) -> float:
        """The learning rate of an epoch.

        By a cosine it falls from epoch to epoch towards 0 (Loshchilov & Hutter, "SGDR", ICLR 2017,
        equation 5, without restarts); "flat-cosine" stays where it is for half of the epochs first
        (Holzmüller et al., NeurIPS 2024, section 3).

        Args:
            epoch: from 1 on.
            epochs: that the schedule runs over.
        """
        done = (epoch - 1) / epochs
        if self.schedule == "flat-cosine":
            done = max(0.0, 2.0 * done - 1.0)
        if self.schedule == "constant" or done == 0.0:
            return self.learning_rate
        return self.learning_rate * (1.0 + math.cos(math.pi * done)) / 2.0
