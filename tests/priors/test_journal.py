"""The journal's lock, and what a killed worker leaves in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from infoprior.priors import PriorError
from infoprior.priors._search.storage import KernelLock, journal, open_storage

pytest.importorskip("fcntl")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def filled(path: Path, n: int = 5) -> optuna.Study:
    study = optuna.create_study(storage=journal(path), study_name="s", load_if_exists=True)
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=n)
    return study


@pytest.mark.parametrize(
    "torn", [b"{", b'{"op_code":4,"worker_id":"a', b'{"op_code":' + b"x" * 9999]
)
def test_half_a_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "a.journal"
    before = filled(path).get_trials()
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    # What is there can be read, by Optuna alone too, and reading changes nothing.
    plain = JournalStorage(JournalFileBackend(str(path)))
    assert optuna.load_study(study_name="s", storage=plain).get_trials() == before
    assert path.read_bytes() == whole + torn
    filled(path, 3)
    assert path.read_bytes().startswith(whole + b"{")
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
    plain = JournalStorage(JournalFileBackend(str(path)))
    after = optuna.load_study(study_name="s", storage=plain).get_trials()
    assert after[:5] == before
    assert [trial.number for trial in after] == list(range(8))


def test_a_reader_continues_over_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    study = filled(path)
    with open(path, "ab") as file:
        file.write(b'{"op_code":4,"wor')
    assert len(study.get_trials()) == 5
    filled(path, 2)  # by another worker, who cuts it
    assert [trial.number for trial in study.get_trials()] == list(range(7))
    study.optimize(lambda trial: 0.0, n_trials=1)
    assert len(study.get_trials()) == 8


@pytest.mark.parametrize("content", [b"one line, no end", b"two\nlines\n", b'{"a": 1}\n', b"{}"])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(PriorError, match="no Optuna journal"):
        filled(path)
    assert path.read_bytes() == content


HOLD = """
import os, signal, sys
from infoprior.priors._search.storage import KernelLock
KernelLock(sys.argv[1]).acquire()
print("held", flush=True)
signal.pause()
"""


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    filled(path, 1)
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = threading.Event()
        waiting = threading.Thread(target=lambda: (filled(path, 1), done.set()))
        waiting.start()
        held = not done.wait(0.3)
        os.kill(holder.pid, signal.SIGKILL)
    assert held
    assert done.wait(5.0)  # Optuna's own lock: after 30 s
    waiting.join()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.journal"]


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    path = str(tmp_path / "a.journal")
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        lock = KernelLock(path)
        for _ in range(20):
            lock.acquire()
            inside += 1
            most = max(most, inside)
            time.sleep(0.0005)
            inside -= 1
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_storages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_storage("memory", "s"), InMemoryStorage)
    assert isinstance(open_storage(None, "my study/1"), JournalStorage)
    assert (tmp_path / "my-study-1.journal").exists()
    assert isinstance(open_storage(Path("b"), "s"), JournalStorage)
    assert isinstance(open_storage("c", "s"), JournalStorage)
    assert (tmp_path / "b").exists()
    assert (tmp_path / "c").exists()
    memory = InMemoryStorage()
    assert open_storage(memory, "s") is memory
    database = open_storage("sqlite:///d.db", "s", heartbeat=60)
    assert isinstance(database, RDBStorage)
    assert database.get_heartbeat_interval() == 60


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        ("no/such/directory/a.journal", "there is no directory no/such/directory"),
        ("nonsense://x", "there is no driver for nonsense"),
        ("sqlite:////no/such/directory/a.db", "unable to open database file"),
        ("postgresql://:::/", "malformed"),
        ("", "needs a journal's path"),
        (3, "needs a journal's path"),
    ],
)
def test_storages_that_cannot_be_opened(
    storage: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(PriorError, match=says):
        open_storage(storage, "s")


def test_no_password_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(PriorError, match="cannot be opened") as error:
        open_storage("postgresql+psycopg://me:secret@127.0.0.1:1/x", "s")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("storage", [None, "a.journal", "memory", InMemoryStorage()])
def test_no_signs_of_life_in_a_journal(storage: object) -> None:
    with pytest.raises(PriorError, match="fail_stale"):
        open_storage(storage, "s", heartbeat=60)  # type: ignore[arg-type]
