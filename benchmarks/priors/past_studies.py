"""What learning a prior from the past costs: seconds and memory of from_studies and from_trials.

Random trials of ten parameters of every kind. Each case runs in a process of its own; what is
measured is the call alone: CPU time, and by how much the process grew at its peak.

    python benchmarks/priors/past_studies.py [--cases studies-memory trials ...]

Written: benchmarks/results/priors/past_studies.md. Of the 300 studies in SQLite 30
are made by Optuna, which takes minutes for more; the others are copies of their rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import optuna
import pandas as pd
from optuna.storages.journal import JournalFileBackend

from benchmarks._common import RESULTS, machine, write
from benchmarks.priors.sampler_overhead import SPACE
from infoprior.priors import Prior

Case = Callable[[], Any]


def fill(storage: Any, n_studies: int, n_trials: int) -> list[optuna.Study]:
    """Studies of random trials."""
    rng = np.random.default_rng(0)
    studies = []
    for i in range(n_studies):
        study = optuna.create_study(study_name=f"study-{i:03d}", storage=storage)
        points = Prior.uniform(SPACE).sample(n_trials, rng)
        losses = [abs(p["dropout"] - 0.2) + abs(p["depth"] - 3) + rng.normal() for p in points]
        study.add_trials(
            [
                optuna.create_trial(params=p, distributions=SPACE, value=x)
                for p, x in zip(points, losses, strict=True)
            ]
        )
        studies.append(study)
    return studies


def studies_in(kind: str, n_studies: int, n_trials: int, folder: str) -> Case:
    """`Prior.from_studies` of a storage of a kind."""
    if kind == "memory":
        studies = fill(None, n_studies, n_trials)
        return lambda: Prior.from_studies(studies)
    if kind == "journal":
        path = f"{folder}/past.journal"
        fill(optuna.storages.JournalStorage(JournalFileBackend(path)), n_studies, n_trials)
        return lambda: Prior.from_studies(path)
    url = f"sqlite:///{folder}/past.db"
    fill(url, min(n_studies, 30), n_trials)
    copy_rows(Path(folder) / "past.db", -(-n_studies // 30) - 1)
    return lambda: Prior.from_studies(url)


def copy_rows(path: Path, times: int) -> None:
    """Copies of all studies of a database, under other names."""
    tables = ("studies", "study_directions", "trials", "trial_params", "trial_values")
    homes = {"study_id": "studies", "trial_id": "trials"}
    with sqlite3.connect(path) as database:

        def number(query: str) -> int:
            return int(database.execute(query).fetchone()[0])

        rows = {table: number(f"select count(*) from {table}") for table in tables}
        steps: dict[str, dict[str, int]] = {}  # table -> column -> what a copy adds to it
        for table in tables:
            names = [row[1] for row in database.execute(f"pragma table_info({table})")]
            steps[table] = {
                name: number(f"select max({name}) from {homes.get(name, table)}")
                if name.endswith("_id")
                else 0
                for name in names
            }
        for k in range(1, times + 1):
            for table in tables:
                values = ", ".join(f"{name} + {k * n}" for name, n in steps[table].items())
                values = values.replace("study_name + 0", f"study_name || '-{k}'").replace(
                    " + 0", ""
                )
                database.execute(
                    f"insert into {table} ({', '.join(steps[table])})"
                    f" select {values} from {table} order by rowid limit {rows[table]}"
                )


def table(n_rows: int, n_studies: int, n_objectives: int) -> Case:
    """`Prior.from_trials` of a table."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(Prior.uniform(SPACE).sample(n_rows, rng))
    values = [f"value_{k}" for k in range(n_objectives)]
    for name in values:
        frame[name] = rng.normal(size=n_rows)
    frame["task"] = rng.integers(n_studies, size=n_rows)
    return lambda: Prior.from_trials(frame, space=SPACE, value=values, study="task")


CASES: dict[str, tuple[str, Callable[[str], Case]]] = {
    "studies-memory": (
        "300 studies of 100 trials, in memory",
        lambda folder: studies_in("memory", 300, 100, folder),
    ),
    "studies-journal": (
        "300 studies of 100 trials, a journal",
        lambda folder: studies_in("journal", 300, 100, folder),
    ),
    "studies-sqlite": (
        "300 studies of 100 trials, SQLite",
        lambda folder: studies_in("sqlite", 300, 100, folder),
    ),
    "long-memory": (
        "one study of 5,000 trials, in memory",
        lambda folder: studies_in("memory", 1, 5000, folder),
    ),
    "long-journal": (
        "one study of 5,000 trials, a journal",
        lambda folder: studies_in("journal", 1, 5000, folder),
    ),
    "trials": ("a table of 100,000 rows", lambda folder: table(100_000, 1, 1)),
    "trials-studies": (
        "a table of 100,000 rows of 300 studies",
        lambda folder: table(100_000, 300, 1),
    ),
    "trials-two": (
        "a table of 100,000 rows with two objectives",
        lambda folder: table(100_000, 1, 2),
    ),
    "trials-three": (
        "a table of 100,000 rows with three objectives",
        lambda folder: table(100_000, 1, 3),
    ),
}


def measure(name: str) -> dict[str, float]:
    """Seconds of CPU and megabytes of one case, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        case = CASES[name][1](folder)
        # The first call imports what it needs.
        Prior.from_studies(fill(None, 2, 5))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        case()
        seconds = time.process_time() - start
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": seconds, "megabytes": grown / 1e3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--one", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    lines = [
        f"`python benchmarks/priors/past_studies.py`, {machine()}, optuna {optuna.__version__}, "
        f"{len(SPACE)} parameters; CPU seconds, and megabytes at the peak.\n",
        "| from | s | MB |",
        "| --- | ---: | ---: |",
    ]
    for name in arguments.cases:
        command = [sys.executable, __file__, "--one", name]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent
        )
        measured = json.loads(done.stdout.splitlines()[-1])
        lines.append(
            f"| {CASES[name][0]} | {measured['seconds']:.1f} | {measured['megabytes']:.0f} |"
        )
        print(lines[-1], flush=True)
    write(RESULTS / "priors" / "past_studies.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
