"""`Predictor`: what the six predictors share. Each of them adds how it learns and how it scores."""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from infoprior._ambient import default_settings
from infoprior._progress import shows_progress
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._features import Standardizer, check_inputs, feature_table, features
from infoprior.predictors._settings import PriorSettings, prior_of
from infoprior.predictors._targets import Targets, targets

if TYPE_CHECKING:
    from typing import Self

    from infoprior.metadataset import MetaDataset
    from infoprior.priors import Prior
    from infoprior.profiles import TaskProfile
    from infoprior.spaces import SearchSpace

CANDIDATE_SEED = 20190  # of the Sobol design: the same candidates for every predictor


@dataclass(frozen=True)
class NoSettings:
    """For a predictor that has no settings of its own."""


@dataclass(frozen=True)
class Profiled:
    """How large the training tasks were and how they were profiled.

    Estimates depend on the recipe and the number of rows, and so do metafeatures on rows: a new
    task is comparable only when it is profiled in the same way.

    Attributes:
        train: training rows of a task, at most.
        validation: validation rows of a task, at most.
        rows: rows that a profile's information was measured on, at most; None without profiles.
        epochs: that the probes were trained for; None without profiles.
        recipe: id of the recipe that layers were measured with; None without profiles.

    Raises:
        PredictorError: a number is not a positive whole one, or the recipe no text.
    """

    train: int
    validation: int
    rows: int | None
    epochs: int | None
    recipe: str | None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is None and name in ("rows", "epochs", "recipe"):
                continue
            if name == "recipe":
                if type(value) is not str or not value:
                    raise PredictorError(f"profiled recipe = {value!r}; it has to be a name.")
                continue
            if type(value) is not int or value < 1:
                raise PredictorError(f"profiled {name} = {value!r}; it has to be an int from 1 on.")

    @classmethod
    def of(cls, meta: MetaDataset) -> Profiled:
        """As the tasks of a meta-dataset were.

        Raises:
            PredictorError: they were profiled with different recipes.
        """
        known = len(meta.profiles) > 0
        recipes = sorted(set(meta.profiles["recipe"]))
        if len(recipes) > 1:
            raise PredictorError(
                f"The profiles are of the recipes {recipes}, whose numbers do not compare; keep "
                "the rows of one."
            )
        return cls(
            train=int(meta.tasks["n_train"].max()),
            validation=int(meta.tasks["n_validation"].max()),
            rows=int(meta.profiles["n"].max()) if known else None,
            epochs=int(meta.profiles["epoch"].max()) if known else None,
            recipe=recipes[0] if known else None,
        )


@dataclass(frozen=True)
class Training:
    """What `_learn` sees.

    Attributes:
        x: standardised features of the training tasks, shape (n_tasks, p), float64.
        encoded: the recorded architectures, shape (n, q), float64 in [0, 1].
        targets: scores (n_tasks, n), families and weights of the tasks.
    """

    x: np.ndarray
    encoded: np.ndarray
    targets: Targets


@dataclass
class Fitted:
    """All that fitting leaves behind: what `save` writes.

    Attributes:
        space: the search space.
        points: the architectures that get a score: the recorded ones, then the candidates.
        n_recorded: how many of them were recorded.
        standardizer: of the features.
        profiled: how the training tasks were profiled.
        arrays: what the predictor itself learned, by name.
    """

    space: SearchSpace
    points: list[dict[str, Any]]
    n_recorded: int
    standardizer: Standardizer
    profiled: Profiled
    arrays: dict[str, np.ndarray]


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
        self.inputs = check_inputs(inputs)
        if self.inputs and not self.reads:
            raise PredictorError(
                f"The predictor {self.name!r} reads nothing of a task; it takes no inputs "
                f"{self.inputs}."
            )
        self.seed = int(seed)
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
    def _learn(self, training: Training) -> dict[str, np.ndarray]:
        """What it keeps of the training tasks, as named arrays."""

    @abstractmethod
    def _score(
        self, arrays: Mapping[str, np.ndarray], x: np.ndarray, encoded: np.ndarray
    ) -> np.ndarray:
        """Scores of the points, shape (n,), for a task with features x, shape (p,).

        encoded: all points, shape (n, q); those that do not extrapolate know them by place.
        """

    def _prior(self, fitted: Fitted, scores: np.ndarray) -> Prior:
        return prior_of(fitted.space, fitted.points, scores, self.prior_settings)

    # What all do -------------------------------------------------------------------------------

    @default_settings()
    @shows_progress("fitting the predictor")
    def fit(self, meta: MetaDataset, *, progress: bool = True) -> Self:
        """Learn from the tasks of a meta-dataset, all of them training tasks.

        Args:
            meta: the tasks, and how architectures did on them.
            progress: show on the terminal that it learns, if it takes more than two seconds.

        Raises:
            PredictorError: there are no curves, or a task has no profile and the inputs need it.
        """
        goals = targets(meta, self.prior_settings.real_weight)
        table = feature_table(meta, self.inputs)
        standardizer = Standardizer.fit(table)
        points = list(goals.points)
        if self.extrapolates and self.prior_settings.candidates:
            points += meta.space.design(self.prior_settings.candidates, seed=CANDIDATE_SEED)
        training = Training(
            x=standardizer.transform(table),
            encoded=meta.space.encode(goals.points),
            targets=goals,
        )
        self._fitted = Fitted(
            space=meta.space,
            points=points,
            n_recorded=len(goals.points),
            standardizer=standardizer,
            profiled=Profiled.of(meta),
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
            PredictorError: the predictor is not fitted, or the profile lacks what it reads.
        """
        task = "any" if profile is None else profile.task
        return self._described(self._prior(self._need(), self.scores(profile)), task)

    @default_settings()
    def predict_tasks(self, meta: MetaDataset, tasks: Sequence[str]) -> dict[str, Prior]:
        """What `predict` answers for tasks of a meta-dataset, by their names, in one go.

        Nothing of `meta.curves` is read.

        Raises:
            PredictorError: as `predict`.
            MetaDatasetError: there is no such task.
        """
        fitted = self._need()
        # In the order of `meta.tasks`, whatever that of `tasks`.
        table = feature_table(meta.subset(tasks), self.inputs)
        encoded = fitted.space.encode(fitted.points)
        rows = dict(zip(table.index, fitted.standardizer.transform(table), strict=True))
        scores = {task: self._score(fitted.arrays, rows[task], encoded) for task in tasks}
        return {t: self._described(self._prior(fitted, s), t) for t, s in scores.items()}

    def _described(self, prior: Prior, task: str) -> Prior:
        return prior.with_metadata(
            predictor=self.name,
            inputs="+".join(self.inputs) or "nothing",
            seed=self.seed,
            task=task,
            space=self._need().space.name,
        )

    @default_settings()
    def scores(self, profile: TaskProfile | None = None) -> np.ndarray:
        """Predicted scores of `points`, shape (n,), in normal quantiles; higher is better.

        Raises:
            PredictorError: as `predict`.
        """
        fitted = self._need()
        if profile is None and self.inputs:
            raise PredictorError(
                f"profile: the predictor {self.name!r} reads {', '.join(self.inputs)} of a task; "
                "give its profile (infoprior.profiles.profile_task)."
            )
        values = {} if profile is None else features(profile, self.inputs)
        x = fitted.standardizer.transform(pd.DataFrame([values]))[0]
        return self._score(fitted.arrays, x, fitted.space.encode(fitted.points))

    @property
    def points(self) -> list[dict[str, Any]]:
        """The architectures that get a score: the recorded ones, then the candidates."""
        return [dict(point) for point in self._need().points]

    @property
    def space(self) -> SearchSpace:
        """The space of the training architectures."""
        return self._need().space

    @property
    def profiled(self) -> Profiled:
        """How the training tasks were profiled: profile new ones in the same way."""
        return self._need().profiled

    @default_settings()
    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write predictor.json and arrays.safetensors; `load_predictor` reads them.

        Raises:
            PredictorError: the predictor is not fitted.
        """
        from infoprior.predictors._storage import save

        save(self, self._need(), Path(directory))

    def _need(self) -> Fitted:
        if self._fitted is None:
            raise PredictorError(f"The predictor {self.name!r} is not fitted; call fit first.")
        return self._fitted
