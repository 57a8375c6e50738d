"""The entropy of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from infoprior._ambient import default_settings
from infoprior.information._inputs import InformationError
from infoprior.information._samples import as_classes


@default_settings()
def entropy(y: Any) -> float:
    """Plug-in entropy of labels in nats: H(Y) = -sum_c p(c) log p(c), p the shares of the classes.

    Its bias is about -(K - 1) / (2 n) for K classes (Miller 1955); it is not corrected, so that it
    is the ceiling of every estimate made with the same labels.

    Args:
        y: labels, shape (n,), whole numbers (any values; they only name the classes).

    Returns:
        nats, from 0 to log K.

    Raises:
        InformationError: y is empty, has another shape, or holds other than whole numbers.
    """
    classes, stacked = as_classes(y, "y")
    if stacked:
        raise InformationError("y holds labels of several stacks; give one of shape (rows,).")
    counts = np.bincount(classes[0].cpu().numpy())
    shares = counts / counts.sum()
    return abs(float(-(shares * np.log(shares)).sum()))  # abs: no -0.0 for a single class
