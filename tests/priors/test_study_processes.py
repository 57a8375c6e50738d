"""Several worker processes on one study; one of them is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from infoprior.priors import PriorError
from infoprior.priors._search.runner import fail_stale, finished, optimize
from infoprior.priors._trial import PROMOTES
from tests import postgres
from tests.priors.workers import PRIOR, objective, open_study

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 4
DEADLINE = 600.0  # s; a worker that hangs fails its test, not the whole run


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    reason = postgres.missing()
    if reason is not None:
        pytest.skip(reason)
    with postgres.server() as url:
        yield url


def start(*arguments: Any, module: str = "tests.priors.workers") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """Wait for a worker that is to succeed."""
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors


def notes(log: Path) -> list[dict[str, Any]]:
    """What a worker noted; the last line of one that was killed may be cut short."""
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def kill_one_halfway(storage: str, n_trials: int, tmp_path: Path, name: str) -> optuna.Study:
    """Four workers, one killed when half of the trials are finished; the study when all ended."""
    logs = [tmp_path / f"{i}.log" for i in range(WORKERS)]
    workers = [start(storage, name, n_trials, log) for log in logs]
    victim, until = workers[0], time.monotonic() + DEADLINE
    try:
        while sum("finished" in note for log in logs for note in notes(log)) < n_trials // 2:
            assert time.monotonic() < until
            assert all(worker.poll() is None for worker in workers), "a worker ended early"
            time.sleep(0.02)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        at_kill = sum("finished" in note for log in logs for note in notes(log))
        for worker in workers[1:]:
            end(worker)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.communicate()
    assert victim.returncode == -signal.SIGKILL
    assert at_kill < n_trials - 2 * WORKERS, "the kill came too late to say anything"

    study = open_study(storage, name)
    trials = study.get_trials()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    new = [trial for trial in trials if trial.user_attrs.get(PROMOTES) is None]
    assert [trial.number for trial in new if trial.params == PRIOR.mode()] == [0]
    # At most one trial for each other worker on top, and the victim's last is left running.
    assert n_trials <= len(finished(study)) <= n_trials + WORKERS - 1
    left = [trial.number for trial in trials if not trial.state.is_finished()]
    assert len(left) <= 1

    noted = [[note for note in notes(log)] for log in logs]
    began = [note["began"] for worker in noted for note in worker if "began" in note]
    ended = [note for worker in noted for note in worker if "finished" in note]
    assert len(set(began)) == len(began), "a trial was run twice"
    assert len({note["finished"] for note in ended}) == len(ended), "a trial was finished twice"
    for note in ended:
        trial = trials[note["finished"]]
        assert (trial.state.name, trial.value) == (note["state"], note["value"])
    # The storage may know of one more: the victim may have died before it noted it.
    known = {trial.number for trial in trials if trial.state.is_finished()}
    lost = known - {note["finished"] for note in ended}
    assert len(lost) <= 1
    assert lost <= {note["began"] for note in noted[0] if "began" in note}
    for worker in noted:  # each did its part, the others after the kill too
        assert sum("finished" in note for note in worker) >= n_trials // 40
    # Seeds differ by trial: no two workers proposed the same point.
    own = [trial for trial in trials if PROMOTES not in trial.user_attrs]
    points = {tuple(sorted(trial.params.items())) for trial in own if trial.params}
    assert len(points) >= len(own) - 1
    # Nor did two continue the same trial, but where one read while the other was writing.
    taken = [t.user_attrs[PROMOTES] for t in trials if PROMOTES in t.user_attrs]
    assert len(taken) - len(set(taken)) <= 2
    assert bool(taken) == name.startswith("promoting")
    return study


def continue_it(study: optuna.Study, storage: str, tmp_path: Path, more: int) -> None:
    """A new worker adds trials to what is there, once the dead worker's trial is failed."""
    before = study.get_trials()
    running = [t.number for t in before if t.state == TrialState.RUNNING]
    assert fail_stale(study) == running
    assert fail_stale(study) == []
    n = len(finished(study)) + more
    log = tmp_path / "more.log"
    end(start(storage, study.study_name, n, log))
    after = study.get_trials()
    assert len(after) == len(before) + more
    assert len(finished(study)) == n
    assert [t.number for t in after[len(before) :]] == [
        note["finished"] for note in notes(log) if "finished" in note
    ]
    assert [(t.params, t.values) for t in after[: len(before)]] == [
        (t.params, t.values) for t in before
    ]


@pytest.mark.parametrize("name", ["shared", "promoting"])
@pytest.mark.parametrize("n_trials", [160, pytest.param(400, marks=pytest.mark.slow)])
def test_four_workers_one_killed(n_trials: int, name: str, tmp_path: Path) -> None:
    storage = str(tmp_path / "study.journal")
    study = kill_one_halfway(storage, n_trials, tmp_path, name)
    continue_it(study, storage, tmp_path, more=10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["four hundred", "promoting"])
def test_four_workers_one_killed_postgres(tmp_path: Path, database: str, name: str) -> None:
    study = kill_one_halfway(database, 400, tmp_path, name)
    continue_it(study, database, tmp_path, more=10)


def test_a_server_gives_the_same_trials(database: str) -> None:
    alone = optimize(open_study("memory", "same"), objective, 8)
    optimize(open_study(database, "same"), objective, 4)
    shared = optimize(open_study(database, "same"), objective, 8)
    for one, other in zip(alone.trials, shared.trials, strict=True):
        assert (one.params, one.values, one.state) == (other.params, other.values, other.state)
        assert one.user_attrs == other.user_attrs
    with pytest.raises(PriorError, match="seed is 7 there and 8 here"):
        open_study(database, "same", seed=8)


@pytest.mark.slow
def test_workers_that_make_the_tables_at_once(tmp_path: Path, database: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("CREATE DATABASE empty"))
    engine.dispose()
    empty = database.replace("/postgres?", "/empty?")
    logs = [tmp_path / f"{i}.log" for i in range(WORKERS)]
    for worker in [start(empty, "new", 6, log) for log in logs]:
        end(worker)
    assert 6 <= len(finished(open_study(empty, "new"))) < 6 + WORKERS
