"""What stands on the terminal while a call runs, and what does not."""

from __future__ import annotations

import io
import runpy
import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from infoprior import _progress
from infoprior._progress import notice, progress_line, shows_progress
from infoprior.parallel import run_jobs
from infoprior.training._engines import compiled


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error is a terminal, on which lines come after 0.05 s."""
    screen = Terminal()
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=screen))
    monkeypatch.setattr(_progress, "DELAY", 0.05)
    monkeypatch.setattr(_progress, "_REDRAWN", 0.02)
    return screen


def shown(terminal: Terminal) -> str:
    return terminal.getvalue()


def test_a_long_call_says_what_it_does_and_how_far_it_is(terminal: Terminal) -> None:
    with progress_line("outer work"):
        time.sleep(0.2)
        with progress_line("inner work", 4) as stage:
            stage.advance(3)
            time.sleep(0.2)
        time.sleep(0.2)
    text = shown(terminal)
    assert text.index("outer work") < text.index("inner work") < text.rindex("outer work")
    assert "75%" in text
    assert text.rpartition("\r")[2].strip() == ""  # nothing is left behind


def test_a_short_call_says_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _progress.on_terminal()
    monkeypatch.setattr(_progress, "DELAY", 2.0)
    with progress_line("short"):
        time.sleep(0.1)
    assert shown(terminal) == ""


def test_one_argument_silences_a_call_and_all_within_it(terminal: Terminal) -> None:
    @shows_progress("reading")
    def read(progress: bool = True) -> None:
        with progress_line("inside"):
            notice("never said")
            time.sleep(0.2)

    read(progress=False)
    assert shown(terminal) == ""
    read()
    assert "inside" in shown(terminal)


def test_nothing_is_written_off_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=pipe))
    monkeypatch.setattr(_progress, "DELAY", 0.05)
    with progress_line("piped"):
        notice("piped too")
        time.sleep(0.2)
    # As under pythonw.
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=None))
    with progress_line("nowhere"):
        notice("nowhere too")
    assert pipe.getvalue() == ""


def test_of_calls_in_several_threads_one_is_shown(terminal: Terminal) -> None:
    def other() -> None:
        with progress_line("second"):
            time.sleep(0.2)

    with progress_line("first"):
        thread = Thread(target=other)
        thread.start()
        thread.join()
    assert "first" in shown(terminal)
    assert "second" not in shown(terminal)
    with progress_line("third"):  # the terminal is free again
        time.sleep(0.2)
    assert "third" in shown(terminal)


def test_a_failing_call_frees_the_terminal(terminal: Terminal) -> None:
    def fails() -> None:
        with progress_line("failing"):
            raise RuntimeError("of the call")

    with pytest.raises(RuntimeError, match="of the call"):
        fails()
    with progress_line("next"):
        time.sleep(0.2)
    assert "next" in shown(terminal)


def talkative(number: int) -> int:
    with progress_line("of a job"):
        time.sleep(0.1)
    return number


def test_a_run_shows_its_jobs_and_not_what_they_do(terminal: Terminal, tmp_path: Path) -> None:
    jobs: dict[str, tuple[Any, ...]] = {f"job-{i}": (i,) for i in range(3)}
    assert run_jobs(talkative, jobs, directory=tmp_path, description="work") == {
        "job-0": 0, "job-1": 1, "job-2": 2,
    }  # fmt: skip
    assert "work" in shown(terminal)
    assert "of a job" not in shown(terminal)


KERNEL = """
import numba

@numba.njit(cache=True)
def kernel(x):
    return x + 1
"""


def test_compilation_says_so_and_only_where_nothing_is_kept(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kernels_of_a_test.py").write_text(KERNEL)
    monkeypatch.setattr(compiled._Compiling, "said", False)

    def run_anew(**options: Any) -> str:
        before = len(shown(terminal))
        kernel = runpy.run_path(str(tmp_path / "kernels_of_a_test.py"))["kernel"]
        with progress_line("training", **options):
            compiled._run(kernel, x=1)
            compiled._run(kernel, x=2)
        return shown(terminal)[before:]

    assert run_anew().count("compiling") == 1
    monkeypatch.setattr(compiled._Compiling, "said", False)
    assert "compiling" not in run_anew()  # what the first one has kept is loaded
    (tmp_path / "kernels_of_a_test.py").write_text(KERNEL.replace("x + 1", "x + 2"))
    assert "compiling" not in run_anew(show=False)
