"""A dense table from a few hundred recorded learning curves: one Gaussian process a task.

With a few hundred points a random search of a few hundred trials sees most of the table, and a
searcher that comes close to a good point gets the same value again and again. So the recorded
curves are interpolated: a Gaussian process with one length scale a column (Rasmussen and Williams
2006, section 5.1) on the logit of the accuracies, all rungs sharing the kernel, is evaluated
on many points of the space. Length scales are chosen on the data by marginal likelihood;
`fit` tells how much of the variance of held-out points it explains.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

FOLDS = 5


def fit(
    features: NDArray[np.float64], values: NDArray[np.float64], dense: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The surrogate's values, and its R2 on held-out points after a full training.

    Args:
        features: recorded points encoded, shape (n, columns).
        values: their accuracies, shape (n, rungs).
        dense: points to evaluate, encoded, shape (m, columns).

    Returns:
        values at `dense`, shape (m, rungs), in [0, 1], and R2.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    inside = np.clip(values, 0.005, 0.995)
    logit = np.log(inside / (1.0 - inside))
    center, spread = logit.mean(axis=0), logit.std(axis=0)
    y = (logit - center) / np.where(spread > 0.0, spread, 1.0)
    columns = features.shape[1]
    start = ConstantKernel(1.0, (0.05, 20.0)) * Matern(
        np.full(columns, 1.0), (0.1, 30.0), nu=2.5
    ) + WhiteKernel(0.1, (1e-3, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # length scales at their bounds: columns without effect
        kernel = GaussianProcessRegressor(start).fit(features, y).kernel_
    fold = np.arange(len(y)) % FOLDS
    held_out = np.empty_like(y)
    for k in range(FOLDS):
        part = GaussianProcessRegressor(kernel, optimizer=None)
        held_out[fold == k] = part.fit(features[fold != k], y[fold != k]).predict(
            features[fold == k]
        )
    r2 = 1.0 - ((held_out - y)[:, -1] ** 2).mean() / y[:, -1].var()
    model = GaussianProcessRegressor(kernel, optimizer=None).fit(features, y)
    predicted = model.predict(dense) * spread + center
    return 1.0 / (1.0 + np.exp(-predicted)), float(r2)
