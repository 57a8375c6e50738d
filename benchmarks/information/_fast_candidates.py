"""Quick estimates of I(T; Y) that were tried beside the package's, for `fast_recipe.py`.

Each takes a layer (n, d) and labels (n,), and returns nats: log q(y | t) / p(y) of five-fold
cross-fitted posteriors, smoothed by the share of `SMOOTHINGS` that is best on the rows left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SMOOTHINGS = (0.002, 0.03, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
FOLDS = 5

Estimator = Callable[[np.ndarray, np.ndarray], float]


def from_posterior(fit: Callable[[np.ndarray, np.ndarray], Any]) -> Estimator:
    """An estimator from a classifier's `predict_proba`: between fitted and left-out value."""

    def nats(t: np.ndarray, y: np.ndarray) -> float:
        from sklearn.model_selection import StratifiedKFold

        t = (t - t.mean(0)) / np.maximum(t.std(0), 1e-12)
        shares = np.bincount(y) / len(y)
        left_out, fitted = np.zeros(len(y)), []
        for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(t, y):
            model = fit(t[train], y[train])
            left_out[test] = _ratios(model, t[test], y[test], shares)
            fitted.append(_ratios(model, t[train], y[train], shares))
        values = [np.log(s + (1 - s) * left_out).mean() for s in SMOOTHINGS]
        best = int(np.argmax(values))
        if values[best] <= 0.0:
            return 0.0
        share = SMOOTHINGS[best]
        on_own = np.mean([np.log(share + (1 - share) * f).mean() for f in fitted])
        return float((on_own + values[best]) / 2)

    return nats


def _ratios(model: Any, t: np.ndarray, y: np.ndarray, shares: np.ndarray) -> np.ndarray:
    own = model.predict_proba(t)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return np.asarray(own / shares[y])


def qda(t: np.ndarray, y: np.ndarray) -> Any:
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    return QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.3).fit(t, y)


def logistic(t: np.ndarray, y: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=30).fit(t, y)


class NeighboursOfScores:
    """Shares of classes among the 25 nearest rows in the space of the first discriminants."""

    def __init__(self, components: int) -> None:
        self.components = components

    def fit(self, t: np.ndarray, y: np.ndarray) -> NeighboursOfScores:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.neighbors import KNeighborsClassifier

        self.lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(t, y)
        scores = self.lda.transform(t)[:, : self.components]
        self.neighbours = KNeighborsClassifier(25).fit(scores, y)
        self.classes_ = self.neighbours.classes_
        return self

    def predict_proba(self, t: np.ndarray) -> np.ndarray:
        scores = self.lda.transform(t)[:, : self.components]
        return np.asarray(self.neighbours.predict_proba(scores))


def neighbours_of_scores(t: np.ndarray, y: np.ndarray) -> Any:
    return NeighboursOfScores(4).fit(t, y)


def leading(t: np.ndarray, components: int) -> np.ndarray:
    """The first principal components, (n, components)."""
    t = t - t.mean(0)
    return np.asarray(t @ np.linalg.eigh(t.T @ t)[1][:, ::-1][:, :components])


def ross_of_components(t: np.ndarray, y: np.ndarray) -> float:
    from infoprior.information import estimate

    return float(estimate(leading(t, 3), y, "ross", discrete_y=True).nats)


def binned_scores(t: np.ndarray, y: np.ndarray) -> float:
    """Two discriminants in six quantile bins each, Miller-Madow; fitted to the rows it reads."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    from infoprior.profiles._inputs import _bins, _cells_information

    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
    scores = lda.fit(t, y).transform(t)[:, :2]
    cells = np.zeros(len(t), dtype=np.int64)
    for column in scores.T:
        cells = cells * 6 + _bins(column, 6)
    return _cells_information(cells, y)


CANDIDATES: dict[str, Estimator] = {
    "QDA, cross-fitted": from_posterior(qda),
    "logistic regression, cross-fitted": from_posterior(logistic),
    "25 neighbours in 4 discriminants, cross-fitted": from_posterior(neighbours_of_scores),
    "ross on 3 principal components": ross_of_components,
    "2 discriminants in bins": binned_scores,
}
