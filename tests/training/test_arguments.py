"""What cannot be trained is refused by name, before anything is trained."""

import numpy as np
import pytest
import torch
from optuna.distributions import FloatDistribution, IntDistribution
from torch import nn

from infoprior.profiles import PROBES
from infoprior.spaces import SearchSpace, SpaceError, get_space
from infoprior.tasks import load_task
from infoprior.training import TrainingError, objective, train, train_many

TASK, SPACE, POINT = load_task("sklearn/wine"), get_space("mlp"), PROBES["probe-a"]
RATE = {"learning_rate": 0.01}


def small(params, shape, n_classes, seed):
    return nn.Sequential(nn.Linear(shape[0], 4), nn.ReLU(), nn.Linear(4, n_classes))


def own_space(builder=small, **defaults):
    rate = {"learning_rate": FloatDistribution(1e-3, 1e-1, log=True)}
    return SearchSpace("own", rate, builder, {"weight_decay": 0.0, "batch_size": 32} | defaults)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "wine"}, "task is 'wine'; give a Task"),
        ({"space": "mlp"}, "space is 'mlp'; give a SearchSpace"),
        ({"epochs": 0}, "epochs = 0"),
        ({"epochs": 2.5}, "epochs = 2.5"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": None}, "seed = None"),
        ({"threads": 0}, "threads = 0"),
        ({"report": 3}, "report is 3; give a function"),
    ],
)
def test_train_refuses(arguments, message):
    arguments = {"task": TASK, "params": POINT, "space": SPACE} | arguments
    with pytest.raises(TrainingError, match=message):
        train(arguments.pop("task"), arguments.pop("params"), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"networks": [POINT]}, "something else than pairs"),
        ({"networks": 5}, "something else than pairs"),
        ({"networks": [(POINT, "a")]}, "the seed of network 0 = 'a'"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"device": "meta"}, "device is 'meta'"),
        ({"engine": None}, "no engine None"),
        ({"record": 3}, "record = 3"),
        ({"record": (1.5,)}, r"record = \(1.5,\)"),
        ({"snapshots": (28,)}, r"snapshots names the epochs \[28\]"),
    ],
)
def test_train_many_refuses(arguments, message):
    networks = arguments.pop("networks", [(POINT, 0)])
    with pytest.raises(TrainingError, match=message):
        train_many(TASK, networks, space=SPACE, **arguments)


def test_objective_refuses_before_a_study_begins():
    for arguments, message in (
        ({"task": None}, "task is None"), ({"space": "mlp"}, "space is 'mlp'"),
        ({"epochs": 0}, "epochs = 0"), ({"seed": "a"}, "seed = 'a'"),
    ):  # fmt: skip
        arguments = {"task": TASK, "space": SPACE} | arguments
        with pytest.raises(TrainingError, match=message):
            objective(arguments.pop("task"), arguments.pop("space"), **arguments)


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (lambda *_: None, "gives NoneType, no torch.nn.Module"),
        (lambda *a: small(*a).double(), "parameters of torch.float64"),
        (lambda *a: small(*a).half(), "parameters of torch.float16"),
        (lambda *a: small(*a).to("meta"), "no values"),
        (lambda *_: nn.Identity(), "no parameters"),
        (lambda p, shape, c, s: small(p, shape, c + 1, s), r"gives \(2, 4\).* \(2, 3\) are needed"),
        (lambda p, shape, c, s: small(p, (5,), c, s), "does not take inputs of shape"),
    ],
)
def test_networks_of_a_builder_that_do_not_fit_are_refused(builder, message):
    for call in (
        lambda: train(TASK, RATE, space=own_space(builder)),
        lambda: train_many(TASK, [(RATE, 0)], space=own_space(builder)),
    ):
        with pytest.raises(TrainingError, match=message):
            call()


def test_settings_that_are_missing_or_cannot_be_are_refused():
    depth = SearchSpace("depth", {"depth": IntDistribution(1, 2)}, small)
    with pytest.raises(TrainingError, match="'depth' says nothing of learning_rate"):
        train(TASK, {"depth": 1}, space=depth)
    for name, value in (
        ("batch_size", 0), ("batch_size", 2.5), ("batch_size", "32"), ("batch_size", True),
        ("weight_decay", -1.0), ("weight_decay", float("nan")),
    ):  # fmt: skip
        with pytest.raises(TrainingError, match=f"{name} is {value!r} in the space 'own'"):
            train(TASK, RATE, space=own_space(**{name: value}))
    with pytest.raises(SpaceError, match="dropout = nan"):
        train(TASK, POINT | {"dropout": float("nan")}, space=SPACE)


def test_a_builders_own_network_is_trained_in_float32_whatever_the_default_is():
    plain = train(TASK, RATE, space=own_space(batch_size=np.int64(16)), epochs=1)
    torch.set_default_dtype(torch.float64)
    try:
        trained = train(TASK, RATE, space=own_space(batch_size=np.int64(16)), epochs=1)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {p.dtype for p in trained.network.parameters()} == {torch.float32}
    assert trained.curve[0].keys() == plain.curve[0].keys()
