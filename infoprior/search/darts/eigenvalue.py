"""The dominant eigenvalue of the validation loss's Hessian in alpha, and when to stop by it.

Zela et al., "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020: where
it grows, the supernet sits in a sharp minimum of alpha, and what discretization makes of it is
worse; skip connections take over in the same epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from infoprior._ambient import default_settings
from infoprior.search.darts.bilevel import Loss

ITERATIONS, TOLERANCE = 30, 0.01
"""Of the power iteration: it ends where the eigenvalue changes by less than this share of it. The
rule that stops a search asks for growth by a third."""

WINDOW, RATIO = 5, 0.75
"""Of the stopping rule (Zela et al., section 4.3): k epochs, and the ratio that stops."""


@default_settings()
def dominant_eigenvalue(
    loss: Loss,
    alpha: Tensor,
    *,
    start: Tensor,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
) -> tuple[float, Tensor]:
    """The largest eigenvalue of the Hessian of a loss in alpha, by power iteration.

    Power iteration gives the eigenvalue largest in magnitude. Where that is negative, a second one
    on the Hessian less that eigenvalue gives the largest.

    Args:
        loss: a scalar.
        alpha: requires a gradient.
        start: of the iteration, not zero, the shape of alpha.
        iterations: at most, of each of the two.
        tolerance: relative change of the eigenvalue at which an iteration ends.

    Returns:
        the eigenvalue, at least 0 for alphas behind a softmax (whose shifts have eigenvalue 0), and
        its eigenvector of length 1, to start from the next time.
    """
    return largest_eigenvalue(Hessian(loss, alpha), start, iterations, tolerance)


class Hessian:
    """The Hessian of a loss in alpha, by its products with vectors.

    Args:
        loss: a scalar.
        alpha: requires a gradient.

    Attributes:
        products: how many there have been.
    """

    def __init__(self, loss: Loss, alpha: Tensor) -> None:
        self._alpha = alpha
        self._gradient = torch.autograd.grad(loss(), alpha, create_graph=True)[0]
        self.products = 0

    def times(self, v: Tensor) -> Tensor:
        """Its product with a vector, of the shape of alpha."""
        self.products += 1
        return torch.autograd.grad(self._gradient, self._alpha, v, retain_graph=True)[0]


def largest_eigenvalue(
    hessian: Hessian, start: Tensor, iterations: int = ITERATIONS, tolerance: float = TOLERANCE
) -> tuple[float, Tensor]:
    """As `dominant_eigenvalue`, of a Hessian that counts its products."""
    value, vector = _power(hessian.times, start, iterations, tolerance)
    if value >= 0.0:
        return value, vector
    lowest = value
    value, vector = _power(lambda v: hessian.times(v) - lowest * v, start, iterations, tolerance)
    return value + lowest, vector


def _power(
    times: Callable[[Tensor], Tensor], start: Tensor, iterations: int, tolerance: float
) -> tuple[float, Tensor]:
    v = start / start.norm()
    value = 0.0
    for _ in range(iterations):
        product = times(v)
        before, value = value, float((v * product).sum())
        length = product.norm()
        if float(length) == 0.0:
            return 0.0, v
        v = product / length
        if abs(value - before) <= tolerance * abs(value):
            break
    return value, v


def stopping_epoch(
    eigenvalues: Sequence[float], window: int = WINDOW, ratio: float = RATIO
) -> int | None:
    """The epoch whose alpha to take, if the search has to stop now (Zela et al., DARTS-ES).

    The eigenvalue, averaged over the last `window` epochs, has grown so much within another
    `window` epochs that old / new < `ratio`; then the alpha of that earlier epoch is taken. (The
    paper averages around an epoch; a search that runs knows the past only.)

    Args:
        eigenvalues: of epochs 1, 2, ..., up to now.
        window: k, in epochs.
        ratio: of the earlier average to the present one.

    Returns:
        an epoch from 1 on, or None: continue.
    """
    now = len(eigenvalues)
    if now < 2 * window:
        return None
    new = float(np.mean(eigenvalues[now - window :]))
    old = float(np.mean(eigenvalues[now - 2 * window : now - window]))
    return now - window if new > 0.0 and old < ratio * new else None
