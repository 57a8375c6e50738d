"""From the anchors to any other architecture of the space: a Gaussian kernel over encoded points.

What is known of each anchor (mean, loadings) is carried to other points by Gaussian process
regression with one length scale a parameter (Rasmussen and Williams 2006, sections 2.2 and 5.1),
all outputs sharing the kernel; the length scales maximise the marginal likelihood of the anchors'
own values. What the regression does not know becomes variance of the architecture's rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

_START, _NUGGET = 0.0, np.log(0.1)
_RANGE = (-3.0, 3.0)  # of log length scales: encoded points lie in [0, 1]


@dataclass(frozen=True, eq=False)
class ArchitectureKernel:
    """k(a, b) = exp(-sum_j |a_j - b_j|^2 / (2 scale_j^2)), plus a nugget on the anchors.

    Attributes:
        encoded: of the K anchors, shape (K, q).
        scales: a length scale for each encoded coordinate, shape (q,).
        nugget: variance of what the kernel does not explain, relative to what it does.
    """

    encoded: np.ndarray
    scales: np.ndarray
    nugget: float

    def carry(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How points are made of the anchors.

        Args:
            points: encoded, shape (n, q).

        Returns:
            weights, shape (n, K), of the anchors' deviations from their mean; and the share of
            variance that is left unknown, shape (n,), from 0 to 1.
        """
        across = _kernel(points / self.scales, self.encoded / self.scales)
        gram = _kernel(self.encoded / self.scales, self.encoded / self.scales)
        gram[np.diag_indices_from(gram)] += self.nugget
        weights = np.linalg.solve(gram, across.T).T
        unknown = (1.0 + self.nugget - (weights * across).sum(axis=1)) / (1.0 + self.nugget)
        return weights, np.clip(unknown, 0.0, 1.0)


def fit_kernel(
    encoded: np.ndarray, outputs: np.ndarray, parameters: Sequence[int]
) -> ArchitectureKernel:
    """The kernel under which the anchors' values are likeliest.

    Args:
        encoded: of the anchors, shape (K, q).
        outputs: their values, shape (K, m).
        parameters: for each encoded coordinate the parameter it belongs to, shape (q,): the
            coordinates of one parameter share a length scale.
    """
    owner = np.asarray(parameters)
    deviations = outputs - outputs.mean(axis=0)
    scatter = deviations @ deviations.T
    m = np.trace(scatter) ** 2 / max(np.square(scatter).sum(), 1e-12)  # outputs that differ
    scatter = scatter * m / max(np.trace(scatter), 1e-12)
    squares = np.stack([
        _squares(encoded[:, owner == j]) for j in range(int(owner.max()) + 1)
    ])  # fmt: skip

    def loss(x: np.ndarray) -> float:
        gram = np.exp(-0.5 * np.tensordot(np.exp(-2.0 * x[:-1]), squares, 1))
        gram[np.diag_indices_from(gram)] += np.exp(x[-1])
        factor = np.linalg.cholesky(gram)
        whitened = np.linalg.solve(factor, np.linalg.solve(factor, scatter).T)
        # The overall variance is at its optimum, trace / (K m), for every kernel.
        variance = np.trace(whitened) / (len(gram) * m)
        log_det = 2.0 * np.log(np.diag(factor)).sum()
        # A weak prior on length scales of about 1: few anchors say little about many of them.
        return float(
            0.5 * m * (log_det + len(gram) * np.log(variance)) + 0.5 * np.square(x[:-1]).sum()
        )

    start = np.append(np.full(len(squares), _START), _NUGGET)
    bounds = [_RANGE] * len(squares) + [(np.log(1e-3), np.log(3.0))]
    best = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 30})
    return ArchitectureKernel(encoded, np.exp(best.x[:-1])[owner], float(np.exp(best.x[-1])))


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """exp(-|a - b|^2 / 2), shape (n, m), of points scaled by their length scales."""
    squares = np.square(a[:, None] - b[None]).sum(axis=-1)
    return np.exp(-0.5 * squares)


def _squares(x: np.ndarray) -> np.ndarray:
    return np.square(x[:, None] - x[None]).sum(axis=-1)
