"""What a search takes of the machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@contextmanager
def measured(into: dict[str, float | None]) -> Iterator[None]:
    """Write seconds, cpu_seconds and peak_mb into a dict when the block is left.

    The peak is that of the whole process while the block runs, its libraries included; None where
    the system doesn't tell it (other than Linux).
    """
    reset = _reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        into["seconds"] = time.perf_counter() - wall
        into["cpu_seconds"] = time.process_time() - cpu
        into["peak_mb"] = _peak() if reset else None


def _reset_peak() -> bool:
    try:
        _CLEAR.write_text("5")  # proc(5): resets the peak resident set size
    except OSError:
        return False
    return True


def _peak() -> float | None:
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None
