"""Linear discriminants of tables with more columns than rows."""

from __future__ import annotations

import numpy as np


class WideDiscriminant:
    """scikit-learn's `LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...)`, of few rows.

    The shrunk covariance within classes is S = (1 - s) A'A + b I, A of shape (n, d) the rows less
    their class' mean over the root of n, and b = s tr(A'A) / d. Its inverse needs a system of n
    equations, not of d, by the Woodbury identity (Hager, "Updating the Inverse of a Matrix", SIAM
    Review 31, 1989): b inv(S) = I - (1 - s) A' inv(b I + (1 - s) A A') A.

    Args:
        shrinkage: s, above 0.
    """

    def __init__(self, shrinkage: float) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: np.ndarray, y: np.ndarray) -> WideDiscriminant:
        """Learn from rows.

        Args:
            X: shape (n, d).
            y: their classes, shape (n,).
        """
        X = X.astype(np.float64)
        self.classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        n, d = X.shape
        means = np.zeros((len(self.classes), d))
        np.add.at(means, codes, X)
        means /= counts[:, None]
        A = (X - means[codes]) / n**0.5
        keep, b = 1.0 - self.shrinkage, self.shrinkage * float((A**2).sum()) / d
        self.coefficients = np.zeros_like(means)
        if b > 0.0:  # otherwise no column varies within classes: their shares alone decide
            inner = np.linalg.solve(b * np.eye(n) + keep * (A @ A.T), A @ means.T)
            self.coefficients = (means - keep * inner.T @ A) / b
        self.intercepts = np.log(counts / n) - 0.5 * (means * self.coefficients).sum(1)
        return self

    def score(self, X: np.ndarray, y: np.ndarray) -> float:
        """Accuracy, in [0, 1].

        Args:
            X: rows, shape (n, d).
            y: their classes, shape (n,).
        """
        scores = X.astype(np.float64) @ self.coefficients.T + self.intercepts
        return float((self.classes[scores.argmax(1)] == y).mean())
