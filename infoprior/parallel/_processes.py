"""Pools of worker processes that end with the process that started them, however it ends.

loky's workers wait for work from a process that a SIGKILL has ended: for five minutes, or until
they have done what they were handed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joblib import Parallel

_CHECK = 1.0  # seconds between two looks at the parent
_F_SETSIG = 10  # Linux; Python's fcntl has no name for it

_lifeline: tuple[int, int, int] | None = None  # process, and its pipe's ends for reading, writing


class Terminated(SystemExit):
    """SIGTERM has come: everything on the way out is cleaned up, as after Ctrl-C."""


def worker_pool(workers: int, *, ordered: bool = True) -> Parallel:
    """A `joblib.Parallel` over processes of this machine, which end when this one does.

    Each has one thread in its numerical libraries. One worker is this process itself.

    Args:
        workers: how many processes.
        ordered: give results in the order of the calls, not as they finish.
    """
    from joblib import Parallel, parallel_config

    order = "generator" if ordered else "generator_unordered"
    with parallel_config(
        backend="loky",
        inner_max_num_threads=1,
        initializer=end_with_parent,
        initargs=parent_address(),
    ):
        return Parallel(n_jobs=workers, return_as=order, batch_size="auto")


def parent_address() -> tuple[int, int]:
    """What a worker needs for `end_with_parent`: this process, and a pipe that it holds open."""
    global _lifeline
    if _lifeline is None or _lifeline[0] != os.getpid():
        _lifeline = (os.getpid(), *os.pipe())
    return _lifeline[:2]


def end_with_parent(parent: int, lifeline: int) -> None:
    """In a worker: end this process as soon as its parent is gone (see `parent_address`).

    On Linux the kernel does it, at once and whatever this process is at: when the parent's end of
    the pipe closes, SIGKILL is sent. (PR_SET_PDEATHSIG would send it already when the thread ends
    that started the worker.) Elsewhere a thread looks once a second, and has to wait for compiled
    code that holds the interpreter's lock.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import fcntl

        pipe = os.open(f"/proc/{parent}/fd/{lifeline}", os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="end-with-parent").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_CHECK)
    os._exit(1)


@contextlib.contextmanager
def sigterm_cleans_up() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that the workers are ended and what they left is removed.

    Only where nobody has decided otherwise, and in the main thread, where signals arrive.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise Terminated(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
