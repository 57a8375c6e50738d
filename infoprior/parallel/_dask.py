"""joblib's Dask backend, ended by a job that Dask gives up instead of waiting for it for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from distributed.scheduler import KilledWorker
from joblib._dask import DaskDistributedBackend

from infoprior.parallel._errors import JobError


class Backend(DaskDistributedBackend):
    """Tells joblib of errors too.

    joblib 1.6 is called back with results only: of a job that killed its workers (Dask gives up
    after a few) it hears nothing, and waits.
    """

    def effective_n_jobs(self, n_jobs: int) -> int:
        # For one worker joblib would run the jobs here, in the client.
        return max(2, super().effective_n_jobs(n_jobs))

    def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
        future = super().submit(func, callback)
        if callback is not None:
            future.add_done_callback(partial(_report, func, callback))
        return future


def _report(func: Any, callback: Callable[[Any], None], future: Future[Any]) -> None:
    error = future.exception()
    if isinstance(error, KilledWorker):
        _, (_, key, *_), _ = func.items[0]
        error = JobError(
            f"The job {key} was tried several times and killed its worker each time, perhaps for "
            "want of memory. What had finished is kept."
        )
    if error is not None:
        callback(error)
