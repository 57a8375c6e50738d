"""From latent variables to the columns of a table: factors, redundancy, warps, categories, gaps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from infoprior.tasks._encode import Column
from infoprior.tasks._synthetic.mix import Recipe, n_levels

WARPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda x: x,
    "exponential": lambda x: np.exp(np.clip(1.2 * x, -20, 20)),
    "explosive": lambda x: np.exp(np.clip(2.5 * x, -20, 20)),
    "cubic": lambda x: x**3,
    "saturated": lambda x: np.tanh(1.5 * x),
    "uniform": lambda x: 1 / (1 + np.exp(-1.7 * np.clip(x, -20, 20))),
    "positive": lambda x: np.maximum(x + 0.3, 0),
    "sparse": lambda x: np.expm1(np.clip(1.5 * (x - 0.5), 0, 10)),
    "integer": lambda x: np.round(np.clip(12 * x, -60, 60)),
    "count": lambda x: np.floor(np.exp(np.clip(0.9 * x, -5, 4))),
    "levels": lambda x: np.round(np.clip(1.5 * x, -4, 4)),
    "tails": lambda x: np.sign(x) * np.expm1(np.clip(1.5 * np.abs(x), 0, 10)),
    "modes": lambda x: 0.4 * x + 2 * np.sign(x),
    "clumps": lambda x: 0.3 * x + 2 * np.round(np.clip(x, -9, 9)),
    "heaped": lambda x: np.where(np.abs(x % 1 - 0.5) > 0.2, np.round(x), x),
}

SPOILED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "outliers": lambda x, u: np.where(u < 0.02, x * 1000.0 ** (50 * u), x),
    "units": lambda x, u: np.where(u < 0.15, 10, 1) * (x + 3),
    "code for unknown": lambda x, u: np.where(u < 0.12, -9.0, x),
    "absent": lambda x, u: np.where(u < 0.5, 0.0, np.exp(np.clip(x, -20, 20))),
}
"""Kinds of columns in which some rows, drawn at random, hold something else than the others do:
functions of the values and of numbers that are uniform in [0, 1)."""


class Measurement:
    """How the latent variables of a concept are measured.

    Args:
        recipe: the concept's settings.
        rng: draws what they leave open.
    """

    def __init__(self, recipe: Recipe, rng: np.random.Generator) -> None:
        self.recipe = r = recipe
        d = r.n_latent
        if r.measured == "factors":
            # One to three latent variables behind every column, so that columns come in groups.
            self.loadings = np.zeros((d, r.n_informative))
            for k in range(r.n_informative):
                dims = rng.choice(d, size=min(d, int(rng.integers(1, 4))), replace=False)
                self.loadings[dims, k] = rng.normal(size=len(dims)) / np.sqrt(len(dims))
        self.redundant = rng.normal(size=(d, r.n_redundant)) / np.sqrt(d)
        n_hidden = max(1, r.n_irrelevant // 2)
        self.hidden = rng.normal(size=(n_hidden, r.n_irrelevant)) / np.sqrt(n_hidden)
        self.hidden *= r.correlation
        self.order = rng.permutation(r.n_informative + r.n_redundant + r.n_irrelevant)
        # Where a column is cut into two or more, and which name each piece has.
        self.thresholds = rng.uniform(-1.0, 1.7, size=r.n_columns)
        self.cuts = [np.sort(rng.normal(size=n_levels(kind) - 1)) for kind in r.kinds]
        self.labels = [rng.permutation(n_levels(kind)) for kind in r.kinds]
        self.relevant = np.flatnonzero(self.order < r.n_informative + r.n_redundant)

    def values(self, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Numbers before any warp.

        Args:
            z: latent variables, shape (n, n_latent).
            rng: draws noise and columns that have nothing to do with the classes.

        Returns:
            shape (n, n_columns), float64.
        """
        r = self.recipe
        informative = z @ self.loadings if r.measured == "factors" else z
        if r.measurement_noise:
            informative = informative + r.measurement_noise * rng.normal(size=informative.shape)
        redundant = z @ self.redundant + 0.1 * rng.normal(size=(len(z), r.n_redundant))
        irrelevant = rng.normal(size=(len(z), r.n_irrelevant)) + (
            rng.normal(size=(len(z), len(self.hidden))) @ self.hidden
        )
        return np.concatenate([informative, redundant, irrelevant], axis=1)[:, self.order]

    def cells(self, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Numbers as measured: warped, categories as their number, NaN where a value is missing.

        Args:
            z: latent variables, shape (n, n_latent).
            rng: as of `values`.

        Returns:
            shape (n, n_columns), float64.
        """
        return self.with_gaps(self.warped(self.values(z, rng), rng), rng)

    def warped(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Numbers as measured, none missing.

        Args:
            values: before any warp, shape (n, n_columns); they are overwritten.
            rng: draws what is spoiled.
        """
        for k, kind in enumerate(self.recipe.kinds):
            name = kind.partition(":")[0]
            if name == "binary":
                values[:, k] = values[:, k] > self.thresholds[k]
            elif name == "ordered":
                values[:, k] = np.searchsorted(self.cuts[k], values[:, k])
            elif name in ("category", "shuffled"):
                values[:, k] = self.labels[k][np.searchsorted(self.cuts[k], values[:, k])]
            elif name in SPOILED:
                values[:, k] = SPOILED[name](values[:, k], rng.random(len(values)))
            else:
                values[:, k] = WARPS[name](values[:, k])
        return values

    def with_gaps(self, cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """NaN where a value is missing, at random.

        Args:
            cells: shape (n, n_columns); they are overwritten.
            rng: draws where.
        """
        if any(self.recipe.missing):
            cells[rng.random(cells.shape) < np.array(self.recipe.missing)] = np.nan
        return cells

    def columns(self, cells: np.ndarray) -> list[Column]:
        """The columns of the table, for `encode`.

        Args:
            cells: shape (n, n_columns), as `cells` gives them.
        """
        columns = []
        for k, kind in enumerate(self.recipe.kinds):
            values = cells[:, k]
            if kind.startswith("category"):
                named = np.empty(len(values), dtype=object)
                named[:] = [None if np.isnan(v) else f"c{int(v)}" for v in values]
                values = named
            columns.append(Column(f"x{k}", values))
        return columns
