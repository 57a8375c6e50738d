"""The setting `entropy_weight`: the entropy of predictions beside the cross-entropy."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
import torch
from optuna.distributions import FloatDistribution
from scipy.stats import entropy
from torch.nn import functional

from infoprior.search.entropy_gradient import decision_entropy
from infoprior.spaces import SearchSpace, SpaceError, get_space
from infoprior.tasks import load_task
from infoprior.training import TrainingError, objective, train, train_many
from infoprior.training._engines.autograd import FlatAutograd, predictive_entropy
from infoprior.training._setup import training_settings
from tests.training.test_train import POINT, SPACE, ring_task

TASK = ring_task()


def weighted(weight: Any, space: SearchSpace = SPACE) -> SearchSpace:
    return space.with_defaults(entropy_weight=weight)


def mean_entropy(network: torch.nn.Module) -> float:
    with torch.no_grad():
        return float(predictive_entropy(network(torch.from_numpy(TASK.X))).mean())


def test_predictive_entropy_is_that_of_the_softmax_in_bits() -> None:
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bits = entropy(torch.softmax(logits, 1).numpy(), base=2, axis=1)
    torch.testing.assert_close(predictive_entropy(logits), torch.from_numpy(bits))
    uniform, certain = torch.zeros(1, 8), torch.tensor([[500.0, 0.0, 0.0]])
    assert float(predictive_entropy(uniform)) == pytest.approx(3.0)
    assert float(predictive_entropy(certain)) == 0.0


def test_of_two_classes_it_is_the_entropy_of_a_decision() -> None:
    logits = 4.0 * torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    expected = decision_entropy(logits[:, 1] - logits[:, 0])
    torch.testing.assert_close(predictive_entropy(logits), expected, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_both_terms() -> None:
    x, y = torch.from_numpy(TASK.X[:40]), torch.from_numpy(TASK.y[:40])
    point = {**POINT, "dropout": 0.0, "normalization": "none"}
    one, two = (SPACE.build(point, TASK.shape, TASK.n_classes, seed=3) for _ in range(2))
    flat = FlatAutograd(one, 0.01, 0.0, -0.7)
    flat.write_gradients(x, y)
    logits = two(x)
    p = torch.softmax(logits, 1)
    loss = functional.cross_entropy(logits, y)
    (loss + 0.7 * (p * p.log()).sum(1).mean() / math.log(2.0)).backward()
    expected = torch.cat([q.grad.reshape(-1) for q in two.parameters()])
    torch.testing.assert_close(flat.gradients, expected, rtol=1e-4, atol=1e-6)


def test_a_weight_of_zero_changes_no_bit() -> None:
    plain = train(TASK, POINT, space=SPACE, seed=1, epochs=2)
    zero = train(TASK, POINT, space=weighted(0.0), seed=1, epochs=2)
    assert zero.curve == plain.curve
    for own, other in zip(zero.network.parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(own, other)


def test_a_tiny_weight_trains_as_autograd_without_one_does() -> None:
    [plain] = train_many(TASK, [(POINT, 1)], space=SPACE, epochs=2, engine="autograd")
    tiny = train(TASK, POINT, space=weighted(1e-30), seed=1, epochs=2)
    assert tiny.curve == plain.curve


def test_predictions_get_sharper_above_zero_and_flatter_below() -> None:
    sharp, plain, flat = (
        mean_entropy(train(TASK, POINT, space=weighted(w), seed=0, epochs=6).network)
        for w in (0.5, 0.0, -0.5)
    )
    assert sharp < plain - 0.05
    assert flat > plain + 0.05


@pytest.mark.parametrize("engine", ["auto", "compiled", "stacked", "autograd"])
def test_every_engine_gives_the_network_that_train_gives(engine: str) -> None:
    space = weighted(0.3)
    alone = train(TASK, POINT, space=space, seed=1, epochs=2).curve
    [trained] = train_many(TASK, [(POINT, 1)], space=space, epochs=2, engine=engine)
    assert trained.curve == alone


def test_networks_with_and_without_a_weight_train_side_by_side() -> None:
    space = SearchSpace(
        "both", {**SPACE, "entropy_weight": FloatDistribution(-1.0, 1.0)}, SPACE._builder
    )
    points = [{**POINT, "entropy_weight": w} for w in (0.0, 0.4, 0.0)]
    many = train_many(TASK, [(p, 1) for p in points], space=space, epochs=2, engine="stacked")
    plain = train_many(TASK, [(POINT, 1)] * 2, space=SPACE, epochs=2, engine="stacked")
    assert many[0].curve == plain[0].curve
    assert many[1].curve == train(TASK, points[1], space=space, seed=1, epochs=2).curve


def test_images_and_searches_take_it_too() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective(TASK, weighted(0.2), epochs=1), n_trials=1)
    assert 0.0 <= study.trials[0].value <= 1.0
    space = get_space("thesis-cnn")
    point = space.design(1)[0]
    settings = training_settings(weighted(0.2, space), point)
    assert (settings.entropy_weight, settings.learning_rate) == (0.2, 1e-3)
    images = load_task("digits-image/49/8", max_train=40, max_validation=20, max_test=20)
    plain, sharp = (
        train(images, point, space=weighted(w, space), epochs=1).network for w in (0.0, 5.0)
    )
    x = torch.from_numpy(images.X)
    with torch.no_grad():
        assert predictive_entropy(sharp(x)).mean() < predictive_entropy(plain(x)).mean()


@pytest.mark.parametrize("weight", ["much", float("nan"), float("inf"), None, True])
def test_what_is_no_weight_is_refused(weight: Any) -> None:
    with pytest.raises(TrainingError, match="entropy_weight of the space 'mlp' is"):
        train(TASK, POINT, space=weighted(weight), epochs=1)


def test_a_default_that_the_space_varies_is_refused() -> None:
    with pytest.raises(SpaceError, match="varies learning_rate"):
        SPACE.with_defaults(learning_rate=0.1, entropy_weight=0.1)
