"""JSON files that this package wrote and anybody may have changed since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAX_BYTES = 64 * 1024 * 1024  # the largest that is written has 1 MB


def read_json(path: Path, error: type[Exception], missing: str) -> Any:
    """The file's value, read in time and memory proportional to its size.

    Args:
        path: of the file.
        error: what is raised.
        missing: the message where there is no such file.

    Raises:
        error: there is none, it cannot be read, is larger than 64 MB, or is not JSON.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise error(missing) from None
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}.") from problem
    if len(data) > MAX_BYTES:
        raise error(f"{path} is larger than {MAX_BYTES} bytes.")
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is not JSON: {problem}") from problem
