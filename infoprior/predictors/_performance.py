"""`PerformancePredictor`: one posterior over final accuracies from whatever is known of a task."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from infoprior._ambient import default_settings
from infoprior._arguments import file_path, name_list
from infoprior._progress import shows_progress
from infoprior.predictors import _performance_storage as storage
from infoprior.predictors._base import check_meta
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._evidence import NOTHING, Evidence, check_evidence
from infoprior.predictors._features import (
    check_inputs,
    feature_table,
    features,
    groups_of,
)
from infoprior.predictors._performance_fit import (
    FittedPerformance,
    TrainingTasks,
    fit_results,
    learn_auxiliary,
    learn_profiles,
)
from infoprior.predictors._performance_settings import PerformanceSettings
from infoprior.predictors._posterior import Posterior
from infoprior.predictors._profile_features import LOGIT, with_logits
from infoprior.predictors._settings import AFTER_SCORES, PriorSettings

if TYPE_CHECKING:
    from typing import Self

    from infoprior.metadataset import MetaDataset
    from infoprior.predictors._conditioning import Block
    from infoprior.predictors._result_model import Common, Key
    from infoprior.profiles import TaskProfile
    from infoprior.spaces import SearchSpace

KINDS = ("linear-gaussian",)


class PerformancePredictor:
    """Learns from many tasks how results go together; answers with a posterior over accuracies.

    One Gaussian over the results of all recorded architectures at all recorded epochs, learned
    from the training tasks: the factors in which tasks differ, an architecture's own rest, the
    noise of single networks. With no evidence its posterior is the average over tasks (the static
    prior); with a profile the average over tasks like it; with learning curves it is what a search
    decides by.

    Args:
        kind: "linear-gaussian".
        **settings: fields of `PerformanceSettings`, and those of `PriorSettings` that act on
            scores.

    Raises:
        PredictorError: there is no such kind or setting, or one is out of range.
    """

    def __init__(self, kind: str = "linear-gaussian", **settings: Any) -> None:
        if kind not in KINDS:
            raise PredictorError(
                f"There is no performance predictor {kind!r}; choose one of {list(KINDS)}."
            )
        own = {f.name for f in dataclasses.fields(PerformanceSettings)}
        if unknown := sorted(set(settings) - own - set(AFTER_SCORES)):
            raise PredictorError(
                f"A performance predictor has no settings {unknown}; it has "
                f"{sorted(own | set(AFTER_SCORES))}."
            )
        self.kind = kind
        self.settings = PerformanceSettings(**{n: v for n, v in settings.items() if n in own})
        self.prior_settings = PriorSettings(
            **{n: v for n, v in settings.items() if n in AFTER_SCORES}
        )
        self._fitted: FittedPerformance | None = None
        self._trained: TrainingTasks | None = None
        self._profiles: WeakKeyDictionary[Any, dict[str, np.ndarray]] = WeakKeyDictionary()

    def __repr__(self) -> str:
        state = "fitted" if self._fitted else "not fitted"
        return f"PerformancePredictor({self.kind!r}, {state})"

    @default_settings()
    @shows_progress("fitting the performance predictor")
    def fit(self, meta: MetaDataset, *, progress: bool = True) -> Self:
        """Learn from the tasks of a meta-dataset, all of them training tasks.

        Args:
            meta: the tasks, and how architectures did on them; most of the architectures' runs
                have to be of architectures that at least half of the tasks have run.
            progress: show on the terminal that it learns, if it takes more than two seconds.

        Raises:
            PredictorError: fewer than two architectures were run on at least half of the tasks,
                or `meta` is no meta-dataset.
        """
        check_meta(meta)
        self._profiles.clear()
        model, self._trained = fit_results(meta, self.settings)
        model = model.with_auxiliary(learn_auxiliary(meta, model, self._trained, self.settings))
        profiles = learn_profiles(meta, model, self._trained)
        self._fitted = FittedPerformance(model, *profiles)
        return self

    def with_profiles(
        self, meta: MetaDataset, *, inputs: str | Sequence[str] | None = None
    ) -> Self:
        """The same predictor, had the tasks that it was fitted on had other profiles.

        What is learned of curves stays; only what profiles tell is learned again. A control reads
        the profiles of other tasks.

        Args:
            meta: the tasks that `fit` was given, in their order.
            inputs: the groups that will be read, all of them, as of `make_predictor`; None: any.

        Raises:
            PredictorError: the predictor was not fitted here, or on other tasks.
        """
        check_meta(meta)
        fitted = self._require_fitted()
        groups = None if inputs is None else groups_of(check_inputs(inputs), meta.input_features())
        trained = self._trained_on(meta, "with_profiles")
        changed = copy.copy(self)
        changed._profiles = WeakKeyDictionary()
        profiles = learn_profiles(meta, fitted.model, trained, groups)
        changed._fitted = FittedPerformance(fitted.model, *profiles)
        return changed

    def with_auxiliary(self, meta: MetaDataset) -> Self:
        """The same predictor, had the networks that it was fitted on had other layers.

        Only what `training_losses` and `layers` tell is learned again. A control reads the layers
        of other networks.

        Args:
            meta: the tasks that `fit` was given, in their order.

        Raises:
            PredictorError: the predictor was not fitted here, or on other tasks.
        """
        check_meta(meta)
        fitted = self._require_fitted()
        trained = self._trained_on(meta, "with_auxiliary")
        auxiliary = learn_auxiliary(meta, fitted.model, trained, self.settings)
        changed = copy.copy(self)
        changed._fitted = dataclasses.replace(fitted, model=fitted.model.with_auxiliary(auxiliary))
        return changed

    def _trained_on(self, meta: MetaDataset, name: str) -> TrainingTasks:
        if self._trained is None or tuple(meta.tasks["task"]) != self._trained.runs.tasks:
            raise PredictorError(f"{name}: give the tasks that this object was fitted on.")
        return self._trained

    @default_settings()
    def posterior(
        self, evidence: Evidence = NOTHING, *, inputs: str | Sequence[str] | None = None
    ) -> Posterior:
        """What is known of the final accuracies of architectures on a task.

        Args:
            evidence: whatever is known of the task.
            inputs: which groups of its profile to read, as of `make_predictor`; None: all that it
                holds.

        Raises:
            PredictorError: the predictor is not fitted, the profile was measured otherwise than
                those of the training tasks or lacks a group that `inputs` names, or the curves
                name an architecture that is unknown.
        """
        check_evidence(evidence)
        return self._posterior(self._read(evidence.profile, inputs), evidence)

    @default_settings()
    def posterior_tasks(
        self, meta: MetaDataset, tasks: Sequence[str], *, inputs: str | Sequence[str]
    ) -> dict[str, Posterior]:
        """What `posterior` answers for the profiles of tasks of a meta-dataset, in one go.

        Nothing of `meta.curves` is read.

        Args:
            meta: holds the tasks.
            tasks: their names.
            inputs: which groups of their profiles to read, as of `make_predictor`.

        Returns:
            task -> its posterior.

        Raises:
            PredictorError: as `posterior`.
            MetaDatasetError: there is no such task.
        """
        fitted = self._require_fitted()
        check_meta(meta)
        groups = groups_of(check_inputs(inputs), meta.input_features())
        tasks = name_list(tasks, "tasks", PredictorError)
        if lacking := [group for group in groups if group not in fitted.standardizers]:
            raise PredictorError(
                f"inputs name {', '.join(lacking)}, which the training tasks lack."
            )
        asked = meta.subset(tasks)
        fitted.profiled.check(groups, asked.profiles, asked.probe_curves)
        read = {}
        for group in groups:
            table = feature_table(asked, (group,))
            read[group] = dict(zip(table.index, self._standardized(group, table), strict=True))
        return {
            task: self._posterior({g: read[g][task] for g in groups}, NOTHING) for task in tasks
        }

    def _posterior(self, read: Mapping[str, np.ndarray], evidence: Evidence) -> Posterior:
        """From standardised features by group, and curves."""
        fitted = self._require_fitted()
        model = fitted.model
        stages: list[tuple[str, Common, dict[Key, Block]]] = []
        _, unseen = model.blocks((), evidence.n_validation)
        stages.append(("nothing", model.common(None, unseen, {}), {}))
        factors = None
        for last in range(len(read)):
            groups = tuple(read)[: last + 1]
            x = np.concatenate([read[group] for group in groups])
            factors = fitted.regressions[groups].factors(x)
            stages.append((groups[-1], model.common(factors, unseen, {}), {}))
        if evidence.records:
            blocks, shared = model.blocks(evidence.records, evidence.n_validation)
            stages.append(("curves", model.common(factors, shared, blocks), blocks))
        return Posterior(model, stages, self.prior_settings)

    def _read(
        self, profile: TaskProfile | None, inputs: str | Sequence[str] | None
    ) -> dict[str, np.ndarray]:
        """Standardised features by group, in the order of `GROUPS`."""
        asked = None if inputs is None else check_inputs(inputs)
        if asked and profile is not None:
            asked = groups_of(asked, pd.DataFrame([profile.inputs]))
        if profile is None:
            if asked:
                raise PredictorError(
                    f"inputs name {', '.join(asked)}, but the evidence holds no profile."
                )
            return {}
        if profile not in self._profiles:  # a search asks for the same one at every step
            self._profiles[profile] = self._features(profile)
        read = self._profiles[profile]
        if asked is None:
            return read
        if lacking := [group for group in asked if group not in read]:
            raise PredictorError(
                f"inputs name {', '.join(lacking)}, which the profile or the training tasks lack."
            )
        return {group: x for group, x in read.items() if group in asked}

    def _features(self, profile: TaskProfile) -> dict[str, np.ndarray]:
        """Standardised features of all groups that the profile and the training tasks have."""
        fitted, read = self._require_fitted(), {}
        for group in fitted.standardizers:
            try:
                table = pd.DataFrame([features(profile, (group,))])
            except PredictorError:  # it was not measured so
                continue
            fitted.profiled.check((group,), profile.layers, profile.curves)
            read[group] = self._standardized(group, table)[0]
        return read

    def _standardized(self, group: str, table: pd.DataFrame) -> np.ndarray:
        """A group's features as its regressions read them, shape (n_tasks, p)."""
        standardizer = self._require_fitted().standardizers[group]
        shares = [n.removesuffix(LOGIT) for n in standardizer.names if n.endswith(LOGIT)]
        table = with_logits(table, [name for name in shares if name in table])
        return standardizer.transform(table)

    @property
    def points(self) -> list[dict[str, Any]]:
        """The recorded architectures, which most training tasks have run."""
        return [dict(point) for point in self._require_fitted().model.points]

    @property
    def space(self) -> SearchSpace:
        """The space of the architectures."""
        return self._require_fitted().model.space

    @property
    def profiled(self) -> ProfilingConditions:
        """How the training tasks were profiled: profile new ones in the same way."""
        return self._require_fitted().profiled

    @default_settings()
    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write performance.json and performance.safetensors; `load` reads them.

        Raises:
            PredictorError: the predictor is not fitted, or the folder cannot be written.
        """
        about = {
            "kind": self.kind,
            "settings": dataclasses.asdict(self.settings)
            | {name: getattr(self.prior_settings, name) for name in AFTER_SCORES},
        }
        storage.save(
            file_path(directory, "directory", PredictorError), about, self._require_fitted()
        )

    @classmethod
    @default_settings()
    def load(cls, directory: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote: the predictor answers exactly as the saved one did.

        Raises:
            PredictorError: there is none, its version is unknown, or a file is damaged.
        """
        about, parts = storage.load(file_path(directory, "directory", PredictorError))
        predictor = cls(about["kind"], **about["settings"])
        predictor._fitted = FittedPerformance(**parts)
        return predictor

    def _require_fitted(self) -> FittedPerformance:
        if self._fitted is None:
            raise PredictorError("The performance predictor is not fitted; call fit first.")
        return self._fitted
