"""Where the time of the published meta-dataset's jobs goes.

    python benchmarks/metadataset/job_time.py

Runs the jobs of a small, a middling and a large synthetic task in one thread, and writes
benchmarks/results/metadataset/job_time.md: CPU seconds by what they were spent on. Several runs of
one machine differ by a tenth or two.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, machine, markdown, threads, write

TASKS = ("synthetic/501", "synthetic/546", "synthetic/524")


@contextmanager
def clocks(places: dict[str, tuple[Any, str]]) -> Iterator[dict[str, float]]:
    """CPU seconds spent in methods, by name."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            start = time.process_time()
            try:
                return function(*args, **options)
            finally:
                spent[name] += time.process_time() - start

        return call

    patches = [
        patch.object(owner, method, timed(name, getattr(owner, method)))
        for name, (owner, method) in places.items()
    ]
    for one in patches:
        one.start()
    try:
        yield spent
    finally:
        for one in patches:
            one.stop()


def main() -> None:
    threads(1)
    from infoprior.metadataset import _jobs
    from infoprior.profiles import _network as profiling
    from infoprior.spaces._mlp import MLP
    from infoprior.training._data import TaskTensors
    from infoprior.training._engines.compiled import CompiledMLP
    from pipeline.common import read_params

    p = read_params("published")
    places = {
        "building": (MLP, "__init__"),
        "training": (CompiledMLP, "epoch"),
        "evaluating": (TaskTensors, "evaluate"),
        "measuring": (profiling, "_measure"),
    }
    _jobs.train_job(TASKS[0], 0, "mlp", 2, 0, 1)  # compiles
    rows = []
    for name in TASKS:
        task = _jobs.published_task(name)
        about = {"task": name, "rows": f"{len(task.train):,} + {len(task.test):,}"}
        for job, run in {
            "networks": lambda name=name: _jobs.train_job(
                name, 0, "mlp", p["shared"], p["own"], p["epochs"]
            ),
            "profile": lambda name=name: _jobs.profile_job(name, p["epochs"], p["max_rows"]),
        }.items():
            with clocks(places) as spent:
                start = time.process_time()
                run()
                whole = time.process_time() - start
            shares = {f"{k} (%)": round(100 * spent[k] / whole) for k in places}
            shares["else (%)"] = 100 - sum(shares.values())
            rows.append({**about, "job": job, "CPU s": round(whole, 2), **shares})
    write(RESULTS / "metadataset" / "job_time.md", "\n".join([
        "# Where the time of a job goes", "",
        f"`python benchmarks/metadataset/job_time.py`, {machine()}, "
        "one thread. A job of networks trains "
        f"{p['shared'] + p['own']} architectures for {p['epochs']} epochs, and evaluates them four "
        "times on all rows; a job of a profile trains four probes and measures their layers twice.",
        "", markdown(rows), "",
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
