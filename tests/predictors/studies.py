"""Studies of tasks drawn from a predictor's own Gaussian, where the answers are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import optuna

from infoprior.predictors import (
    PerformancePredictor,
    PosteriorPromotion,
)
from infoprior.predictors._auxiliary import AuxiliaryModel
from infoprior.predictors._factor_model import FactorModel
from infoprior.predictors._performance import FittedPerformance
from infoprior.predictors._result_model import ResultModel
from infoprior.predictors._search.trust import renamed
from infoprior.priors import hyperband_study, resumed_from
from infoprior.priors._trial import PROMOTES, RUNG
from tests.predictors.test_performance import NAMES, ROWS, SPACE, task_of

EPOCHS = (1, 9)


def misnamed(predictor: PerformancePredictor) -> PerformancePredictor:
    """Takes each architecture for the next one: as fitted on tasks with shuffled names."""
    fitted = predictor._require_fitted()
    other = PerformancePredictor(scale="logit")
    order = np.roll(np.arange(len(NAMES)), 1)
    other._fitted = FittedPerformance(renamed(fitted.model, order), {}, {}, {}, fitted.profiled)
    return other


def final_as_validated(predictor: PerformancePredictor) -> PerformancePredictor:
    """The final results of all architectures are what is validated at the last rung."""
    fitted = predictor._require_fitted()
    model, factors = fitted.model, fitted.model.factors
    same = np.eye(len(model.channels))
    same[-2:] = same[model.channels.place("validation_accuracy", len(EPOCHS) - 1)]
    changed = ResultModel(
        space=model.space, points=model.points, names=model.names, channels=model.channels,
        scale=model.scale_name, noise=model.noise, kernel=model.kernel, n_validation=ROWS,
        factors=FactorModel(
            factors.mean @ same.T, same @ factors.loadings,
            same @ factors.rest @ same.T + 1e-4 * np.eye(len(same)),
        ),
    )  # fmt: skip
    predictor._fitted = FittedPerformance(changed, {}, {}, {}, fitted.profiled)
    return predictor


def curves_of(predictor: PerformancePredictor, seed: int) -> dict[Any, dict[int, float]]:
    """point -> epoch -> validation accuracy, of a task drawn from the Gaussian."""
    _, records = task_of(predictor, np.random.default_rng(seed))
    points = dict(zip(NAMES, predictor.points, strict=True))
    table: dict[Any, dict[int, float]] = {}
    for record in records:
        key = tuple(sorted(points[record["architecture"]].items()))
        table.setdefault(key, {})[record["epoch"]] = record["validation_accuracy"]
    return table


def objective_of(table: dict[Any, dict[int, float]]) -> Any:
    """Reports a recorded curve; of other points that of the lowest."""
    worst = min(table.values(), key=lambda curve: curve[EPOCHS[-1]])

    def objective(trial: optuna.Trial) -> float:
        params = SPACE.suggest(trial)
        curve = table.get(tuple(sorted(params.items())), worst)
        paused = resumed_from(trial)
        for epoch in EPOCHS:
            if paused is None or epoch > paused.step:
                trial.report(curve[epoch], step=epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
        return curve[EPOCHS[-1]]

    return objective


def study_of(promotion: PosteriorPromotion, storage: Any = "memory", seed: int = 0) -> optuna.Study:
    return hyperband_study(
        name="s", max_resource=9, reduction_factor=9, direction="maximize", storage=storage,
        seed=seed, promote=promotion,
    )  # fmt: skip


def told(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [(t.params, t.user_attrs.get(RUNG), t.user_attrs.get(PROMOTES)) for t in study.trials]


def beside_curves(predictor: PerformancePredictor) -> PerformancePredictor:
    """Training losses are read, too."""
    fitted, rng = predictor._require_fitted(), np.random.default_rng(5)
    size, factors = len(fitted.model.channels), fitted.model.size
    auxiliary = AuxiliaryModel(
        ("train_loss", "train_loss"), np.array(EPOCHS), rng.normal(size=(len(NAMES), 2)),
        rng.normal(size=(2, size)), rng.normal(size=(2, factors)), rng.normal(size=(2, size)),
        0.1 * np.eye(2), 0.2 * np.eye(2) + 0.1,
    )  # fmt: skip
    predictor._fitted = replace(fitted, model=fitted.model.with_auxiliary(auxiliary))
    return predictor
