"""From features of tasks to how architectures' scores depart from the static prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from infoprior.metadataset._shuffle import profile_receivers
from infoprior.predictors._features import Standardizer

Model = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
"""(x, y, weights, x of held-out tasks, seed) -> predictions, (held out, outputs)."""


def ridge(penalty: float) -> Model:
    """Linear in the features, which have unit variance by group."""

    def fit(x: np.ndarray, y: np.ndarray, w: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=penalty * w.sum())
        return np.asarray(model.fit(x, y, sample_weight=w).predict(new)).reshape(len(new), -1)

    return fit


def kernel(penalty: float, length: float = 1.0) -> Model:
    """Kernel ridge with a Gaussian kernel, whose width follows the number of groups."""

    def fit(x: np.ndarray, y: np.ndarray, w: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.kernel_ridge import KernelRidge

        spread = 2.0 * np.square(x).sum(axis=1).mean() * length**2
        model = KernelRidge(kernel="rbf", gamma=1.0 / max(spread, 1e-9), alpha=penalty)
        mean = np.average(y, axis=0, weights=w)
        scaled = w / w.max()
        return np.asarray(model.fit(x, y - mean, sample_weight=scaled).predict(new)) + mean

    return fit


def trees(leaf: int, features: float = 0.5, n: int = 300) -> Model:
    """Extremely randomised trees, all outputs at once."""

    def fit(x: np.ndarray, y: np.ndarray, w: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.ensemble import ExtraTreesRegressor

        model = ExtraTreesRegressor(
            n, min_samples_leaf=leaf, max_features=features, random_state=seed, n_jobs=1
        )
        return np.asarray(model.fit(x, y, sample_weight=w).predict(new)).reshape(len(new), -1)

    return fit


def table_of(
    groups: Mapping[str, pd.DataFrame],
    names: Sequence[str],
    moved: Sequence[str],
    tasks: pd.DataFrame,
    shuffle: int | None,
) -> pd.DataFrame:
    """Features of some groups side by side; those of `moved` groups are other tasks' ones."""
    parts = []
    receiver = None if shuffle is None else profile_receivers(tasks, shuffle)
    for name in names:
        part = groups[name]
        if receiver is not None and name in moved:
            part = part.rename(index=receiver).loc[groups[name].index]
        parts.append(part)
    return pd.concat(parts, axis=1)


def predict(
    table: pd.DataFrame,
    y: np.ndarray,
    weights: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    model: Model,
    seed: int,
) -> np.ndarray:
    """Predictions for held-out tasks (numbers of rows) from training ones."""
    standard = Standardizer.fit(table.iloc[train])
    return model(
        standard.transform(table.iloc[train]), y[train], weights[train],
        standard.transform(table.iloc[held_out]), seed,
    )  # fmt: skip


def family_weights(tasks: pd.DataFrame, real: float) -> np.ndarray:
    """Of tasks in fits: families count equally within a kind, a real one `real` times."""
    size = tasks.groupby("family")["task"].transform("size").to_numpy(dtype=np.float64)
    return np.where(tasks["kind"] == "real", real, 1.0) / size
