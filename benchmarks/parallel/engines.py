"""What the engines of the fan-out cost: 200 jobs that sleep 50 ms, on two workers of this machine.

    python benchmarks/parallel/engines.py [--jobs 200] [--milliseconds 50] [--repeats 3]
                                          [--shards 40000]

Dask and Ray run as processes of their own on the loopback device. `first` is a run with everything
that comes once (the connection, the workers' imports), `then` the median of the repeats after it:
each connects and compares the workers' code anew. The ideal is jobs × time / workers; the floor is
joblib's own loop over two processes, which writes nothing. Jobs sleep, so that the
table says what the engines cost and not how busy the processor is. Afterwards: what a directory of
many finished jobs costs a run that has nothing left to do. Writes
benchmarks/results/parallel/engines.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks._common import RESULTS, machine, markdown, write
from infoprior.files import write_atomically
from infoprior.parallel import run_jobs
from tests.parallel import clusters

WORKERS = 2


def job(i: int, seconds: float) -> dict[str, float]:
    time.sleep(seconds)
    return {"i": i, "third": i / 3}


def clock(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def floor(jobs: dict[str, tuple]) -> None:
    from joblib import Parallel, delayed

    Parallel(n_jobs=WORKERS, batch_size=1)(delayed(job)(*arguments) for arguments in jobs.values())


def once(jobs: dict[str, tuple], engine: str, address: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_jobs(
            job,
            jobs,
            directory=folder,
            workers=WORKERS,
            engine=engine,
            address=address,
            progress=False,
        )


def engines(jobs: dict[str, tuple], ideal: float, repeats: int) -> list[dict[str, Any]]:
    rows = []
    for engine in ("floor: joblib", "local", "dask", "ray"):
        reason = clusters.missing({"dask": "distributed"}.get(engine, engine))
        if engine in ("dask", "ray") and reason is not None:
            print(f"{engine}: left out, {reason}")
            continue
        with ExitStack() as stack:
            address = None
            if engine == "dask":
                address = stack.enter_context(clusters.dask(workers=WORKERS)).address
                time.sleep(10)  # the workers' start is not the engine's cost
            elif engine == "ray":
                address = stack.enter_context(clusters.ray(cores=WORKERS))

            def run(engine: str = engine, address: str | None = address) -> None:
                if engine.startswith("floor"):
                    floor(jobs)
                else:
                    once(jobs, engine, address)

            first, *then = (clock(run) for _ in range(repeats + 1))
        seconds = statistics.median(then)
        rows.append(
            {
                "engine": engine,
                "first, s": f"{first:.2f}",
                "then, s": f"{seconds:.2f}",
                "then / ideal": f"{seconds / ideal:.2f}",
                "ms a job beyond the ideal": f"{1e3 * (seconds - ideal) * WORKERS / len(jobs):.1f}",
            }
        )
        print(rows[-1], flush=True)
    return rows


def shards(n: int) -> list[dict[str, Any]]:
    """A resumed run over n finished jobs, each 27 rows of a learning curve."""
    row = {"epoch": 27, "train_loss": 0.123456789, "validation_loss": 0.987654321, "ok": False}
    text = json.dumps({"curve": [{**row, "test_accuracy": i / 27} for i in range(27)]})
    with tempfile.TemporaryDirectory() as folder:
        keys = [f"k{i:06d}" for i in range(n)]
        writing = clock(lambda: [write_atomically(Path(folder) / f"{k}.json", text) for k in keys])
        jobs = {key: (0, 0.0) for key in keys}
        reading = clock(lambda: run_jobs(job, jobs, directory=folder, progress=False))
        floor = clock(lambda: [json.loads((Path(folder) / f"{k}.json").read_bytes()) for k in keys])
    return [
        {
            "shards": n,
            "bytes each": len(text),
            "written, s": f"{writing:.2f}",
            "read by a run with nothing to do, s": f"{reading:.2f}",
            "floor: read and parsed, s": f"{floor:.2f}",
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--milliseconds", type=float, default=50.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shards", type=int, default=40_000)
    arguments = parser.parse_args()
    os.environ.update(clusters.RAY_LOCAL)
    seconds = arguments.milliseconds / 1e3
    jobs = {f"k{i:05d}": (i, seconds) for i in range(arguments.jobs)}
    ideal = arguments.jobs * seconds / WORKERS
    packages = ", ".join(
        f"{name} {version(name)}"
        for name, module in (("joblib", "joblib"), ("distributed", "distributed"), ("ray", "ray"))
        if clusters.missing(module) is None
    )
    text = (
        f"`python benchmarks/parallel/engines.py`, {machine()}, "
        f"{packages}; {arguments.jobs} jobs of "
        f"{arguments.milliseconds:g} ms on {WORKERS} workers, ideal {ideal:.2f} s, median of "
        f"{arguments.repeats}.\n\n{markdown(engines(jobs, ideal, arguments.repeats))}\n"
        f"\nA directory of finished jobs:\n\n{markdown(shards(arguments.shards))}"
    )
    write(RESULTS / "parallel" / "engines.md", text.rstrip() + "\n")
    print(text)


if __name__ == "__main__":
    main()
