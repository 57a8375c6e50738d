"""Storages that are not ours, or damaged: refused and left as they are, or mended at their end."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from infoprior.priors import PriorError, hyperband_study, optimize
from infoprior.priors._search import storage
from infoprior.priors._search.storage import open_storage
from tests.priors.workers import PRIOR, objective


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    monkeypatch.setattr(storage, "_FOREIGN_WRITE", 0.001)


def study_in(storage: Any, n: int = 3) -> optuna.Study:
    study = hyperband_study(PRIOR, name="s", max_resource=9, seed=1, storage=storage)
    return optimize(study, objective, n)


def plain(path: Path) -> list[optuna.trial.FrozenTrial]:
    """What Optuna alone reads."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name="s", storage=storage).trials


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    path = tmp_path_factory.mktemp("journal") / "a.journal"
    study_in(path)
    return path.read_bytes()


BAD_ENDS = [
    b"\n",
    b"\r\n",
    b" \t \n",
    b"\n\n\n",
    b"\0\0\0\n",
    b"\0" * 9000,  # what a file system leaves after a crash
    b"\0" * 4096 + b"\n",
    b"garbage\n",
    b"\ngarbage\n\n",
    b'{"op_code": 5\n',
    b'{"op_code":5,"worker_id":"a"',
    b'{"a": 1}\n',
    b"null\n",
    b"[" * 100_000 + b"\n",
    b"\xff\xfe\x00\n",
    b"x" * 300_000,
]


@pytest.mark.parametrize("end", BAD_ENDS, ids=lambda end: repr(end[:12]))
def test_a_bad_end_is_cut_off(end: bytes, written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(written + end)
    study_in(path, 5)
    assert path.read_bytes().startswith(written + b"{")
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
    assert [trial.number for trial in plain(path)] == list(range(5))


@pytest.mark.parametrize("end", [b"\n", b"garbage\n", b'{"op_code":5,"wor'])
def test_the_end_of_a_journal_that_the_caller_opened_is_mended_too(
    end: bytes, written: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(written + end)
    study_in(JournalStorage(JournalFileBackend(str(path))), 5)
    assert len(plain(path)) == 5


def test_a_last_record_without_its_newline_is_kept(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(written[:-1])
    study_in(path, 5)
    assert path.read_bytes().startswith(written)
    assert len(plain(path)) == 5


def test_windows_line_ends_are_a_journal_s_too(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(written.replace(b"\n", b"\r\n"))
    study_in(path, 5)
    assert len(plain(path)) == 5


def test_without_flock_the_end_is_mended_under_optuna_s_lock_file(
    written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "fcntl", None)
    path = tmp_path / "a.journal"
    path.write_bytes(written + b"\n")
    study_in(path, 5)
    assert len(plain(path)) == 5
    assert [p.name for p in tmp_path.iterdir()] == ["a.journal"]
    path.write_bytes(b"notes\n")
    refused(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.journal"]


def refused(storage: Any, match: str = "^storage: ") -> str:
    """What is said; the file, if it is one, and its folder are as they were."""
    path = Path(str(storage).removeprefix("sqlite:///"))
    before, there = (
        path.read_bytes() if os.path.isfile(path) else None,
        sorted(path.parent.glob("*")),
    )
    with pytest.raises(PriorError, match=match) as error:
        study_in(storage)
    assert before is None or path.read_bytes() == before
    assert sorted(path.parent.glob("*")) == there
    return str(error.value)


OTHERS = {
    "a line": b"shopping list\n",
    "a line without end": b"shopping list",
    "blank": b"\n",
    "blanks": b" \n\n\t\n",
    "zeros": b"\0" * 5000,
    "binary": bytes(range(256)) * 40,
    "utf-16": "notes\nof mine\n".encode("utf-16"),
    "json": b'{"name": "me", "list": [1, 2]}',
    "a brace": b"{",
    "braces": b"{}\n",
    "json lines": b'{"a":1}\n{"a":2}\n',
    "json lines with codes": b'{"op_code":1}\n{"op_code":2}\n',
    "html": b"<html>\n</html>\n",
    "records after notes": b'notes\n{"op_code":3,"worker_id":"a"}\n',
    "no record in a record": b'{"op_code":true,"worker_id":"a"}\n',
    "an operation that is none": b'{"op_code":77,"worker_id":"a"}\n',
    "a record without its fields": b'{"op_code":0,"worker_id":"a"}\n',
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=list(OTHERS))
def test_another_file_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    refused(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    refused(link)
    refused(f"sqlite:///{path}", "is no SQLite database")


@pytest.mark.parametrize("end", [b"", b"\n", b"garbage\n"])
def test_a_bad_line_in_the_middle_is_named(end: bytes, written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    lines = written.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:6], b"\n", *lines[6:], end]))
    assert "line 7 is no record" in refused(path)
    path.write_bytes(written + b"two lines\nof text\n" + end)
    assert f"line {len(lines) + 1} is no record" in refused(path)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "no regular file")  # and is not waited for
    refused("/dev/null", "no regular file")
    refused(tmp_path, "is a directory")
    refused(tmp_path / "no" / "a.journal", "there is no directory")
    refused(tmp_path / ("x" * 300), "cannot be opened")
    refused(tmp_path / "a\0b", "cannot be opened")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_cannot_be_written_is_refused(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(written)
    path.chmod(0o444)
    refused(path, "cannot be opened: Permission denied")


def test_a_file_that_cannot_be_locked_is_refused(
    written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(written)

    def denied(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    refused(path, "cannot be opened: Permission denied")


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    (tmp_path / "a.journal").touch()
    assert len(study_in(tmp_path / "a.journal").trials) == 3
    (tmp_path / "link").symlink_to(tmp_path / "b.journal")
    assert len(study_in(tmp_path / "link").trials) == 3
    assert (tmp_path / "b.journal").stat().st_size > 0


def test_a_refused_call_writes_nothing(tmp_path: Path) -> None:
    for wrong in (
        {"base_sampler": 3},
        {"base_sampler": lambda seed: seed},
        {"weight": 2},
        {"prior": "p.json"},
    ):
        arguments: dict[str, Any] = {"max_resource": 9, "storage": tmp_path / "new", **wrong}
        with pytest.raises(PriorError):
            hyperband_study(name="s", **arguments)
    assert not (tmp_path / "new").exists()
    study_in(tmp_path / "a.journal")
    before = (tmp_path / "a.journal").read_bytes()
    with pytest.raises(PriorError, match="seed is 1 there and 2 here"):
        hyperband_study(PRIOR, name="s", max_resource=9, seed=2, storage=tmp_path / "a.journal")
    study_in(tmp_path / "a.journal")  # nothing left to do
    assert (tmp_path / "a.journal").read_bytes() == before


def test_a_writer_with_another_lock_is_waited_for(
    written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a line of Optuna's own, whose other half comes while we look at it."""
    monkeypatch.setattr(storage, "_FOREIGN_WRITE", 0.2)
    path = tmp_path / "a.journal"
    record = b'{"op_code":2,"worker_id":"a","study_id":0,"user_attr":{"mine":1}}\n'
    path.write_bytes(written + record[:20])

    def rest() -> None:
        time.sleep(0.05)
        with path.open("ab") as file:
            file.write(record[20:])

    thread = threading.Thread(target=rest)
    thread.start()
    study = study_in(path, 5)
    thread.join()
    assert study.user_attrs["mine"] == 1
    assert path.read_bytes().startswith(written + record)


def test_a_long_last_line_is_read_in_proportion_to_its_length(
    written: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.journal"
    record = {
        "op_code": 2,
        "worker_id": "a",
        "study_id": 0,
        "user_attr": {"text": "x" * 20_000_000},
    }
    path.write_bytes(written + json.dumps(record).encode() + b"\n")
    begun = time.process_time()
    with open(path, "r+b") as file:
        storage._mend_end(file, str(path))
    assert time.process_time() - begun < 2.0
    assert len(plain(path)) == 3


# ---- databases


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in rows}


FOREIGN = {
    "notes": "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)",
    "alembic_version": "CREATE TABLE alembic_version (version_num TEXT)",  # as MLflow's has
    "studies": "CREATE TABLE studies (id INTEGER PRIMARY KEY, study_name TEXT)",
    "version_info": "CREATE TABLE version_info (id INTEGER PRIMARY KEY, version TEXT)",
}


@pytest.mark.parametrize("made", FOREIGN)
@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite+pysqlite:///{}?timeout=5"])
def test_another_program_s_database_is_refused(made: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    with sqlite3.connect(path) as connection:
        connection.execute(FOREIGN[made])
    connection.close()
    before = path.read_bytes()
    with pytest.raises(PriorError, match=rf"^storage: the database holds other tables \({made}\)"):
        study_in(form.format(path))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["mine.db"]


def test_a_database_that_somebody_writes_is_not_touched(tmp_path: Path) -> None:
    """Its write-ahead log is not emptied into it either."""
    path = tmp_path / "mine.db"
    code = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode=WAL')\n"
        "c.execute('CREATE TABLE notes (text TEXT)'); c.commit(); os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    before = path.read_bytes(), (tmp_path / "mine.db-wal").read_bytes()
    with pytest.raises(PriorError, match=r"holds other tables \(notes\)"):
        study_in(f"sqlite:///{path}")
    assert (path.read_bytes(), (tmp_path / "mine.db-wal").read_bytes()) == before


def test_optuna_s_own_databases_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch()
    assert len(study_in(f"sqlite:///{path}").trials) == 3
    assert len(study_in(f"sqlite:///{path}", 4).trials) == 4
    # Where Optuna's tables have been made beside others on purpose, they are used.
    with sqlite3.connect(path) as connection:
        connection.execute(FOREIGN["notes"])
    assert len(study_in(f"sqlite:///{path}", 5).trials) == 5
    assert isinstance(open_storage("sqlite:///:memory:", "s"), RDBStorage)
    # As when another worker is making them.
    half = tmp_path / "half.db"
    with sqlite3.connect(half) as connection:
        connection.execute("CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name TEXT)")
    open_storage(f"sqlite:///{half}", "s")
    assert "trials" in tables(half)


def test_a_journal_that_is_a_database_is_refused_with_its_url(tmp_path: Path) -> None:
    open_storage(f"sqlite:///{tmp_path}/a.db", "s")
    assert f"sqlite:///{tmp_path}/a.db" in refused(tmp_path / "a.db")


def test_a_database_of_another_version_of_optuna_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_storage(f"sqlite:///{path}", "s")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9'")
        connection.execute("UPDATE version_info SET schema_version = 99")
    refused(f"sqlite:///{path}", "the database cannot be opened: The runtime optuna version")
