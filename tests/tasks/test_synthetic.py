"""The generator: seeded, varied, as large as asked for, as noisy as its recipe says."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from infoprior.tasks import TaskError, load_task, synthetic_task
from infoprior.tasks._synthetic.concept import Concept
from infoprior.tasks._synthetic.generator import TEST_ROWS, recipe
from infoprior.tasks._synthetic.mix import MIX, draw_recipe
from infoprior.tasks._synthetic.scores import SCORES
from infoprior.tasks._task import PARTS

RECIPES = [recipe(i) for i in range(400)]


def find(**wanted):
    """Index of the first concept with these settings."""
    return next(
        i for i, r in enumerate(RECIPES) if all(getattr(r, k) == v for k, v in wanted.items())
    )


def concept(**changes):
    """A concept of plain Gaussian columns without noise, but for the changes."""
    n_classes = changes.get("n_classes", 3)
    n_latent = changes.get("n_latent", 6)
    plain = dict(
        concept=5, mechanism="linear", complexity=2, n_classes=n_classes, ordinal=False,
        class_weights=(1 / n_classes,) * n_classes, n_train=1000, temperature=0.0, noise=0.0,
        latent="normal", n_latent=n_latent, correlation=0.0, measured="directly",
        measurement_noise=0.0, n_informative=n_latent, n_redundant=0, n_irrelevant=0,
        kinds=("plain",) * n_latent, missing=(0.0,) * n_latent,
    )  # fmt: skip
    return Concept(dataclasses.replace(draw_recipe(5), **{**plain, **changes}))


@pytest.mark.parametrize("index", range(20))
def test_sizes_classes_and_no_row_in_two_parts(index):
    task = synthetic_task(index, n_train=300, n_validation=100, n_test=1000)
    assert [len(getattr(task, p)) for p in PARTS] == [300, 100, 1000]
    assert (task.kind, task.family) == ("synthetic", f"synthetic-{index}")
    assert task.n_classes == recipe(index).n_classes
    train, validation, test = ({row.tobytes() for row in task.split(p)[0]} for p in PARTS)
    assert not train & validation
    assert not (train | validation) & test


def test_own_sizes_are_in_the_stated_ranges():
    rows = np.array([r.n_train for r in RECIPES])
    assert rows.min() >= 150
    assert rows.max() <= 5000
    # A density as n ** -1.75 has its median at 345 and its 90 % quantile at 1,540.
    assert 300 < np.median(rows) < 400
    assert 1200 < np.quantile(rows, 0.9) < 2000
    assert all(100 <= r.n_validation <= 1000 for r in RECIPES)
    assert {r.n_validation for r in RECIPES if r.n_train == 900} <= {300}
    assert {r.n_classes for r in RECIPES} >= {2, 3, 5, 10}
    assert all(2 <= r.n_classes <= 20 for r in RECIPES)
    for index in (0, 1, 2):
        task = synthetic_task(index)
        sizes = recipe(index).n_train, recipe(index).n_validation, TEST_ROWS
        assert tuple(len(getattr(task, p)) for p in PARTS) == sizes


@pytest.mark.parametrize("index", range(60, 90))
def test_three_to_sixty_features(index):
    assert 3 <= synthetic_task(index, n_test=1).n_features <= 60


def test_one_hot_coding_never_makes_more_than_sixty():
    for r in map(recipe, range(1200)):
        pairs = zip(r.kinds, r.missing, strict=True)
        coded = [int(k.partition(":")[2] or 1) + (k[:8] == "category" and m > 0) for k, m in pairs]
        assert 3 <= sum(coded) <= 60


def test_every_setting_of_the_mix_occurs():
    """Over enough concepts; an odd that no concept ever draws would be a dead line."""
    assert {r.mechanism for r in RECIPES} == {*SCORES, "mixture"} == set(MIX["mechanism"])
    assert {r.latent for r in RECIPES} == set(MIX["latent"])
    assert {r.measured for r in RECIPES} == set(MIX["measured"])
    kinds = {kind.partition(":")[0] for r in RECIPES for kind in r.kinds}
    assert kinds >= {"plain", "exponential", "integer", "count", "levels", "binary", "category"}
    for share in (
        np.mean([r.noise > 0 for r in RECIPES]),
        np.mean([r.temperature > 0 for r in RECIPES]),
        np.mean([r.ordinal for r in RECIPES]),
        np.mean([r.n_irrelevant > 0 for r in RECIPES]),
        np.mean([r.n_redundant > 0 for r in RECIPES]),
        np.mean([max(r.missing) > 0 for r in RECIPES]),
        np.mean([max(r.class_weights) * r.n_classes > 1.2 for r in RECIPES]),
    ):
        assert 0.05 < share < 0.95


def test_same_seed_same_task_other_seed_other_rows_same_concept():
    a, b, c = (synthetic_task(7, seed=s, n_train=2000) for s in (0, 0, 1))
    assert a.digest == b.digest != c.digest
    for part in PARTS:
        assert not np.array_equal(a.split(part)[1], c.split(part)[1])
    shares = [np.bincount(t.split("test")[1], minlength=t.n_classes) / TEST_ROWS for t in (a, c)]
    np.testing.assert_allclose(*shares, atol=0.04)


def test_a_classifier_of_one_seed_classifies_the_other():
    index = find(mechanism="linear", n_classes=2, temperature=0.0, noise=0.0)
    a, b = (synthetic_task(index, seed=s, n_train=2000, n_test=2000) for s in (0, 1))
    assert _score(a, b) > np.bincount(b.y).max() / len(b.y) + 0.1


@pytest.mark.parametrize("index", [0, 1, 7, 33])
def test_a_draw_changes_the_test_rows_only(index):
    a, b = (synthetic_task(index, draw=d, n_test=1500) for d in (0, 1))
    for part in ("train", "validation"):
        for x, y in zip(a.split(part), b.split(part), strict=True):
            np.testing.assert_array_equal(x, y)
    assert a.feature_names == b.feature_names
    assert not np.array_equal(a.split("test")[0], b.split("test")[0])
    shares = [np.bincount(t.split("test")[1], minlength=t.n_classes) / 1500 for t in (a, b)]
    np.testing.assert_allclose(*shares, atol=0.08)


def test_the_number_of_test_rows_changes_no_other_part():
    a, b = (synthetic_task(3, n_test=n) for n in (10, 4000))
    np.testing.assert_array_equal(a.X[:-10], b.X[:-4000])


def test_different_indices_differ():
    tasks = [synthetic_task(i, n_train=200, n_validation=50, n_test=50) for i in range(30)]
    assert len({t.X.tobytes() for t in tasks}) == len({t.digest for t in tasks}) == 30
    assert len({dataclasses.replace(r, concept=0) for r in RECIPES}) == len(RECIPES)


def test_the_same_task_in_any_process():
    code = "from infoprior.tasks import synthetic_task as s; print(*(s(i, n_test=99).digest for i in (4, 3)))"  # noqa: E501
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.split() == [synthetic_task(i, n_test=99).digest for i in (4, 3)]


def _score(fitted, judged):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(*fitted.split("train"))
    return model.score(*judged.split("test"))


def test_a_linear_concept_without_noise_is_separable():
    """By the true scores without a mistake, and by a linear model nearly so."""
    from sklearn.linear_model import LogisticRegression

    c = concept()
    cells, y = c.rows(5000, np.random.default_rng(0))
    z = cells[:, np.argsort(c.measurement.order)]
    np.testing.assert_array_equal((c.scores(z) + c.bias).argmax(1), y)
    model = LogisticRegression(C=1e4, max_iter=2000).fit(cells[:4000], y[:4000])
    assert model.score(cells[4000:], y[4000:]) > 0.97


@pytest.mark.parametrize("noise", [0.1, 0.25])
def test_label_noise_replaces_that_share_of_labels(noise):
    clean, noisy = concept(), concept(noise=noise)
    (cells, y), (same, other) = (c.rows(20_000, np.random.default_rng(0)) for c in (clean, noisy))
    np.testing.assert_array_equal(cells, same)
    assert np.mean(y != other) == pytest.approx(noise, abs=0.01)
    wrong = other[y != other]
    assert np.bincount(wrong).min() > len(wrong) / 5  # every class takes its share


def test_temperature_draws_labels_from_the_softmax_of_the_scores():
    c = concept(temperature=0.7)
    scores = np.tile(np.array([[0.3, -0.2, 1.0]]), (40_000, 1))
    shares = np.bincount(c.labels(scores, np.random.default_rng(1))) / 40_000
    logits = (scores[0] + c.bias) / 0.7
    np.testing.assert_allclose(shares, np.exp(logits) / np.exp(logits).sum(), atol=0.01)


def test_noise_of_temperature_is_at_the_boundary():
    c = concept(temperature=0.3)
    z = c.latent(20_000, np.random.default_rng(2))
    scores = c.scores(z)
    best = np.sort(scores + c.bias, axis=1)
    wrong = c.labels(scores, np.random.default_rng(3)) != (scores + c.bias).argmax(1)
    margin = best[:, -1] - best[:, -2]
    assert wrong[margin < 0.2].mean() > 0.3
    assert wrong[margin > 2.0].mean() < 0.02


def test_ordinal_classes_are_in_order_of_the_score():
    c = concept(ordinal=True, n_classes=4, class_weights=(0.4, 0.3, 0.2, 0.1))
    z = c.latent(20_000, np.random.default_rng(4))
    score = c.scores(z)
    y = c.labels(score, np.random.default_rng(5))
    assert (np.diff(y[np.argsort(score[:, 0])]) >= 0).all()
    np.testing.assert_allclose(np.bincount(y) / len(y), (0.4, 0.3, 0.2, 0.1), atol=0.03)


@pytest.mark.parametrize("mechanism", sorted({*SCORES, "mixture"}))
def test_class_weights_are_met(mechanism):
    c = concept(mechanism=mechanism, class_weights=(0.6, 0.3, 0.1), complexity=4)
    y = c.rows(8000, np.random.default_rng(6))[1]
    np.testing.assert_allclose(np.bincount(y, minlength=3) / 8000, (0.6, 0.3, 0.1), atol=0.06)


@pytest.mark.parametrize("mechanism", sorted(SCORES))
def test_what_a_mechanism_draws_can_be_learned_and_only_a_linear_one_by_a_line(mechanism):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    boosted, line = [], []
    for number in range(3):
        c = concept(mechanism=mechanism, concept=number, n_classes=2)
        cells, y = c.rows(4000, np.random.default_rng(7))
        for model, scores in (
            (HistGradientBoostingClassifier(max_iter=40, random_state=0), boosted),
            (LogisticRegression(), line),
        ):
            scores.append(model.fit(cells[:3000], y[:3000]).score(cells[3000:], y[3000:]))
    assert np.mean(boosted) > 0.7
    if mechanism == "linear":
        assert min(line) > 0.95
    else:
        assert min(line) < 0.9


def test_columns_are_what_their_kind_says():
    kinds = ("plain", "binary", "category:5", "count", "integer", "positive")
    missing = (0.0, 0.0, 0.2, 0.0, 0.1, 0.0)
    c = concept(kinds=kinds, missing=missing)
    cells, _ = c.rows(5000, np.random.default_rng(8))
    columns = c.measurement.columns(cells)
    assert [column.nominal for column in columns] == [False, False, True, False, False, False]
    assert len(np.unique(cells[:, 0])) == 5000
    assert set(np.unique(cells[:, 1])) == {0.0, 1.0}
    assert {v for v in columns[2].values if v is not None} <= {f"c{k}" for k in range(5)}
    for k in (3, 4):
        known = cells[~np.isnan(cells[:, k]), k]
        np.testing.assert_array_equal(known, np.round(known))
    np.testing.assert_allclose(np.isnan(cells).mean(0), missing, atol=0.02)


def test_factors_are_correlated_and_of_low_rank():
    c = concept(n_latent=2, measured="factors", measurement_noise=0.05, n_informative=10,
                kinds=("plain",) * 10, missing=(0.0,) * 10)  # fmt: skip
    cells, _ = c.rows(2000, np.random.default_rng(9))
    spectrum = np.linalg.eigvalsh(np.cov(cells.T))[::-1]
    assert spectrum[:2].sum() > 0.97 * spectrum.sum()


def test_irrelevant_columns_say_nothing_of_the_class():
    c = concept(n_irrelevant=4, kinds=("plain",) * 10, missing=(0.0,) * 10)
    cells, y = c.rows(20_000, np.random.default_rng(10))
    means = np.stack([cells[y == k].mean(0) for k in range(3)])[:, np.argsort(c.measurement.order)]
    assert np.abs(means[:, 6:]).max() < 0.06
    assert np.abs(means[:, :6]).max() > 0.3


def test_a_rare_class_is_shown_in_training():
    index = next(i for i, r in enumerate(RECIPES) if r.n_classes >= 10)
    n = recipe(index).n_classes
    for seed in range(5):
        task = synthetic_task(index, seed=seed, n_train=n, n_test=5)
        assert (np.bincount(task.split("train")[1], minlength=n) == 1).all()


def test_load_task_by_name():
    task = load_task("synthetic/17", seed=3, max_test=100)
    assert task.name == "synthetic/17"
    assert len(task.test) == 100
    assert task.digest == synthetic_task(17, seed=3, n_test=100).digest
    assert len(load_task("synthetic/17", max_train=160, max_test=9).train) == 160
    assert len(load_task("synthetic/17", max_train=10**6).train) == recipe(17).n_train


def test_refusals():
    with pytest.raises(TaskError, match="numbered from 0"):
        synthetic_task(-1)
    with pytest.raises(TaskError, match="n_test must be a positive"):
        synthetic_task(0, n_test=0)
    with pytest.raises(TaskError, match="too many for 1 training rows"):
        synthetic_task(0, n_train=1)


def test_rows_that_do_not_exist_are_refused():
    """Two binary columns have four rows: all of them are in training."""
    c = concept(n_latent=2, kinds=("binary", "binary"), missing=(0.0, 0.0))
    from infoprior.tasks._synthetic.generator import _fresh_rows

    cells, _ = c.rows(200, np.random.default_rng(0))
    with pytest.raises(TaskError, match="do not exist"):
        _fresh_rows(c, cells, 200, 50, np.random.default_rng(1), "synthetic/0")
