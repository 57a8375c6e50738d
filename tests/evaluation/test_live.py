"""Small real studies: Optuna's Hyperband, real networks, a made-up task."""

from __future__ import annotations

import json

import numpy as np
import optuna
import pandas as pd
import pytest

from infoprior.evaluation import EvaluationError, RegretScale, live_study, regret_curve
from infoprior.priors import Prior, resumed_from
from infoprior.spaces import get_space
from infoprior.tasks import Task

SETTINGS = {"max_epochs": 9, "eta": 3, "promote": False, "base_sampler": "random"}
PROMOTING = {"max_epochs": 9, "eta": 3}


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="module")
def space():
    return get_space("mlp")


@pytest.fixture(scope="module")
def task() -> Task:
    rng = np.random.default_rng(0)
    n = 240
    X = rng.normal(size=(n, 4)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=n) > 0).astype(np.int64)
    parts = np.split(np.arange(n, dtype=np.int64), [120, 180])
    names = tuple(f"x{i}" for i in range(4))
    return Task("made/up", "made", "test", "synthetic", X, y, *parts, names, ("no", "yes"))


@pytest.fixture(scope="module")
def rows(task, space) -> pd.DataFrame:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return live_study(task, None, space=space, budget_epochs=60, seed=1, **SETTINGS)


def check(rows: pd.DataFrame, budget: int, start: float = 0.0) -> None:
    """What must hold of any study's rows."""
    assert list(rows["trial"]) == list(range(len(rows)))
    expected = start + rows["epochs"].cumsum() / SETTINGS["max_epochs"]
    np.testing.assert_allclose(rows["cost"], expected)
    assert rows["cost"].iloc[-1] <= budget / SETTINGS["max_epochs"] + 1e-9
    assert not rows["cut"].iloc[:-1].any()
    best = (-1, -1.0)
    for _, row in rows.iterrows():
        rung = sum(level <= row["reached"] for level in (1, 3, 9))
        if (rung, row["validation_accuracy"]) > best:
            best = (rung, row["validation_accuracy"])
            holder = row
        assert row["incumbent"] == holder["trial"]
        assert row["incumbent_test_accuracy"] == holder["test_accuracy"]


def test_a_study_prunes_at_rungs_and_spends_its_budget_exactly(rows, space):
    check(rows, 60)
    assert rows["epochs"].sum() == 60
    whole = rows[~rows["cut"]]
    pruned, complete = (whole[whole["state"] == state] for state in ("PRUNED", "COMPLETE"))
    assert len(pruned) >= 3
    assert set(pruned["epochs"]) <= {1, 3}
    assert len(complete) >= 2
    assert (complete["epochs"] == 9).all()
    for text in rows["params"]:
        space.validate(json.loads(text))
    assert len(set(rows["params"])) == len(rows)
    assert rows["test_accuracy"].between(0, 1).all()


def test_same_seed_same_rows_and_another_seed_others(rows, task, space):
    again = live_study(task, None, space=space, budget_epochs=60, seed=1, **SETTINGS)
    pd.testing.assert_frame_equal(rows, again)
    other = live_study(task, None, space=space, budget_epochs=20, seed=2, **SETTINGS)
    assert other["params"][0] != rows["params"][0]


def test_a_smaller_budget_is_the_beginning_of_a_larger(rows, task, space):
    short = live_study(task, None, space=space, budget_epochs=25, seed=1, **SETTINGS)
    check(short, 25)
    n = len(short) - int(short["cut"].iloc[-1])
    pd.testing.assert_frame_equal(short.iloc[:n], rows.iloc[:n])
    by_trials = live_study(task, None, space=space, n_trials=3, seed=1, **SETTINGS)
    pd.testing.assert_frame_equal(by_trials, rows.iloc[:3])


def test_a_journal_continues_as_if_it_had_not_stopped(task, space, tmp_path):
    settings = {**SETTINGS, "space": space, "seed": 3, "base_sampler": "tpe"}
    whole = live_study(task, None, n_trials=13, **settings)  # TPE has its own mind from 10 on
    path = tmp_path / "journal.log"
    for n in (5, 11, 13, 13):
        got = live_study(task, None, n_trials=n, storage=path, **settings)
    pd.testing.assert_frame_equal(got, whole)
    with pytest.raises(EvaluationError, match="other settings"):
        live_study(task, None, n_trials=14, storage=path, **(settings | {"max_epochs": 27}))


def test_promoted_trials_train_the_paused_network_further_and_cost_what_is_new(task, space):
    rows = live_study(task, None, space=space, budget_epochs=60, seed=1, **PROMOTING)
    check(rows, 60)
    assert rows["epochs"].sum() == 60
    whole = rows[~rows["cut"]]
    promoted = whole[whole["epochs"] < whole["reached"]]
    assert set(map(tuple, promoted[["epochs", "reached"]].to_numpy())) == {(2, 3), (6, 9)}
    for _, row in promoted.iterrows():
        paused = whole[(whole["params"] == row["params"]) & (whole["trial"] < row["trial"])]
        assert row["reached"] == 3 * paused["reached"].max()
    # The same network: its curve is that of one that was never paused.
    from infoprior.training import train

    last = promoted[promoted["reached"] == 9].iloc[0]
    first = whole[whole["params"] == last["params"]]["trial"].min()
    network_seed = int(np.random.SeedSequence([1, int(first), 1]).generate_state(1)[0])
    params = json.loads(last["params"])
    curve = train(task, params, space=space, seed=network_seed, epochs=9).curve
    assert curve[-1]["validation_accuracy"] == last["validation_accuracy"]
    assert curve[-1]["test_accuracy"] == last["test_accuracy"]


def test_a_promoting_journal_continues_as_if_it_had_not_stopped(task, space, tmp_path):
    settings = {"space": space, "seed": 3, **PROMOTING}
    whole = live_study(task, None, n_trials=24, **settings)
    assert (whole["epochs"] < whole["reached"]).sum() > 3
    for n in (7, 13, 24):
        rows = live_study(task, None, n_trials=n, storage=tmp_path / "journal.log", **settings)
    pd.testing.assert_frame_equal(rows, whole)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="made/up/3", storage=storage)
    promoted = [t for t in study.trials if resumed_from(t) is not None]
    assert len(promoted) > 3
    for trial in promoted:  # told of what is new alone: else one that fails early gives epochs back
        assert min(trial.intermediate_values) == resumed_from(trial).step + 1


def test_a_later_process_sees_the_brackets_that_an_uninterrupted_one_sees(
    task, space, tmp_path, monkeypatch
):
    seen: dict[int, int] = {}

    def look(self, study, trial):
        seen[trial.number] = len(study.get_trials(deepcopy=False))

    monkeypatch.setattr(optuna.samplers.RandomSampler, "before_trial", look)
    settings = {"space": space, "seed": 3, **SETTINGS}
    live_study(task, None, n_trials=6, **settings)
    whole = dict(seen)
    for n in range(1, 7):
        live_study(task, None, n_trials=n, storage=tmp_path / "journal.log", **settings)
    assert seen == whole
    assert whole[5] < 6  # a bracket's trials, not all


@pytest.mark.parametrize("base", ["random", "tpe"])
def test_a_prior_is_sampled_and_start_cost_is_charged(task, space, base):
    point = space.design(1)[0]
    prior = Prior.from_points(dict(space), [point], bandwidth=0.02, floor=0.02)
    settings = {**SETTINGS, "space": space, "base_sampler": base, "budget_epochs": 34, "seed": 1}
    rows = live_study(task, prior, weight=1.0, adaptive=False, start_cost=1.5, **settings)
    check(rows, 34, start=1.5)
    assert rows["epochs"].sum() == 34 - 14  # 13.5 epochs of start cost: 20 whole ones are left
    drawn = [json.loads(text) for text in rows["params"]]
    assert np.mean([p["activation"] == point["activation"] for p in drawn]) > 0.8
    alone = live_study(task, None, **settings)
    assert len(alone) > 0
    assert alone["params"][0] != rows["params"][0]
    pd.testing.assert_frame_equal(
        rows, live_study(task, prior, weight=1.0, adaptive=False, start_cost=1.5, **settings)
    )


def test_a_start_cost_beyond_the_budget_leaves_nothing(task, space):
    rows = live_study(task, None, space=space, budget_epochs=9, start_cost=1.0, **SETTINGS)
    assert len(rows) == 0
    curve = regret_curve(rows, (1, 2), scale=RegretScale(0.9, 0.5))
    assert curve["regret"].isna().all()
    assert regret_curve(rows, (1, 2), scale=RegretScale(0.5, 0.5))["regret"].isna().all()


def test_a_failing_training_is_told_and_charged(task, space, tmp_path, monkeypatch):
    from infoprior import training

    real = training.train

    def broken(*args, report, **more):
        def stop(epoch, row):
            report(epoch, row)
            raise RuntimeError("power cut")

        return real(*args, report=stop, **more)

    settings = {"space": space, "seed": 0, "storage": tmp_path / "journal.log", **SETTINGS}
    monkeypatch.setattr(training, "train", broken, raising=False)
    with pytest.raises(RuntimeError, match="power cut"):
        live_study(task, None, n_trials=1, **settings)
    monkeypatch.setattr(training, "train", real)
    rows = live_study(task, None, n_trials=3, **settings)
    assert rows["state"][0] == "FAIL"
    assert rows["epochs"][0] == 1
    assert rows["incumbent"][0] == -1
    assert np.isnan(rows["incumbent_test_accuracy"][0])
    assert rows["incumbent"][2] >= 1


def test_curve_of_a_study(rows):
    budgets = (0.05, *rows["cost"].tolist(), 100.0)
    scale = RegretScale(best=0.8, median=0.6)
    curve = regret_curve(rows, budgets, scale=scale)
    assert curve["incumbent"][0] == -1
    assert np.isnan(curve["test_accuracy"][0])
    assert np.isnan(curve["regret"][0])
    assert not curve["regret"][1:].isna().any()
    assert curve["test_accuracy"].tolist()[1:-1] == rows["incumbent_test_accuracy"].tolist()
    last = rows["incumbent_test_accuracy"].iloc[-1]
    assert curve["regret"].iloc[-1] == pytest.approx((0.8 - last) / 0.2)
    assert "regret" not in regret_curve(rows, (1,))


def test_live_errors(task, space):
    with pytest.raises(EvaluationError, match="when to stop"):
        live_study(task, None, space=space)
    with pytest.raises(EvaluationError, match="base"):
        live_study(task, None, space=space, n_trials=1, base_sampler="grid")
    with pytest.raises(EvaluationError, match="power"):
        live_study(task, None, space=space, n_trials=1, max_epochs=10)
    with pytest.raises(EvaluationError, match="miscounts"):
        live_study(task, None, space=space, n_trials=1, max_epochs=243, promote=False)
    with pytest.raises(EvaluationError, match="start_cost"):
        live_study(task, None, space=space, n_trials=1, start_cost=-1.0)
