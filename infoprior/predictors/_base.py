"""`Predictor`: what the six predictors share. Each of them adds how it learns and how it scores."""

from __future__ import annotations

import copy
import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from infoprior._ambient import default_settings
from infoprior._arguments import file_path, instance_of, name_list, number_list, whole_within
from infoprior._progress import shows_progress
from infoprior.predictors import _storage
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._features import (
    Standardizer,
    check_inputs,
    check_profile,
    feature_table,
    features,
    groups_of,
)
from infoprior.predictors._fitted import Fitted, TrainingSet
from infoprior.predictors._settings import AFTER_SCORES, MAX_POINTS, PriorSettings, priors_of
from infoprior.predictors._targets import targets

if TYPE_CHECKING:
    from typing import Self

    from infoprior.metadataset import MetaDataset
    from infoprior.priors import Prior
    from infoprior.profiles import TaskProfile
    from infoprior.spaces import SearchSpace

Params = Mapping[str, Any]  # a point of the space
LARGEST_SEED = 2**32 - 1  # that scikit-learn takes
CANDIDATE_SEED = 20190  # of the Sobol design: the same candidates for every predictor


@dataclass(frozen=True)
class NoSettings:
    """For a predictor that has no settings of its own."""


class Predictor(ABC):
    """Learns from many tasks which architectures are good, and answers a new task with a prior.

    Args:
        inputs: what it reads of a task: a key of `INPUTS`, or groups.
        seed: of whatever it draws; the same seed gives the same prior.
        **settings: fields of `PriorSettings` and of the predictor's own `Settings`.

    Raises:
        PredictorError: inputs or a setting are unknown or out of range.
    """

    name: ClassVar[str]
    reads: ClassVar[bool] = True  # whether inputs make a difference
    extrapolates: ClassVar[bool] = False  # whether it can score architectures that were never run
    Settings: ClassVar[type] = NoSettings

    def __init__(self, inputs: str | Sequence[str] = (), *, seed: int = 0, **settings: Any) -> None:
        self._asked = self.inputs = check_inputs(inputs)
        if self.inputs and not self.reads:
            raise PredictorError(
                f"The predictor {self.name!r} reads nothing of a task; it takes no inputs "
                f"{self.inputs}."
            )
        self.seed = whole_within(seed, "seed", 0, LARGEST_SEED, PredictorError)
        shared = {f.name for f in dataclasses.fields(PriorSettings)}
        own = {f.name for f in dataclasses.fields(self.Settings)}
        if unknown := sorted(set(settings) - shared - own):
            raise PredictorError(
                f"The predictor {self.name!r} has no settings {unknown}; it has "
                f"{sorted(shared | own)}."
            )
        self.prior_settings = PriorSettings(**{k: settings[k] for k in settings if k in shared})
        self.settings: Any = self.Settings(**{k: settings[k] for k in settings if k in own})
        self._fitted: Fitted | None = None

    def __repr__(self) -> str:
        state = "fitted" if self._fitted else "not fitted"
        return f"{type(self).__name__}(inputs={self.inputs}, seed={self.seed}, {state})"

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

    def _priors(
        self, space: SearchSpace, points: Sequence[Params], scores: Iterable[np.ndarray]
    ) -> list[Prior]:
        return priors_of(space, points, scores, self.prior_settings)

    # What all do -------------------------------------------------------------------------------

    @default_settings()
    @shows_progress("fitting the predictor")
    def fit(self, meta: MetaDataset, *, progress: bool = True) -> Self:
        """Learn from the tasks of a meta-dataset, all of them training tasks.

        Args:
            meta: the tasks, and how architectures did on them.
            progress: show on the terminal that it learns, if it takes more than two seconds.

        Raises:
            PredictorError: there are no curves, a task has no profile and the inputs need it, or
                `meta` is no meta-dataset.
        """
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

    @default_settings()
    def predict(self, profile: TaskProfile | None = None) -> Prior:
        """The prior over good architectures for a task, from what its probes showed.

        Args:
            profile: of the task; not needed by a predictor without inputs, which says the same of
                every task.

        Raises:
            PredictorError: the predictor is not fitted, the profile lacks what it reads, or was
                measured otherwise than those of the training tasks.
        """
        fitted, scores = self._require_fitted(), self.scores(profile)
        task = "any" if profile is None else profile.task
        named = self.priors_of_scores(fitted.space, fitted.points, {task: scores})
        return named[task]

    @default_settings()
    def predict_tasks(self, meta: MetaDataset, tasks: Sequence[str]) -> dict[str, Prior]:
        """What `predict` answers for tasks of a meta-dataset, by their names, in one go.

        Nothing of `meta.curves` is read.

        Args:
            meta: holds the tasks.
            tasks: their names.

        Returns:
            task -> its prior.

        Raises:
            PredictorError: as `predict`.
            MetaDatasetError: there is no such task.
        """
        fitted = self._require_fitted()
        return self.priors_of_scores(fitted.space, fitted.points, self.score_tasks(meta, tasks))

    def score_tasks(self, meta: MetaDataset, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        """What `scores` answers for tasks of a meta-dataset, by their names, in one go.

        Nothing of `meta.curves` is read.

        Args:
            meta: holds the tasks.
            tasks: their names.

        Returns:
            task -> scores of `points`, shape (n,), in normal quantiles; higher is better.

        Raises:
            PredictorError: as `predict`.
            MetaDatasetError: there is no such task.
        """
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

    def priors_of_scores(
        self, space: SearchSpace, points: Sequence[Params], scores: Mapping[str, np.ndarray]
    ) -> dict[str, Prior]:
        """The priors that this predictor, fitted or not, makes of scores that are known already.

        Args:
            space: of the points.
            points: what has a score: `points` of the predictor that gave the scores.
            scores: task -> scores of the points, shape (n,), of `scores` or `score_tasks`.

        Returns:
            task -> its prior, as `predict` answers with these settings.

        Raises:
            PredictorError: a task's scores are not one finite number a point.
        """
        check_space(space)
        instance_of(points, Sequence, "points", "give a list of params", PredictorError)
        instance_of(scores, Mapping, "scores", "give them by task", PredictorError)
        by_task = {
            name: number_list(values, f"scores of {name!r}", PredictorError)
            for name, values in scores.items()
        }
        for name, values in by_task.items():
            if len(values) != len(points):
                raise PredictorError(
                    f"scores of {name!r}: {len(points)} points need as many, got {len(values)}."
                )
        made = self._priors(space, points, by_task.values())
        return {
            task: prior.with_metadata(
                predictor=self.name,
                inputs="+".join(self.inputs) or "nothing",
                seed=self.seed,
                task=task,
                space=space.name,
            )
            for task, prior in zip(by_task, made, strict=True)
        }

    @default_settings()
    def scores(self, profile: TaskProfile | None = None) -> np.ndarray:
        """Predicted scores of `points`, shape (n,), in normal quantiles; higher is better.

        Args:
            profile: of the task; None where the predictor reads nothing.

        Raises:
            PredictorError: as `predict`.
        """
        fitted = self._require_fitted()
        if profile is None and self.inputs:
            raise PredictorError(
                f"profile: the predictor {self.name!r} reads {', '.join(self.inputs)} of a task; "
                "give its profile (infoprior.profiles.profile_task)."
            )
        values: dict[str, float] = {}
        if profile is not None:
            check_profile(profile)
            fitted.profiled.check(self.inputs, profile.layers, profile.curves)
            values = features(profile, self.inputs)
        x = fitted.standardizer.transform(pd.DataFrame([values]))[0]
        return self._score(fitted.arrays, x, fitted.space.encode(fitted.points))

    def with_settings(self, **settings: Any) -> Self:
        """The same predictor, fitted or not, with other settings of those that act on its scores.

        Args:
            **settings: temperature, bandwidth, floor, components. All others act while it is
                fitted: make a new one for them.

        Raises:
            PredictorError: a setting is none of these, or out of range.
        """
        if unknown := sorted(set(settings) - set(AFTER_SCORES)):
            raise PredictorError(
                f"{unknown[0]} does not act on scores; {', '.join(AFTER_SCORES)} do. For other "
                "settings make another predictor and fit it."
            )
        changed = copy.copy(self)
        changed.prior_settings = dataclasses.replace(self.prior_settings, **settings)
        return changed

    @property
    def needs_probes(self) -> bool:
        """Whether probes are trained on a task for this predictor to read it."""
        return bool(set(self.inputs) - {"metafeatures", "inputs"})

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


def check_meta(meta: Any) -> None:
    """PredictorError where it is no `MetaDataset`."""
    from infoprior.metadataset import MetaDataset

    remedy = "give a MetaDataset, as load_metadataset returns it"
    instance_of(meta, MetaDataset, "meta", remedy, PredictorError)


def check_space(space: Any) -> None:
    """PredictorError where it is no `SearchSpace`."""
    from infoprior.spaces import SearchSpace

    instance_of(space, SearchSpace, "space", "give one of get_space", PredictorError)
