"""What a further result would be worth: how far it can move what one would recommend.

A search ends with a recommendation, the architecture of the highest expected score. Training one
more network changes expected scores by an amount that is not known before, but whose distribution
is: normal, with a standard deviation that does not depend on the result. The expected gain of the
best expected score by that is the value of the training (Frazier, Powell and Dayanik, INFORMS
J. Comput. 21 (2009), 599, of independent alternatives; expected improvement, where the result is
without noise and shows all).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import block_diag
from scipy.special import ndtr

from infoprior.predictors._posterior import SCORE
from infoprior.predictors._recorded_runs import TEST
from infoprior.predictors._records import Record
from infoprior.predictors._result_model import Observed

if TYPE_CHECKING:
    from infoprior.predictors._result_model import Key, ResultModel

_KEPT = 20_000  # entries of the cache
Curves = Sequence[Sequence[Record]]  # of one architecture, a network each


def expected_improvement(mean: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Of the best expected score, by one more result of each architecture; shape (n,).

    E max(mean_i + change_i Z, best of the others) - max(mean), with Z standard normal.

    Args:
        mean: expected scores, shape (n,), n at least 1.
        change: standard deviations of what the result changes them by, shape (n,).
    """
    if len(mean) == 1:
        return np.zeros(1)
    first, second = np.sort(mean)[::-1][:2]
    gap = np.abs(mean - np.where(mean == first, second, first))
    spread = np.maximum(change, 1e-12)
    u = np.minimum(gap / spread, 40.0)
    value = spread * (np.exp(-u * u / 2.0) / np.sqrt(2.0 * np.pi) - u * ndtr(-u))
    return np.maximum(value, 0.0)


class Lookahead:
    """How far results to come would move expected scores.

    Args:
        model: the predictor's Gaussian.
        start: what is known before the search, shape (u,): the mean of the common coordinates.
        rows: validation rows that results are of.
    """

    def __init__(self, model: ResultModel, start: np.ndarray, rows: float) -> None:
        self._model, self._start, self._rows = model, start, rows
        self._cache: dict[object, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def changes(
        self, covariance: np.ndarray, rows: np.ndarray, keys: Sequence[Key],
        seen: Mapping[Key, Curves], epochs: Sequence[tuple[int, ...]], continues: Sequence[bool],
        accuracies: bool, losses: bool,
    ) -> np.ndarray:  # fmt: skip
        """Standard deviations of what new results change each architecture's expected score by.

        Args:
            covariance: of the common coordinates, given all that was observed, shape (u, u).
            rows: of the architectures' scores on them, given what was observed of each, (n, u).
            keys: n architectures.
            seen: what was observed of any architectures.
            epochs: at which each would be observed.
            continues: whether the network would be the last one of `seen`, or a new one.
            accuracies, losses: which of them are observed.

        Returns:
            shape (n,), in units of scores.
        """
        parts = [
            self._new(key, seen.get(key, ()), at, on, (accuracies, losses))
            for key, at, on in zip(keys, epochs, continues, strict=True)
        ]
        result = np.zeros(len(keys))
        for size in {len(own) for _, _, own in parts}:
            at = [i for i, (_, _, own) in enumerate(parts) if len(own) == size]
            loadings, noise, own = (np.array([parts[i][j] for i in at]) for j in range(3))
            shared = loadings @ covariance  # (n, m, u)
            total = shared @ loadings.swapaxes(1, 2) + noise  # (n, m, m)
            with_score = np.einsum("nmu,nu->nm", shared, rows[at]) + own
            solved = np.linalg.solve(total, with_score[..., None])[..., 0]
            result[at] = np.sqrt(np.maximum((with_score * solved).sum(axis=1), 0.0))
        return result

    def _new(
        self,
        key: Key,
        seen: Curves,
        epochs: tuple[int, ...],
        continues: bool,
        observed: tuple[bool, bool],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Loadings (m, u), covariance (m, m) and covariance with the score (m,) of new results.

        All given what was observed of the architecture, and the common coordinates.
        """
        where = key, tuple(map(tuple, seen)), epochs, continues, observed
        if where not in self._cache:
            if len(self._cache) > _KEPT:
                self._cache.clear()
            self._cache[where] = self._calculate(key, seen, epochs, continues, observed)
        return self._cache[where]

    def _calculate(
        self,
        key: Key,
        seen: Curves,
        epochs: tuple[int, ...],
        continues: bool,
        observed: tuple[bool, bool],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        model = self._model
        (architecture,) = model.architectures([key])
        before = [model._observed(curve, self._rows, architecture) for curve in seen]
        expected = architecture.mean + architecture.loadings @ self._start[: model.size]
        accuracy = float(np.clip(model.scale.inverse(expected[TEST]), 0.02, 0.98))
        if seen and not np.isnan(seen[-1][-1].accuracy):
            accuracy = float(np.clip(seen[-1][-1].accuracy, 0.02, 0.98))
        accuracy = accuracy if observed[0] else np.nan
        loss = 1.0 if observed[1] else np.nan  # its value does not enter
        records = [Record(key, 0, epoch, accuracy, loss) for epoch in epochs]
        new = model._observed(records, self._rows, architecture)
        size = len(new.values)
        if continues and before:
            new = _continued(before.pop(), new)
        block, _ = model._block(architecture, [*before, new])
        own, k = block.with_final[:, SCORE], len(block.values) - size
        loadings, noise, score = block.loadings[k:], block.covariance[k:, k:], own[k:]
        if k:
            cross = block.covariance[k:, :k]
            gain = np.linalg.solve(block.covariance[:k, :k], cross.T).T  # (m, k)
            loadings = loadings - gain @ block.loadings[:k]
            noise = noise - gain @ cross.T
            score = score - gain @ own[:k]
        return loadings, noise, score


def _continued(before: Observed, new: Observed) -> Observed:
    """What one network shows: first what it has shown, then what is new."""
    columns = ("values", "of_results", "of_luck", "of_factors", "of_shared", "bend")
    return Observed(
        **{c: np.concatenate([getattr(before, c), getattr(new, c)]) for c in columns},
        rest=block_diag(before.rest, new.rest),
        variance=np.fmax(before.variance, new.variance),
    )
