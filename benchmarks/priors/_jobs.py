"""Who searches what: the jobs of the priors benchmark, each a file once it is done.

A job's key holds what its result depends on: the table, the prior, and the code. So a change of
PriorSampler leaves the rows of the methods without a prior and of PriorBand as they are.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import tempfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from benchmarks._common import ROOT
from benchmarks.priors._search import METHODS, NO_PRIOR, PROMOTING, search, seed_of
from benchmarks.priors._tables import prior_for, table
from benchmarks.priors._trace import incumbents
from infoprior.fingerprints import fingerprint
from infoprior.parallel import run_jobs

HERE = Path(__file__).parent
SHARDS = ROOT / "benchmarks" / "cache" / "priors"
PEER = ROOT / ".venv-peers" / "neps" / "bin" / "python"
PRIORBAND = {"priorband": "medium", "priorband-high": "high"}  # method -> NePS' confidence
ALL_METHODS = (*METHODS, *PRIORBAND)
AT = tuple(range(1, 33))  # full trainings at which the incumbent is kept
BLOCK = 10  # seeds a job


def search_block(method: str, bench: str, task: str, arm: str, first: int) -> list[list[int]]:
    """Incumbents at the budgets `AT`, a list for each seed first, first + 1, ..."""
    data, prior = table(bench, task), prior_for(bench, task, arm)
    return [
        incumbents(search(method, data, prior, seed, AT[-1])[0], data.rungs[-1], AT)
        for seed in range(first, first + BLOCK)
    ]


def priorband_block(
    confidence: str, bench: str, task: str, arm: str, first: int
) -> list[list[int]]:
    """The same by NePS, in its own environment."""
    data = table(bench, task)
    job = {
        "space": data.axes,
        "rungs": list(data.rungs),
        "budgets": list(AT),
        "seeds": [seed_of(task, seed) for seed in range(first, first + BLOCK)],
        "mode": None if arm == "none" else prior_for(bench, task, arm).mode(),
        "confidence": confidence,
    }
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder, "job.npz"), Path(folder, "answers.json")
        np.savez(question, features=data.features, observed=data.observed, job=json.dumps(job))
        subprocess.run(
            [PEER, HERE / "peer_priorband.py", question, answer],
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        )
        return json.loads(answer.read_text())


def jobs(
    bench: str, tasks: Sequence[str], methods: Sequence[str], arms: Sequence[str], seeds: int
) -> dict[str, tuple[tuple[str, str, str, int], Any, tuple[Any, ...]]]:
    """key -> ((task, method, arm, first seed), function, arguments); arm "any" needs no prior."""
    planned = {}
    for task in tasks:
        for method in methods:
            if method in PROMOTING and len(table(bench, task).rungs) == 1:
                continue  # nothing to stop at
            for arm in ("any",) if method in NO_PRIOR else arms:
                if arm == "none" and method in PRIORBAND and method != next(iter(PRIORBAND)):
                    continue  # without a prior there is no confidence in it
                version = _version(bench, task, method, arm)
                for first in range(0, seeds, BLOCK):
                    key = f"{bench}.{task.replace('/', '--')}.{method}.{arm}.{first:03d}.{version}"
                    what = (task, method, arm, first)
                    if method in PRIORBAND:
                        asked = (PRIORBAND[method], bench, task, arm, first)
                        planned[key] = what, priorband_block, asked
                    else:
                        prior = "none" if arm == "any" else arm
                        planned[key] = what, search_block, (method, bench, task, prior, first)
    return planned


def results(
    bench: str,
    tasks: Sequence[str],
    methods: Sequence[str],
    arms: Sequence[str],
    seeds: int,
    workers: int = 1,
) -> pd.DataFrame:
    """One row per (bench, arm, task, method, seed, budget) with its normalised regret.

    Methods without a prior have the same rows in every arm.
    """
    if PRIORBAND.keys() & set(methods) and not PEER.exists():
        print("PriorBand is left out: run `make bench-peers` first.")
        methods = [m for m in methods if m not in PRIORBAND]
    planned = jobs(bench, tasks, methods, arms, seeds)
    done = run_jobs(
        _call,
        {key: (function, arguments) for key, (_, function, arguments) in planned.items()},
        directory=SHARDS,
        workers=workers,
        description=bench,
    )
    frames = []
    for key, ((task, method, arm, first), _, _) in planned.items():
        regret = table(bench, task).regret(done[key])
        frame = pd.DataFrame(
            {
                "seed": np.repeat(np.arange(first, first + len(regret)), len(AT)),
                "budget": np.tile(AT, len(regret)),
                "regret": regret.ravel(),
            }
        )
        for shown in arms if arm == "any" else (arm,):
            frames.append(frame.assign(bench=bench, arm=shown, task=task, method=method))
    rows = pd.concat(frames, ignore_index=True)
    return rows[rows.seed < seeds]


def _call(function: Any, arguments: tuple[Any, ...]) -> Any:
    return function(*arguments)


def _version(bench: str, task: str, method: str, arm: str) -> str:
    parts: list[Any] = [AT, BLOCK, table(bench, task).digest, _hash(HERE / "_trace.py")]
    if method in PRIORBAND:
        mode = None if arm == "none" else prior_for(bench, task, arm).mode()
        return fingerprint(*parts, _hash(HERE / "peer_priorband.py"), mode, PRIORBAND[method])
    parts += [_hash(HERE / "_search.py"), optuna.__version__]
    if method == "bohb":
        parts.append(_hash(HERE / "_bohb.py"))
    if method in PROMOTING:
        parts += [_sampler_version(f"_search/{name}") for name in ("promotion", "local_search")]
    if method not in NO_PRIOR:
        parts += [
            _sampler_version("_search/sampler"),
            json.dumps(prior_for(bench, task, arm).to_dict()),
        ]
    return fingerprint(*parts)


def _hash(path: Path) -> int:
    return zlib.crc32(path.read_bytes())


@lru_cache(maxsize=4)
def _sampler_version(module: str) -> list[tuple[str, int]]:
    """Hashes of a sampler's module and of all modules of its room that it imports."""
    room = ROOT / "infoprior" / "priors"
    files: dict[str, int] = {}
    waiting = [room / f"{module}.py"]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(room).as_posix()
        if name in files or not path.exists():
            continue
        files[name] = _hash(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                names = [folder, *(folder / alias.name for alias in node.names)]
                waiting += [at.with_suffix(".py") for at in names if at.is_relative_to(room)]
    return sorted(files.items())
