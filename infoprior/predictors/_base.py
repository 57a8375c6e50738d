"""`Predictor`: what a predictor is asked for, and the priors that all make of scores alike."""

from __future__ import annotations

import copy
import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from infoprior._ambient import default_settings
from infoprior._arguments import instance_of, number_list, whole_within
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._features import check_inputs
from infoprior.predictors._settings import AFTER_SCORES, PriorSettings, priors_of

if TYPE_CHECKING:
    from typing import Self

    from infoprior.metadataset import MetaDataset
    from infoprior.priors import Prior
    from infoprior.profiles import TaskProfile
    from infoprior.spaces import SearchSpace

Params = Mapping[str, Any]  # a point of the space
LARGEST_SEED = 2**32 - 1  # that scikit-learn takes


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
    extrapolates: ClassVar[bool] = False  # whether it adds architectures that were never run
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

    def __repr__(self) -> str:
        state = "fitted" if self._is_fitted else "not fitted"
        return f"{type(self).__name__}(inputs={self.inputs}, seed={self.seed}, {state})"

    # What each does in its own way -------------------------------------------------------------

    @abstractmethod
    def fit(self, meta: MetaDataset, *, progress: bool = True) -> Self:
        """Learn from the tasks of a meta-dataset, all of them training tasks.

        Args:
            meta: the tasks, and how architectures did on them.
            progress: show on the terminal that it learns, if it takes more than two seconds.

        Raises:
            PredictorError: there are no curves, a task has no profile and the inputs need it, or
                `meta` is no meta-dataset.
        """

    @abstractmethod
    def scores(self, profile: TaskProfile | None = None) -> np.ndarray:
        """Predicted scores of `points`, shape (n,), in normal quantiles; higher is better.

        Args:
            profile: of the task; None where the predictor reads nothing.

        Raises:
            PredictorError: as `predict`.
        """

    @abstractmethod
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

    @property
    @abstractmethod
    def points(self) -> list[dict[str, Any]]:
        """The architectures that get a score: the recorded ones, then the candidates."""

    @property
    @abstractmethod
    def space(self) -> SearchSpace:
        """The space of the training architectures."""

    @property
    @abstractmethod
    def profiled(self) -> ProfilingConditions:
        """How the training tasks were profiled: profile new ones in the same way."""

    @abstractmethod
    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write it to a folder, as JSON and safetensors; `load_predictor` reads it.

        Raises:
            PredictorError: the predictor is not fitted, or the folder cannot be written.
        """

    @property
    @abstractmethod
    def _is_fitted(self) -> bool:
        """Whether it has learned."""

    def _priors(
        self, space: SearchSpace, points: Sequence[Params], scores: Iterable[np.ndarray]
    ) -> list[Prior]:
        return priors_of(space, points, scores, self.prior_settings)

    # What all do -------------------------------------------------------------------------------

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
        scores = self.scores(profile)
        task = "any" if profile is None else profile.task
        named = self.priors_of_scores(self.space, self.points, {task: scores})
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
        return self.priors_of_scores(self.space, self.points, self.score_tasks(meta, tasks))

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


def needs_profile(predictor: Predictor) -> str:
    """What to say where there is none."""
    return (
        f"profile: the predictor {predictor.name!r} reads {', '.join(predictor.inputs)} of a task; "
        "give its profile (infoprior.profiles.profile_task)."
    )


def check_meta(meta: Any) -> None:
    """PredictorError where it is no `MetaDataset`."""
    from infoprior.metadataset import MetaDataset

    remedy = "give a MetaDataset, as load_metadataset returns it"
    instance_of(meta, MetaDataset, "meta", remedy, PredictorError)


def check_space(space: Any) -> None:
    """PredictorError where it is no `SearchSpace`."""
    from infoprior.spaces import SearchSpace

    instance_of(space, SearchSpace, "space", "give one of get_space", PredictorError)
