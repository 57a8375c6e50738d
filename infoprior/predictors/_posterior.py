"""`Posterior`: how well architectures will do on a task, given what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, real_number, whole_number
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._settings import PriorSettings, priors_of
from infoprior.predictors._targets import normal_scores

if TYPE_CHECKING:
    from infoprior.predictors._conditioning import Block
    from infoprior.predictors._result_model import Common, Key, ResultModel
    from infoprior.priors import Prior

Params = Mapping[str, Any]
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_PRIOR_DRAWS, _PRIOR_SEED = 512, 2020  # of the scores that a prior is made of


class Posterior:
    """The joint distribution of final test accuracies of any architectures of the space.

    An accuracy here is the expected one of an architecture on the task: over the networks' random
    numbers and over test rows. One network, counted on few rows, scatters around it.

    Made by `PerformancePredictor.posterior`. Points are params; None: the recorded architectures.
    """

    def __init__(
        self, model: ResultModel, stages: Sequence[tuple[str, Common, Mapping[Key, Block]]],
        settings: PriorSettings,
    ) -> None:  # fmt: skip
        self._model, self._stages, self._settings = model, list(stages), settings
        _, self._common, self._blocks = self._stages[-1]

    def __repr__(self) -> str:
        names = [name for name, _, _ in self._stages]
        return f"Posterior(given {', '.join(names[1:]) or 'nothing'})"

    @property
    def points(self) -> list[dict[str, Any]]:
        """The recorded architectures."""
        return [dict(point) for point in self._model.points]

    # One architecture at a time ----------------------------------------------------------------

    def mean(self, points: Sequence[Params] | None = None) -> np.ndarray:
        """Expected accuracy, shape (n,)."""
        centre, spread = self._marginals(points)
        return self._moments(centre, spread)[0]

    def std(self, points: Sequence[Params] | None = None) -> np.ndarray:
        """Standard deviation of the accuracy, shape (n,)."""
        centre, spread = self._marginals(points)
        return self._moments(centre, spread)[1]

    def interval(
        self, level: float = 0.8, points: Sequence[Params] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the central interval that holds the accuracy with this probability.

        Args:
            level: above 0 and below 1.
            points: params; None: the recorded architectures.

        Returns:
            low and high, each of shape (n,).
        """
        level = real_number(
            level, "level", 0.0, 1.0, above=True, below=True, error=PredictorError
        )
        centre, spread = self._marginals(points)
        half = ndtri((1.0 + level) / 2.0) * spread
        return self._accuracy(centre - half), self._accuracy(centre + half)

    def best(self, n: int = 1, points: Sequence[Params] | None = None) -> list[dict[str, Any]]:
        """The n architectures of the highest expected accuracy, best first.

        Args:
            n: how many, at most.
            points: among these params; None: the recorded architectures.
        """
        n = whole_number(n, "n", 1, PredictorError)
        chosen = self.points if points is None else [dict(p) for p in points]
        order = np.argsort(-self.mean(points), kind="stable")[:n]
        return [chosen[i] for i in order]

    # Jointly ---------------------------------------------------------------------------------

    @default_settings()
    def sample(
        self, n: int, rng: np.random.Generator | int = 0, points: Sequence[Params] | None = None
    ) -> np.ndarray:
        """Joint draws of accuracies, shape (n, number of points).

        Args:
            n: number of draws.
            rng: a generator, or a seed.
            points: params; None: the recorded architectures.
        """
        return self._accuracy(self._draw(n, rng, points))

    @default_settings()
    def probability_best(
        self, points: Sequence[Params] | None = None, *, n: int = 4096, seed: int = 0
    ) -> np.ndarray:
        """The probability of each that no other of the points is better, shape (n,), by n draws."""
        draws = self._draw(n, seed, points)
        return np.bincount(draws.argmax(axis=1), minlength=draws.shape[1]) / len(draws)

    def probability_better(self, first: Params, second: Params) -> float:
        """The probability that one architecture is better than another; of equal ones 1/2."""
        centre, covariance = self._joint([first, second])
        variance = covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1]
        if variance <= 1e-12:
            return float(np.heaviside(centre[0] - centre[1], 0.5))
        return float(ndtr((centre[0] - centre[1]) / np.sqrt(variance)))

    # What follows from it --------------------------------------------------------------------

    @default_settings()
    def prior(self, points: Sequence[Params] | None = None, **settings: Any) -> Prior:
        """A prior over good architectures, for `PriorSampler` and whatever else takes one.

        An architecture's score is its expected normal score among the points: what a predictor of
        rankings would be trained towards.

        Args:
            points: what kernels are put around; None: the recorded architectures.
            **settings: fields of `PriorSettings` that act on scores.

        Raises:
            PredictorError: a setting is unknown or out of range.
        """
        chosen = self.points if points is None else [dict(p) for p in points]
        scores = normal_scores(self._draw(_PRIOR_DRAWS, _PRIOR_SEED, points)).mean(axis=0)
        try:
            wanted = PriorSettings(**{**vars(self._settings), **settings})
        except TypeError as error:
            raise PredictorError(f"prior: {error}") from None
        (prior,) = priors_of(self._model.space, chosen, [scores], wanted)
        return prior.with_metadata(predictor="performance", space=self._model.space.name)

    def explain(self, points: Sequence[Params] | None = None) -> pd.DataFrame:
        """What each kind of evidence changed, added one after the other.

        Args:
            points: params; None: the recorded architectures.

        Returns:
            one row per (evidence, point), in that order: evidence, point (its place), mean and
            std with this evidence and all before it, and mean_change and std_change by it. The
            first evidence is "nothing".
        """
        rows, before = [], None
        for name, common, blocks in self._stages:
            mean, std = self._moments(*self._marginals(points, common, blocks))
            old = (mean, std) if before is None else before
            rows.append(
                pd.DataFrame({
                    "evidence": name, "point": np.arange(len(mean)), "mean": mean, "std": std,
                    "mean_change": mean - old[0], "std_change": std - old[1],
                })
            )  # fmt: skip
            before = mean, std
        return pd.concat(rows, ignore_index=True)

    # Inside ----------------------------------------------------------------------------------

    def _keys(self, points: Sequence[Params] | None) -> list[Key]:
        if points is None:
            return [self._model.key(point) for point in self._model.points]
        if isinstance(points, str | Mapping) or not isinstance(points, Sequence):
            raise PredictorError("points: give a list of params.")
        return [self._model.key_of(self._model.key(dict(point))) for point in points]

    def _linear(
        self, keys: Sequence[Key], blocks: Mapping[Key, Block]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """offset (n,), rows (n, u) and variance of the rest (n,)."""
        finals = self._model.finals(keys, blocks)
        return (
            np.array([final.offset for final in finals]),
            np.array([final.row for final in finals]).reshape(len(finals), -1),
            np.array([final.rest for final in finals]),
        )

    @cached_property
    def _recorded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._linear(self._keys(None), self._blocks)

    def _marginals(
        self, points: Sequence[Params] | None, common: Common | None = None,
        blocks: Mapping[Key, Block] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Mean and standard deviation on the scale, shape (n,) each."""
        if common is None:
            common = self._common
            linear = (
                self._recorded if points is None else self._linear(self._keys(points), self._blocks)
            )
        else:
            linear = self._linear(self._keys(points), blocks or {})
        offset, rows, rest = linear
        variance = np.einsum("nu,uv,nv->n", rows, common.covariance, rows) + rest
        return offset + rows @ common.mean, np.sqrt(np.maximum(variance, 0.0))

    def _joint(self, points: Sequence[Params]) -> tuple[np.ndarray, np.ndarray]:
        keys = self._keys(points)
        offset, rows, rest = self._linear(keys, self._blocks)
        same = np.array([[a == b for b in keys] for a in keys])
        covariance = rows @ self._common.covariance @ rows.T + same * np.sqrt(
            rest[:, None] * rest
        )
        return offset + rows @ self._common.mean, covariance

    def _draw(
        self, n: int, rng: np.random.Generator | int, points: Sequence[Params] | None
    ) -> np.ndarray:
        """Joint draws on the scale, shape (n, number of points)."""
        n = whole_number(n, "n", 1, PredictorError)
        if not isinstance(rng, np.random.Generator):
            rng = np.random.default_rng(check_seed(rng, PredictorError))
        keys = self._keys(points)
        unique = list(dict.fromkeys(keys))
        if points is None:
            offset, rows, rest = self._recorded
        else:
            offset, rows, rest = self._linear(unique, self._blocks)
        values, vectors = np.linalg.eigh(self._common.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        common = self._common.mean + rng.standard_normal((n, len(root))) @ root.T
        own = rng.standard_normal((n, len(rest))) * np.sqrt(rest)
        draws = offset + common @ rows.T + own
        place = {key: i for i, key in enumerate(unique)}
        return draws[:, [place[key] for key in keys]]

    def _accuracy(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.scale.inverse(values))

    def _moments(self, centre: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of accuracies, by Gauss-Hermite quadrature."""
        values = self._accuracy(centre[:, None] + spread[:, None] * _NODES)
        mean = values @ _WEIGHTS
        return mean, np.sqrt(np.maximum(np.square(values - mean[:, None]) @ _WEIGHTS, 0.0))
