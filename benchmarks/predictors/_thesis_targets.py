"""What the thesis's predictors are to predict, and how a prediction is judged."""

from __future__ import annotations

import numpy as np

from benchmarks.predictors._disagreement_spaces import taus
from benchmarks.predictors._thesis_measure import FIRST, OPTIONS, STEP
from infoprior.metadataset._score import PER_UNIT

SIZES = (12, 8, 4)
"""Networks of a bracket at its rungs."""
BRACKETS = 8
"""Of a task: 32 survivors, whose noise is about that of the thesis's targets (see the report)."""
NEIGHBOUR = 0.25
LEAST = 1e-3
"""Of a predicted share, before its logarithm: a tenth of a uniform one, 1 / 92."""
PENALTY = 2.5
"""Of the response surface's coefficients, a tenth of the number of architectures."""


def score(accuracy: np.ndarray, options: np.ndarray, per_unit: float = PER_UNIT) -> np.ndarray:
    """Accuracy less the price of the units, as `infoprior.metadataset.score`.

    Args:
        accuracy: of architectures, (..., A).
        options: of them, (A, 4).
        per_unit: the price.
    """
    return np.asarray(accuracy - per_unit * (FIRST + STEP * options).sum(axis=-1))


def survivors(scores: np.ndarray) -> np.ndarray:
    """The final scores of a bracket's survivors, 0 for others: 12, 8, then 4 networks.

    Args:
        scores: of its networks at the rungs, (..., 12, 3).

    Returns:
        (..., 12).
    """
    alive = np.ones(scores.shape[:-1], dtype=bool)
    for rung, kept in enumerate(SIZES[1:]):
        standing = np.where(alive, scores[..., rung], -np.inf)
        rank = np.argsort(np.argsort(-standing, axis=-1, kind="stable"), axis=-1)
        alive &= rank < kept
    return np.where(alive, np.maximum(scores[..., -1], 0.0), 0.0)


def survival(scores: np.ndarray, seed: int, brackets: int = BRACKETS) -> np.ndarray:
    """The survivors of random brackets, counted by their scores.

    A bracket draws 12 of the architectures; draws take turns, so that halves of the brackets are
    of independent trainings.

    Args:
        scores: at the rungs, (draws, T, A, 3).
        seed: of the brackets.
        brackets: how many.

    Returns:
        of every bracket, (brackets, T, A).
    """
    draws, n_tasks, n_points, _ = scores.shape
    rng = np.random.default_rng([seed, 5])
    counted = np.zeros((brackets, n_tasks, n_points))
    for b in range(brackets):
        for t in range(n_tasks):
            drawn = rng.permutation(n_points)[: SIZES[0]]
            counted[b, t, drawn] = survivors(scores[b % draws, t, drawn])
    return counted


def counts(options: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How often each option of each layer is among the survivors, counted by their scores.

    Neighbours of an option get a quarter of what it gets. All 92 numbers of a task sum to one.

    Args:
        options: of architectures, (A, 4).
        weights: (T, A).

    Returns:
        (T, 92), layer by layer.
    """
    chosen = (options[..., None] == np.arange(OPTIONS)).astype(np.float64)
    table = np.einsum("ta,alo->tlo", weights, chosen)
    spread = table.copy()
    spread[..., 1:] += NEIGHBOUR * table[..., :-1]
    spread[..., :-1] += NEIGHBOUR * table[..., 1:]
    return shares(spread.reshape(len(table), -1))


def shares(weights: np.ndarray) -> np.ndarray:
    """Rows that sum to one."""
    return np.asarray(weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-12))


def standardised(values: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and variance 1."""
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-9))


def _columns(options: np.ndarray) -> np.ndarray:
    """Units of each layer and their squares, (..., 8)."""
    u = (options - (OPTIONS - 1) / 2) / ((OPTIONS - 1) / 2)
    return np.concatenate([u, u**2], axis=-1)


def effects(options: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What each option of each layer does for the values: quadratic in units, layers additive.

    Args:
        options: of architectures, (A, 4).
        values: of them, (T, A).

    Returns:
        (T, 92), of ridge regression on standardised values, up to a constant a layer.
    """
    x = _columns(options)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / spread
    gram = x.T @ x + PENALTY * np.eye(x.shape[1])
    beta = np.linalg.solve(gram, x.T @ standardised(values).T).T / spread
    u = _columns(np.arange(OPTIONS)[:, None].astype(np.float64))
    by_layer = beta[:, :4, None] * u[:, 0] + beta[:, 4:, None] * u[:, 1]
    return np.asarray((by_layer - by_layer.mean(axis=2, keepdims=True)).reshape(len(values), -1))


def scores_of(predicted: np.ndarray, options: np.ndarray, clean: bool) -> np.ndarray:
    """Of architectures from marginals: log of the product of shares, or the sum of effects.

    Args:
        predicted: (..., 92).
        options: (A, 4).
        clean: whether they are effects.

    Returns:
        (..., A).
    """
    table = predicted if clean else np.log(np.maximum(predicted, LEAST))
    table = table.reshape(*predicted.shape[:-1], 4, OPTIONS)
    return np.asarray(sum(table[..., layer, options[:, layer].astype(int)] for layer in range(4)))


def tau(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Kendall's tau of rows of predictions and true scores, (n, A) both; 0 for a constant one."""
    return np.nan_to_num(taus(predicted, truth))


def gaussian(average: np.ndarray) -> np.ndarray:
    """The thesis's best baseline: of each layer a Gaussian with the average's mean and variance.

    Args:
        average: of training tasks' counts, (92,).

    Returns:
        (92,).
    """
    table = average.reshape(4, OPTIONS)
    share = shares(table)
    place = np.arange(OPTIONS)
    mean = share @ place
    variance = share @ place**2 - mean**2
    shape = np.exp(-((place - mean[:, None]) ** 2) / (2.0 * np.maximum(variance, 1e-6)[:, None]))
    return np.asarray((shares(shape) * table.sum(axis=1, keepdims=True)).reshape(-1))
