"""`FeaturePredictor`: predictors from a task's features to scores; each adds how it learns."""

from __future__ import annotations

import dataclasses
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from infoprior._ambient import default_settings
from infoprior._arguments import file_path, name_list
from infoprior._progress import shows_progress
from infoprior.predictors import _storage
from infoprior.predictors._base import Predictor, check_meta, needs_profile
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._features import (
    Standardizer,
    check_profile,
    feature_table,
    features,
    groups_of,
)
from infoprior.predictors._fitted import Fitted, TrainingSet
from infoprior.predictors._settings import MAX_POINTS
from infoprior.predictors._targets import targets

if TYPE_CHECKING:
    from typing import Self

    from infoprior.metadataset import MetaDataset
    from infoprior.profiles import TaskProfile
    from infoprior.spaces import SearchSpace

CANDIDATE_SEED = 20190  # of the Sobol design: the same candidates for every predictor


class FeaturePredictor(Predictor):
    """Reads a task as a vector of standardised features, and scores architectures by it.

    Arguments as of `Predictor`.
    """

    def __init__(self, inputs: str | Sequence[str] = (), *, seed: int = 0, **settings: Any) -> None:
        super().__init__(inputs, seed=seed, **settings)
        self._fitted: Fitted | None = None

    # What a predictor adds ---------------------------------------------------------------------

    @abstractmethod
    def _learn(self, training: TrainingSet) -> dict[str, np.ndarray]:
        """What it keeps of the training tasks, as named arrays."""

    @abstractmethod
    def _score(
        self, arrays: Mapping[str, np.ndarray], x: np.ndarray, encoded: np.ndarray
    ) -> np.ndarray:
        """Scores of the points, shape (n,), for a task with features x, shape (p,).

        encoded: all points, shape (n, q); those that do not extrapolate know them by place.
        """

    # What all do -------------------------------------------------------------------------------

    @default_settings()
    @shows_progress("fitting the predictor")
    def fit(self, meta: MetaDataset, *, progress: bool = True) -> Self:
        """As of `Predictor`; a task without a profile that the inputs need is an error."""
        check_meta(meta)
        self.inputs = groups_of(self._asked, meta.input_features())
        goals = targets(meta, self.prior_settings.real_weight)
        table = feature_table(meta, self.inputs)
        standardizer = Standardizer.fit(table)
        points = list(goals.points)
        if self.extrapolates and self.prior_settings.candidates:
            points += meta.space.design(self.prior_settings.candidates, seed=CANDIDATE_SEED)
        if len(points) > MAX_POINTS:
            raise PredictorError(
                f"{len(goals.points)} recorded architectures and {len(points) - len(goals.points)} "
                f"candidates are more than the {MAX_POINTS} that a prior can be made of; lower "
                "candidates."
            )
        training = TrainingSet(
            x=standardizer.transform(table),
            encoded=meta.space.encode(goals.points),
            targets=goals,
        )
        self._fitted = Fitted(
            space=meta.space,
            points=points,
            n_recorded=len(goals.points),
            standardizer=standardizer,
            profiled=ProfilingConditions.of(meta),
            arrays=self._learn(training),
        )
        return self

    def score_tasks(self, meta: MetaDataset, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        """As of `Predictor`."""
        fitted = self._require_fitted()
        check_meta(meta)
        tasks = name_list(tasks, "tasks", PredictorError)
        asked = meta.subset(tasks)
        fitted.profiled.check(self.inputs, asked.profiles, asked.probe_curves)
        # In the order of `meta.tasks`, whatever that of `tasks`.
        table = feature_table(asked, self.inputs)
        encoded = fitted.space.encode(fitted.points)
        rows = dict(zip(table.index, fitted.standardizer.transform(table), strict=True))
        return {task: self._score(fitted.arrays, rows[task], encoded) for task in tasks}

    @default_settings()
    def scores(self, profile: TaskProfile | None = None) -> np.ndarray:
        """As of `Predictor`."""
        fitted = self._require_fitted()
        if profile is None and self.inputs:
            raise PredictorError(needs_profile(self))
        values: dict[str, float] = {}
        if profile is not None:
            check_profile(profile)
            fitted.profiled.check(self.inputs, profile.layers, profile.curves)
            values = features(profile, self.inputs)
        x = fitted.standardizer.transform(pd.DataFrame([values]))[0]
        return self._score(fitted.arrays, x, fitted.space.encode(fitted.points))

    @property
    def points(self) -> list[dict[str, Any]]:
        """The architectures that get a score: the recorded ones, then the candidates."""
        return [dict(point) for point in self._require_fitted().points]

    @property
    def space(self) -> SearchSpace:
        """The space of the training architectures."""
        return self._require_fitted().space

    @property
    def profiled(self) -> ProfilingConditions:
        """How the training tasks were profiled: profile new ones in the same way."""
        return self._require_fitted().profiled

    def restore(self, fitted: Fitted, where: str) -> Self:
        """Take what a fit left behind, instead of fitting.

        Args:
            fitted: of a predictor of this kind with these inputs and settings.
            where: it was read, for the message.

        Raises:
            PredictorError: no score can be had of it: its parts do not belong together.
        """
        mixed = f"{where} holds files that do not belong together"
        x = np.zeros(len(fitted.standardizer.names))
        try:
            shapes = {values.shape for values in fitted.standardizer.arrays().values()}
            scores = self._score(fitted.arrays, x, fitted.space.encode(fitted.points))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise PredictorError(f"{mixed} ({error}). Fit it again.") from error
        if shapes != {x.shape} or scores.shape != (len(fitted.points),):
            raise PredictorError(f"{mixed}. Fit it again.")
        self._fitted = fitted
        return self

    @default_settings()
    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write predictor.json and arrays.safetensors; `load_predictor` reads them.

        Raises:
            PredictorError: the predictor is not fitted, or the folder cannot be written.
        """
        fitted = self._require_fitted()
        about = {
            "name": self.name,
            "inputs": list(self.inputs),
            "seed": self.seed,
            "settings": dataclasses.asdict(self.prior_settings) | dataclasses.asdict(self.settings),
        }
        _storage.save(file_path(directory, "directory", PredictorError), about, fitted)

    def _require_fitted(self) -> Fitted:
        if self._fitted is None:
            raise PredictorError(f"The predictor {self.name!r} is not fitted; call fit first.")
        return self._fitted

    @property
    def _is_fitted(self) -> bool:
        return self._fitted is not None
