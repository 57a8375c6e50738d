"""optimize and fail_stale: who counts, what fails, what is left behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from infoprior.priors import PriorError
from infoprior.priors._search.runner import fail_stale, finished, optimize
from infoprior.priors._search.storage import open_storage
from infoprior.priors._search.study import hyperband_study
from infoprior.priors._trial import ERROR, STALE
from tests.priors.workers import PRIOR, SPACE, objective, open_study


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def test_the_number_of_trials_is_the_study_s(tmp_path: Path) -> None:
    study = open_study(tmp_path / "a.journal", "study")
    assert optimize(study, objective, 5) is study
    again = open_study(tmp_path / "a.journal", "study")
    assert len(optimize(again, objective, 12).trials) == 12
    assert len(optimize(study, objective, 10).trials) == 12
    numpy_s: dict[str, Any] = {"n_trials": np.int64(13), "n_jobs": np.int8(1)}
    optimize(study, objective, **numpy_s)
    assert len(study.trials) == 13


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n_trials": -1}, "n_trials: needs to be an int of 0 or more, got -1"),
        ({"n_trials": 2.0}, "n_trials: needs to be an int of 0 or more, got 2.0"),
        ({"n_trials": True}, "n_trials"),
        ({"n_jobs": 0}, "n_jobs: needs to be an int of 1 or more or -1, got 0"),
        ({"n_jobs": -2}, "n_jobs: needs to be an int of 1 or more or -1, got -2"),
        ({"n_jobs": None}, "n_jobs: needs to be an int"),
    ],
)
def test_numbers_that_are_none(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(PriorError, match=says):
        optimize(open_study("memory", "study"), objective, **{"n_trials": 1, **arguments})


def test_as_many_threads_as_cores() -> None:
    assert len(optimize(open_study("memory", "study"), objective, 3, n_jobs=-1).trials) >= 3


def test_threads_stop_at_the_number_too() -> None:
    study = optimize(open_study("memory", "study"), objective, 40, n_jobs=4)
    assert 40 <= len(finished(study)) <= 43
    points = {tuple(sorted(trial.params.items())) for trial in study.trials}
    assert len(points) == len(study.trials)


def test_a_timeout() -> None:
    def slow(trial: optuna.Trial) -> float:
        time.sleep(0.05)
        return objective(trial)

    study = optimize(open_study("memory", "study"), slow, 10_000, timeout=0.5)
    assert 1 <= len(study.trials) <= 12


def test_failed_trials_count_and_say_why() -> None:
    def fails(trial: optuna.Trial) -> Any:
        assert trial.number < 50, "failed trials do not count"
        value = objective(trial)
        if trial.number % 4 == 1:
            raise FloatingPointError("it diverged")
        return {2: float("nan"), 3: "text"}.get(trial.number % 4, value)

    study = hyperband_study(
        PRIOR, name="s", max_resource=10**6, min_resource=10**6, storage="memory"
    )
    optimize(study, fails, 8, catch=FloatingPointError)
    states = [t.state.name for t in study.trials]
    assert states == ["COMPLETE", "FAIL", "FAIL", "FAIL"] * 2
    reasons = [t.user_attrs.get(ERROR) for t in study.trials[:4]]
    assert reasons == [
        None,
        "FloatingPointError('it diverged')",
        "returned nan",
        "returned 'text'",
    ]


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("value", [(), (1.0, 2.0, 3.0), [1.0], (1.0, 2.0), 1.0])
def test_the_wrong_number_of_values_is_a_failure(value: Any, directions: int) -> None:
    def returns(trial: optuna.Trial) -> Any:
        assert trial.number < 50, "such trials do not count"
        return value

    study = optuna.create_study(directions=["minimize"] * directions)
    optimize(study, returns, 3)
    right = (1 if isinstance(value, float) else len(value)) == directions
    assert [t.state.name for t in study.trials] == ["COMPLETE" if right else "FAIL"] * 3
    reasons = {t.user_attrs.get(ERROR) for t in study.trials}
    assert reasons == {None if right else f"returned {value!r}"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_or_ctrl_c_leaves_a_study_that_can_be_continued(
    error: type[BaseException], tmp_path: Path
) -> None:
    def stops(trial: optuna.Trial) -> float:
        if trial.number == 5:
            raise error
        return objective(trial)

    study = open_study(tmp_path / "a.journal", "study")
    with pytest.raises(error):
        optimize(study, stops, 20, progress=True)
    again = open_study(tmp_path / "a.journal", "study")
    assert [t.state.is_finished() for t in again.trials] == [True] * 6
    assert again.trials[5].state == TrialState.FAIL
    optimize(again, objective, 20)
    # The trial that was interrupted was no trial; the one whose objective failed was.
    assert len(again.trials) == (21 if error is KeyboardInterrupt else 20)


def test_trials_left_behind() -> None:
    study = open_study("memory", "study")
    optimize(study, objective, 3)
    study.ask(SPACE)
    time.sleep(0.3)
    study.ask(SPACE)
    optimize(study, objective, 6)
    assert [t.state for t in study.trials[3:5]] == [TrialState.RUNNING] * 2
    assert fail_stale(study, older_than=3600.0) == []
    assert fail_stale(study, older_than=0.2) == [3]
    assert fail_stale(study) == [4]
    assert fail_stale(study) == []
    assert [t.number for t in study.trials if t.user_attrs.get(STALE)] == [3, 4]
    assert len(finished(study)) == 6
    assert len(study.trials) == 8
    optimize(study, objective, 8)  # and they do not count
    assert len(finished(study)) == 8
    assert len(study.trials) == 10


@pytest.mark.parametrize("kind", ["a.journal", "sqlite:///{}/a.db"])
def test_trials_of_another_process_are_marked_too(kind: str, tmp_path: Path) -> None:
    storage = kind.format(tmp_path) if "://" in kind else tmp_path / kind
    open_study(storage, "study").ask(SPACE)
    open_study(storage, "without", prior=None).ask(SPACE)
    assert fail_stale(open_study(storage, "study")) == [0]
    assert open_study(storage, "study").trials[0].user_attrs[STALE] is True
    # Without a prior there is nothing to learn wrongly, and no storage to write by.
    without = open_study(storage, "without", prior=None)
    assert fail_stale(without) == [0]
    assert without.trials[0].state == TrialState.FAIL
    assert finished(without) == []


def test_a_database_notices_the_dead(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    study = open_study(url, "study", prior=None, heartbeat=1)
    storage = open_storage(url, "study", heartbeat=1)
    assert isinstance(storage, RDBStorage)
    with pytest.warns(UserWarning, match="Heartbeat"):
        dead = study.ask().number
    key = storage.get_study_id_from_name("study")
    storage.record_heartbeat(storage.get_trial_id_from_study_id_trial_number(key, dead))
    optimize(study, lambda trial: 0.0, 1)
    assert study.trials[dead].state == TrialState.RUNNING
    n, until = 1, time.monotonic() + 20.0
    while study.trials[dead].state == TrialState.RUNNING:  # silent for twice the interval
        assert time.monotonic() < until
        time.sleep(0.5)
        n += 1
        optimize(study, lambda trial: 0.0, n)
    assert study.trials[dead].state == TrialState.FAIL
    assert len(finished(study)) == n
    assert len(study.trials) == n + 1


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    study = open_study("memory", "study", direction="maximize")
    optimize(study, objective, 10)
    assert capsys.readouterr().err == ""  # no terminal
    optuna.logging.set_verbosity(optuna.logging.INFO)
    optimize(study, objective, 20, progress=True)
    shown = capsys.readouterr().err
    assert " 10/20 " in shown
    assert "20/20 " in shown
    assert f"best {study.best_value:.6g} (trial {study.best_trial.number})" in shown
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optimize(study, objective, 25, progress=False)
    assert capsys.readouterr().err == ""


def test_progress_of_any_study(capsys: pytest.CaptureFixture[str]) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    space = {"x": FloatDistribution(0.0, 1.0)}

    def both(trial: optuna.Trial) -> Any:
        x = trial.suggest_float("x", 0.0, 1.0)
        return (x, float("nan")) if trial.number == 2 else (x, np.float32(1.0 - x))

    optimize(study, both, 5, progress=True)
    assert "5/5 " in capsys.readouterr().err
    assert [t.state.name for t in study.trials].count("FAIL") == 1
    assert study.trials[2].user_attrs[ERROR].startswith("returned (")
    assert space.keys() == study.trials[0].params.keys()
