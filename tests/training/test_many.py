"""Many networks at once: each as `train` would by itself."""

import math

import numpy as np
import pytest
import torch
from optuna.distributions import IntDistribution
from safetensors.torch import save

from infoprior.spaces import SearchSpace
from infoprior.tasks import Task
from infoprior.training import CURVE_COLUMNS, train, train_many
from infoprior.training._data import TaskTensors
from infoprior.training._setup import training_settings
from infoprior.training._stacked_loop import train_stacked
from tests.training.test_train import POINT, SPACE, ring_task


def test_recorded_epochs_are_those_of_train():
    task = ring_task()
    networks = [({**POINT, "width": 16 + 8 * i}, i) for i in range(3)]
    for trained, (params, seed) in zip(
        train_many(task, networks, space=SPACE, epochs=5, record=(1, 3, 5)), networks, strict=True
    ):
        alone = train(task, params, space=SPACE, seed=seed, epochs=5)
        assert [row["epoch"] for row in trained.curve] == [1, 3, 5]
        assert trained.network is None
        for row in trained.curve:
            assert tuple(row) == CURVE_COLUMNS
            assert_like(row, alone.curve[row["epoch"] - 1])


def test_bad_input_is_refused():
    task, networks = ring_task(), [(POINT, 0)]

    def call(**options):
        return train_many(task, networks, space=SPACE, **options)

    with pytest.raises(ValueError, match="epochs = 0"):
        call(epochs=0)
    with pytest.raises(ValueError, match=r"record names the epochs \[0, 10\]; .* in 1..9"):
        call(epochs=9, record=(0, 3, 10))
    with pytest.raises(ValueError, match="record holds no epoch"):
        call(epochs=9, record=())
    with pytest.raises(ValueError, match=r"snapshots names the epochs \[27\]"):
        call(epochs=9, snapshots=(27,))
    with pytest.raises(ValueError, match="no engine 'fast'"):
        call(engine="fast")
    if torch.cuda.is_available():
        with pytest.raises(ValueError, match="computes on the CPU, not on 'cuda'"):
            call(engine="compiled", device="cuda")
    with pytest.raises(ValueError, match="width = 1"):
        train_many(task, [({**POINT, "width": 1}, 0)], space=SPACE)


def test_no_networks_no_trainings():
    assert train_many(ring_task(), [], space=SPACE) == []


def mixed(n, seed=0):
    """Points of every kind whose trainings stay orderly: float error grows with the rate."""
    points = SPACE.sample(n, np.random.default_rng(seed))
    for i, point in enumerate(points):
        point.update(width=min(point["width"], 48), batch_size=32 * (1 + i % 2))
        point["learning_rate"] = min(point["learning_rate"], 1e-3)
    return [(point, 10 + i) for i, point in enumerate(points)]


def logits(network, task):
    """Weights themselves differ more: different ones can say the same."""
    with torch.no_grad():
        return network(torch.from_numpy(task.X))


def assert_like(row, expected, losses=1e-3, accuracies=0.03):
    """Rows at the border of two classes may tip over."""
    assert row.keys() == expected.keys()
    for name, value in expected.items():
        near = accuracies if name.endswith("accuracy") else losses
        assert row[name] == pytest.approx(value, abs=near, nan_ok=True), name


def weights(network):
    state = network.state_dict()
    return torch.cat([v.reshape(-1).float() for k, v in state.items() if "num_batches" not in k])


def alike(a, b, task, atol=1e-3):
    return torch.allclose(logits(a, task), logits(b, task), atol=atol)


@pytest.mark.parametrize("engine", ["stacked", "auto", "compiled", "autograd"])
def test_each_network_is_what_it_is_alone(engine):
    """101 rows in batches of 32 and 64: a partial last batch."""
    task, networks = ring_task(303), mixed(24)
    together = train_many(
        task, networks, space=SPACE, epochs=3, record=(1, 3), keep=True, engine=engine
    )
    for trained, (params, seed) in zip(together, networks, strict=True):
        alone = train(task, params, space=SPACE, seed=seed, epochs=3)
        assert not trained.network.training
        assert save(trained.network.state_dict())  # no tensor is a part of another's storage
        assert alike(trained.network, alone.network, task)
        for row in trained.curve:
            assert_like(row, alone.curve[row["epoch"] - 1])


def test_order_and_company_change_nothing():
    task, networks = ring_task(), mixed(12, seed=1)
    options = {"space": SPACE, "epochs": 2, "record": (2,), "engine": "stacked"}
    whole = train_many(task, networks, **options)
    shuffled = train_many(task, networks[::-1], **options)[::-1]
    halves = train_many(task, networks[:5], **options) + train_many(task, networks[5:], **options)
    for a, b, c in zip(whole, shuffled, halves, strict=True):
        for other in (b, c):
            assert other.curve[0]["train_loss"] == pytest.approx(a.curve[0]["train_loss"], abs=1e-4)


@pytest.mark.parametrize("n_train", [33, 65])
def test_a_last_batch_of_one_row_joins_the_one_before(n_train):
    task = ring_task()
    short = Task(**{**task.__dict__, "train": task.train[:n_train]})
    networks = [({**POINT, "width": 16}, 0), ({**POINT, "width": 24}, 1)]
    together = train_many(short, networks, space=SPACE, epochs=2, engine="stacked")
    for training, (params, seed) in zip(together, networks, strict=True):
        assert not training.diverged
        alone = train(short, params, space=SPACE, seed=seed, epochs=2)
        assert_like(training.curve[-1], alone.curve[-1])


@pytest.mark.parametrize("engine", ["stacked", "compiled", "autograd"])
def test_divergence_is_that_of_train(engine):
    """Without normalization one row overflows."""
    task = ring_task()
    x = np.array(task.X)
    x[task.train[0]] = 3e38
    broken = Task(**{**task.__dict__, "X": x})
    bad = {**POINT, "normalization": "none"}
    [together] = train_many(broken, [(bad, 0)], space=SPACE, epochs=4, record=(2, 4), engine=engine)
    alone = train(broken, bad, space=SPACE, epochs=4)
    assert together.diverged
    assert alone.diverged
    for row, expected in zip(together.curve, alone.curve[1::2], strict=True):
        assert_like(row, expected, accuracies=0.0)


def test_one_network_diverges_and_its_neighbours_do_not():
    task = ring_task()
    networks = [SPACE.build(POINT, 2, 2, seed=i) for i in range(3)]
    with torch.no_grad():
        networks[1].output.bias[0] = math.inf
    settings = training_settings(SPACE, POINT)
    curves = train_stacked(
        networks, TaskTensors(task), [settings] * 3, seeds=[0, 1, 2], epochs=2, record=(1, 2)
    )
    assert [curve[-1]["diverged"] for curve in curves] == [False, True, False]
    for i in (0, 2):
        assert_like(curves[i][-1], train(task, POINT, space=SPACE, seed=i, epochs=2).curve[-1])


@pytest.mark.parametrize("engine", ["stacked", "compiled", "autograd"])
def test_snapshots_are_networks_of_their_epoch(engine):
    task, networks = ring_task(), mixed(5, seed=2)
    together = train_many(
        task, networks, space=SPACE, epochs=4, record=(4,), snapshots=(1, 4), keep=True,
        engine=engine,
    )  # fmt: skip
    for training, (params, seed) in zip(together, networks, strict=True):
        assert list(training.snapshots) == [1, 4]
        early = train(task, params, space=SPACE, seed=seed, epochs=1).network
        assert alike(training.snapshots[1], early, task)
        assert torch.equal(weights(training.snapshots[4]), weights(training.network))
        assert not torch.equal(weights(training.snapshots[1]), weights(training.network))
        assert not training.snapshots[1].training


def test_networks_of_other_kinds_are_trained_by_autograd():
    """A module that is no `MLP`, against PyTorch's own loop."""
    task, seed = ring_task(), 4

    def build(params, shape, n_classes, seed):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(2, params["width"]), torch.nn.Softplus(),
                                   torch.nn.Linear(params["width"], n_classes))  # fmt: skip

    fixed = {"learning_rate": 1e-2, "weight_decay": 0.1, "batch_size": 32}
    space = SearchSpace("own", {"width": IntDistribution(4, 32)}, build, fixed)
    [trained] = train_many(task, [({"width": 8}, seed)], space=space, epochs=2, keep=True)
    network = build({"width": 8}, 2, 2, seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.1)
    x, y = (torch.from_numpy(a) for a in task.split("train"))
    order = np.random.default_rng([seed, 1])
    for _ in range(2):
        rows = torch.from_numpy(order.permutation(len(y)))
        for batch in rows.split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
    assert torch.allclose(weights(trained.network), weights(network), atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="compares CUDA with the CPU: needs a GPU")
@pytest.mark.parametrize("engine", ["stacked", "autograd"])
def test_a_gpu_gives_the_same(engine):
    task, networks = ring_task(), mixed(12, seed=4)
    options = {"space": SPACE, "epochs": 2, "keep": True, "engine": engine}
    here = train_many(task, networks, **options)
    there = train_many(task, networks, device="cuda", **options)
    for a, b in zip(here, there, strict=True):
        assert b.network.output.weight.device.type == "cpu"
        assert alike(a.network, b.network, task)


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests the error without a GPU")
def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="sees no GPU"):
        train_many(ring_task(), [(POINT, 0)], space=SPACE, device="cuda")
