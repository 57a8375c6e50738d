"""Concepts: how classes arise from latent variables, and how these are measured."""

from __future__ import annotations

import numpy as np

from infoprior.tasks._synthetic.columns import Measurement
from infoprior.tasks._synthetic.mix import Recipe
from infoprior.tasks._synthetic.scores import SCORES

CALIBRATION_ROWS = 4000


class Concept:
    """A distribution over rows of a table and their labels.

    Args:
        recipe: its settings.

    Attributes:
        recipe: its settings.
        mix: how latent variables are correlated, shape (n_latent, n_latent).
        measurement: how they give the columns.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = r = recipe
        rng = np.random.default_rng([r.concept, 1])
        d = r.n_latent
        # A few common factors, as tables have; columns keep a standard deviation near 1.
        n_common = int(rng.integers(1, 4))
        common = rng.normal(size=(d, n_common)) / np.sqrt(d)
        shared = common @ (rng.normal(size=(n_common, d)) / np.sqrt(n_common))
        self.mix = np.sqrt(1 - r.correlation**2) * np.eye(d) + r.correlation * shared
        self.clusters = rng.normal(size=(int(rng.integers(2, 8)), d))
        self.measurement = Measurement(r, rng)
        self._draw_mechanism(rng)

    def _draw_mechanism(self, rng: np.random.Generator) -> None:
        """What gives the classes, and what makes them as frequent as they are to be."""
        r, d = self.recipe, self.recipe.n_latent
        if r.mechanism == "mixture":
            spread = rng.uniform(1.0, 8.0) / np.sqrt(d)
            self.centers = rng.normal(size=(r.n_classes, r.complexity, d)) * spread
            alike = rng.uniform(0.0, 1.0)  # 1: all components have one shape
            own = rng.normal(size=(r.n_classes, r.complexity, d, d)) / np.sqrt(d)
            self.shapes = alike * self.mix + (1 - alike) * own
        else:
            n_scores = 1 if r.ordinal else r.n_classes
            self._raw_score = SCORES[r.mechanism](d, n_scores, r.complexity, rng)
            z = self.latent(CALIBRATION_ROWS, rng)
            raw = self._raw_score(z)
            self._center, self._scale = raw.mean(0), max(float(raw.std()), 1e-9)
            self._calibrate(self.scores(z), rng)

    def latent(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Latent variables of standard deviation about 1.

        Args:
            n: number of rows.
            rng: draws them.

        Returns:
            shape (n, n_latent), float64.
        """
        kind, size = self.recipe.latent, (n, self.recipe.n_latent)
        if kind == "heavy":
            z = rng.standard_t(3, size=size) / np.sqrt(3)
        elif kind == "uniform":
            z = rng.uniform(-np.sqrt(3), np.sqrt(3), size=size)
        elif kind == "clustered":
            z = 0.5 * rng.normal(size=size)
            z += 0.9 * self.clusters[rng.integers(len(self.clusters), size=n)]
        elif kind == "skewed":
            z = rng.exponential(size=size) - 1
        else:
            z = rng.normal(size=size)
        return z @ self.mix

    def scores(self, z: np.ndarray) -> np.ndarray:
        """Scores of the classes.

        Args:
            z: latent variables, shape (n, n_latent).

        Returns:
            shape (n, n_classes), or (n, 1) where classes are ordinal.
        """
        return (self._raw_score(z) - self._center) / self._scale

    def rows(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Independent draws.

        Args:
            n: number of rows.
            rng: draws them.

        Returns:
            cells, shape (n, n_columns), float64, and labels, shape (n,), int64.
        """
        r = self.recipe
        if r.mechanism == "mixture":
            y = rng.choice(r.n_classes, size=n, p=r.class_weights)
            component = rng.integers(r.complexity, size=n)
            normal = rng.normal(size=(n, r.n_latent))
            z = self.centers[y, component]
            for c, k in np.ndindex(r.n_classes, r.complexity):
                own = (y == c) & (component == k)
                z[own] += normal[own] @ self.shapes[c, k]
        else:
            z = self.latent(n, rng)
            y = self.labels(self.scores(z), rng)
        cells = self.measurement.cells(z, rng)
        return cells, self._with_noise(y, rng)

    def _with_noise(self, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Labels, shape (n,), int64, of which a share is replaced by another class."""
        r = self.recipe
        flipped = rng.random(len(y)) < r.noise
        other = (y + rng.integers(1, r.n_classes, size=len(y))) % r.n_classes
        return np.where(flipped, other, y).astype(np.int64)

    def labels(self, scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Labels by the scores, before label noise.

        Args:
            scores: shape (n, n_classes), or (n, 1) where classes are ordinal.
            rng: draws them.

        Returns:
            shape (n,), whole numbers.
        """
        r = self.recipe
        if r.ordinal:
            noisy = scores[:, 0] + r.temperature * rng.normal(size=len(scores))
            return np.searchsorted(self.thresholds, noisy)
        # The largest of scores with Gumbel noise is a draw from their softmax.
        gumbel = r.temperature * rng.gumbel(size=scores.shape) if r.temperature else 0.0
        return (scores + self.bias + gumbel).argmax(1)

    def _calibrate(self, scores: np.ndarray, rng: np.random.Generator) -> None:
        """Thresholds (ordinal) or class biases that give about the class weights."""
        r = self.recipe
        target = np.array(r.class_weights)
        if r.ordinal:
            noisy = scores[:, 0] + r.temperature * rng.normal(size=len(scores))
            self.thresholds = np.quantile(noisy, np.cumsum(target)[:-1])
            return
        noisy = scores + r.temperature * rng.gumbel(size=scores.shape)
        self.bias = np.zeros(len(target))
        step = 1.0 + r.temperature
        for _ in range(60):
            share = np.bincount((noisy + self.bias).argmax(1), minlength=len(target)) / len(noisy)
            self.bias += step * (target - share)
            step *= 0.97
        # Classes still too rare: a bias that lets them win where they come nearest to winning.
        for _ in range(20):
            shares = _shares(noisy + self.bias)
            label = int((shares / target).argmin())
            if shares[label] >= 0.4 * target[label]:
                break
            total = noisy + self.bias
            behind = np.delete(total, label, axis=1).max(1) - total[:, label]
            self.bias[label] += max(0.0, float(np.quantile(behind, target[label]))) + 1e-6


def _shares(scores: np.ndarray) -> np.ndarray:
    """Share of each class, shape (n_classes,), where the largest score decides."""
    return np.bincount(scores.argmax(1), minlength=scores.shape[1]) / len(scores)
