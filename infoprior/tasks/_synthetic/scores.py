"""How latent variables give the classes their scores: one function a mechanism.

Each draws a random function of latent variables z, shape (n, d), to scores, shape (n, n_scores),
which is deterministic once drawn. Scale and offset are the caller's. All take the same arguments:

    d            number of latent variables
    n_scores     number of scores: one a class, or a single one
    complexity   1 to 4
    rng          draws the function
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

Score = Callable[[np.ndarray], np.ndarray]
Rng = np.random.Generator


def linear(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    # Importances fall off, the faster the less complex.
    """A linear function, with importances that fall off, the faster the less complex."""
    importance = rng.permutation(np.exp(-np.arange(d) / (2.0 * complexity)))
    weights = rng.normal(size=(d, n_scores)) * importance[:, None]
    return lambda z: z @ weights


def network(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """A random network of 1 to 3 hidden layers."""
    activation = _ACTIVATIONS[rng.integers(len(_ACTIVATIONS))]
    gain = rng.uniform(0.8, 2.5)
    widths = [d] + [int(rng.integers(4, 12)) * complexity] * int(rng.integers(1, 4))
    layers = [
        (rng.normal(size=(a, b)) * gain / np.sqrt(a), rng.normal(size=b))
        for a, b in pairwise(widths)
    ]
    out = rng.normal(size=(widths[-1], n_scores))

    def score(z: np.ndarray) -> np.ndarray:
        for weights, shift in layers:
            z = activation(z @ weights + shift)
        return z @ out

    return score


_ACTIVATIONS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    np.tanh,
    lambda x: np.maximum(x, 0),
    np.sin,
    np.abs,
)


def trees(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """One tree to forests of 30: a feature and threshold a node, random scores in the leaves."""
    features_of = _relevant(d, 3 * complexity, rng)
    weak = _weak(d, n_scores, rng)  # so that no two rows tie
    forest = []
    for _ in range((1, 3, 10, 30)[complexity - 1]):
        depth = int(rng.integers(2, 7))
        nodes = 2**depth - 1
        forest.append(
            (
                depth,
                rng.choice(features_of, size=nodes),
                rng.normal(size=nodes) * 0.8,
                rng.normal(size=(nodes + 1, n_scores)),
            )
        )

    def score(z: np.ndarray) -> np.ndarray:
        total = z @ weak
        rows = np.arange(len(z))
        for depth, features, thresholds, leaves in forest:
            node = np.zeros(len(z), dtype=np.int64)
            for _ in range(depth):
                node = 2 * node + 1 + (z[rows, features[node]] > thresholds[node])
            total += leaves[node - len(features)]
        return total

    return score


def radial(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    # Rings around a center, on a few of the dimensions: distance, not direction, decides.
    """Rings around a center, on a few of the variables: distance decides, not direction."""
    dims = _relevant(d, 1 + complexity, rng)
    center = rng.normal(size=len(dims)) * 0.4
    frequency = rng.uniform(1.0, 2.5)
    phases = np.arange(n_scores) * 2 * np.pi / max(n_scores, 2)

    def score(z: np.ndarray) -> np.ndarray:
        radius = np.linalg.norm(z[:, dims] - center, axis=1, keepdims=True)
        return np.cos(frequency * radius - phases)

    return score


def interactions(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """Products of two to four variables or of their signs, and a weak linear part."""
    terms = []
    for _ in range(2 * complexity):
        dims = rng.choice(d, size=min(d, int(rng.integers(2, 5))), replace=False)
        terms.append((dims, rng.random() < 0.5, rng.normal(size=n_scores)))
    weak = _weak(d, n_scores, rng)

    def score(z: np.ndarray) -> np.ndarray:
        total = z @ weak
        for dims, signs, weights in terms:
            factors = np.sign(z[:, dims]) if signs else np.clip(z[:, dims], -2.5, 2.5)
            total = total + factors.prod(axis=1, keepdims=True) * weights
        return total

    return score


def smooth(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """A draw from a Gaussian process, by random Fourier features (Rahimi & Recht, NeurIPS 2007)."""
    dims = _relevant(d, 2 + 2 * complexity, rng)
    length = rng.uniform(1.0, 3.0) * np.sqrt(len(dims)) * np.exp(rng.normal(size=len(dims)) * 0.5)
    frequencies = rng.normal(size=(len(dims), 128)) / length[:, None]
    phases = rng.uniform(0, 2 * np.pi, size=128)
    weights = rng.normal(size=(128, n_scores))
    return lambda z: np.cos(z[:, dims] @ frequencies + phases) @ weights


def prototypes(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """A few typical points a class; the nearest decides, softly."""
    dims = _relevant(d, 4 * complexity, rng)
    scale = np.exp(rng.normal(size=len(dims)) * 0.4)
    each = int(rng.integers(1, 1 + 2 * complexity))
    points = rng.normal(size=(n_scores * each, len(dims))) * 1.2 * scale
    sharpness = rng.uniform(0.5, 3.0)

    def score(z: np.ndarray) -> np.ndarray:
        x = z[:, dims] * scale
        distance = (x**2).sum(1)[:, None] - 2 * x @ points.T + (points**2).sum(1)
        close = (-sharpness * distance / 2).reshape(len(z), n_scores, each)
        top = close.max(axis=2)  # log-sum-exp, because distances are large
        return top + np.log(np.exp(close - top[:, :, None]).sum(axis=2))

    return score


def additive(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """A sum of functions of one variable each: steps, bumps or waves."""
    dims = _relevant(d, 3 * complexity, rng)
    steps = rng.random() < 0.5
    knots = rng.normal(size=(len(dims), int(rng.integers(1, 7))))
    heights = rng.normal(size=(*knots.shape, n_scores))
    slope = rng.uniform(1.0, 3.0)
    weak = _weak(d, n_scores, rng)

    def score(z: np.ndarray) -> np.ndarray:
        x = z[:, dims, None] - knots
        basis = (x > 0).astype(np.float64) if steps else np.exp(-slope * x**2)
        return basis.reshape(len(z), -1) @ heights.reshape(-1, n_scores) + z @ weak

    return score


def quadratic(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """Squares of random projections, as many as it is complex, and a linear part."""
    rank = complexity
    factors = rng.normal(size=(rank, d, n_scores)) / np.sqrt(d)
    signs = rng.choice([-1.0, 1.0], size=(rank, n_scores))
    weights = rng.normal(size=(d, n_scores)) * rng.uniform(0.0, 1.0) / np.sqrt(d)

    def score(z: np.ndarray) -> np.ndarray:
        total = z @ weights
        for directions, sign in zip(factors, signs, strict=True):
            total = total + sign * np.clip(z @ directions, -4, 4) ** 2
        return total

    return score


def rules(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """Conjunctions of one to three conditions, each worth points, and a weak linear part."""
    conjunctions = []
    for _ in range(3 * complexity):
        dims = rng.choice(d, size=min(d, int(rng.integers(1, 4))), replace=False)
        signs = rng.choice([-1.0, 1.0], size=len(dims))
        conjunctions.append(
            (dims, signs, rng.normal(size=len(dims)) * 0.6, rng.normal(size=n_scores))
        )
    weak = _weak(d, n_scores, rng)

    def score(z: np.ndarray) -> np.ndarray:
        total = z @ weak
        for dims, signs, thresholds, points in conjunctions:
            met = (signs * (z[:, dims] - thresholds) > 0).all(axis=1, keepdims=True)
            total = total + met * points
        return total

    return score


def _relevant(d: int, most: int, rng: Rng) -> np.ndarray:
    """At most so many of the d variables."""
    return rng.choice(d, size=min(d, most), replace=False)


def _weak(d: int, n_scores: int, rng: Rng) -> np.ndarray:
    """Weights of a linear part that is small beside scores of standard deviation 1."""
    return rng.normal(size=(d, n_scores)) * rng.uniform(0.05, 0.5) / np.sqrt(d)


SCORES: dict[str, Callable[[int, int, int, Rng], Score]] = {
    "linear": linear,
    "network": network,
    "trees": trees,
    "radial": radial,
    "interactions": interactions,
    "smooth": smooth,
    "prototypes": prototypes,
    "additive": additive,
    "quadratic": quadratic,
    "rules": rules,
}
