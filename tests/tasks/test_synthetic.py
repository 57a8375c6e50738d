"""The generator: seeded, varied, as large as asked for, as noisy as its recipe says."""

from __future__ import annotations

import numpy as np
import pytest

from infoprior.tasks import TaskError, load_task, synthetic_task
from infoprior.tasks._synthetic import MECHANISMS, recipe
from infoprior.tasks._task import PARTS


@pytest.mark.parametrize("index", range(15))
def test_sizes_classes_and_no_repeats(index):
    task = synthetic_task(index, n_train=300, n_validation=100, n_test=1000)
    assert [len(getattr(task, p)) for p in PARTS] == [300, 100, 1000]
    assert task.kind == "synthetic"
    assert len(np.unique(task.X, axis=0)) == 1400
    assert task.n_classes == recipe(index).n_classes


def test_same_seed_same_rows_other_seed_other_rows_same_concept():
    a, b, c = (synthetic_task(7, seed=s, n_test=4000) for s in (0, 0, 1))
    assert a.digest == b.digest != c.digest
    shares = [np.bincount(t.y, minlength=t.n_classes) / len(t.y) for t in (a, c)]
    np.testing.assert_allclose(*shares, atol=0.04)
    # A classifier of one sample classifies the other: the concept is the index's.
    accuracy = _score(a, c)
    assert accuracy > np.bincount(c.y).max() / len(c.y) + 0.1


def _score(fitted, judged):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(*fitted.split("train"))
    return model.score(*judged.split("test"))


def test_kinds_take_turns_and_concepts_vary():
    recipes = [recipe(i) for i in range(50)]
    assert {r.mechanism for r in recipes[:5]} == set(MECHANISMS)
    assert len({r.n_classes for r in recipes}) >= 5
    for share in (
        np.mean([r.noise > 0 for r in recipes]),
        np.mean([r.n_irrelevant > 0 for r in recipes]),
        np.mean([r.n_redundant > 0 for r in recipes]),
        np.mean([len(set(r.warps)) > 1 for r in recipes]),
        np.mean([max(r.class_weights) * r.n_classes > 1.2 for r in recipes]),
    ):
        assert 0.1 < share < 0.9


@pytest.mark.parametrize("index", [5, 16, 30, 35])
def test_label_noise_bounds_what_can_be_learned(index):
    """With noise ν the best expected accuracy is at most 1 − ν, and much is learnable."""
    r = recipe(index)
    assert r.noise > 0.1
    task = synthetic_task(index, n_train=3000, n_test=4000)
    accuracy = _score(task, task)
    three_sigma = 3 * np.sqrt(0.25 / 4000)
    assert accuracy < 1 - r.noise + three_sigma
    assert accuracy > np.bincount(task.y).max() / len(task.y) + 0.02


def test_a_linear_concept_without_noise_is_learned_by_a_linear_model():
    from sklearn.linear_model import LogisticRegression

    index = next(i for i in range(0, 200, 5) if recipe(i).noise == 0
                 and set(recipe(i).warps) == {"none"})  # fmt: skip
    task = synthetic_task(index, n_train=4000, n_test=2000)
    model = LogisticRegression(C=1e4, max_iter=2000).fit(*task.split("train"))
    assert model.score(*task.split("test")) > 0.96


def test_class_weights_are_met():
    index = next(i for i in range(50) if recipe(i).mechanism == "network" and recipe(i).noise == 0)
    task = synthetic_task(index, n_test=8000)
    shares = np.bincount(task.y) / len(task.y)
    np.testing.assert_allclose(shares, recipe(index).class_weights, atol=0.06)


def test_load_task_by_name():
    task = load_task("synthetic/17", seed=3, max_test=100)
    assert task.name == "synthetic/17"
    assert len(task.test) == 100
    assert task.digest == synthetic_task(17, seed=3, n_test=100).digest


def test_refusals():
    with pytest.raises(TaskError, match="numbered from 0"):
        synthetic_task(-1)
    with pytest.raises(TaskError, match="n_test must be a positive"):
        synthetic_task(0, n_test=0)
    with pytest.raises(TaskError, match="too many for 2 training rows"):
        synthetic_task(0, n_train=2)
