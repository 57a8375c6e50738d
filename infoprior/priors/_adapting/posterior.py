"""The present study as one more function like the past ones: what its trials say of it.

Its scores are a + b · f(x) + noise, with f a Gaussian process: the past studies' mean, their
covariance times t², and an own part of variance v in case it is like none of them. a is unknown; b,
t and v are those of a few values under which the scores are likeliest. With few trials f is the
past studies' mean, so what was good in the past is proposed; the more trials there are, the more f
is what the present study says, along the directions in which past studies differed first.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .._mixture.truncated_normal import log_ndtr, ppf
from .._values import Array
from .features import matern, spread
from .past import PastStudies

MOST_TRIALS = 128  # of the present study that are looked at: its best ones, and others of all ranks
_SCALES = (0.2, 0.4, 0.7, 1.1)  # b
_SPREADS = (0.6, 1.5)  # t
_OWN = (0.05, 0.4)  # v
_NOISES = (1.0, 5.0, 25.0)  # of the noise, over the past studies' own
_FITTED = 32  # trials by which b, t and v are chosen
_OFFSET = 10.0  # variance of a
_SETTINGS = np.array(list(itertools.product(_SCALES, _SPREADS, _OWN, _NOISES)))
# Log-normal beliefs before any trial: settings far from these need evidence.
_BELIEF = -0.5 * (
    np.log(_SETTINGS[:, 0] / 0.7) ** 2
    + np.log(_SETTINGS[:, 1]) ** 2
    + np.log(_SETTINGS[:, 2] / 0.1) ** 2
    + 0.5 * np.log(_SETTINGS[:, 3]) ** 2
)


def normal_scores(ranks: Array) -> Array:
    """Ranks, 0 the best, as normal quantiles, the best the largest; shape (n,), ties share one."""
    _, inverse, counts = np.unique(ranks, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts
    return ppf(1.0 - middle / len(ranks))[inverse.reshape(-1)]


@dataclass(frozen=True)
class Evidence:
    """Finished trials of the present study.

    Attributes:
        positions: shape (n, d), NaN where a trial has no such parameter.
        scores: normal scores, shape (n,).
    """

    positions: Array
    scores: Array

    def __len__(self) -> int:
        return len(self.scores)


def _roots(shared: Array, own: Array, noise: float, settings: Array) -> Array:
    """Cholesky factors of the scores' covariance under some settings, shape (settings, n, n)."""
    b, t, v, more = settings.T[:, :, None, None]
    covariances = (b * t) ** 2 * shared + b * b * v * own + _OFFSET
    at = np.arange(len(own))
    covariances[:, at, at] += noise * (more * np.maximum(b * b, 0.05))[:, :, 0]
    return np.linalg.cholesky(covariances)


class Posterior:
    """What is believed of the present study's function.

    Args:
        past: the past studies.
        evidence: of the present one, a trial at least.
    """

    def __init__(self, past: PastStudies, evidence: Evidence) -> None:
        self._past = past
        self.vectors = past.features(evidence.positions)
        mean, self._factor = past.values(self.vectors)
        own = matern(self.vectors, self.vectors)
        shared = self._factor @ self._factor.T
        some = spread(len(evidence), _FITTED)
        square = np.ix_(some, some)
        roots = _roots(shared[square], own[square], past.noise, _SETTINGS)
        residuals = evidence.scores[some] - _SETTINGS[:, :1] * mean[some]
        whites = np.linalg.solve(roots, residuals[:, :, None])[:, :, 0]
        logs = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1)
        best = int(np.argmax(-0.5 * (whites**2).sum(1) - logs + _BELIEF))
        self.scale, self._t, self._v, self.noise = (float(x) for x in _SETTINGS[best])
        root = _roots(shared, own, past.noise, _SETTINGS[best : best + 1])[0]
        self._inverse_root = np.linalg.inv(root)
        self._white = self._inverse_root @ (evidence.scores - self.scale * mean)
        self.at_trials = self.predict(self.vectors, mean, self._factor)[0]

    def predict(self, vectors: Array, mean: Array, factor: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of f, each of shape (m,).

        Args:
            vectors: of the points, shape (m, columns).
            mean, factor: the past studies' at these points, shapes (m,) and (m, r).
        """
        b, t2 = self.scale, self._t**2
        cross = b * (t2 * (factor @ self._factor.T) + self._v * matern(vectors, self.vectors))
        white = cross @ self._inverse_root.T
        variance = t2 * (factor**2).sum(1) + self._v - (white**2).sum(1)
        return mean + white @ self._white, np.sqrt(np.maximum(variance, 1e-8))

    def at(self, positions: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of f at positions of shape (m, d)."""
        vectors = self._past.features(positions)
        return self.predict(vectors, *self._past.values(vectors))

    def improvement(self, mean: Array, deviation: Array) -> Array:
        """Expected improvement over the best trial's own mean, shape (m,).

        Močkus et al. 1978, The application of Bayesian methods for seeking the extremum.
        """
        z = (mean - self.at_trials.max()) / deviation
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        return np.maximum(deviation * (z * np.exp(log_ndtr(z)) + density), 0.0)


def study_weights(past: PastStudies, evidence: Evidence) -> Array:
    """The probability that each past study is the one like the present one, shape (s,).

    That of a regression of the scores on the study's function against that on a constant, under
    Zellner's prior with as many pseudo-observations as there are trials (Liang et al., Mixtures of
    g priors for Bayesian variable selection, JASA 103, 2008, eq. 6), a study whose function runs
    the other way counting as one that says nothing. As before the search with fewer than 3 trials.
    """
    n = len(evidence)
    if n < 3:
        return past.study_weights
    f = past.functions(past.features(evidence.positions)) @ past.coefficients.T
    f = f - f.mean(0)
    y = evidence.scores - evidence.scores.mean()
    total = np.sqrt((f * f).sum(0) * (y @ y))
    r = np.maximum(y @ f / np.where(total > 0.0, total, 1.0), 0.0)
    log_odds = 0.5 * (n - 2) * np.log1p(n) - 0.5 * (n - 1) * np.log1p(n * (1.0 - r * r))
    log_odds = np.maximum(log_odds, 0.0)
    weights = past.study_weights * np.exp(log_odds - log_odds.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)
