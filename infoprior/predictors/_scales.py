"""Scales on which results of networks are close to Gaussian, and how noisy few rows make them.

Accuracies are counted on n rows. On each scale a count comes with the variance that the binomial
distribution gives it (delta method), so that few rows are trusted less than many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr, ndtri

_LOSSES = (1e-4, 20.0)  # nats: what a perfect fit and a diverged one are taken for


@dataclass(frozen=True)
class Scale:
    """A growing transformation of accuracies.

    Attributes:
        forward: accuracy in (0, 1) -> value.
        inverse: value -> accuracy.
        slope: derivative of forward at an accuracy.
    """

    forward: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]


SCALES: dict[str, Scale] = {
    "logit": Scale(
        lambda p: np.log(p / (1.0 - p)),
        expit,
        lambda p: 1.0 / (p * (1.0 - p)),
    ),
    "probit": Scale(ndtri, ndtr, lambda p: np.sqrt(2.0 * np.pi) * np.exp(ndtri(p) ** 2 / 2.0)),
    "accuracy": Scale(
        lambda p: p,
        lambda v: np.clip(v, 0.0, 1.0),
        np.ones_like,
    ),
    "error": Scale(
        lambda p: -np.log(1.0 - p),
        lambda v: np.clip(1.0 - np.exp(-v), 0.0, 1.0),
        lambda p: 1.0 / (1.0 - p),
    ),
}


def of_accuracy(
    scale: Scale, accuracy: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values on the scale, and the binomial variance of each.

    Args:
        scale: one of `SCALES`.
        accuracy: shares of right answers, any shape; NaN stays.
        rows: that they were counted on, of a shape that broadcasts.

    Returns:
        values and variances, of the shape of accuracy. Half a right and half a wrong answer are
        added to each count, which keeps 0 and 1 finite.
    """
    share = (accuracy * rows + 0.5) / (rows + 1.0)
    variance = scale.slope(share) ** 2 * share * (1.0 - share) / rows
    return scale.forward(share), variance


def of_loss(loss: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(loss), and 1 / rows, to which its variance over samples of rows is proportional.

    Args:
        loss: in nats, any shape; NaN, of a diverged network, counts as the worst.
        rows: that it is the mean over, of a shape that broadcasts.
    """
    worst = np.where(np.isfinite(loss), loss, _LOSSES[1])
    return np.log(np.clip(worst, *_LOSSES)), 1.0 / rows + np.zeros_like(worst)
