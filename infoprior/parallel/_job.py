"""One job: its result as JSON text, which is the same wherever it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from infoprior._progress import progress_line
from infoprior.parallel._errors import JobError
from infoprior.parallel._processes import Terminated


def run_job(function: Callable[..., Any], key: str, arguments: tuple[Any, ...]) -> str:
    """Run one job; its result as JSON text has the same bytes wherever it runs.

    Args:
        function: what computes it.
        key: of the job, for messages.
        arguments: of the function.

    Returns:
        JSON.

    Raises:
        JobError: the job raised, or JSON does not give its result back as it was.
    """
    try:
        with progress_line(key, show=False):
            result = function(*arguments)
    except Terminated:
        raise
    except (Exception, SystemExit) as error:
        raise JobError(f"The job {key} failed: {type(error).__name__}: {error}") from error
    try:
        text = json.dumps(result)
        changed = _changed(result, json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        changed = f": {error}"
    if changed is not None:
        raise JobError(
            f"The job {key} returned what JSON cannot hold as it is{changed}. Return numbers, "
            "texts, lists, and dicts with texts as keys (of an array: array.tolist())."
        )
    return text


def _changed(result: Any, back: Any) -> str | None:
    """Where JSON gives something else back, " at [place]"; a tuple may come back as a list."""
    if isinstance(result, dict):
        if result.keys() != back.keys():
            (key, *_) = [key for key in result if key not in back]
            return f": the key {key!r} is {type_said(key)}"
        return _first_changed((key, value, back[key]) for key, value in result.items())
    if isinstance(result, list | tuple):
        return _first_changed(zip(range(len(back)), result, back, strict=True))
    return None if result == back or (result != result and back != back) else f": {result!r}"


def _first_changed(items: Iterable[tuple[Any, Any, Any]]) -> str | None:
    for place, result, back in items:
        if (changed := _changed(result, back)) is not None:
            return f"[{place!r}]{changed}"
    return None


def type_said(value: Any) -> str:
    return f"of type {type(value).__name__}"
