"""Files that are there whole or not at all, and what is left of writers that were killed."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infoprior import files
from infoprior.files import FileError, write_atomically


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("x", {"a": 1}, "content: needs a text or bytes, got type dict"),
        ("x", None, "content: needs a text or bytes"),
        ("x", "\ud800", "content: is a text that UTF-8 cannot hold: surrogates"),
        (None, "a", "path: needs a path, got None"),
        (3, "a", "path: needs a path, got 3"),
        (b"x", "a", "path: needs a path"),
        (".", "a", r"path: \. is a folder"),
        ("", "a", "is a folder"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(tmp_path, monkeypatch, path, content, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=says):
        write_atomically(path, content)
    assert list(tmp_path.iterdir()) == []


def test_files_with_the_longest_names_and_of_many_threads_are_written(tmp_path):
    longest = tmp_path / ("\N{SNOWMAN}" * 85)  # 255 bytes
    write_atomically(longest, bytearray(b"a"))
    assert longest.read_bytes() == b"a"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: write_atomically(tmp_path / "k", f"{i}" * 5000), range(200)))
    assert len(set((tmp_path / "k").read_text())) <= 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["k", longest.name])


def test_leftovers_go_when_their_writer_has_gone(tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr(os, "replace", lambda source, target: names.append(Path(source).name))
    write_atomically(tmp_path / "k.json", "")
    monkeypatch.undo()
    (name,) = names
    assert str(os.getpid()) in name

    def leave(text, age=0.0):
        path = tmp_path / text
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
        return path

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    live = leave(name)
    old = leave(name.replace("k.json", "old.json"), age=86400.0)
    dead = leave(name.replace(f"-{os.getpid()}.", f"-{ended.pid}."))
    tag = name.split(".")[-2].split("-")[0]
    elsewhere = leave(name.replace(tag, "0" * 8).replace(str(os.getpid()), str(ended.pid)))
    forgotten = leave(name.replace(tag, "1" * 8), age=86400.0)
    files.remove_leftovers(tmp_path)
    assert [live.exists(), elsewhere.exists()] == [True, True]
    assert [old.exists(), dead.exists(), forgotten.exists()] == [False, False, False]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, "old")

    def broken(*_):
        raise OSError("disk")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk"):
        write_atomically(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "old"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux' list of processes")
def test_a_process_that_has_ended_is_not_alive_before_somebody_has_asked_for_its_status():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    while Path(f"/proc/{ended.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert not files.is_alive(ended.pid)
    ended.wait()
    assert files.is_alive(os.getpid())
