"""Whether alpha settles: a monitor of the source document's bound, which is no theorem here.

The document states ||alpha_t - alpha*|| <= rho^t ||alpha_0 - alpha*|| with rho < 1, by strong
convexity. There is none: alpha enters by a softmax an edge, which is the same for alpha and for
alpha plus a constant, so that minima are lines; the inner problem of a network is not convex; and
alternating steps follow the gradient of no single function. What can be said is how fast alpha's
steps shrank in one search: if they shrink by a factor rho an epoch, log ||alpha_t - alpha_{t-1}||
falls on a line of slope log rho.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from infoprior._ambient import default_settings

MIN_STEPS = 3
"""Epochs that a slope with an interval needs."""


@dataclass(frozen=True)
class Convergence:
    """How fast alpha's steps shrank.

    Attributes:
        rho: the fitted factor by which they shrink an epoch; None of fewer than three steps.
        lower: of its 95 % interval, by ordinary least squares: steps in a row are not independent,
            so it is too narrow. None where rho is.
        upper: likewise.
        below_one: whether rho is below 1; False where there is none.
        bound_held: the share of epochs 1, ..., T - 1 at which ||alpha_t - alpha_T|| is at most
            rho^t ||alpha_0 - alpha_T||, the last alpha in the place of alpha*; None where rho is.
    """

    rho: float | None
    lower: float | None
    upper: float | None
    below_one: bool
    bound_held: float | None


def centred(alphas: np.ndarray) -> np.ndarray:
    """Alpha less its mean over an edge's operations, which the softmax does not see."""
    alphas = np.asarray(alphas, dtype=np.float64)
    return alphas - alphas.mean(axis=-1, keepdims=True)


def alpha_steps(alphas: np.ndarray) -> np.ndarray:
    """||alpha_t - alpha_{t-1}|| of centred alphas.

    Args:
        alphas: shape (T + 1, n_edges, n_operations), the initial one first.

    Returns:
        shape (T,), float64.
    """
    differences = np.diff(centred(alphas), axis=0)
    return np.sqrt((differences**2).sum(axis=(1, 2)))


@default_settings()
def fit_convergence(alphas: np.ndarray) -> Convergence:
    """The rate at which alpha's steps shrank.

    Args:
        alphas: shape (T + 1, n_edges, n_operations), the initial one first.
    """
    from scipy import stats

    steps = alpha_steps(alphas)
    epochs = np.flatnonzero(steps > 0.0)
    if len(epochs) < MIN_STEPS:
        return Convergence(None, None, None, False, None)
    fit = stats.linregress(epochs, np.log(steps[epochs]))
    width = float(stats.t.ppf(0.975, len(epochs) - 2)) * float(fit.stderr)
    slope = float(fit.slope)
    rho = float(np.exp(slope))
    away = np.sqrt(((centred(alphas) - centred(alphas)[-1]) ** 2).sum(axis=(1, 2)))
    bound = rho ** np.arange(len(away)) * away[0]
    held = float((away[1:-1] <= bound[1:-1]).mean())
    return Convergence(
        rho, float(np.exp(slope - width)), float(np.exp(slope + width)), rho < 1.0, held
    )
