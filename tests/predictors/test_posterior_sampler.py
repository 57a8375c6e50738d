"""A predictor in a study: on tasks drawn from its own Gaussian, where the answers are known."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from infoprior.predictors import (
    Evidence,
    PerformancePredictor,
    PosteriorPromotion,
    PosteriorSampler,
    PredictorError,
    recommend,
)
from infoprior.predictors._factor_model import FactorModel
from infoprior.predictors._performance import FittedPerformance
from infoprior.predictors._records import Record
from infoprior.predictors._result_model import ResultModel
from infoprior.predictors._search.lookahead import Lookahead, expected_improvement
from infoprior.predictors._search.sampler import POSTERIOR, TRUST
from infoprior.predictors._search.trust import Trust, log_evidence, renamed, terms_of
from infoprior.priors import hyperband_study, optimize, resumed_from
from infoprior.priors._trial import PROMOTES, RUNG, SOURCE
from tests.predictors.test_performance import NAMES, ROWS, SPACE, gaussian, task_of

optuna.logging.set_verbosity(optuna.logging.ERROR)
EPOCHS = (1, 9)


@pytest.fixture(scope="module")
def predictor() -> PerformancePredictor:
    return gaussian()


def misnamed(predictor: PerformancePredictor) -> PerformancePredictor:
    """Takes each architecture for the next one: as fitted on tasks with shuffled names."""
    fitted = predictor._require_fitted()
    other = PerformancePredictor(scale="logit")
    order = np.roll(np.arange(len(NAMES)), 1)
    other._fitted = FittedPerformance(renamed(fitted.model, order), {}, {}, fitted.profiled)
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
    predictor._fitted = FittedPerformance(changed, {}, {}, fitted.profiled)
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


# What a result would be worth --------------------------------------------------------------------


def test_the_expected_improvement_is_that_of_many_draws() -> None:
    rng = np.random.default_rng(0)
    mean, change = np.array([0.3, 0.1, -0.4, 0.3]), np.array([0.2, 0.5, 0.9, 0.0])
    draws = rng.standard_normal(400_000)
    for i, value in enumerate(expected_improvement(mean, change)):
        others = np.delete(mean, i).max()
        expected = np.maximum(mean[i] + change[i] * draws, others).mean() - mean.max()
        assert value == pytest.approx(expected, abs=3e-3)


@pytest.mark.parametrize("before", [(), (1,)])
def test_a_result_moves_an_expected_score_by_what_it_takes_from_its_variance(
    predictor: PerformancePredictor, before: tuple[int, ...]
) -> None:
    model = predictor._require_fitted().model
    key = model.key(predictor.points[2])
    other = model.key(predictor.points[3])
    records = [Record(other, 1, 9, 0.7, 0.8), *(Record(key, 0, e, 0.6, 0.9) for e in before)]
    seen: dict[Any, list[list[Record]]] = {}
    for record in records:
        seen.setdefault(record.architecture, []).append([record])
    now = predictor.posterior(Evidence(curves=records, n_validation=ROWS))
    look = Lookahead(model, np.zeros_like(now._common.mean), ROWS)
    rows = now._linear([key], now._blocks)[1][:, 1]
    covariance = now._common.covariance
    (change,) = look.changes(covariance, rows, [key], seen, [(9,)], [bool(before)], True, True)
    after = predictor.posterior(
        Evidence(curves=[*records, Record(key, 0, 9, 0.62, 0.9)], n_validation=ROWS)
    )
    fall = now.std([dict(key)], of="score") ** 2 - after.std([dict(key)], of="score") ** 2
    assert change**2 == pytest.approx(fall[0], rel=0.05)  # but for how noisy a share is


# How far to trust it -----------------------------------------------------------------------------


def test_the_evidence_is_the_density_of_all_results(predictor: PerformancePredictor) -> None:
    model = predictor._require_fitted().model
    models = [model, renamed(model, np.array([3, 0, 1, 2, 5, 4]))]
    records = [
        Record(model.key(point), i, epoch, 0.6 + 0.02 * i, 0.8)
        for i, point in enumerate(predictor.points[:4])
        for epoch in (1, 2, 9)
    ]
    mean = np.zeros(model.size + model.channels.evidence)
    terms = [
        terms_of(models, model.key(point), [[r for r in records if r.seed == i]], float(ROWS), mean)
        for i, point in enumerate(predictor.points[:4])
    ]
    for place, each in enumerate(models):
        blocks, shared = each.blocks(records, ROWS)
        covariance = block_diag(np.eye(model.size), shared)
        loadings = np.concatenate([block.loadings for block in blocks.values()])
        values = np.concatenate([block.values for block in blocks.values()])
        dense = loadings @ covariance @ loadings.T
        dense += block_diag(*[block.covariance for block in blocks.values()])
        expected = multivariate_normal(np.zeros(len(values)), dense).logpdf(values)
        assert log_evidence(mean, covariance, terms)[place] == pytest.approx(expected)


def test_trust_without_results_is_what_it_is_at_first(predictor: PerformancePredictor) -> None:
    model = predictor._require_fitted().model
    size = model.size + model.channels.evidence
    trust = Trust(model, ROWS).probability(np.zeros(size), np.eye(size), {})
    assert trust == pytest.approx(1.0 / (1.0 + np.exp(-2.0)))


def test_a_predictor_with_other_names_is_left_and_a_right_one_is_not(
    predictor: PerformancePredictor,
) -> None:
    right, wrong, shares = [], [], []
    for seed in range(2):
        objective = objective_of(curves_of(predictor, seed))
        for which, trusts in ((predictor, right), (misnamed(predictor), wrong)):
            study = study_of(PosteriorPromotion(which, Evidence(n_validation=ROWS)))
            study.optimize(objective, n_trials=16)
            trusts.append(study.trials[-1].user_attrs[TRUST])
            if which is not predictor:
                sources = [t.user_attrs.get(SOURCE) for t in study.trials[10:]]
                shares.append(np.mean([source == POSTERIOR for source in sources]))
    assert min(right) > 0.5
    assert max(wrong) < 0.5
    assert np.mean(shares) < 0.5


# In a study --------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_trials_stopped_or_not(
    predictor: PerformancePredictor, tmp_path: Path
) -> None:
    objective = objective_of(curves_of(predictor, 1))
    promotion = PosteriorPromotion(predictor, acquisition="thompson")
    whole = study_of(promotion)
    optimize(whole, objective, 12)
    for _ in range(3):
        part = study_of(promotion, tmp_path / "s.journal")
        optimize(part, objective, len(part.trials) + 4)
    assert told(part) == told(whole)
    again = study_of(promotion, seed=1)
    optimize(again, objective, 12)
    assert told(again) != told(whole)


@pytest.mark.slow
def test_a_study_in_a_database_is_the_same(predictor: PerformancePredictor, tmp_path: Path) -> None:
    objective = objective_of(curves_of(predictor, 1))
    whole = study_of(PosteriorPromotion(predictor))
    optimize(whole, objective, 8)
    for _ in range(2):
        part = study_of(PosteriorPromotion(predictor), f"sqlite:///{tmp_path}/s.db")
        optimize(part, objective, len(part.trials) + 4)
    assert told(part) == told(whole)


def test_the_first_trial_is_a_full_training_of_the_first_choice(
    predictor: PerformancePredictor,
) -> None:
    study = study_of(PosteriorPromotion(predictor))
    optimize(study, objective_of(curves_of(predictor, 2)), 3)
    first = study.trials[0]
    assert first.params == predictor.posterior().best(1)[0]
    assert first.last_step == 9
    study = study_of(PosteriorPromotion(predictor, first_full=False))
    optimize(study, objective_of(curves_of(predictor, 2)), 1)
    assert study.trials[0].last_step == 1


def test_promotions_continue_what_was_paused(predictor: PerformancePredictor) -> None:
    study = study_of(PosteriorPromotion(predictor))
    optimize(study, objective_of(curves_of(predictor, 0)), 10)
    promoted = [t for t in study.trials if t.user_attrs.get(PROMOTES) is not None]
    assert promoted
    for trial in promoted:
        paused = resumed_from(trial)
        assert paused is not None
        assert study.trials[paused.number].params == trial.params
        assert (paused.step, trial.last_step) == (1, 9)
    numbers = [t.user_attrs[PROMOTES] for t in promoted]
    assert len(set(numbers)) == len(numbers)


def test_asked_for_less_and_for_more_than_it_knows(predictor: PerformancePredictor) -> None:
    point = predictor.points[0]
    fixed = {name: value for name, value in point.items() if name not in ("depth", "activation")}
    sampler = PosteriorSampler(predictor, fixed=fixed, adaptive=False, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(4):
        trial = study.ask()
        depth = trial.suggest_int("depth", 2, 3)
        activation = trial.suggest_categorical("activation", ["gelu", "elu"])
        momentum = trial.suggest_float("momentum", 0.0, 1.0)
        assert depth in (2, 3)
        assert activation in ("gelu", "elu")
        assert 0.0 <= momentum <= 1.0
        study.tell(trial, 0.5 + 0.1 * depth)
    (proposed, *_) = study.trials
    assert proposed.params["activation"] == "gelu"  # "elu" is none that the predictor knows
    assert proposed.user_attrs[SOURCE] == POSTERIOR
    kept = recommend(study)
    assert {name: kept.params[name] for name in fixed} == fixed
    assert kept.params["depth"] in (2, 3)


def test_values_of_an_enqueued_trial_are_kept(predictor: PerformancePredictor) -> None:
    study = optuna.create_study(direction="maximize", sampler=PosteriorSampler(predictor, seed=0))
    study.enqueue_trial({"depth": 5, "width": 17})
    trial = study.ask(dict(SPACE))
    assert (trial.params["depth"], trial.params["width"]) == (5, 17)


def test_threads_train_different_architectures(predictor: PerformancePredictor) -> None:
    sampler = PosteriorSampler(predictor, adaptive=False, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective_of(curves_of(predictor, 0)), n_trials=6, n_jobs=3)
    points = [tuple(sorted(t.params.items())) for t in study.trials]
    assert len(set(points)) == 6


def test_a_running_trial_is_not_proposed_again(predictor: PerformancePredictor) -> None:
    sampler = PosteriorSampler(predictor, adaptive=False, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    first, second = study.ask(), study.ask()
    assert SPACE.suggest(first) != SPACE.suggest(second)


def test_a_study_in_a_file_needs_no_storage_given(
    predictor: PerformancePredictor, tmp_path: Path
) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "s.journal"))
    points = []
    for storage in (optuna.storages.JournalStorage(backend), None):
        sampler = PosteriorSampler(predictor, seed=0)
        study = optuna.create_study(storage=storage, direction="maximize", sampler=sampler)
        study.optimize(objective_of(curves_of(predictor, 0)), n_trials=2)
        points.append([t.params for t in study.trials])
    assert points[0] == points[1]
    assert points[0][0] == predictor.points[predictor.points.index(points[0][0])]


def test_losses_alone_are_evidence(predictor: PerformancePredictor) -> None:
    sampler = PosteriorSampler(predictor, metric="loss", adaptive=False, seed=0)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    for loss in (0.9, 0.3, 1.4):
        study.tell(study.ask(dict(SPACE)), loss)
    assert recommend(study).epochs in (0, 9)


def test_a_cheaper_network_comes_first_where_all_else_is_equal(
    predictor: PerformancePredictor,
) -> None:
    first = PosteriorSampler(predictor, seed=0)
    study = optuna.create_study(direction="maximize", sampler=first)
    dear = study.ask(dict(SPACE)).params
    sampler = PosteriorSampler(
        predictor, seed=0, cost=lambda params: 1e6 if params == dear else 1.0
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    assert study.ask(dict(SPACE)).params != dear


def test_errors_are_accuracies_the_other_way_round(predictor: PerformancePredictor) -> None:
    answers = []
    for direction in ("maximize", "minimize"):
        study = optuna.create_study(
            direction=direction, sampler=PosteriorSampler(predictor, seed=0)
        )
        for value in (0.75, 0.25, 0.5):
            trial = study.ask(dict(SPACE))
            study.tell(trial, value if direction == "maximize" else 1.0 - value)
        answers.append(recommend(study))
    assert answers[0].params == answers[1].params
    assert answers[0].accuracy == pytest.approx(answers[1].accuracy)


def test_a_copy_of_a_sampler_reads_the_study_anew(predictor: PerformancePredictor) -> None:
    sampler = PosteriorSampler(predictor, seed=0, adaptive=False)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.tell(study.ask(dict(SPACE)), 0.5)
    state = {k: v for k, v in sampler.__getstate__().items() if k != "_predictor"}
    pickle.dumps({k: v for k, v in state.items() if k not in ("base_sampler", "_evidence")})
    copied = PosteriorSampler.__new__(PosteriorSampler)
    copied.__setstate__(sampler.__getstate__())
    study.sampler = copied
    other = study.ask(dict(SPACE))
    assert other.params != study.trials[0].params


# What to keep ------------------------------------------------------------------------------------


def test_what_is_recommended_is_as_likely_as_draws_have_it(predictor: PerformancePredictor) -> None:
    study = optuna.create_study(
        direction="maximize", sampler=PosteriorSampler(predictor, adaptive=False, seed=0)
    )
    study.optimize(objective_of(curves_of(predictor, 3)), n_trials=3)
    kept = recommend(study)
    assert kept.trust == 1.0
    posterior = predictor.posterior(
        Evidence(
            curves=[
                {"params": t.params, "seed": t.number, "epoch": e, "validation_accuracy": v}
                for t in study.trials
                for e, v in t.intermediate_values.items()
            ]
        )
    )
    assert kept.params == posterior.best(1)[0]
    pair = [kept.params, kept.runner_up]
    draws = posterior.sample(100_000, 0, pair, of="score")
    assert kept.probability_better == pytest.approx((draws[:, 0] > draws[:, 1]).mean(), abs=0.01)
    accuracy = posterior.sample(100_000, 0, [kept.params])[:, 0]
    assert kept.accuracy == pytest.approx(accuracy.mean(), abs=0.005)
    inside = (accuracy > kept.low) & (accuracy < kept.high)
    assert inside.mean() == pytest.approx(0.8, abs=0.01)
    assert "better than the runner-up" in repr(kept)
    assert "80 % interval" in repr(kept)


def test_a_misled_predictor_recommends_by_results() -> None:
    predictor = final_as_validated(gaussian())
    regret: dict[str, list[float]] = {"right": [], "misnamed": [], "unguarded": []}
    for seed in range(6):
        table = curves_of(predictor, seed)
        best = max(curve[9] for curve in table.values())
        study = optuna.create_study(direction="maximize")
        for key in list(table)[:5]:  # the sixth is left to what the predictor thinks of it
            study.enqueue_trial(dict(key))
        study.optimize(objective_of(table), n_trials=5)
        for name, which in (("right", predictor), ("misnamed", misnamed(predictor))):
            kept = recommend(study, which)
            regret[name].append(best - table[tuple(sorted(kept.params.items()))][9])
        points = [dict(key) for key in table]
        study.sampler = PosteriorSampler(misnamed(predictor), adaptive=False, candidates=points)
        kept = recommend(study)
        regret["unguarded"].append(best - table[tuple(sorted(kept.params.items()))][9])
    assert np.mean(regret["right"]) < 0.1
    assert np.mean(regret["misnamed"]) <= np.mean(regret["unguarded"])
    assert np.mean(regret["misnamed"]) < 0.15


def test_any_study_can_be_asked_about(predictor: PerformancePredictor) -> None:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    with pytest.raises(PredictorError, match="predictor: give one"):
        recommend(study)
    with pytest.raises(PredictorError, match="trained no architecture"):
        recommend(study, predictor, trained_only=True)
    study.optimize(objective_of(curves_of(predictor, 0)), n_trials=3)
    kept = recommend(study, predictor, trained_only=True)
    assert kept.trial is not None
    assert kept.params == {n: study.trials[kept.trial].params[n] for n in SPACE}


# What it refuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"acquisition": "ucb"}, "no acquisition 'ucb'"),
        ({"metric": "auc"}, "no metric 'auc'"),
        ({"adaptive": 1}, "adaptive: needs"),
        ({"cost": 3}, "cost: needs"),
        ({"cost": lambda params: 0.0}, "above 0"),
        ({"fixed": {"depth": 99}}, "fixed: depth"),
        ({"candidates": [{"depth": 1}]}, "candidates: "),
        ({"evidence": 3}, "evidence"),
    ],
)
def test_arguments_out_of_range_are_named(
    predictor: PerformancePredictor, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(PredictorError, match=message):
        PosteriorSampler(predictor, **arguments)


def test_what_does_not_fit_is_refused(predictor: PerformancePredictor) -> None:
    with pytest.raises(PredictorError, match="not fitted"):
        PosteriorSampler(PerformancePredictor())
    with pytest.raises(PredictorError, match="no setting 'seed'"):
        PosteriorPromotion(predictor, seed=3)
    with pytest.raises(ValueError, match="does not go with"):
        hyperband_study(
            name="x", max_resource=9, storage="memory",
            promote=PosteriorPromotion(predictor, metric="accuracy"),
        )  # fmt: skip
    study = optuna.create_study(direction="maximize", sampler=PosteriorSampler(predictor, seed=0))
    study.tell(study.ask(dict(SPACE)), 87.5)
    with pytest.raises(PredictorError, match=r"87\.5 at step 9"):
        study.ask()


def test_narrow_spaces_move_candidates(predictor: PerformancePredictor) -> None:
    space = {
        **SPACE, "depth": IntDistribution(4, 4), "width": IntDistribution(20, 30),
        "activation": CategoricalDistribution(["tanh"]),
    }  # fmt: skip
    sampler = PosteriorSampler(predictor, adaptive=False, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(4):
        trial = study.ask(space)
        assert trial.user_attrs[SOURCE] == POSTERIOR
        assert trial.params["depth"] == 4
        assert 20 <= trial.params["width"] <= 30
        assert trial.params["activation"] == "tanh"
        study.tell(trial, 0.6)
    assert recommend(study).params["activation"] == "tanh"


def test_the_example_of_the_documentation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "posterior.md").read_text("utf-8")
    (*_, example) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    example = example.replace("n_trials=12", "n_trials=4")
    exec(compile(example, "posterior.md", "exec"), {"predictor": gaussian()})
    printed = capsys.readouterr().out
    assert printed.startswith("Recommendation(depth=")
    assert "80 % interval" in printed
