"""A predictor in a study: on tasks drawn from its own Gaussian, where the answers are known."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from infoprior.predictors import (
    Evidence,
    PerformancePredictor,
    PosteriorPromotion,
    PosteriorSampler,
    PredictorError,
    recommend,
)
from infoprior.predictors._search.sampler import POSTERIOR
from infoprior.priors import hyperband_study, optimize, resumed_from
from infoprior.priors._trial import PROMOTES, SOURCE
from tests.predictors.studies import (
    curves_of,
    objective_of,
    study_of,
    told,
)
from tests.predictors.test_performance import SPACE, gaussian

optuna.logging.set_verbosity(optuna.logging.ERROR)


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


@pytest.mark.slow
def test_the_example_of_the_documentation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "posterior.md").read_text("utf-8")
    (*_, example) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    example = example.replace("n_trials=12", "n_trials=4")
    exec(compile(example, "posterior.md", "exec"), {"predictor": gaussian()})
    printed = capsys.readouterr().out
    assert printed.startswith("Recommendation(depth=")
    assert "80 % interval" in printed
