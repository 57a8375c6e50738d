"""`PerformancePredictor`: one posterior over final accuracies from whatever is known of a task."""

from __future__ import annotations

import copy
import dataclasses
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from infoprior._ambient import default_settings
from infoprior._arguments import file_path, name_list
from infoprior._progress import shows_progress
from infoprior.predictors import _performance_storage as storage
from infoprior.predictors._base import Predictor, check_meta, needs_profile
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._errors import PredictorError, PredictorWarning
from infoprior.predictors._evidence import NOTHING, Evidence, check_evidence
from infoprior.predictors._features import (
    GROUPS,
    check_inputs,
    check_profile,
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
from infoprior.predictors._seen_tasks import nearest_of, outside_message

if TYPE_CHECKING:
    from typing import Self

    from infoprior.metadataset import MetaDataset
    from infoprior.predictors._conditioning import Block
    from infoprior.predictors._result_model import Common, Key
    from infoprior.profiles import TaskProfile
    from infoprior.spaces import SearchSpace

KINDS = ("linear-gaussian",)


class PerformancePredictor(Predictor):
    """Learns from many tasks how results go together; answers with a posterior over accuracies.

    One Gaussian over the results of all recorded architectures at all recorded epochs, learned
    from the training tasks: the factors in which tasks differ, an architecture's own rest, the
    noise of single networks. With no evidence its posterior is the average over tasks (the static
    prior); with a profile the average over tasks like it; with learning curves it is what a search
    decides by.

    Args:
        inputs: what it reads of a profile: a key of `INPUTS`, or groups.
        seed: as of any `Predictor`; nothing is drawn here.
        kind: "linear-gaussian".
        **settings: fields of `PerformanceSettings`, and of `PriorSettings`.

    Raises:
        PredictorError: there are no such inputs, kind or setting, or one is out of range.
    """

    name = "performance"
    Settings = PerformanceSettings

    def __init__(
        self, inputs: str | Sequence[str] = "all", *, seed: int = 0, kind: str = KINDS[0],
        **settings: Any,
    ) -> None:  # fmt: skip
        if kind not in KINDS:
            raise PredictorError(
                f"There is no performance predictor {kind!r}; choose one of {list(KINDS)}."
            )
        super().__init__(inputs, seed=seed, **settings)
        weight = self.settings.real_weight
        self.prior_settings = dataclasses.replace(self.prior_settings, real_weight=weight)
        self.kind = kind
        self._fitted: FittedPerformance | None = None
        self._trained: TrainingTasks | None = None
        self._forget_profiles()

    def _forget_profiles(self) -> None:
        """Of profiles that were asked about: standardised features by group, and said warnings."""
        self._profiles: WeakKeyDictionary[Any, dict[str, np.ndarray]] = WeakKeyDictionary()
        self._warned: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __getstate__(self) -> dict[str, Any]:
        # What other processes get: enough to answer, not to learn profiles again.
        left_out = ("_profiles", "_warned")
        state = {name: v for name, v in self.__dict__.items() if name not in left_out}
        return state | {"_trained": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_profiles()

    @property
    def _is_fitted(self) -> bool:
        return self._fitted is not None

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
        self._forget_profiles()
        self.inputs = groups_of(self._asked, meta.input_features())
        model, self._trained = fit_results(meta, self.settings)
        model = model.with_auxiliary(learn_auxiliary(meta, model, self._trained, self.settings))
        named = self._asked != GROUPS  # else whatever the tasks have
        profiles = learn_profiles(meta, model, self._trained, self.inputs, whole=named)
        self._fitted = FittedPerformance(model, *profiles)
        self.inputs = tuple(g for g in self.inputs if g in self._fitted.standardizers)
        return self

    def with_profiles(
        self, meta: MetaDataset, *, inputs: str | Sequence[str] | None = None
    ) -> Self:
        """The same predictor, had the tasks that it was fitted on had other profiles.

        What is learned of curves stays; only what profiles tell is learned again. A control reads
        the profiles of other tasks.

        Args:
            meta: the tasks that `fit` was given, in their order.
            inputs: the groups that will be read, any of them, as of `make_predictor`; None: those
                that this predictor reads.

        Raises:
            PredictorError: the predictor was not fitted here, or on other tasks, or they lack a
                group.
        """
        check_meta(meta)
        fitted = self._require_fitted()
        trained = self._trained_on(meta, "with_profiles")
        changed = copy.copy(self)
        changed._forget_profiles()
        if inputs is not None:
            changed.inputs = groups_of(check_inputs(inputs), meta.input_features())
        profiles = learn_profiles(meta, fitted.model, trained, changed.inputs, whole=True)
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
            inputs: which groups of its profile to read, as of `make_predictor`; None: as many of
                this predictor's as it holds.

        Raises:
            PredictorError: the predictor is not fitted, the profile was measured otherwise than
                those of the training tasks or lacks a group that `inputs` names, or the curves
                name an architecture that is unknown.
        """
        check_evidence(evidence)
        return self._posterior(self._read(evidence.profile, inputs), evidence)

    @default_settings()
    def posterior_tasks(
        self, meta: MetaDataset, tasks: Sequence[str], *,
        inputs: str | Sequence[str] | None = None,
    ) -> dict[str, Posterior]:  # fmt: skip
        """What `posterior` answers for the profiles of tasks of a meta-dataset, in one go.

        Nothing of `meta.curves` is read, and no warning given of what lies outside.

        Args:
            meta: holds the tasks.
            tasks: their names.
            inputs: which groups of their profiles to read, as of `make_predictor`; None: this
                predictor's.

        Returns:
            task -> its posterior.

        Raises:
            PredictorError: as `posterior`.
            MetaDatasetError: there is no such task.
        """
        fitted = self._require_fitted()
        check_meta(meta)
        groups = self.inputs
        if inputs is not None:
            groups = groups_of(check_inputs(inputs), meta.input_features())
        tasks = name_list(tasks, "tasks", PredictorError)
        if lacking := [group for group in groups if group not in fitted.standardizers]:
            raise PredictorError(
                f"inputs name {', '.join(lacking)}, which this predictor has not learned to read."
            )
        asked = meta.subset(tasks)
        fitted.profiled.check(groups, asked.profiles, asked.probe_curves)
        read: dict[str, dict[str, np.ndarray]] = {task: {} for task in tasks}
        for group in groups:
            table = feature_table(asked, (group,))
            for task, x in zip(table.index, self._standardized(group, table), strict=True):
                if fitted.seen[group].holds(x):
                    read[task][group] = x
        return {task: self._posterior(read[task], NOTHING) for task in tasks}

    @default_settings()
    def scores(self, profile: TaskProfile | None = None) -> np.ndarray:
        """As of `Predictor`: expected scores, with the profile and nothing else for evidence."""
        self._require_fitted()
        if profile is None and self.inputs:
            raise PredictorError(needs_profile(self))
        if profile is not None:
            check_profile(profile)
        read = None if profile is None else self.inputs
        return self.posterior(Evidence(profile), inputs=read).mean(of="score")

    def score_tasks(self, meta: MetaDataset, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        """As of `Predictor`."""
        posteriors = self.posterior_tasks(meta, tasks)
        return {task: posterior.mean(of="score") for task, posterior in posteriors.items()}

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
            distance = nearest_of([fitted.seen[group] for group in groups], x)
            factors = fitted.regressions[groups].factors(x, distance)
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
        read, seen = self._profiles[profile], self._require_fitted().seen
        if asked is None:
            asked = tuple(group for group in self.inputs if group in read)
        if lacking := [group for group in asked if group not in read]:
            raise PredictorError(
                f"{', '.join(lacking)} of the task {profile.task!r} is to be read, but its profile "
                "or the training tasks lack it; profile the task with probes, or name other inputs."
            )
        inside = [group for group in asked if seen[group].holds(read[group])]
        self._warn(profile, set(asked) - set(inside))
        return {group: read[group] for group in inside}

    def _features(self, profile: TaskProfile) -> dict[str, np.ndarray]:
        """Standardised features of all groups that are read and that the profile has."""
        fitted, read = self._require_fitted(), {}
        for group in self.inputs:
            try:
                table = pd.DataFrame([features(profile, (group,))])
            except PredictorError:  # it was not measured so
                continue
            fitted.profiled.check((group,), profile.layers, profile.curves)
            read[group] = self._standardized(group, table)[0]
        return read

    def _warn(self, profile: TaskProfile, groups: set[str]) -> None:
        """Say once of each group of a profile that it is not read."""
        said = self._warned.setdefault(profile, set())
        if not groups - said:
            return
        table = self.novelty(profile)
        for _, row in table[table["group"].isin(groups - said)].iterrows():
            warnings.warn(outside_message(profile.task, row), PredictorWarning, stacklevel=2)
        said |= groups

    def novelty(self, profile: TaskProfile) -> pd.DataFrame:
        """How far a task lies from the training tasks; groups that lie outside are left unread.

        Args:
            profile: of the task.

        Returns:
            one row a group of features that the profile holds: group; distance to the nearest
            training task (root mean square over features, in standard deviations of the training
            tasks); nearest, that task; limit, the most that any real training task is away from
            those of other families; outside, whether the distance is larger.

        Raises:
            PredictorError: the predictor is not fitted, or the profile was measured otherwise.
        """
        check_profile(profile)
        fitted, rows = self._require_fitted(), []
        read = self._profiles.get(profile) or self._features(profile)
        for group, x in read.items():
            distance, nearest = fitted.seen[group].nearest(x)
            limit = fitted.seen[group].limit
            rows.append((group, distance, nearest, limit, distance > limit))
        columns = ["group", "distance", "nearest", "limit", "outside"]
        return pd.DataFrame(rows, columns=columns).astype({"outside": bool})

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
            "inputs": list(self.inputs),
            "seed": self.seed,
            "settings": dataclasses.asdict(self.prior_settings) | dataclasses.asdict(self.settings),
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
        with storage.faults_of(Path(os.fspath(directory)) / storage.HEADER):
            predictor = cls(
                about["inputs"], seed=about["seed"], kind=about["kind"], **about["settings"]
            )
        predictor._fitted = FittedPerformance(**parts)
        return predictor

    def _require_fitted(self) -> FittedPerformance:
        if self._fitted is None:
            raise PredictorError("The performance predictor is not fitted; call fit first.")
        return self._fitted
