"""Concepts whose classes arise from the columns of the table, not from what is behind them."""

from __future__ import annotations

import numpy as np

from infoprior.tasks._encode import CLIP
from infoprior.tasks._synthetic.column_scores import COLUMN_SCORES
from infoprior.tasks._synthetic.concept import CALIBRATION_ROWS, Concept
from infoprior.tasks._synthetic.mix import n_levels


class ColumnConcept(Concept):
    """A distribution over rows of a table and their labels, which are drawn by the columns.

    Scores are a sum of terms; each reads some columns that are not irrelevant, as they are measured
    or as they were before. Latent variables only make columns depend on each other.

    Args:
        recipe: its settings, mechanism "columns".
    """

    def rows(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        values, cells = self._measured(n, rng)
        y = self.labels(self.scores(self._views(values, cells)), rng)
        return self.measurement.with_gaps(cells, rng), self._with_noise(y, rng)

    def _measured(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Columns before the warp and as measured, both of shape (n, n_columns)."""
        values = self.measurement.values(self.latent(n, rng), rng)
        return values, self.measurement.warped(values.copy(), rng)

    def _draw_mechanism(self, rng: np.random.Generator) -> None:
        r, relevant = self.recipe, self.measurement.relevant
        # What the levels of a category are worth: there is no other order among them.
        self._worth = {
            k: rng.normal(size=n_levels(kind))
            for k, kind in enumerate(r.kinds)
            if kind.startswith("category")
        }
        values, cells = self._measured(CALIBRATION_ROWS, rng)
        views = self._side_by_side(values, cells)
        self._mean, self._deviation = views.mean(0), np.maximum(views.std(0), 1e-9)
        views = self._views(values, cells)
        self._terms = []
        for term in r.terms:
            size = max(1, round(term.share * len(relevant)))
            read = rng.choice(relevant, size=size, replace=False)
            read += r.n_columns * (term.view == "measured")
            n_scores = 1 if r.ordinal else r.n_classes
            score = COLUMN_SCORES[term.mechanism](size, n_scores, term.complexity, rng)
            factor = term.strength / _deviation(score(views[:, read]))
            self._terms.append((factor, score, read))
        self._raw_score = self._sum_of_terms
        raw = self._raw_score(views)
        self._center, self._scale = raw.mean(0), _deviation(raw)
        self._calibrate(self.scores(views), rng)

    def _sum_of_terms(self, views: np.ndarray) -> np.ndarray:
        return np.sum([f * score(views[:, read]) for f, score, read in self._terms], axis=0)

    def _views(self, values: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """What terms read, standardised as tasks are, shape (n, 2 n_columns)."""
        views = self._side_by_side(values, cells)
        return np.clip((views - self._mean) / self._deviation, -CLIP, CLIP)

    def _side_by_side(self, values: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Columns before the warp; then as measured, levels of categories as what they are worth.

        Returns:
            shape (n, 2 n_columns).
        """
        measured = cells.copy()
        for k, worth in self._worth.items():
            measured[:, k] = worth[cells[:, k].astype(np.int64)]
        return np.concatenate([values, measured], axis=1)


def _deviation(scores: np.ndarray) -> float:
    """Of scores, shape (n, n_scores), around their means; above 0."""
    return max(float((scores - scores.mean(0)).std()), 1e-9)
