"""The performance predictor, where the answer is known: on tasks drawn from its own Gaussian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from infoprior.metadataset import MetaDataset
from infoprior.predictors import Evidence, PerformancePredictor, PredictorError
from infoprior.predictors._architecture_kernel import ArchitectureKernel
from infoprior.predictors._conditions import ProfilingConditions
from infoprior.predictors._factor_model import FactorModel, fit_factors, task_factors
from infoprior.predictors._performance import FittedPerformance
from infoprior.predictors._recorded_runs import Channels
from infoprior.predictors._result_model import ResultModel
from infoprior.predictors._run_noise import RunNoise
from infoprior.predictors._scales import SCALES, of_accuracy
from infoprior.predictors._task_regression import TaskRegression, fit_regressions
from infoprior.spaces import get_space

SPACE = get_space("mlp")
K, RANK, ROWS = 6, 2, 400
CHANNELS = Channels((1, 9))
D = len(CHANNELS)
NAMES = [f"a{k:03d}" for k in range(K)]


def gaussian(seed: int = 0) -> PerformancePredictor:
    """A predictor whose Gaussian was made up instead of fitted."""
    rng = np.random.default_rng(seed)
    points = SPACE.design(K, seed=1)
    root = 0.25 * rng.normal(size=(K, D, D))
    luck = 0.1 * rng.normal(size=(D, D))
    luck, shared = luck @ luck.T, 0.02 * np.eye(D)
    luck[-1] = luck[:, -1] = 0.0
    model = ResultModel(
        space=SPACE, points=points, names=NAMES, channels=CHANNELS, scale="logit",
        factors=FactorModel(
            0.5 * rng.normal(size=(K, D)), 0.6 * rng.normal(size=(K, D, RANK)),
            root @ root.swapaxes(1, 2) + 0.01 * np.eye(D),
        ),
        noise=RunNoise(luck, np.zeros((D, D)), shared, np.zeros((D, D)), np.ones(K)),
        kernel=ArchitectureKernel(SPACE.encode(points), np.ones(len(SPACE.encoded_names)), 0.1),
        n_validation=ROWS,
    )  # fmt: skip
    predictor = PerformancePredictor(scale="logit")
    predictor._fitted = FittedPerformance(
        model, {}, {}, {}, ProfilingConditions(1000, ROWS, None, None, None)
    )
    return predictor


def task_of(predictor: PerformancePredictor, rng: np.random.Generator) -> tuple[Any, list[dict]]:
    """Final results (K, 2) of a task drawn from the Gaussian, and its learning curves."""
    model = predictor._fitted.model  # type: ignore[union-attr]
    f, noise = model.factors, model.noise
    z = rng.normal(size=RANK)
    common = rng.multivariate_normal(np.zeros(D), noise.shared_luck)
    finals, records = [], []
    for k, name in enumerate(NAMES):
        theta = rng.multivariate_normal(f.mean[k] + f.loadings[k] @ z, f.rest[k])
        finals.append(theta[-2:])
        seen = rng.multivariate_normal(theta + common, noise.luck)
        for rung, epoch in enumerate(CHANNELS.epochs):
            value = SCALES["logit"].inverse(seen[rung])
            # What `of_accuracy` adds to a count, taken off, so that nothing is rounded.
            records.append({
                "architecture": name, "epoch": epoch,
                "validation_accuracy": float(np.clip((value * (ROWS + 1) - 0.5) / ROWS, 0, 1)),
                "validation_loss": float(np.exp(seen[len(CHANNELS.epochs) + rung])),
            })  # fmt: skip
    return np.array(finals), records


def dense(predictor: PerformancePredictor, records: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all scores given the records, by one matrix over everything."""
    model = predictor._fitted.model  # type: ignore[union-attr]
    f, noise = model.factors, model.noise
    loadings = f.loadings.reshape(K * D, RANK)
    covariance = loadings @ loadings.T
    networks = sorted({(r["architecture"], r.get("seed", 0)) for r in records})
    rows, values, sources = [], [], []
    for r in records:
        k, rung = NAMES.index(r["architecture"]), CHANNELS.epochs.index(r["epoch"])
        accuracy = np.array(r["validation_accuracy"])
        logit, _ = of_accuracy(SCALES["logit"], accuracy, np.array(ROWS))
        for q, value in enumerate((logit, np.log(r["validation_loss"]))):
            rows.append(k * D + q * len(CHANNELS.epochs) + rung)
            values.append(float(value))
            sources.append(networks.index((r["architecture"], r.get("seed", 0))))
    for k in range(K):
        covariance[k * D : (k + 1) * D, k * D : (k + 1) * D] += f.rest[k]
    place, source = np.array(rows), np.array(sources)
    own = np.array([
        [noise.luck[a % D, b % D] * (s == t) for b, t in zip(place, source, strict=True)]
        for a, s in zip(place, source, strict=True)
    ])  # fmt: skip
    observed = (
        covariance[np.ix_(place, place)] + own + noise.shared_luck[np.ix_(place % D, place % D)]
    )
    score = np.arange(K) * D + D - 1
    gain = np.linalg.solve(observed, covariance[np.ix_(place, score)]).T
    mean = f.mean.ravel()
    after = mean[score] + gain @ (np.array(values) - mean[place])
    return after, covariance[np.ix_(score, score)] - gain @ covariance[np.ix_(place, score)]


def some(records: list[dict]) -> list[dict]:
    """What a search half done has: two whole curves, two beginnings."""
    return [*records[:4], records[4], records[6]]


def test_no_evidence_gives_the_fitted_mean():
    predictor = gaussian()
    posterior = predictor.posterior()
    mean = predictor._fitted.model.factors.mean
    np.testing.assert_allclose(posterior.mean(of="score"), mean[:, -1], atol=1e-12)
    assert posterior.best(1) == [predictor.points[int(mean[:, -1].argmax())]]


def test_curves_condition_as_one_large_gaussian_does():
    predictor = gaussian()
    records = some(task_of(predictor, np.random.default_rng(1))[1])
    mean, covariance = dense(predictor, records)
    posterior = predictor.posterior(Evidence(curves=records, n_validation=ROWS))
    np.testing.assert_allclose(posterior.mean(of="score"), mean, atol=1e-6)
    np.testing.assert_allclose(posterior.std(of="score"), np.sqrt(np.diag(covariance)), atol=1e-6)


def test_two_seeds_are_two_observations_with_one_rest():
    predictor = gaussian()
    records = some(task_of(predictor, np.random.default_rng(2))[1])
    twice = records + [{**r, "seed": 1} for r in records]
    mean, _ = dense(predictor, twice)
    posterior = predictor.posterior(Evidence(curves=twice, n_validation=ROWS))
    np.testing.assert_allclose(posterior.mean(of="score"), mean, atol=1e-6)
    once = predictor.posterior(Evidence(curves=records, n_validation=ROWS))
    assert (posterior.std(of="score")[:4] < once.std(of="score")[:4]).all()


def test_the_order_of_the_evidence_makes_no_difference():
    predictor = gaussian()
    records = task_of(predictor, np.random.default_rng(3))[1]
    forward = predictor.posterior(Evidence(curves=records))
    backward = gaussian().posterior(Evidence(curves=records[::-1]))
    np.testing.assert_array_equal(forward.mean(), backward.mean())


def test_params_a_frame_and_ids_say_the_same():
    predictor = gaussian()
    records = some(task_of(predictor, np.random.default_rng(4))[1])
    points = dict(zip(NAMES, predictor.points, strict=True))
    without = [{k: v for k, v in r.items() if k != "architecture"} for r in records]
    named = [
        {**w, "params": points[r["architecture"]]} for w, r in zip(without, records, strict=True)
    ]
    frame = pd.DataFrame([{**w, **n["params"]} for w, n in zip(without, named, strict=True)])
    expected = predictor.posterior(Evidence(curves=records)).mean()
    for curves in (named, frame):
        np.testing.assert_array_equal(predictor.posterior(Evidence(curves=curves)).mean(), expected)


def test_intervals_cover_on_tasks_of_the_gaussian():
    predictor, rng = gaussian(), np.random.default_rng(5)
    levels, inside = (0.5, 0.8, 0.95), {0.5: [], 0.8: [], 0.95: []}
    for _ in range(200):
        finals, records = task_of(predictor, rng)
        accuracy = SCALES["logit"].inverse(finals[:, 0])
        posterior = predictor.posterior(Evidence(curves=some(records), n_validation=ROWS))
        for level in levels:
            low, high = posterior.interval(level)
            inside[level] += list((low <= accuracy) & (accuracy <= high))
    for level in levels:
        assert abs(np.mean(inside[level]) - level) < 0.04


def test_draws_have_the_moments_of_the_posterior():
    predictor = gaussian()
    records = some(task_of(predictor, np.random.default_rng(6))[1])
    posterior = predictor.posterior(Evidence(curves=records, n_validation=ROWS))
    draws = posterior.sample(20_000, 0)
    np.testing.assert_allclose(draws.mean(axis=0), posterior.mean(), atol=0.01)
    np.testing.assert_allclose(draws.std(axis=0), posterior.std(), atol=0.01)
    scores = posterior.sample(20_000, 1, of="score")
    _, covariance = dense(predictor, records)
    np.testing.assert_allclose(np.cov(scores.T), covariance, atol=0.05)
    first, second = predictor.points[:2]
    better = np.mean(scores[:, 0] > scores[:, 1])
    assert posterior.probability_better(first, second) == pytest.approx(better, abs=0.02)
    assert posterior.probability_best().sum() == pytest.approx(1.0)


def test_an_architecture_named_twice_is_one():
    posterior = gaussian().posterior()
    point = posterior.points[0]
    draws = posterior.sample(5, 0, [point, point])
    np.testing.assert_array_equal(draws[:, 0], draws[:, 1])
    assert posterior.probability_better(point, point) == 0.5


def test_unseen_architectures_are_known_less_the_farther_they_lie():
    model = gaussian()._fitted.model
    known = model.points[0]
    near = {**known, "dropout": known["dropout"] * 0.99}
    points = SPACE.encode([near, *SPACE.design(16, seed=9)])
    weights, unknown = model.kernel.carry(points)
    assert weights[0].argmax() == 0
    assert unknown[0] < unknown[1:].min()
    spread = gaussian().posterior().std([near, *SPACE.design(16, seed=9)])
    assert np.isfinite(spread).all()


def test_an_epoch_between_two_rungs_tells_less_than_the_later_and_more_than_none():
    predictor = gaussian()
    records = [r for r in task_of(predictor, np.random.default_rng(7))[1] if r["epoch"] == 9][:1]
    moved = [[{**r, "epoch": epoch} for r in records] for epoch in (8, 9, 30)]
    known = [predictor.posterior(Evidence(curves=curves)) for curves in moved]
    spread = [posterior.std(of="score")[0] for posterior in known]
    before = predictor.posterior().std(of="score")[0]
    assert spread[1] == spread[2] < before
    assert spread[0] < before


def test_fitting_gets_back_the_gaussian_that_tasks_were_drawn_from():
    rng = np.random.default_rng(0)
    mean, loadings = rng.normal(size=(3, 2)), rng.normal(size=(3, 2, 1))
    z = rng.normal(size=(3000, 1))
    noise = np.where(rng.random(3000) < 0.5, 0.1, 0.4)
    values = mean + np.einsum("kdr,tr->tkd", loadings, z) + 0.3 * rng.normal(size=(3000, 3, 2))
    values += np.sqrt(noise)[:, None, None] * rng.normal(size=values.shape)
    values[::7, 1] = np.nan  # not run there
    spread = np.broadcast_to(noise[:, None, None, None] * np.eye(2), (3000, 3, 2, 2))
    model = fit_factors(values, spread, np.ones(3000), 1, 40)
    np.testing.assert_allclose(model.mean, mean, atol=0.08)
    outer = loadings.reshape(-1, 1) @ loadings.reshape(1, -1)
    np.testing.assert_allclose(
        model.loadings.reshape(-1, 1) @ model.loadings.reshape(1, -1), outer, atol=0.25
    )
    np.testing.assert_allclose(model.rest, np.broadcast_to(0.09 * np.eye(2), (3, 2, 2)), atol=0.05)
    factors, _ = task_factors(model, values, spread)
    assert abs(np.corrcoef(factors[:, 0], z[:, 0])[0, 1]) > 0.9


def test_what_features_do_not_tell_is_left_as_uncertainty():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    y = np.stack([x[:, 0] + 0.5 * rng.normal(size=400), rng.normal(size=400)], axis=1)
    families = [f"family-{i // 2}" for i in range(400)]
    fits = fit_regressions(
        {"a": x[:, :2], "b": x[:, 2:]}, y, np.zeros((400, 2, 2)), np.ones(400), families, np.ones(2)
    )
    assert set(fits) == {("a",), ("b",), ("a", "b")}
    np.testing.assert_allclose(np.diag(fits["a",].covariance), [0.25, 1.0], rtol=0.2)
    np.testing.assert_allclose(np.diag(fits["b",].covariance), [1.25, 1.0], rtol=0.2)


def test_uncertainty_grows_with_the_distance_as_far_as_left_out_tasks_say():
    rng = np.random.default_rng(0)
    n = 600
    x = np.where(np.arange(n)[:, None] < n // 2, 0.3, 2.0) * rng.normal(size=(n, 3))
    families = [f"family-{i // 2}" for i in range(n)]
    noise = rng.normal(size=(n, 2))

    def growth_of(scale: np.ndarray | float) -> TaskRegression:
        y = x[:, :2] + np.asarray(scale) * noise
        fits = fit_regressions({"a": x}, y, np.zeros((n, 2, 2)), np.ones(n), families, np.ones(2))
        return fits["a",]

    # Those that lie apart have three times the deviation.
    wider = growth_of(np.where(np.arange(n)[:, None] < n // 2, 0.1, 0.3))
    _, centre, least, most = wider.growth
    near, far = (np.diag(wider.factors(x[0], d)[1]) for d in (least, most))
    assert (far > 4.0 * near).all()
    beyond = wider.factors(x[0], 10.0 * most)[1]
    np.testing.assert_array_equal(np.diag(beyond), far)  # no further than was seen
    np.testing.assert_allclose(wider.factors(x[0], centre)[1], wider.covariance)
    alike = growth_of(0.2)
    near, far = (np.diag(alike.factors(x[0], d)[1]) for d in alike.growth[2:])
    assert (far < 1.6 * near).all()


def test_a_profile_moves_the_posterior_and_each_kind_of_evidence_is_explained(
    meta: MetaDataset, fitted: PerformancePredictor
):
    profile = meta.profile("made/0")
    curves = meta.curves[(meta.curves["task"] == "made/0") & (meta.curves["epoch"] <= 3)]
    posterior = fitted.posterior(Evidence(profile, curves))
    table = posterior.explain()
    assert list(dict.fromkeys(table["evidence"])) == [
        "nothing", "accuracy", "metafeatures", "mi", "curves",
    ]  # fmt: skip
    by = table.groupby("evidence", sort=False)["mean_change"].apply(np.array)
    total = fitted.posterior().mean() + sum(by)
    np.testing.assert_allclose(total, posterior.mean(), atol=1e-12)
    assert posterior.std().mean() < fitted.posterior().std().mean()
    prior = posterior.prior(floor=0.2)
    assert prior.log_ratio(posterior.best(1))[0] > 0.0


def test_inputs_choose_what_is_read_of_a_profile(meta: MetaDataset, fitted: PerformancePredictor):
    evidence = Evidence(meta.profile("made/1"))
    nothing = fitted.posterior(evidence, inputs="nothing")
    np.testing.assert_array_equal(nothing.mean(), fitted.posterior().mean())
    with pytest.raises(PredictorError, match="holds no profile"):
        fitted.posterior(inputs="mi")


def test_many_tasks_are_answered_as_one_is(meta: MetaDataset, fitted: PerformancePredictor):
    tasks = ["made/5", "made/3"]
    answers = fitted.posterior_tasks(meta, tasks, inputs="all")
    assert list(answers) == tasks
    for task in tasks:
        alone = fitted.posterior(Evidence(meta.profile(task)))
        np.testing.assert_array_equal(answers[task].mean(), alone.mean())


def test_saved_and_loaded_it_answers_and_is_written_alike(
    meta: MetaDataset, fitted: PerformancePredictor, tmp_path
):
    fitted.save(tmp_path / "a")
    loaded = PerformancePredictor.load(tmp_path / "a")
    loaded.save(tmp_path / "b")
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    evidence = Evidence(meta.profile("made/2"))
    for of in ("accuracy", "score"):
        np.testing.assert_array_equal(
            loaded.posterior(evidence).mean(of=of), fitted.posterior(evidence).mean(of=of)
        )


def test_fitted_again_it_is_the_same(meta: MetaDataset, fitted: PerformancePredictor):
    again = PerformancePredictor(rank=3, iterations=5).fit(meta, progress=False)
    np.testing.assert_array_equal(again.posterior().mean(), fitted.posterior().mean())


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([{"architecture": "a000", "epoch": 1}], "needs epoch and validation_accuracy"),
        ([{"epoch": 1, "validation_accuracy": 0.5}], "which architecture"),
        ([{"architecture": "a000", "epoch": 0, "validation_accuracy": 0.5}], "epoch"),
        ([{"architecture": "a000", "epoch": 1, "validation_accuracy": 1.5}], "at most 1"),
        ("curves.csv", "data frame"),
    ],
)
def test_evidence_that_is_none_is_refused(curves: Any, message: str):
    with pytest.raises(PredictorError, match=message):
        Evidence(curves=curves)


def test_an_unknown_architecture_is_refused_by_name():
    curves = [{"architecture": "b007", "epoch": 1, "validation_accuracy": 0.5}]
    with pytest.raises(PredictorError, match="'b007'"):
        gaussian().posterior(Evidence(curves=curves))


def test_a_network_that_diverged_is_evidence_against_its_architecture():
    predictor = gaussian()
    curves = [{"architecture": "a000", "epoch": 9, "validation_accuracy": 0.3,
               "validation_loss": float("nan"), "diverged": True}]  # fmt: skip
    assert np.isfinite(predictor.posterior(Evidence(curves=curves)).mean()).all()
