"""A private PostgreSQL server for the tests: own directory, a socket in it, no port."""

from __future__ import annotations

import contextlib
import glob
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_DEBIAN = "/usr/lib/postgresql/*/bin"


def missing() -> str | None:
    """Why there can be no server; None where there can."""
    if _programs() is None:
        return "there is no PostgreSQL server (Debian: apt-get install postgresql)"
    if importlib.util.find_spec("psycopg") is None:
        return "there is no driver for PostgreSQL (pip install 'psycopg[binary]')"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return None


def _programs() -> Path | None:
    """The directory of `initdb` and `postgres`: Debian's are not on the path."""
    initdb = shutil.which("initdb")
    for directory in [os.path.dirname(os.path.realpath(initdb))] if initdb else []:
        return Path(directory)
    for name in sorted(glob.glob(_DEBIAN), reverse=True):
        if os.access(f"{name}/initdb", os.X_OK):
            return Path(name)
    return None


def _account() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a server and give the URL of an empty database; nothing is left afterwards."""
    programs = _programs()
    assert programs is not None
    # Not pytest's directory: another user has to reach it. A socket's path has to be short.
    home = Path(tempfile.mkdtemp(prefix="infoprior-pg-"))
    account = {}
    try:
        if os.geteuid() == 0:
            user = _account()
            assert user is not None
            os.chown(home, user.pw_uid, user.pw_gid)
            account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data, log = home / "data", home / "log"
        options = ["-A", "trust", "-U", "infoprior", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [programs / "initdb", "-D", data, *options],
            check=True,
            capture_output=True,
            cwd=home,
            **account,
        )
        # Clients are killed in the tests, not the machine: nothing needs to reach the disk.
        settings = ["listen_addresses=", f"unix_socket_directories={home}", "fsync=off"]
        settings += ["synchronous_commit=off", "full_page_writes=off"]
        with open(log, "w") as file:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, *(f"--{s}" for s in settings)],
                stdout=file,
                stderr=file,
                cwd=home,
                **account,
            )
        try:
            _wait(home, process, log)
            yield f"postgresql+psycopg://infoprior@/postgres?host={home}"
        finally:
            process.send_signal(signal.SIGINT)  # "fast": connections are closed
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait(home: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            psycopg.connect(host=str(home), user="infoprior", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
