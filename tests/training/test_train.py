"""Training one network on one task."""

import math

import numpy as np
import optuna
import pytest
import torch

from infoprior.priors import hyperband_study, resumed_from
from infoprior.spaces import get_space
from infoprior.tasks import Task
from infoprior.training import CURVE_COLUMNS, objective, train

SPACE = get_space("mlp")
POINT = {
    "depth": 2,
    "width": 32,
    "shape": "constant",
    "activation": "relu",
    "normalization": "batch",
    "dropout": 0.1,
    "residual": False,
    "learning_rate": 1e-2,
    "weight_decay": 1e-4,
    "batch_size": 32,
}


def ring_task(n=330, noise=0.0, seed=0):
    """Inside or outside of a circle: not linear, and learnt in a few epochs."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    y = (np.hypot(*x.T) > 1.2).astype(np.int64)
    y = np.where(rng.random(n) < noise, 1 - y, y)
    third = np.arange(n).reshape(3, -1)
    return Task(
        name="ring", family="ring", source="test", kind="synthetic", X=x, y=y,
        train=third[0], validation=third[1], test=third[2],
        feature_names=("a", "b"), class_names=("in", "out"),
    )  # fmt: skip


def test_it_learns_and_reports_one_row_an_epoch():
    result = train(ring_task(), POINT, space=SPACE, seed=0, epochs=20)
    assert [row["epoch"] for row in result.curve] == list(range(1, 21))
    assert all(set(row) == set(CURVE_COLUMNS) for row in result.curve)
    assert not result.diverged
    assert result.curve[-1]["train_loss"] < 0.5 * result.curve[0]["train_loss"]
    assert result.curve[-1]["test_accuracy"] > 0.9


def test_the_curve_is_what_the_network_does():
    task = ring_task()
    result = train(task, POINT, space=SPACE, seed=0, epochs=5)
    for part in ("train", "validation", "test"):
        index = getattr(task, part)
        with torch.no_grad():
            logits = result.network(torch.from_numpy(task.X[index]))
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(task.y[index]))
        right = (logits.argmax(1).numpy() == task.y[index]).mean()
        assert result.curve[-1][f"{part}_accuracy"] == pytest.approx(right)
        assert result.curve[-1][f"{part}_loss"] == pytest.approx(float(loss), rel=1e-5)


def test_same_seed_same_curve_whatever_global_state():
    task = ring_task()
    torch.manual_seed(1)
    a = train(task, POINT, space=SPACE, seed=5, epochs=4)
    torch.manual_seed(2)
    np.random.seed(0)  # noqa: NPY002 - global state on purpose
    b = train(task, POINT, space=SPACE, seed=5, epochs=4)
    assert a.curve == b.curve
    assert a.curve != train(task, POINT, space=SPACE, seed=6, epochs=4).curve


def test_a_short_run_is_the_beginning_of_a_long_one():
    task = ring_task()
    short, long = (train(task, POINT, space=SPACE, seed=0, epochs=e).curve for e in (3, 9))
    assert short == long[:3]


def test_test_rows_change_nothing_but_their_own_columns():
    task = ring_task()
    flipped = np.array(task.y)
    flipped[task.test] = 1 - flipped[task.test]
    other = Task(**{**task.__dict__, "y": flipped})
    a, b = (train(t, POINT, space=SPACE, seed=0, epochs=4).curve for t in (task, other))
    for row, changed in zip(a, b, strict=True):
        assert changed.pop("test_accuracy") == pytest.approx(1 - row.pop("test_accuracy"))
        assert changed.pop("test_loss") != row.pop("test_loss")
        assert row == changed


def test_divergence_is_a_row_and_not_an_error():
    task = ring_task()
    x = np.array(task.X)
    x[task.train[0]] = 3e38  # overflows in the first layer
    broken = Task(**{**task.__dict__, "X": x})
    point = {**POINT, "normalization": "none"}
    reported: list[int] = []
    result = train(
        broken, point, space=SPACE, seed=0, epochs=6,
        report=lambda epoch, row: reported.append(epoch),
    )  # fmt: skip
    assert result.diverged
    assert len(result.curve) == 6
    # Reported up to the epoch at which the network diverged for good, and no further.
    assert reported == list(range(1, len(reported) + 1))
    assert len(reported) < 6
    last = result.curve[-1]
    assert last["diverged"]
    assert all(math.isnan(last[f"{part}_loss"]) for part in ("train", "validation", "test"))
    commonest = np.bincount(task.y[task.train]).argmax()
    assert last["test_accuracy"] == pytest.approx((task.y[task.test] == commonest).mean())


def test_report_may_prune():
    seen = []

    def report(epoch, row):
        seen.append((epoch, row["validation_accuracy"]))
        if epoch == 3:
            raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        train(ring_task(), POINT, space=SPACE, epochs=9, report=report)
    assert [epoch for epoch, _ in seen] == [1, 2, 3]


@pytest.mark.parametrize("n_train", [33, 65])
def test_a_last_batch_of_one_row_does_not_break_batch_normalization(n_train):
    task = ring_task()
    short = Task(**{**task.__dict__, "train": task.train[:n_train]})
    assert not train(short, POINT, space=SPACE, epochs=2).diverged


def test_no_epochs_is_refused():
    with pytest.raises(ValueError, match="epochs = 0"):
        train(ring_task(), POINT, space=SPACE, epochs=0)


def test_the_thesis_space_trains_with_its_fixed_settings():
    space = get_space("thesis")
    point = space.design(1)[0]
    assert train(ring_task(), point, space=space, epochs=10).curve[-1]["train_accuracy"] > 0.6


def test_the_first_step_is_adamw_on_the_cross_entropy():
    """One full batch, one epoch: the weights move as a hand-written AdamW step moves them."""
    task = ring_task()
    point = {**POINT, "normalization": "none", "dropout": 0.0, "depth": 1, "batch_size": 256,
             "weight_decay": 0.1}  # fmt: skip
    start = SPACE.build(point, 2, 2, seed=3)
    x, y = torch.from_numpy(task.X[task.train]), torch.from_numpy(task.y[task.train])
    torch.nn.functional.cross_entropy(start(x), y).backward()
    trained = train(task, point, space=SPACE, seed=3, epochs=1).network
    lr = point["learning_rate"]
    for before, after in zip(start.parameters(), trained.parameters(), strict=True):
        step = before.grad / (before.grad.abs() + 1e-8)  # the first Adam step is the sign
        expected = before * (1 - lr * 0.1) - lr * step
        assert torch.allclose(after, expected, atol=1e-5)


def test_the_objective_reports_every_epoch_and_obeys_hyperband():
    study = optuna.create_study(
        study_name="ring",
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3),
    )
    study.optimize(objective(ring_task(), SPACE, epochs=9), n_trials=12)
    states = {trial.state for trial in study.trials}
    assert states == {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED}
    for trial in study.trials:
        steps = sorted(trial.intermediate_values)
        assert steps == list(range(1, len(steps) + 1))
        assert 0.0 <= trial.user_attrs["test_accuracy"] <= 1.0
        if trial.state == optuna.trial.TrialState.COMPLETE:
            assert steps[-1] == 9
            assert trial.value == trial.intermediate_values[9]


def test_a_promotion_is_the_same_network_trained_further():
    study = hyperband_study(
        name="ring", max_resource=9, direction="maximize", storage="memory", seed=0
    )
    study.optimize(objective(ring_task(), SPACE, epochs=9), n_trials=30)
    again = [t for t in study.trials if resumed_from(t) is not None]
    assert max(t.last_step for t in again) == 9
    assert any(resumed_from(study.trials[resumed_from(t).number]) for t in again)  # twice promoted
    for trial in again:
        before = study.trials[resumed_from(trial).number].intermediate_values
        assert before == {step: trial.intermediate_values[step] for step in before}


def test_an_attribute_copied_from_another_study_says_nothing():
    study = optuna.create_study(direction="maximize")
    for number in (0, 7):
        study.enqueue_trial({}, user_attrs={"infoprior:promotes": number})
    study.optimize(objective(ring_task(), SPACE, epochs=1), n_trials=2)
    assert all(t.state == optuna.trial.TrialState.COMPLETE for t in study.trials)


def test_a_promotion_of_another_configuration_is_a_network_of_its_own():
    from infoprior.training._objective import _first

    study = optuna.create_study()
    for low, paused in ((0.0, None), (0.0, 0), (0.5, 1)):
        study.enqueue_trial({"x": low}, user_attrs={"infoprior:promotes": paused})
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        assert _first(trial) == (2 if low else 0)
