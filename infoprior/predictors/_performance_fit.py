"""What `PerformancePredictor.fit` learns: the Gaussian, what profiles tell, what layers tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from infoprior.predictors._architecture_kernel import fit_kernel
from infoprior.predictors._auxiliary import AuxiliaryModel, auxiliary_of, fit_auxiliary
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._factor_model import fit_factors, task_factors, task_results
from infoprior.predictors._features import Standardizer, feature_table
from infoprior.predictors._performance_settings import PerformanceSettings
from infoprior.predictors._profile_features import with_logits
from infoprior.predictors._recorded_runs import (
    TEST,
    RecordedRuns,
    anchors_of,
    channels_of,
    recorded_runs,
    scores_of,
)
from infoprior.predictors._result_model import ResultModel
from infoprior.predictors._run_noise import run_noise
from infoprior.predictors._scales import SCALES
from infoprior.predictors._seen_tasks import SeenTasks
from infoprior.predictors._task_regression import TaskRegression, fit_regressions

if TYPE_CHECKING:
    from infoprior.metadataset import MetaDataset
    from infoprior.spaces import SearchSpace


@dataclass(frozen=True, eq=False)
class FittedPerformance:
    """All that a fit leaves behind: what `save` writes.

    Attributes:
        model: the Gaussian.
        regressions: of factors on each set of groups of a profile's features.
        standardizers: of each group.
        seen: the training tasks by each group.
        profiled: how the training tasks were profiled.
    """

    model: ResultModel
    regressions: dict[tuple[str, ...], TaskRegression]
    standardizers: dict[str, Standardizer]
    seen: dict[str, SeenTasks]
    profiled: ProfilingConditions


@dataclass(frozen=True, eq=False)
class TrainingTasks:
    """What is known of the T training tasks: enough to learn again what profiles and layers tell.

    Attributes:
        runs: of the K anchors.
        results: means over draws, shape (T, K, D).
        noise: their covariance, shape (T, K, D, D).
        weights: of the tasks, shape (T,), mean 1.
    """

    runs: RecordedRuns
    results: np.ndarray
    noise: np.ndarray
    weights: np.ndarray


def fit_results(
    meta: MetaDataset, settings: PerformanceSettings
) -> tuple[ResultModel, TrainingTasks]:
    """The Gaussian over results.

    Raises:
        PredictorError: fewer than two architectures were run on at least half of the tasks.
    """
    weights = np.where(meta.tasks["kind"] == "real", settings.real_weight, 1.0)
    weights = weights / weights.mean()
    anchors, channels = anchors_of(meta), channels_of(meta)
    runs = recorded_runs(meta, anchors, channels, SCALES[settings.scale])
    noise = run_noise(runs, weights).with_score()
    draws = np.maximum(runs.draws, 1)[..., None, None]
    variance = np.pad(np.nan_to_num(runs.variance, nan=1.0), [(0, 0), (0, 0), (0, 1)])
    spread = noise.own(variance, noise.factor) / draws
    results = np.concatenate([runs.mean, scores_of(meta, anchors)[..., None]], axis=-1)
    rank = min(settings.rank, len(weights))
    factors = fit_factors(results, spread, weights, rank, settings.iterations)
    points = [meta.points()[name] for name in anchors]
    kernel = fit_kernel(
        meta.space.encode(points),
        np.concatenate([factors.mean[..., None], factors.loadings], -1).reshape(len(points), -1),
        _parameters(meta.space),
    )
    model = ResultModel(
        space=meta.space, points=points, names=anchors, channels=channels, scale=settings.scale,
        factors=factors, noise=noise, kernel=kernel,
        n_validation=int(meta.tasks["n_validation"].median()),
    )  # fmt: skip
    return model, TrainingTasks(runs, results, spread, weights)


def learn_profiles(
    meta: MetaDataset, model: ResultModel, trained: TrainingTasks,
    groups: Sequence[str], *, whole: bool,
) -> tuple[
    dict[tuple[str, ...], TaskRegression], dict[str, Standardizer], dict[str, SeenTasks],
    ProfilingConditions,
]:  # fmt: skip
    """What each set of groups of features tells of the training tasks' factors, and their range.

    Args:
        meta: the training tasks, in their order.
        model: the Gaussian.
        trained: the tasks' results.
        groups: those that will be read.
        whole: whether it is an error that tasks lack one; else it is left out.

    Raises:
        PredictorError: tasks lack a group.
    """
    tables = {}
    for group in groups:
        try:
            table = feature_table(meta, (group,))
        except PredictorError:  # no task, or not every one, was measured so
            if whole:
                raise
            continue
        if table.shape[1]:
            tables[group] = with_logits(table)
    standardizers = {group: Standardizer.fit(table) for group, table in tables.items()}
    x = {group: standardizers[group].transform(table) for group, table in tables.items()}
    tasks = task_factors(model.factors, trained.results, trained.noise)
    families = list(meta.tasks["family"])
    level = model.factors.loadings[:, TEST].mean(axis=0)
    regressions = fit_regressions(x, *tasks, trained.weights, families, level)
    real = (meta.tasks["kind"] == "real").to_numpy()
    seen = {
        group: SeenTasks.of(list(meta.tasks["task"]), values, families, real)
        for group, values in x.items()
    }
    return regressions, standardizers, seen, ProfilingConditions.of(meta)


def learn_auxiliary(
    meta: MetaDataset, model: ResultModel, trained: TrainingTasks, settings: PerformanceSettings
) -> AuxiliaryModel | None:
    """What training losses and layers say, as far as they are asked for and recorded."""
    asked = auxiliary_of(meta, trained.runs, settings.training_losses, settings.layers)
    if asked is None:
        return None
    z, theta = task_results(model.factors, trained.results, trained.noise)
    mean = model.factors.mean
    return fit_auxiliary(asked, trained.runs, z, mean, theta - mean, trained.weights)


def _parameters(space: SearchSpace) -> list[int]:
    """For each encoded coordinate the place of its parameter."""
    names = list(space)
    return [names.index(name.split("=")[0]) for name in space.encoded_names]
