"""`Posterior`: how well architectures will do on a task, given what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, real_number, whole_number
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._settings import AFTER_SCORES, PriorSettings, priors_of

if TYPE_CHECKING:
    from infoprior.predictors._conditioning import Block
    from infoprior.predictors._result_model import Common, Key, ResultModel
    from infoprior.priors import Prior

Params = Mapping[str, Any]
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
ACCURACY, SCORE = 0, 1
OF = {"accuracy": ACCURACY, "score": SCORE}
"""What can be asked about, and its place among final results."""


class Posterior:
    """The joint distribution of final results of any architectures of the space, on one task.

    Two results of each: its *accuracy*, the expected one on test rows, over the networks' random
    numbers (one network, counted on few rows, scatters around it); and its *score*, where it
    stands among the recorded architectures of the task, in normal quantiles. Accuracies are
    predicted, and scores decided by: an accuracy is mostly how hard the task is, and where
    architectures differ in it most is at the bottom.

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

    @default_settings()
    def mean(self, points: Sequence[Params] | None = None, *, of: str = "accuracy") -> np.ndarray:
        """Expected accuracies or scores, shape (n,).

        Args:
            points: params; None: the recorded architectures.
            of: "accuracy" or "score".

        Raises:
            PredictorError: a point does not fit the space, or `of` is neither.
        """
        return self._moments(*self._marginals(points, _place(of)), _place(of))[0]

    @default_settings()
    def std(self, points: Sequence[Params] | None = None, *, of: str = "accuracy") -> np.ndarray:
        """Standard deviations of accuracies or scores, shape (n,); arguments as of `mean`."""
        return self._moments(*self._marginals(points, _place(of)), _place(of))[1]

    @default_settings()
    def interval(
        self, level: float = 0.8, points: Sequence[Params] | None = None, *, of: str = "accuracy"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the central interval that holds the accuracy with this probability.

        Args:
            level: above 0 and below 1.
            points: params; None: the recorded architectures.
            of: "accuracy" or "score".

        Returns:
            low and high, each of shape (n,).

        Raises:
            PredictorError: as `mean`, or the level is out of range.
        """
        level = real_number(level, "level", 0.0, 1.0, above=True, below=True, error=PredictorError)
        centre, spread = self._marginals(points, _place(of))
        half = ndtri((1.0 + level) / 2.0) * spread
        return self._result(centre - half, _place(of)), self._result(centre + half, _place(of))

    @default_settings()
    def best(self, n: int = 1, points: Sequence[Params] | None = None) -> list[dict[str, Any]]:
        """The n architectures of the highest expected score, best first.

        Args:
            n: how many, at most.
            points: among these params; None: the recorded architectures.

        Raises:
            PredictorError: n is no positive whole number, or as `mean`.
        """
        n = whole_number(n, "n", 1, PredictorError)
        chosen = self.points if points is None else [dict(p) for p in points]
        order = np.argsort(-self.mean(points, of="score"), kind="stable")[:n]
        return [chosen[i] for i in order]

    # Jointly ---------------------------------------------------------------------------------

    @default_settings()
    def sample(
        self, n: int, rng: np.random.Generator | int = 0, points: Sequence[Params] | None = None,
        *, of: str = "accuracy",
    ) -> np.ndarray:  # fmt: skip
        """Joint draws of accuracies or scores, shape (n, number of points).

        Args:
            n: number of draws.
            rng: a generator, or a seed.
            points: params; None: the recorded architectures.
            of: "accuracy" or "score".

        Raises:
            PredictorError: as `mean`, or n or the seed is out of range.
        """
        return self._result(self._draw(n, rng, points, _place(of)), _place(of))

    @default_settings()
    def probability_best(
        self, points: Sequence[Params] | None = None, *, n: int = 4096, seed: int = 0
    ) -> np.ndarray:
        """The probability of each that it has the best score of the points, shape (n_points,).

        Args:
            points: params; None: the recorded architectures.
            n: draws that it is a share of.
            seed: of the draws.

        Raises:
            PredictorError: as `sample`.
        """
        draws = self._draw(n, seed, points, SCORE)
        return np.bincount(draws.argmax(axis=1), minlength=draws.shape[1]) / len(draws)

    @default_settings()
    def probability_better(self, first: Params, second: Params) -> float:
        """The probability that one architecture has a better score than another; 1/2 if equal."""
        keys = self._keys([first, second])
        offset, rows, rest = (part[:, SCORE] for part in self._linear(keys, self._blocks))
        if keys[0] == keys[1]:
            return 0.5
        row = rows[0] - rows[1]
        centre = offset[0] - offset[1] + row @ self._common.mean
        variance = row @ self._common.covariance @ row + rest[:, SCORE].sum()
        return float(ndtr(centre / np.sqrt(variance)))

    # What follows from it --------------------------------------------------------------------

    @default_settings()
    def prior(self, points: Sequence[Params] | None = None, **settings: Any) -> Prior:
        """A prior over good architectures, by their expected scores.

        Args:
            points: what kernels are put around; None: the recorded architectures.
            **settings: fields of `PriorSettings` that act on scores; else the predictor's.

        Raises:
            PredictorError: a setting is unknown or out of range.
        """
        if unknown := sorted(set(settings) - set(AFTER_SCORES)):
            raise PredictorError(
                f"{unknown[0]} does not act on scores; {', '.join(AFTER_SCORES)} do."
            )
        wanted = replace(self._settings, **settings)
        chosen = self.points if points is None else [dict(p) for p in points]
        (prior,) = priors_of(self._model.space, chosen, [self.mean(points, of="score")], wanted)
        evidence = "+".join(name for name, _, _ in self._stages[1:]) or "nothing"
        return prior.with_metadata(
            predictor="performance", inputs=evidence, space=self._model.space.name
        )

    @default_settings()
    def explain(
        self, points: Sequence[Params] | None = None, *, of: str = "accuracy"
    ) -> pd.DataFrame:
        """What each kind of evidence changed, added one after the other.

        Args:
            points: params; None: the recorded architectures.
            of: "accuracy" or "score".

        Returns:
            one row per (evidence, point), in that order: evidence, point (its place), mean and
            std with this evidence and all before it, and mean_change and std_change by it. The
            first evidence is "nothing".
        """
        which, rows, before = _place(of), [], None
        for name, common, blocks in self._stages:
            centre, spread = self._marginals(points, which, common, blocks)
            mean, std = self._moments(centre, spread, which)
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
        """offset (n, 2), rows (n, 2, u) and covariance of the rest (n, 2, 2) of final results."""
        finals, size = self._model.finals(keys, blocks), len(self._common.mean)
        return (
            np.array([final.offset for final in finals]).reshape(-1, 2),
            np.array([final.row for final in finals]).reshape(-1, 2, size),
            np.array([final.rest for final in finals]).reshape(-1, 2, 2),
        )

    @cached_property
    def _recorded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._linear(self._keys(None), self._blocks)

    def _marginals(
        self, points: Sequence[Params] | None, which: int, common: Common | None = None,
        blocks: Mapping[Key, Block] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Mean and standard deviation of a result on its scale, shape (n,) each."""
        if common is None:
            common = self._common
            linear = (
                self._recorded if points is None else self._linear(self._keys(points), self._blocks)
            )
        else:
            linear = self._linear(self._keys(points), blocks or {})
        offset, rows, rest = (part[:, which] for part in linear)
        variance = np.einsum("nu,uv,nv->n", rows, common.covariance, rows) + rest[:, which]
        return offset + rows @ common.mean, np.sqrt(np.maximum(variance, 0.0))

    def _draw(
        self, n: int, rng: np.random.Generator | int, points: Sequence[Params] | None, which: int
    ) -> np.ndarray:
        """Joint draws of a result on its scale, shape (n, number of points)."""
        n = whole_number(n, "n", 1, PredictorError)
        if not isinstance(rng, np.random.Generator):
            rng = np.random.default_rng(check_seed(rng, PredictorError))
        keys = self._keys(points)
        unique = list(dict.fromkeys(keys))  # an architecture named twice is one
        linear = self._recorded if points is None else self._linear(unique, self._blocks)
        offset, rows, rest = (part[:, which] for part in linear)
        values, vectors = np.linalg.eigh(self._common.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        common = self._common.mean + rng.standard_normal((n, len(root))) @ root.T
        own = np.sqrt(np.maximum(rest[:, which], 0.0))
        draws = offset + common @ rows.T + rng.standard_normal((n, len(own))) * own
        place = {key: i for i, key in enumerate(unique)}
        return draws[:, [place[key] for key in keys]]

    def _result(self, values: np.ndarray, which: int) -> np.ndarray:
        """From its scale to accuracies; scores are on theirs already."""
        return np.asarray(self._model.scale.inverse(values)) if which == ACCURACY else values

    def _moments(
        self, centre: np.ndarray, spread: np.ndarray, which: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of a result, by Gauss-Hermite quadrature."""
        values = self._result(centre[:, None] + spread[:, None] * _NODES, which)
        mean = values @ _WEIGHTS
        return mean, np.sqrt(np.maximum(np.square(values - mean[:, None]) @ _WEIGHTS, 0.0))


def _place(of: str) -> int:
    if not isinstance(of, str) or of not in OF:
        raise PredictorError(f"of is {of!r}; choose one of {list(OF)}.")
    return OF[of]
