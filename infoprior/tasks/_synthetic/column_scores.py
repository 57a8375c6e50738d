"""How columns give the classes their scores: mechanisms in which encodings of inputs differ.

Functions as in `scores`, of columns of standard deviation about 1 in place of latent variables.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from infoprior.tasks._synthetic.scores import SCORES, Rng, Score

FREQUENCIES = (0.25, 2.0)  # cycles a standard deviation
CURVES: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    np.tanh,
    lambda x: np.maximum(x, 0),
    lambda x: np.minimum(x**2, 9),
    lambda x: np.abs(np.clip(x, -6, 6)),
    lambda x: 1 / (1 + np.exp(-4 * np.clip(x, -10, 10))),
)


def periodic(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """A sum of sines of one to `complexity` columns, each with a frequency of its own a score."""
    dims = rng.choice(d, size=min(d, complexity), replace=False)
    low, high = np.log(FREQUENCIES)
    angular = 2 * np.pi * np.exp(rng.uniform(low, high, size=(len(dims), 1)))
    phases = rng.uniform(0, 2 * np.pi, size=(len(dims), n_scores))
    weights = rng.normal(size=(len(dims), n_scores))

    def score(x: np.ndarray) -> np.ndarray:
        return (np.sin(x[:, dims, None] * angular + phases) * weights).sum(1)

    return score


def steps(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """A sum of step functions of single columns, with 1 to 4 times `complexity` thresholds each."""
    n_steps = complexity * int(rng.integers(1, 5))
    thresholds = rng.normal(size=(d, n_steps))
    # Heights between thresholds are independent: steps lead up and down.
    heights = rng.normal(size=(d, n_steps + 1, n_scores)) * _importance(d, complexity, rng)

    def score(x: np.ndarray) -> np.ndarray:
        bins = (x[:, :, None] > np.sort(thresholds, axis=1)).sum(2)
        return heights[np.arange(d), bins].sum(1)

    return score


def curves(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """A sum of smooth or bent functions of single columns."""
    kinds = rng.integers(len(CURVES), size=d)
    shifts = rng.normal(size=d) * 0.7
    weights = (rng.normal(size=(d, 1, n_scores)) * _importance(d, complexity, rng))[:, 0]

    def score(x: np.ndarray) -> np.ndarray:
        bent = [CURVES[kind](x[:, j] - shifts[j]) for j, kind in enumerate(kinds)]
        return np.stack(bent, axis=1) @ weights

    return score


def pairs(d: int, n_scores: int, complexity: int, rng: Rng) -> Score:
    """Products of two columns or of bent ones, 2 times `complexity`, and a linear part."""
    chosen = [rng.integers(d, size=2) for _ in range(2 * complexity)]
    bends = [rng.integers(len(CURVES) + 1, size=2) for _ in chosen]
    weights = rng.normal(size=(len(chosen), n_scores))
    line = rng.normal(size=(d, n_scores)) * rng.uniform(0.0, 0.5) / np.sqrt(d)

    def bent(x: np.ndarray, kind: int) -> np.ndarray:
        return CURVES[kind](x) if kind < len(CURVES) else np.clip(x, -4, 4)

    def score(x: np.ndarray) -> np.ndarray:
        products = [
            bent(x[:, i], k) * bent(x[:, j], m)
            for (i, j), (k, m) in zip(chosen, bends, strict=True)
        ]
        return np.stack(products, axis=1) @ weights + x @ line

    return score


def _importance(d: int, complexity: int, rng: Rng) -> np.ndarray:
    """Of columns, shape (d, 1, 1): it falls off, the faster the less complex."""
    return rng.permutation(np.exp(-np.arange(d) / (2.0 * complexity)))[:, None, None]


COLUMN_SCORES: dict[str, Callable[[int, int, int, Rng], Score]] = {
    **{name: SCORES[name] for name in ("linear", "trees", "network")},
    "periodic": periodic,
    "steps": steps,
    "curves": curves,
    "pairs": pairs,
}
