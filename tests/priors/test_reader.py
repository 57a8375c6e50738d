"""Past studies are read from where they are, and nothing is written there."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from infoprior.priors import Prior, PriorError
from tests.priors.past import study_of

SPACE = {"x": FloatDistribution(0.0, 1.0)}


def fill(storage: Any, name: str = "past") -> optuna.Study:
    trials = [({"x": x}, abs(x - 0.3)) for x in (0.1, 0.2, 0.3, 0.9)]
    return study_of(trials, SPACE, name=name, storage=storage)


def snapshot(folder: Path) -> dict[str, Any]:
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def says(source: Any, folder: Path) -> str:
    """What from_studies says of a source, which has to leave the folder as it is."""
    before = snapshot(folder)
    try:
        said = f"{Prior.from_studies(source).metadata['studies']} studies"
    except PriorError as error:
        said = str(error)
    assert snapshot(folder) == before
    return said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one database and one journal, to be copied from."""
    folder = tmp_path_factory.mktemp("made")
    fill(f"sqlite:///{folder}/past.db")
    fill(JournalStorage(JournalFileBackend(f"{folder}/past.journal")))
    return folder


@pytest.fixture
def past(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made / "past.db", tmp_path / "past.db"))


@pytest.fixture
def journal(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made / "past.journal", tmp_path / "past.journal"))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///{}",
        "sqlite+pysqlite:///{}",
        "sqlite:///{}?timeout=3",
        "sqlite:///file:{}?uri=true",
    ],
)
def test_every_form_of_a_databases_url_is_read(url: str, past: Path) -> None:
    assert says(url.format(past), past.parent) == "1 studies"


def test_a_database_that_cannot_be_written_is_read(past: Path) -> None:
    past.chmod(0o444)
    past.parent.chmod(0o555)
    try:
        assert says(f"sqlite:///{past}", past.parent) == "1 studies"
    finally:
        past.parent.chmod(0o755)


def test_reading_a_write_ahead_log_at_rest_leaves_no_files(past: Path) -> None:
    with sqlite3.connect(past) as connection:
        connection.execute("PRAGMA journal_mode = wal")
    connection.close()
    assert [path.name for path in past.parent.iterdir()] == ["past.db"]
    assert says(f"sqlite:///{past}", past.parent) == "1 studies"
    # In use, what is in the log is read as well.
    connection = sqlite3.connect(past)
    connection.execute("UPDATE studies SET study_name = 'newer'")
    connection.commit()
    assert Prior.from_studies(f"sqlite:///{past}", names="newer").metadata["studies"] == 1
    connection.close()


def other_program(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "statements",
    [
        (),
        ("CREATE TABLE customers(id)",),
        ("CREATE TABLE studies(id)", "CREATE TABLE trials(id)"),  # of a hospital
        *[("CREATE TABLE studies(id)", "CREATE TABLE trials(id)", "CREATE TABLE version_info(id)")],
        ("CREATE TABLE runs(id)", "CREATE TABLE alembic_version(version_num)"),
    ],
)
def test_another_programs_database_stays_as_it_is(
    statements: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "shop.db"
    path.touch()
    other_program(path, *statements)
    assert "holds no Optuna studies; nothing was changed" in says(f"sqlite:///{path}", tmp_path)


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE alembic_version SET version_num = 'v2.6.0.a'", "older Optuna.*storage upgrade"),
        ("DROP TABLE alembic_version", "older Optuna.*storage upgrade"),
        ("DELETE FROM alembic_version", "older Optuna.*storage upgrade"),
        ("DELETE FROM version_info", "older Optuna.*storage upgrade"),
        ("UPDATE alembic_version SET version_num = 'v99.0.0.a'", "newer Optuna.*update Optuna"),
        ("UPDATE trial_params SET distribution_json = '{'", "study 'past' cannot be read"),
        ("DROP TABLE trial_values", "study 'past' cannot be read: .*no such table: trial_values"),
        ("DELETE FROM studies", "there are none in this storage"),
    ],
)
def test_databases_of_other_releases_and_damaged_ones_are_named(
    statement: str, match: str, past: Path
) -> None:
    other_program(past, statement)
    with pytest.raises(PriorError, match=f"^studies: .*{match}"):
        Prior.from_studies(f"sqlite:///{past}")
    assert "studies: " in says(f"sqlite:///{past}", past.parent)


def test_files_that_are_no_database_are_named(past: Path, journal: Path) -> None:
    folder = past.parent
    (folder / "notes.txt").write_text("hello\nworld\n" * 100)
    assert "file is not a database" in says(f"sqlite:///{folder}/notes.txt", folder)
    assert "file is not a database" in says(f"sqlite:///{journal}", folder)
    (folder / "cut.db").write_bytes(past.read_bytes()[:5000])
    assert "malformed" in says(f"sqlite:///{folder}/cut.db", folder)
    assert "there is no file" in says(f"sqlite:///{folder}/no.db", folder)
    assert "there is no file" in says(f"sqlite:///{folder}", folder)
    assert "in memory" in says("sqlite:///:memory:", folder)
    assert "sqlite:/// before its path" in says(past, folder)
    assert "is a directory" in says(folder, folder)
    for path in ("", "a\0b", "x" * 5000, folder / "no.journal"):
        assert "neither a storage URL nor a journal" in says(path, folder)


DAMAGED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("1 studies", lambda data: data + b'{"op_code":4,"wor'),  # what a killed worker leaves
    ("no Optuna journal", lambda _: b"hello"),
    ("no Optuna journal", lambda _: b"hello\nworld\n"),
    ("no Optuna journal", lambda _: b'{"format": "infoprior.prior"}\n'),
    ("no Optuna journal", lambda data: b"[1, 2]\n" + data),
    ("no Optuna journal", lambda data: data.decode().encode("utf-16")),
    ("no Optuna journal", lambda _: bytes(range(256)) * 9),
    ("damaged", lambda data: data.replace(b"\n", b"\nxx\n", 1)),
    ("damaged", lambda data: data.replace(b"\n", b"\n\n", 1)),
    ("damaged", lambda data: data + b"\0" * 64 + b"\n"),
    ("damaged", lambda _: b'{"op_code":99,"worker_id":"w"}\n'),
    ("damaged", lambda _: b'{"op_code":0,"worker_id":"w"}\n'),
    ("damaged", lambda data: data + b'{"op_code":' + b"[" * 100_000 + b"\n"),
    ("there are none", lambda _: b""),
    ("there are none", lambda _: b'{"op_c'),
]


@pytest.mark.parametrize(("match", "damage"), DAMAGED)
def test_damaged_journals_are_named(
    match: str, damage: Callable[[bytes], bytes], journal: Path
) -> None:
    journal.write_bytes(damage(journal.read_bytes()))
    assert match in says(journal, journal.parent)
    assert match in says(str(journal), journal.parent)


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("oracle23://user:hidden@host/db", "no driver for oracle23"),
        ("redis://:hidden@host:1/0", "no driver for redis"),
        ("postgresql+psycopg://user:hidden@127.0.0.1:hidden/db", "malformed"),
        ("://user:hidden@host", "malformed"),
        ("x:hidden://host", r"malformed \(x\)"),
        ("postgresql+psycopg://user:hidden@127.0.0.1:1/db", "cannot be read: OperationalError"),
        ("postgresql+psycopg://user:hidden@hidden@127.0.0.1:1/db", "cannot be read"),
        ("postgresql+psycopg://user:hid%64en@hidden@127.0.0.1:1/db", "cannot be read"),
        ("postgresql+psycopg://127.0.0.1:1/db?user=u&password=hidden", "cannot be read"),
    ],
)
def test_servers_that_cannot_be_read_are_named_without_their_password(url: str, match: str) -> None:
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(PriorError, match=match) as caught:
        Prior.from_studies(url)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hidden" not in str(error)
        error = error.__cause__


class Closed(InMemoryStorage):
    """A storage whose server went away."""

    def get_all_trials(self, *_: Any, **__: Any) -> Any:
        raise ConnectionResetError("the server closed the connection")


def test_a_storage_that_fails_is_named() -> None:
    storage = Closed()
    study = optuna.create_study(storage=storage, study_name="gone")
    for source in (storage, study, [study]):
        with pytest.raises(
            PriorError, match=r"study 'gone' cannot be read: Connection.*closed the"
        ):
            Prior.from_studies(source)


def test_a_deleted_study_is_named(tmp_path: Path) -> None:
    study = fill(f"sqlite:///{tmp_path}/past.db")
    optuna.delete_study(study_name="past", storage=f"sqlite:///{tmp_path}/past.db")
    with pytest.raises(PriorError, match="study 'past' cannot be read"):
        Prior.from_studies(study)


def test_lists_hold_studies_only_of_any_iterable(journal: Path) -> None:
    study = fill(None)
    assert Prior.from_studies(s for s in (study, study)) == Prior.from_studies(study)
    for source in ([study, str(journal)], [study, None], [study.trials[0]], study.trials):
        with pytest.raises(PriorError, match=r"^studies: needs Optuna studies in a list"):
            Prior.from_studies(source)
    for key, names in (("names", 3), ("names", [3]), ("exclude", None), ("exclude", [None])):
        with pytest.raises(PriorError, match=f"^{key}: needs names"):
            Prior.from_studies(journal, **{key: names})  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:The distribution is specified")
def test_values_at_the_end_of_a_range_that_a_storage_has_shortened() -> None:
    """Optuna reads `high` of a stepped float a step too low where it has no short decimal."""
    step = 1 / 3
    given = FloatDistribution(0.1, 0.1 + 6 * step, step=step)
    stored = optuna.distributions.distribution_to_json(given)
    read = optuna.distributions.json_to_distribution(stored)
    assert read.high < given.high - step / 2  # type: ignore[attr-defined]
    study = optuna.create_study(direction="maximize")
    for value in (given.low, given.low + step, given.low + 2 * step, given.high):
        study.add_trial(
            optuna.create_trial(params={"x": value}, distributions={"x": given}, value=value)
        )
    for trial in study.get_trials(deepcopy=False):
        trial.distributions["x"] = read
    prior = Prior.from_studies(study)
    assert prior.metadata["values_moved"] == 0
    assert prior.mode() == {"x": given.high}
