"""A line on the terminal that says what a call is doing, from its third second on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Event, Lock, Thread, local
from typing import Any, TypeVar

DELAY = 2.0
"""Seconds before anything is shown: what is quicker prints nothing."""
_REDRAWN = 0.2  # seconds between two looks at a stage
_COUNTED = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
_TIMED = "{desc} [{elapsed}]"

F = TypeVar("F", bound=Callable[..., Any])

_here = local()  # .line: what this thread's calls report to, `None` where nothing is shown
_terminal = Lock()  # held by the line that is shown: one at a time


class Stage:
    """A piece of work: what it is called, and how much of it is done.

    Attributes:
        description: what is shown.
        total: of steps; None: not known, time alone is shown.
        done: steps.
        start: when it began, seconds since the epoch.
    """

    def __init__(self, description: str, total: int | None = None, done: int = 0) -> None:
        self.description, self.total, self.done = description, total, done
        self.start = time.time()

    def advance(self, steps: int = 1) -> None:
        """Report steps as done."""
        self.done += steps


class _Line:
    """What a thread of its own keeps showing: the stage that stands in `stage`."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._over = Event()
        self._thread = Thread(target=self._show, daemon=True)
        self._thread.start()

    def _show(self) -> None:
        if self._over.wait(DELAY):
            return
        from tqdm import tqdm

        shown: Stage | None = None
        bar: Any = None
        try:
            while not self._over.wait(_REDRAWN):
                stage = self.stage
                if stage is not shown:
                    if bar is not None:
                        bar.close()
                    shown = stage
                    bar = tqdm(
                        total=stage.total, initial=stage.done, desc=stage.description, leave=False,
                        file=sys.stderr, dynamic_ncols=True,
                        bar_format=_TIMED if stage.total is None else _COUNTED,
                    )  # fmt: skip
                bar.n, bar.start_t = stage.done, stage.start
                bar.refresh()
        finally:
            if bar is not None:
                bar.close()

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def on_terminal() -> bool:
    """Whether standard error is a terminal: into files and pipes nothing of this is written."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def progress_line(
    description: str, total: int | None = None, *, show: bool = True, done: int = 0
) -> Iterator[Stage]:
    """Show on the terminal what is done inside the block, if that takes more than two seconds.

    Nothing is shown off a terminal. A block within a block shows its own stage on the line of the
    outer one, or nothing where the outer one shows nothing; and there is one line at a time, so
    that of calls in several threads the first has it.

    Args:
        description: of the work.
        total: number of its steps, reported by `Stage.advance`; None: not known.
        show: False: nothing is shown, by blocks within this one neither.
        done: steps that were done before.

    Yields:
        the stage.
    """
    stage = Stage(description, total, done)
    mine = None
    if hasattr(_here, "line"):
        line = _here.line if show else None
    elif show and on_terminal() and _terminal.acquire(blocking=False):
        line = mine = _Line(stage)
    else:
        line = None
    try:
        with _reporting_to(line, stage):
            yield stage
    finally:
        if mine is not None:
            mine.end()
            _terminal.release()


@contextmanager
def _reporting_to(line: _Line | None, stage: Stage) -> Iterator[None]:
    """Calls inside the block report to a line, which shows this stage; None: to none."""
    outer = dict(_here.__dict__)
    before = None if line is None else line.stage
    _here.line = line
    if line is not None:
        line.stage = stage
    try:
        yield
    finally:
        if line is not None and before is not None:
            line.stage = before
        _here.__dict__.clear()
        _here.__dict__.update(outer)


def shows_progress(description: str) -> Callable[[F], F]:
    """Decorates a function whose keyword argument `progress` says whether its work is shown."""

    def decorate(function: F) -> F:
        @wraps(function)
        def shown(*arguments: Any, **options: Any) -> Any:
            with progress_line(description, show=options.get("progress", True)):
                return function(*arguments, **options)

        return shown  # type: ignore[return-value]

    return decorate


def notice(text: str) -> None:
    """A line of its own on the terminal, at once, unless this is a call that shows nothing."""
    if on_terminal() and getattr(_here, "line", None) is not None:
        from tqdm import tqdm

        tqdm.write(f"infoprior: {text}", file=sys.stderr)
