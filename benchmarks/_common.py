"""What the benchmarks share: where tables go, what version of the code a row is of."""

from __future__ import annotations

import ast
import csv
import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
ROOM = "infoprior.information"

THREADS = 1


def threads(count: int) -> None:
    """One pool of `count` threads for everything numerical."""
    global THREADS
    THREADS = count
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)
    import torch

    torch.set_num_threads(count)


def machine(device: str = "cpu") -> str:
    """The processor, in words."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def code_version(module: str | None = None) -> str:
    """Hash of a module's source and of all it imports from its room; None: of the whole room.

    A change of one estimator then leaves the measured rows of the others valid.
    """
    folder = ROOT / Path(*ROOM.split("."))
    if module is None:
        files = set(folder.rglob("*.py"))
    else:
        files, waiting = set(), [module]
        while waiting:
            path = _source(waiting.pop())
            if path is None or path in files or path == folder / "__init__.py":
                continue
            files.add(path)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ROOM):
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                    waiting += [str(node.module), *names]
    if not files:
        raise FileNotFoundError(f"No source of {module} under {folder}.")
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _source(module: str) -> Path | None:
    path = ROOT / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file, none if it is not there; lines that were cut off are left out."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    # A short line has values None; one that was cut and written on has a key None.
    return [row for row in rows if None not in row.values() and None not in row]


def append_row(path: Path, row: dict[str, Any]) -> None:
    """One line in one write, so that an interruption never leaves half a row among others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def write(path: Path, text: str) -> None:
    """A whole file, or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def write_sections(
    path: Path, head: str, titles: Mapping[str, str], sections: Mapping[str, str]
) -> None:
    """A report whose sections are measured one by one: those of other parts stay as they are.

    Args:
        path: of the report; it need not be there yet.
        head: what stands before the first section.
        titles: part -> the title of its section, in order.
        sections: part -> new body.
    """
    parts = {title: part for part, title in titles.items()}
    every: dict[str, str] = {}
    for section in (path.read_text() if path.exists() else "").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title in parts:
            every[parts[title]] = body.strip()
    every |= sections
    bodies = (f"\n## {titles[p]}\n\n{every[p].strip()}\n" for p in titles if p in every)
    write(path, head + "".join(bodies))


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A table of rows with the same keys."""
    import io

    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, file.getvalue())


def markdown(rows: Iterable[dict[str, Any]]) -> str:
    """A table; numbers with three decimals or three significant digits."""
    rows = list(rows)
    if not rows:
        return "(nothing)"
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    lines += ["| " + " | ".join(_cell(v) for v in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        if value != value:
            return "–"
        return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)


def matmul_rate(stack: int, rows: int, columns: int, out: int, device: str = "cpu") -> float:
    """Measured GFLOP/s of float32 `bmm` of these shapes: the median of five tries."""
    import torch

    a = torch.randn(stack, rows, columns, device=device)
    b = torch.randn(stack, columns, out, device=device)
    flops = 2.0 * stack * rows * columns * out
    repeats = max(1, int(2e9 / flops))

    def once() -> float:
        def products() -> None:
            for _ in range(repeats):
                torch.bmm(a, b)

        return timed(products, device)[1]

    once()
    return flops * repeats / sorted(once() for _ in range(5))[2] / 1e9


def synchronise(device: str) -> None:
    """Wait for a GPU."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def timed(call: Callable[[], Any], device: str = "cpu") -> tuple[Any, float]:
    """What a call returns and its seconds.

    On one CPU thread these are the process's CPU seconds, which other programs on the machine
    disturb least; on a GPU or with more threads they are wall seconds.
    """
    wall = device.startswith("cuda") or THREADS > 1
    clock = time.perf_counter if wall else time.process_time
    synchronise(device)
    start = clock()
    result = call()
    synchronise(device)
    return result, clock() - start
