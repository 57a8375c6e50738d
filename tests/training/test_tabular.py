"""The space `tabular`: encoded inputs, a learned scale, smoothed labels and schedules, trained."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from infoprior.metadataset import space_from_dict, space_to_dict
from infoprior.metadataset._jobs import train_job
from infoprior.parallel import run_jobs
from infoprior.priors import Prior, hyperband_study
from infoprior.profiles import profile_network
from infoprior.search.evolution import EvolutionError, evolve
from infoprior.spaces import get_space
from infoprior.spaces._inputs import ENCODINGS, PiecewiseLinear
from infoprior.spaces._mlp import MLP
from infoprior.tasks import Task, synthetic_task
from infoprior.training import TrainingError, objective, train, train_many
from infoprior.training._engines.autograd import FlatAutograd
from infoprior.training._engines.compiled import CompiledMLP
from infoprior.training._engines.settings import TrainingSettings

SPACE = get_space("tabular")
POINT: dict[str, Any] = {
    "inputs": "piecewise-8", "feature_scale": True, "depth": 2, "width": 24, "shape": "constant",
    "activation": "gelu", "normalization": "layer", "dropout": 0.1, "residual": True,
    "label_smoothing": 0.1, "schedule": "cosine", "learning_rate": 3e-3, "weight_decay": 1e-2,
    "batch_size": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def task() -> Task:
    return synthetic_task(7, n_train=150, n_validation=80, n_test=60)


def bytes_of(network: Any) -> bytes:
    return b"".join(value.numpy().tobytes() for value in network.state_dict().values())


def batch(n: int = 33) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 7, generator=generator)
    return x, torch.randint(0, 4, (n,), generator=generator)


def network(normalization: str, dropout: float, scale: bool) -> MLP:
    mlp = MLP(7, 4, (7, 10, 10), "gelu", normalization, dropout, True, 3, feature_scale=scale)
    if mlp.scale is not None:
        with torch.no_grad():
            mlp.scale.factor.copy_(torch.linspace(-1, 2, 7))
    return mlp.train()


CASES = list(itertools.product(("none", "batch", "layer"), (0.0, 0.3), (False, True), (0.0, 0.15)))


@pytest.mark.parametrize(("normalization", "dropout", "scale", "smoothing"), CASES)
def test_compiled_gradients_are_those_of_autograd(
    normalization: str, dropout: float, scale: bool, smoothing: float
) -> None:
    x, y = batch()
    reference, own = (network(normalization, dropout, scale) for _ in range(2))
    flat = FlatAutograd(reference, 0.01, 0.1, label_smoothing=smoothing)
    flat.write_gradients(x, y)
    compiled = CompiledMLP(own, 0.01, 0.1, 32, smoothing)
    before = compiled.parameters.clone()
    compiled.write_gradients(x, y)
    assert torch.allclose(compiled.gradients, flat.gradients, rtol=1e-4, atol=1e-6)
    assert torch.equal(compiled.parameters, before)
    assert torch.allclose(compiled.logits(x), reference.eval()(x), atol=1e-5)
    assert torch.equal(compiled.parameters, before)


@pytest.mark.parametrize(("normalization", "dropout", "scale", "smoothing"), CASES)
def test_an_epoch_is_pytorchs(
    normalization: str, dropout: float, scale: bool, smoothing: float
) -> None:
    """With six times the learning rate for the scale, which does not decay."""
    x, y = batch(75)
    nets = [network(normalization, dropout, scale) for _ in range(3)]
    reference, by_autograd, own = nets
    scales = [] if reference.scale is None else [reference.scale.factor]
    others = [p for p in reference.parameters() if all(p is not s for s in scales)]
    groups = [
        {"params": others, "lr": 1e-3, "weight_decay": 0.1},
        {"params": scales, "lr": 6e-3, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
    engines = FlatAutograd(by_autograd, 1.0, 0.1, 0.0, smoothing), CompiledMLP(
        own, 1.0, 0.1, 32, smoothing
    )  # fmt: skip
    bounds = [(0, 32), (32, 64), (64, 75)]
    for times in (1.0, 0.5):
        for group, rate in zip(optimizer.param_groups, (1e-3, 6e-3), strict=False):
            group["lr"] = times * rate
        for start, stop in bounds:
            optimizer.zero_grad()
            logits = reference(x[start:stop])
            functional.cross_entropy(logits, y[start:stop], label_smoothing=smoothing).backward()
            for block in (reference.hidden_1, reference.hidden_2, reference.hidden_3):
                if normalization == "batch":
                    block.linear.bias.grad.zero_()  # type: ignore[union-attr]
            optimizer.step()
        for engine in engines:
            engine.learning_rate = times * 1e-3
            engine.epoch(x, y, bounds)
    for other in (by_autograd, own):
        for name, value in reference.named_parameters():
            assert torch.allclose(other.get_parameter(name), value, atol=2e-5), name


def test_schedules_are_pytorchs_and_the_papers() -> None:
    epochs = 27
    settings = TrainingSettings(0.02, 0.0, 32, schedule="cosine")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(1, epochs + 1):
        assert settings.rate(epoch, epochs) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
        t = (epoch - 1) / epochs
        flat = 0.02 * (1 + np.cos(np.pi * (max(1, 2 * t) - 1))) / 2
        assert settings._replace(schedule="flat-cosine").rate(epoch, epochs) == pytest.approx(flat)
        assert settings._replace(schedule="constant").rate(epoch, epochs) == 0.02
    assert settings.rate(1, 1) == 0.02


@pytest.mark.parametrize("inputs", ENCODINGS)
def test_engines_agree(task: Task, inputs: str) -> None:
    points = [
        POINT | {"inputs": inputs, "feature_scale": scale, "schedule": schedule}
        for scale, schedule in ((False, "constant"), (True, "flat-cosine"))
    ]
    many = [(point, i) for i, point in enumerate(points)]
    options: dict[str, Any] = {"space": SPACE, "epochs": 3, "record": (1, 3), "keep": True}
    compiled, autograd, stacked = (
        train_many(task, many, engine=engine, **options)
        for engine in ("compiled", "autograd", "stacked")
    )
    for a, b, c in zip(compiled, autograd, stacked, strict=True):
        for x, y in zip(a.network.parameters(), b.network.parameters(), strict=True):
            assert torch.allclose(x, y, atol=1e-4)
        for row, other in zip(a.curve, b.curve, strict=True):
            assert row["test_loss"] == pytest.approx(other["test_loss"], abs=1e-4)
        assert b.curve == c.curve  # stacks know none of it


def test_without_what_the_space_adds_a_training_is_the_one_of_mlp(task: Task) -> None:
    mlp = get_space("mlp")
    plain = {"inputs": "standard", "feature_scale": False, "label_smoothing": 0.0,
             "schedule": "constant"}  # fmt: skip
    points = [point | {"width": min(point["width"], 192)} for point in mlp.design(4)]
    given: dict[str, Any] = {"epochs": 2, "keep": True, "progress": False}
    own = train_many(task, [(p | plain, 3) for p in points], space=SPACE, **given)
    control = train_many(task, [(p, 3) for p in points], space=mlp, **given)
    for one, other in zip(own, control, strict=True):
        assert one.curve == other.curve
        assert bytes_of(one.network.network) == bytes_of(other.network)


def test_many_networks_are_each_as_alone_and_rows_are_encoded_once(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    encode = PiecewiseLinear.encode
    monkeypatch.setattr(
        PiecewiseLinear, "encode", lambda self, x: counts.append(len(x)) or encode(self, x)
    )
    points = [POINT, POINT | {"width": 40}, POINT | {"inputs": "robust"}, POINT | {"depth": 1}]
    many = [(point, i) for i, point in enumerate(points)]
    together = train_many(task, many, space=SPACE, epochs=2, keep=True)
    assert sum(counts) == len(task.y)
    for (point, seed), trained in zip(many, together, strict=True):
        alone = train(task, point, space=SPACE, seed=seed, epochs=2)
        assert alone.curve == trained.curve
        assert bytes_of(alone.network) == bytes_of(trained.network)


def test_the_curve_is_what_the_network_does_with_the_tasks_own_rows(task: Task) -> None:
    [trained] = train_many(
        task, [(POINT, 1)], space=SPACE, epochs=3, record=(3,), keep=True, snapshots=(1, 3)
    )
    x, y = map(torch.from_numpy, task.split("test"))
    for net in (trained.network, trained.snapshots[3]):
        with torch.no_grad():
            # The plain cross-entropy, without the smoothing that it was trained with.
            loss = functional.cross_entropy(net(x), y)
        assert trained.curve[-1]["test_loss"] == pytest.approx(float(loss), rel=1e-5)
    assert bytes_of(trained.snapshots[1]) != bytes_of(trained.snapshots[3])
    factor = trained.network.network.scale.factor
    assert not torch.equal(factor, torch.ones_like(factor))


@pytest.mark.parametrize("inputs", ENCODINGS)
def test_validation_and_test_rows_change_no_network(task: Task, inputs: str) -> None:
    changed = task.X.copy()
    rows = np.concatenate([task.validation, task.test])
    changed[rows] = np.random.default_rng(0).normal(size=(len(rows), task.n_features)) * 3
    point = POINT | {"inputs": inputs}
    a, b = (
        train(each, point, space=SPACE, epochs=2).network
        for each in (task, replace(task, X=changed))
    )
    assert bytes_of(a) == bytes_of(b)
    x = torch.from_numpy(task.split("train")[0])
    assert torch.equal(a(x), b(x))


def test_a_short_run_of_a_longer_schedule_is_its_beginning(task: Task) -> None:
    long = train(task, POINT, space=SPACE, epochs=9).curve
    assert train(task, POINT, space=SPACE, epochs=3, schedule_epochs=9).curve == long[:3]
    assert train(task, POINT, space=SPACE, epochs=3).curve != long[:3]
    [part] = train_many(task, [(POINT, 0)], space=SPACE, epochs=3, schedule_epochs=9)
    assert part.curve == long[:3]


def test_settings_that_no_training_can_have_are_refused(task: Task) -> None:
    mlp = get_space("mlp")
    point = mlp.design(1)[0]
    for settings, message in (
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0 in the space 'mlp'; give a number from"),
        ({"label_smoothing": "much"}, "label_smoothing is 'much'"),
        ({"schedule": "linear"}, "schedule is 'linear' .* choose one of constant, cosine, flat-co"),
    ):
        with pytest.raises(TrainingError, match=message):
            train(task, point, space=mlp.with_defaults(**settings), epochs=1)
    with pytest.raises(TrainingError, match="schedule_epochs = 2: a whole number from 3 on"):
        train(task, POINT, space=SPACE, epochs=3, schedule_epochs=2)
    # Where they are right, every space takes them.
    scheduled = mlp.with_defaults(schedule="cosine", label_smoothing=0.1)
    assert (
        train(task, point, space=scheduled, epochs=2).curve
        != train(task, point, space=mlp, epochs=2).curve
    )


def test_wide_and_nearly_constant_tables_are_trained_on() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 300)).astype(np.float32)
    x[:, 200:] = x[:, 200:] > 0
    x[:, 0], x[:, 1] = 0.0, np.arange(90) > 88
    third = np.arange(90).reshape(3, -1)
    wide = Task(
        name="wide", family="wide", source="test", kind="synthetic", X=x, y=np.arange(90) % 2,
        train=third[0], validation=third[1], test=third[2],
        feature_names=tuple(f"c{i}" for i in range(300)), class_names=("a", "b"),
    )  # fmt: skip
    many = [(POINT | {"inputs": inputs}, 0) for inputs in ENCODINGS]
    for trained in train_many(wide, many, space=SPACE, epochs=2):
        assert not trained.diverged


def test_profiles_read_the_encoded_rows_as_a_layer(task: Task) -> None:
    trained = train(task, POINT, space=SPACE, epochs=2)
    profile = profile_network(trained.network, task)
    assert profile["layer"].tolist() == ["inputs", "hidden_1", "hidden_2"]
    assert profile["width"].tolist() == [trained.network.inputs.n_out, 24, 24]
    assert (profile["mi_ty"] > 0).all()


def test_searches_and_files_know_the_space(task: Task) -> None:
    assert space_from_dict(space_to_dict(SPACE), "file") is SPACE
    prior = Prior.from_expert(SPACE, {"inputs": "quantile", "width": 32}, confidence="high")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = hyperband_study(
        prior, name="tabular", max_resource=3, direction="maximize", storage="memory"
    )
    study.optimize(objective(task, SPACE, epochs=3), n_trials=4)
    assert len(study.trials) == 4
    with pytest.raises(EvolutionError, match="begin with an encoder of their inputs"):
        evolve(POINT, task, space=SPACE, epochs=1)
    scaled = MLP(task.n_features, task.n_classes, (4,), feature_scale=True)
    with pytest.raises(EvolutionError, match="learns a scale of its inputs"):
        evolve(scaled, task, epochs=1)


@pytest.mark.slow  # starts worker processes
def test_rows_are_the_same_for_one_worker_and_for_two(tmp_path: Path) -> None:
    jobs = {f"s{i}": (f"synthetic/{i}", 0, "tabular", 6, 1, 3) for i in (3, 7)}
    one, two = (
        run_jobs(train_job, jobs, directory=tmp_path / str(n), workers=n, progress=False)
        for n in (1, 2)
    )
    assert [one[key]["curves"] for key in jobs] == [two[key]["curves"] for key in jobs]
