"""What benchmarks/predictors/thesis.py counts, on numbers whose answer is known."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.predictors import _thesis_causes as causes
from benchmarks.predictors import _thesis_controller as controller
from benchmarks.predictors import _thesis_report as report
from benchmarks.predictors import _thesis_targets as targets
from benchmarks.predictors._thesis_data import Bench, Setting, recorded
from benchmarks.predictors._thesis_measure import Layers, Measured, options_of, point
from benchmarks.predictors._thesis_network import Fit, fit_predict
from infoprior import load_metadataset
from infoprior.evaluation import kendall_tau
from infoprior.metadataset import score

N_TASKS, N_POINTS = 40, 24


def made_bench(told: float) -> Bench:
    """Tasks that prefer wide or narrow layers; probes' layers hold which, `told` times."""
    rng = np.random.default_rng(0)
    options = rng.integers(23, size=(N_POINTS, 4))
    names = [f"t{i}" for i in range(N_TASKS)]
    tasks = pd.DataFrame({"task": names, "family": names, "kind": "real"})
    preference = rng.normal(size=(N_TASKS, 1))
    values = 0.5 + preference * (options[:, 0] - 11) / 100
    rungs = np.stack([values[..., None].repeat(3, axis=2)] * 2)
    information = told * preference[:, :, None] + 0.01 * rng.normal(size=(N_TASKS, 4, 4))
    layers = Layers(
        rng.integers(23, size=(N_TASKS, 4, 4)), np.zeros((N_TASKS, 4)), information, information
    )
    return Bench(
        tasks, options, rungs, values, values, Measured(layers, layers, np.full(N_TASKS, 2.0))
    )


def test_a_bracket_keeps_eight_then_four_and_counts_their_last_scores() -> None:
    scores = np.zeros((12, 3))
    scores[:, 0] = np.arange(12)  # 4 to 11 are kept
    scores[:, 1] = [9, 9, 9, 9, 8, 7, 6, 5, 1, 1, 1, 1]  # of these 4 to 7
    scores[:, 2] = np.linspace(0.1, 1.2, 12)
    expected = np.where((np.arange(12) >= 4) & (np.arange(12) < 8), scores[:, 2], 0.0)
    np.testing.assert_allclose(targets.survivors(scores), expected)


def test_neighbours_of_a_survivors_option_get_a_quarter() -> None:
    options = np.array([[0, 5, 22, 11], [1, 5, 3, 3]])
    shares = targets.counts(options, np.array([[2.0, 0.0]]))[0].reshape(4, 23)
    total = 1.25 + 1.5 + 1.25 + 1.5
    assert shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(shares[0, :3], [1 / total, 0.25 / total, 0.0])
    np.testing.assert_allclose(shares[1, 4:7], np.array([0.25, 1.0, 0.25]) / total)
    np.testing.assert_allclose(shares[2, 20:], np.array([0.0, 0.25, 1.0]) / total)


def test_halves_of_the_brackets_are_of_independent_trainings() -> None:
    scores = np.random.default_rng(0).random((2, 3, 24, 3))
    counted = targets.survival(scores, 0)
    assert ((counted > 0).sum(axis=2) == 4).all()
    changed = targets.survival(np.stack([scores[0], scores[1, ::-1]]), 0)
    np.testing.assert_array_equal(counted[::2], changed[::2])
    assert not np.array_equal(counted[1::2], changed[1::2])


def test_effects_of_layers_are_found_again() -> None:
    options = np.random.default_rng(1).integers(23, size=(60, 4))
    u = (options - 11) / 11
    values = (u[:, 0] - 2.0 * (u[:, 1] - 0.5) ** 2 + 0.5 * u[:, 3])[None]
    effects = targets.effects(options, values)
    assert targets.tau(targets.scores_of(effects, options, clean=True), values)[0] > 0.9
    by_layer = effects.reshape(4, 23)
    assert abs(int(by_layer[1].argmax()) - 16.5) <= 2
    assert np.abs(by_layer[2]).max() < 0.1 * np.abs(by_layer[1]).max()


def test_a_gaussian_of_a_gaussian_is_itself() -> None:
    place = np.arange(23)
    shape = np.exp(-((place[None] - np.array([[8], [11], [12], [14]])) ** 2) / (2 * 2.0**2))
    shares = targets.shares(shape.ravel())
    np.testing.assert_allclose(targets.gaussian(shares), shares, atol=2e-4)


def test_scores_are_those_of_the_package() -> None:
    meta = load_metadataset("thesis")
    options = options_of(list(meta.points().values()))
    assert [point(o) for o in options] == list(meta.points().values())
    ours = targets.score(recorded(meta, "test")[..., -1].mean(axis=0), options)
    theirs = score(meta).pivot(index="task", columns="architecture", values="test_score")
    expected = theirs.loc[list(meta.tasks["task"]), list(meta.points())].to_numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_values_are_standardised_within_a_data_set_or_shares_of_the_entropy() -> None:
    bench = made_bench(1.0)
    within = bench.values(Setting("", probes=True), "information")
    np.testing.assert_allclose(within.mean(axis=(1, 2)), 0.0, atol=1e-9)
    np.testing.assert_allclose(within.std(axis=(1, 2)), 1.0, atol=1e-6)
    absolute = bench.values(Setting("", probes=True, absolute=True), "information")
    np.testing.assert_allclose(2.0 * absolute, bench.measured.probes.mine)


def test_twenty_tasks_are_of_twenty_families_apart_from_those_held_out() -> None:
    names = [f"t{i}" for i in range(90)]
    families = [f"f{i // 2}" for i in range(90)]
    kinds = ["real"] * 80 + ["synthetic"] * 10
    tasks = pd.DataFrame({"task": names, "family": families, "kind": kinds})
    family = tasks["family"].to_numpy()
    held = []
    for (train,), held_out in causes.splits(tasks, "20"):
        assert len(set(family[train])) == len(train) == 20
        assert not set(family[train]) & set(family[held_out])
        held += list(held_out)
    assert sorted(held) == list(range(80))
    for (train, made), held_out in causes.splits(tasks, "all"):
        assert len(train) + len(held_out) == 80
        assert list(made) == list(range(80, 90))


def test_a_network_is_fitted_the_same_alone_and_among_others() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 50, 6))
    y = np.stack([x[1, :, 0], -x[1, :, 1]], axis=1)
    fits = [Fit(v, [np.arange(40)], np.arange(40, 50), seed) for v, seed in ((0, 1), (1, 2))]
    both = fit_predict(x, 6, y, fits, 100)
    alone = fit_predict(x, 6, y, fits[1:], 100)
    np.testing.assert_allclose(both[1], alone[0], atol=1e-3)
    errors = [np.square(answer[40:] - y[40:]).mean() / y.var() for answer in both]
    assert errors[1] < 0.5 < errors[0]  # the first one reads what tells nothing


@pytest.mark.parametrize("linear", [False, True])
def test_information_that_tells_is_worth_more_than_another_tasks(
    linear: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("GROUPS", 2), ("SEEDS", 1), ("MORE_STEPS", 60)):
        monkeypatch.setattr(causes, name, value)
    setting = Setting("row", "real", True, True, True, True, True, linear)
    gains = {}
    for told in (0.0, 1.0):
        frame = report.together(causes.run(made_bench(told), setting, 2))
        tau = frame.groupby("method")["tau"].mean()
        gains[told] = tau["information"] - tau["shuffled"]
        assert set(frame["task"]) == {f"t{i}" for i in range(N_TASKS)}
    assert gains[1.0] > 0.5
    assert abs(gains[0.0]) < 0.3


def test_a_baseline_reads_nothing_of_the_held_out_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "GROUPS", 3)
    bench, setting = made_bench(0.0), Setting("row", "real", clean=True, joint=True, linear=True)
    frame = causes.run(bench, setting, 0)
    average = frame[frame["method"] == "average"].set_index("number")["tau"]
    (train,), held_out = causes.splits(bench.tasks, "real")[0]
    mean = targets.standardised(bench.final)[train].mean(axis=0)
    expected = [kendall_tau(mean, bench.truth[t]) for t in held_out]
    np.testing.assert_allclose(average.loc[held_out], expected, atol=1e-9)


def test_a_bracket_draws_without_replacement_by_its_odds() -> None:
    rng = np.random.default_rng(0)
    log_p = np.where(np.arange(48) < 12, 0.0, -40.0)
    assert sorted(controller.draw(log_p, 0.0, rng)) == list(range(12))
    half = np.stack([controller.draw(log_p, 0.5, rng) for _ in range(200)])
    assert all(len(set(row)) == 12 for row in half)
    # Six of the twelve likely ones, and of the 42 others 6 at random, 6 of them likely.
    assert (half < 12).sum(axis=1).mean() == pytest.approx(6 + 6 * 6 / 42, abs=0.3)


def test_a_controller_learns_what_survives_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = made_bench(0.0)
    values = np.repeat(0.5 + 0.4 * (bench.options[:, :1].T > 11), N_TASKS, axis=0)
    values = values - 0.01 * np.arange(N_POINTS)  # no ties
    bench = replace(bench, rungs=np.stack([values[..., None].repeat(3, axis=2)] * 2))
    monkeypatch.setattr(causes, "GROUPS", 2)
    monkeypatch.setattr(controller, "SEEDS", 1)
    monkeypatch.setattr(controller, "ROUNDS", 100)
    mean = controller.run(bench, 1).groupby("method")["score"].mean()
    assert mean["best twelve"] > mean["average"] > mean["uniform"]
    assert mean["controller"] > mean["uniform"] + 0.1 * (mean["best twelve"] - mean["uniform"])


def test_the_detectable_difference_is_that_of_normal_theory() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1.0, size=5000)
    for n in (20, 100):
        expected = (1.96 + 0.84) / n**0.5  # of the t-test; Wilcoxon's needs about 2 % more
        assert report.detectable(differences, n) == pytest.approx(expected, rel=0.12)
