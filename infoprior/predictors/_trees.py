"""Trees: extremely randomised trees on (task features, architecture) -> score.

scikit-learn grows them; they are kept and walked as plain arrays, so that a saved predictor needs
no pickle, does not depend on scikit-learn's version, and has the same bytes for the same seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from infoprior._arguments import whole_number
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._feature_predictor import FeaturePredictor
from infoprior.predictors._fitted import TrainingSet
from infoprior.predictors._settings import positive

_LEAF = -1


@dataclass(frozen=True)
class TreesSettings:
    """Of the ensemble.

    Attributes:
        trees: how many.
        min_samples_leaf: rows (one per task and architecture) in a leaf, at least.
        max_features: the share of columns that a split chooses from.
        max_rows: rows that a tree is grown on, drawn with replacement where there are more: what a
            forest costs does not grow with the number of tasks.
    """

    trees: int = 100
    min_samples_leaf: int = 3
    max_features: float = 0.35
    max_rows: int = 4096

    def __post_init__(self) -> None:
        for name in ("trees", "min_samples_leaf", "max_rows"):
            object.__setattr__(
                self, name, whole_number(getattr(self, name), name, 1, PredictorError)
            )
        share = positive("max_features", self.max_features, 1.0)
        object.__setattr__(self, "max_features", float(share))


class TreesPredictor(FeaturePredictor):
    """Geurts, Ernst and Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006."""

    name = "trees"
    extrapolates = True
    Settings: ClassVar[type] = TreesSettings

    def _learn(self, training: TrainingSet) -> dict[str, np.ndarray]:
        from sklearn.ensemble import ExtraTreesRegressor

        scores = training.targets.scores
        task, architecture = np.nonzero(~np.isnan(scores))
        many = len(task) > self.settings.max_rows
        forest = ExtraTreesRegressor(
            n_estimators=self.settings.trees,
            min_samples_leaf=self.settings.min_samples_leaf,
            max_features=self.settings.max_features,
            bootstrap=many,
            max_samples=self.settings.max_rows if many else None,
            random_state=self.seed,
            n_jobs=1,
        ).fit(
            np.hstack([training.x[task], training.encoded[architecture]]).astype(np.float32),
            scores[task, architecture],
            sample_weight=training.targets.weights[task],
        )
        return forest_arrays(forest)

    def _score(
        self, arrays: Mapping[str, np.ndarray], x: np.ndarray, encoded: np.ndarray
    ) -> np.ndarray:
        rows = np.hstack([np.broadcast_to(x, (len(encoded), len(x))), encoded])
        return walk(arrays, rows.astype(np.float32))


def forest_arrays(forest: Any) -> dict[str, np.ndarray]:
    """The nodes of a fitted forest, one tree after the other.

    Returns:
        roots (n_trees,), feature, left, right (n_nodes,) int32, threshold, value (n_nodes,)
        float64; feature is -1 in a leaf, left and right count over all trees.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    sizes = np.array([tree.node_count for tree in trees])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    offset = np.repeat(roots, sizes)
    leaf = np.concatenate([tree.children_left for tree in trees]) == _LEAF
    here = np.arange(len(leaf))
    left = np.concatenate([tree.children_left for tree in trees]) + offset
    right = np.concatenate([tree.children_right for tree in trees]) + offset
    feature = np.concatenate([tree.feature for tree in trees])
    return {
        "roots": roots.astype(np.int32),
        "feature": np.where(leaf, _LEAF, feature).astype(np.int32),
        # A leaf leads to itself, so that walking on does no harm.
        "left": np.where(leaf, here, left).astype(np.int32),
        "right": np.where(leaf, here, right).astype(np.int32),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "value": np.concatenate([tree.value[:, 0, 0] for tree in trees]),
    }


def walk(arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """The mean of the trees' answers.

    Args:
        arrays: of `forest_arrays`.
        rows: shape (n, p + q), float32.

    Returns:
        shape (n,), float64.
    """
    feature, threshold = arrays["feature"], arrays["threshold"]
    # All rows of all trees go down together; those that reach a leaf step aside.
    node = np.repeat(arrays["roots"], len(rows))
    row = np.tile(np.arange(len(rows)), len(arrays["roots"]))
    moving = np.flatnonzero(feature[node] != _LEAF)
    for _ in range(len(feature)):  # no path is longer, whatever a damaged file may say
        if not len(moving):
            break
        at = node[moving]
        goes_left = rows[row[moving], feature[at]] <= threshold[at]
        at = np.where(goes_left, arrays["left"][at], arrays["right"][at])
        node[moving] = at
        moving = moving[feature[at] != _LEAF]
    return arrays["value"][node].reshape(len(arrays["roots"]), len(rows)).mean(axis=0)
