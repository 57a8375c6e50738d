"""What a result would be worth, and how far a predictor is to be trusted in a study."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from infoprior.predictors import (
    Evidence,
    PerformancePredictor,
    PosteriorPromotion,
    PosteriorSampler,
    recommend,
)
from infoprior.predictors._records import Record
from infoprior.predictors._search.lookahead import Lookahead, expected_improvement
from infoprior.predictors._search.sampler import MOST_TRUST, POSTERIOR, TRUST, UNTESTED_TRUST
from infoprior.predictors._search.study_posterior import StudyPosterior, Varied
from infoprior.predictors._search.trust import Trust, log_evidence, renamed, terms_of
from infoprior.priors._trial import SOURCE
from tests.predictors.studies import (
    beside_curves,
    curves_of,
    final_as_validated,
    misnamed,
    objective_of,
    study_of,
)
from tests.predictors.test_performance import ROWS, SPACE, gaussian

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="module", params=["curves", "training losses"])
def each(request: pytest.FixtureRequest) -> PerformancePredictor:
    """One that reads curves only, and one that also reads what is beside them."""
    return gaussian() if request.param == "curves" else beside_curves(gaussian())


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
    each: PerformancePredictor, before: tuple[int, ...]
) -> None:
    model = each._require_fitted().model
    key = model.key(each.points[2])
    other = model.key(each.points[3])
    records = [
        Record(other, 1, 9, 0.7, 0.8, 0.5),
        *(Record(key, 0, e, 0.6, 0.9, 0.4) for e in before),
    ]
    seen: dict[Any, list[list[Record]]] = {}
    for record in records:
        seen.setdefault(record.architecture, []).append([record])
    now = each.posterior(Evidence(curves=records, n_validation=ROWS))
    look = Lookahead(model, np.zeros_like(now._common.mean), ROWS)
    rows = now._linear([key], now._blocks)[1][:, 1]
    covariance = now._common.covariance
    (change,) = look.changes(covariance, rows, [key], seen, [(9,)], [bool(before)], True, True)
    after = each.posterior(
        Evidence(curves=[*records, Record(key, 0, 9, 0.62, 0.9)], n_validation=ROWS)
    )
    fall = now.std([dict(key)], of="score") ** 2 - after.std([dict(key)], of="score") ** 2
    assert change**2 == pytest.approx(fall[0], rel=0.05)  # but for how noisy a share is


# How far to trust it -----------------------------------------------------------------------------


def test_the_evidence_is_the_density_of_all_results(each: PerformancePredictor) -> None:
    model = each._require_fitted().model
    models = [model, renamed(model, np.array([3, 0, 1, 2, 5, 4]))]
    points = [*each.points[:4], SPACE.design(1, seed=9)[0]]  # the last is none of the recorded ones
    records = [
        Record(model.key(point), i, epoch, 0.6 + 0.02 * i, 0.8, 0.5)
        for i, point in enumerate(points)
        for epoch in (1, 2, 9)
    ]
    mean = np.zeros(model.size + len(models[0].blocks((), ROWS)[1]))
    terms = [
        terms_of(models, model.key(point), [[r for r in records if r.seed == i]], float(ROWS), mean)
        for i, point in enumerate(points)
    ]
    for place, one in enumerate(models):
        blocks, shared = one.blocks(records, ROWS)
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


def first_of(table: Any, trials: int) -> optuna.Study:
    """A study of the first architectures of a table, each trained once."""
    study = optuna.create_study(direction="maximize")
    for key in list(table)[:trials]:
        study.enqueue_trial(dict(key))
    study.optimize(objective_of(table), n_trials=trials)
    return study


@pytest.mark.parametrize("trials", [2, 4])
def test_a_predictor_that_is_not_followed_has_no_say_once_three_are_trained(
    predictor: PerformancePredictor, monkeypatch: pytest.MonkeyPatch, trials: int
) -> None:
    evidence, otherwise = Evidence(n_validation=ROWS), 0
    monkeypatch.setattr(StudyPosterior, "trust", lambda self: 0.4)
    for seed in range(6):
        table = curves_of(predictor, seed)
        study = first_of(table, trials)
        about = StudyPosterior(predictor, evidence, "accuracy", Varied())
        about.update(study.trials)
        points = predictor.points
        score = 0.4 * about.posterior.mean(points, of="score")
        score += 0.6 * about.without_names().mean(points, of="score")
        mixture = points[int(score.argmax())]
        kept = recommend(study, predictor, evidence=evidence)
        assert kept.params == (study.best_params if trials >= 3 else mixture)
        otherwise += mixture != study.best_params
    assert otherwise


@pytest.mark.parametrize("trials", [4, 6])
def test_results_have_a_say_once_five_architectures_are_trained(
    predictor: PerformancePredictor, trials: int
) -> None:
    evidence, otherwise = Evidence(n_validation=ROWS), 0
    for seed in range(8):
        table = curves_of(predictor, seed)
        study = first_of(table, trials)
        study.sampler = PosteriorSampler(predictor, evidence=evidence, adaptive=False)
        about = StudyPosterior(predictor, evidence, "accuracy", Varied())
        about.update(study.trials)
        points = [t.params for t in study.trials]
        score = about.posterior.mean(points, of="score")
        value = np.array([t.value for t in study.trials], dtype=float)
        half = (value * ROWS + 0.5) / (ROWS + 1.0)  # half a right and half a wrong answer more
        error = np.sqrt(half.max() * (1.0 - half.max()) / ROWS)
        both = points[int((score + half / error).argmax())]
        alone = about.posterior.best(1)[0]
        assert recommend(study).params == (both if trials >= 5 else alone)
        otherwise += both != alone
    assert otherwise


def test_results_are_compared_at_the_latest_epoch_only(predictor: PerformancePredictor) -> None:
    study = optuna.create_study(direction="minimize")
    for point, curve in zip(predictor.points, ({1: 0.1}, {1: 0.9, 9: 0.5}, {9: 0.4}), strict=False):
        study.enqueue_trial(point)
        trial = study.ask(dict(SPACE))
        for epoch, loss in curve.items():
            trial.report(loss, step=epoch)
        study.tell(trial, min(curve.values()))
    about = StudyPosterior(predictor, Evidence(n_validation=ROWS), "loss", Varied())
    about.update(study.trials)
    results = about.results(about.known_keys())
    assert np.isfinite(results).tolist() == [False, True, True, False, False, False]
    assert results[2] - results[1] == pytest.approx(np.log(0.5 / 0.4) * np.sqrt(ROWS))


def test_at_first_half_of_the_trials_at_rungs_are_the_base_s(
    predictor: PerformancePredictor,
) -> None:
    evidence = Evidence(n_validation=ROWS)
    study = study_of(PosteriorPromotion(predictor, evidence))
    study.optimize(objective_of(curves_of(predictor, 0)), n_trials=9)
    trials = study.trials[1:]  # there are fewer than it takes to see enough architectures
    assert min(trial.user_attrs[TRUST] for trial in trials) > 0.7
    share = np.mean([trial.user_attrs.get(SOURCE) == POSTERIOR for trial in trials])
    assert 0.3 < share < 0.65
    about = StudyPosterior(predictor, evidence, "accuracy", Varied())
    # A full training each: none is given away.
    assert PosteriorSampler._most(about, None) == MOST_TRUST
    assert PosteriorSampler._most(about, (1, 9)) == UNTESTED_TRUST
    about.runs = {about.known_keys()[i]: [] for i in range(6)}  # all that it knows
    assert PosteriorSampler._most(about, (1, 9)) == MOST_TRUST


def test_what_is_known_beside_curves_enters_studies() -> None:
    predictor, point = beside_curves(gaussian()), gaussian().points[3]
    kept = []
    for loss in (0.01, 3.0):
        known = [{"params": point, "epoch": 1, "validation_accuracy": 0.6, "train_loss": loss}]
        evidence = Evidence(curves=known, n_validation=ROWS)
        study = study_of(PosteriorPromotion(predictor, evidence))
        study.optimize(objective_of(curves_of(predictor, 0)), n_trials=4)
        kept.append(recommend(study))
        about = StudyPosterior(predictor, evidence, "accuracy", Varied())
        np.testing.assert_allclose(about.posterior.mean(), predictor.posterior(evidence).mean())
        about.update([])
        np.testing.assert_allclose(about.posterior.std(), predictor.posterior(evidence).std())
    assert kept[0].accuracy != kept[1].accuracy
    assert kept[0].trust != kept[1].trust
