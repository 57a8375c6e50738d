"""The entropy of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from infoprior._ambient import default_settings
from infoprior.information._inputs import as_labels


@default_settings()
def entropy(y: Any) -> float:
    """Plug-in entropy of labels in nats: H(Y) = -sum_c p(c) log p(c), p the shares of the classes.

    Its bias is about -(K - 1) / (2 n) for K classes (Miller 1955); it is not corrected, so that it
    is the ceiling of every estimate made with the same labels.

    Args:
        y: labels, shape (n,), whole numbers (any values; they only name the classes).

    Raises:
        InformationError: y is empty, has another shape, or holds other than whole numbers.
    """
    _, counts = np.unique(as_labels(y, "y"), return_counts=True)
    shares = counts / counts.sum()
    return abs(float(-(shares * np.log(shares)).sum()))  # abs: no -0.0 for a single class
