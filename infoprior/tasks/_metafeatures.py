"""Cheap numbers that describe a task: sizes, class balance, shape of the features, landmarkers.

After Rivolli et al., Meta-features for meta-learning, Knowledge-Based Systems 240, 2022: simple,
statistical and landmarking groups.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from infoprior._ambient import default_settings
from infoprior._threads import use_threads
from infoprior.tasks._discriminant import WideDiscriminant
from infoprior.tasks._task import Task, TaskError

METAFEATURES = (
    "log_rows",  # ln of the number of training rows
    "log_features",  # ln of the number of features
    "log_rows_per_feature",
    "log_classes",
    "class_entropy",  # entropy of the labels / ln(classes), in [0, 1]
    "majority_share",
    "minority_share",  # of the rarest class, times the number of classes: 1 when balanced
    "binary_fraction",  # share of features with two values: one-hot columns and flags
    "mode_share",  # mean share of a feature's most frequent value
    "skewness",  # mean |skewness| of the features
    "kurtosis",  # mean ln(1 + kurtosis) of the features; ln 4 for Gaussian ones
    "correlation",  # mean |correlation| of pairs of features
    "pca_95",  # share of principal components that hold 95 % of the variance
    "class_signal_mean",  # mean over features of eta², the variance between classes
    "class_signal_max",
    "landmark_nearest",  # validation accuracies of simple classifiers
    "landmark_linear",
    "landmark_tree",
    "landmark_bayes",
)

_MAX_STATISTICS_ROWS = 1000
_MAX_LANDMARK_ROWS = 2000
_COLUMNS_AT_ONCE = 4096  # of which all correlations are held
_SHRINKAGE = 0.05


@default_settings()
def metafeatures(task: Task) -> dict[str, float]:
    """The numbers named in `METAFEATURES`, finite and deterministic.

    Only training and validation rows are read. Large tasks are described by a fixed subsample:
    1,000 training rows for the statistics, 2,000 of each part for the landmarkers (one nearest
    neighbor, linear discriminant, a tree of depth 3, Gaussian naive Bayes). Of images, every pixel
    is a feature. A landmarker that cannot be fitted, such as the discriminant where every class has
    one row, counts as one that always predicts the most frequent class. One thread computes.

    Args:
        task: any.

    Returns:
        meta-feature -> value; accuracies and shares lie in [0, 1], logarithms are natural.

    Raises:
        TaskError: it is no task.
    """
    import sklearn.neighbors  # noqa: F401  (its libraries are there before threads are limited)

    _check_task(task)
    with use_threads(1):
        return _metafeatures(task)


def _metafeatures(task: Task) -> dict[str, float]:
    task = task.flatten()
    X, y = task.split("train")
    values = {
        "log_rows": np.log(len(X)),
        "log_features": np.log(task.n_features),
        "log_rows_per_feature": np.log(len(X) / task.n_features),
        "log_classes": np.log(task.n_classes),
        **_class_balance(y, task.n_classes),
        **_shapes(*_subsample(X, y, _MAX_STATISTICS_ROWS), task.n_classes),
        **_landmarks(
            *_subsample(X, y, _MAX_LANDMARK_ROWS),
            *_subsample(*task.split("validation"), _MAX_LANDMARK_ROWS),
        ),
    }
    return {name: float(values[name]) for name in METAFEATURES}


def task_columns(task: Task) -> dict[str, str | int | float]:
    """A task's row of a table of tasks: names, sizes, and `mf_<name>` of every meta-feature.

    Args:
        task: any.

    Returns:
        column -> value.

    Raises:
        TaskError: it is no task.
    """
    _check_task(task)
    return {
        "task": task.name,
        "family": task.family,
        "source": task.source,
        "kind": task.kind,
        "n_train": len(task.train),
        "n_validation": len(task.validation),
        "n_test": len(task.test),
        "n_features": task.n_features,
        "n_classes": task.n_classes,
        **{f"mf_{name}": value for name, value in metafeatures(task).items()},
    }


def _check_task(task: Task) -> None:
    if not isinstance(task, Task):
        what = type(task).__name__
        raise TaskError(
            f"meta-features describe a Task, not {what}; load_task and read_table give one"
        )


def _subsample(X: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many rows of X, (n, d), and y, (n,), drawn once and for all."""
    if len(X) <= most:
        return X, y
    rows = np.sort(np.random.default_rng(0).choice(len(X), size=most, replace=False))
    return X[rows], y[rows]


def _class_balance(y: np.ndarray, n_classes: int) -> dict[str, float]:
    shares = np.bincount(y, minlength=n_classes) / len(y)
    return {
        "class_entropy": float(-(shares * np.log(shares)).sum() / np.log(n_classes)),
        "majority_share": shares.max(),
        "minority_share": shares.min() * n_classes,
    }


def _shapes(X: np.ndarray, y: np.ndarray, n_classes: int) -> dict[str, float]:
    """Statistics of the features X, (n, d), and of their relation to the classes y, (n,)."""
    X = X.astype(np.float64)
    centered = X - X.mean(0)
    deviation = centered.std(0)
    varies = deviation > 1e-6  # a subsample may hold constant columns
    ordered = np.sort(X, axis=0)
    modes = np.array([_longest_run(column) for column in ordered.T]) / len(X)
    binary = np.array([(np.diff(column) > 0).sum() <= 1 for column in ordered.T])
    z = centered[:, varies] / deviation[varies]
    if not z.shape[1]:
        z = np.zeros((len(X), 1))
    # The larger Gram matrix has the same nonzero spectrum as the smaller one.
    gram = z.T @ z / len(z) if z.shape[1] <= len(z) else z @ z.T / len(z)
    spectrum = np.clip(np.linalg.eigvalsh(gram)[::-1], 0, None)
    components = 1 + int((np.cumsum(spectrum) < 0.95 * spectrum.sum()).sum())
    counts = np.bincount(y, minlength=n_classes)
    means = np.stack([z[y == c].sum(0) / max(counts[c], 1) for c in range(n_classes)])
    eta = (counts[:, None] * means**2).sum(0) / len(z)
    return {
        "binary_fraction": binary.mean(),
        "mode_share": modes.mean(),
        "skewness": np.abs((z**3).mean(0)).mean(),
        "kurtosis": np.log1p((z**4).mean(0)).mean(),
        "correlation": _mean_correlation(z),
        "pca_95": min(1.0, components / z.shape[1]),
        "class_signal_mean": eta.mean(),
        "class_signal_max": eta.max(),
    }


def _mean_correlation(z: np.ndarray) -> float:
    """Mean |correlation| of pairs of columns of z, (n, d), standardised."""
    d = z.shape[1]
    if d == 1:
        return 0.0
    total = 0.0
    for start in range(0, d, _COLUMNS_AT_ONCE):
        correlation = np.abs(z[:, start : start + _COLUMNS_AT_ONCE].T @ z / len(z))
        total += correlation.sum() - np.trace(correlation, offset=start)
    return float(total / (d * (d - 1)))


def _longest_run(ordered: np.ndarray) -> int:
    """How often the commonest value occurs in a sorted column, (n,)."""
    edges = np.flatnonzero(np.diff(ordered)) + 1
    return int(np.diff(np.concatenate([[0], edges, [len(ordered)]])).max())


def _landmarks(
    X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray
) -> dict[str, float]:
    """Validation accuracies, in [0, 1], of simple classifiers fitted to X, (n, d), and y, (n,)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    models: dict[str, Any] = {
        "landmark_nearest": KNeighborsClassifier(1, algorithm="brute"),
        # That of scikit-learn takes minutes for thousands of columns: it inverts a matrix of all.
        "landmark_linear": WideDiscriminant(_SHRINKAGE)
        if X.shape[1] > len(X)
        else LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE),
        "landmark_tree": DecisionTreeClassifier(max_depth=3, random_state=0),
        "landmark_bayes": GaussianNB(var_smoothing=1e-3),
    }
    classes, counts = np.unique(y, return_counts=True)
    constant = float((y_val == classes[counts.argmax()]).mean())
    if len(classes) == 1:  # a subsample of a task with a very rare class
        return dict.fromkeys(models, constant)
    values = {}
    if len(X) <= len(classes):  # no variance within classes: there is no linear discriminant
        del models["landmark_linear"]
        values["landmark_linear"] = constant
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # collinear features are no news here
        for name, model in models.items():
            values[name] = float(model.fit(X, y).score(X_val, y_val))
    return values
