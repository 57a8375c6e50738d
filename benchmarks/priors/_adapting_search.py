"""One task searched by all methods of the comparison of priors that adapt."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from benchmarks._common import ROOT
from benchmarks.priors._adapting_tables import RECORDED, past_frame, tasks_of
from benchmarks.priors._tables import axes
from benchmarks.priors._trace import Encoder
from infoprior.priors import Prior, PriorSampler

METHODS = ("random", "tpe", "static", "static-sampler", "adapt", "oracle")
HERE = Path(__file__).parent
PEER = ROOT / ".venv-peers" / "neps" / "bin" / "python"
NEAREST = 3  # of how many other tasks one is the oracle's

optuna.logging.set_verbosity(optuna.logging.WARNING)


def budget_of(bench: str) -> int:
    """Evaluations of a search."""
    return 16 if bench in RECORDED else 100


def search_task(bench: str, task: str, seed: int, method: str) -> list[int]:
    """The rows of the points that a method evaluated, in order."""
    if method == "priorband":
        return _priorband(bench, task, seed, prior_of(bench, task, seed, "static"))
    entropy = np.random.SeedSequence([seed, zlib.crc32(task.encode()), 1])
    sampler = _sampler(method, bench, task, seed, int(entropy.generate_state(1)[0]))
    return _search(bench, task, seed, sampler)


@lru_cache(maxsize=4)
def prior_of(bench: str, task: str, seed: int, kind: str) -> Prior:
    """The prior that a searcher of this task is given: "static", "adapt" or "oracle"."""
    frame = past_frame(bench, task, seed)
    if kind == "oracle":
        frame = frame[frame.study.isin(_most_similar(bench, task, frame))]
    return Prior.from_trials(
        frame,
        space=tasks_of(bench).space,
        study="study",
        value="value",
        direction="maximize",
        adapt=kind == "adapt",
    )


def _most_similar(bench: str, task: str, frame: Any) -> set[str]:
    """Studies of the third of the other tasks whose values are ranked most like this one's."""
    tasks = tasks_of(bench)
    own = _ranks(tasks.values[task])
    others = sorted({study.rsplit("#", 1)[0] for study in frame.study})
    likeness = {o: float(np.corrcoef(own, _ranks(tasks.values[o]))[0, 1]) for o in others}
    kept = sorted(others, key=lambda o: -likeness[o])[: max(len(others) // NEAREST, 1)]
    return {study for study in frame.study if study.rsplit("#", 1)[0] in kept}


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(float)


def _sampler(method: str, bench: str, task: str, seed: int, own: int) -> BaseSampler:
    if method == "random":
        return RandomSampler(seed=own)
    if method == "tpe":
        return TPESampler(seed=own)
    prior = prior_of(bench, task, seed, method.removesuffix("-sampler"))
    if method == "static":  # the prior alone
        return PriorSampler(prior, make_random, weight=1.0, seed=own, adaptive=False)
    return PriorSampler(prior, seed=own)


def make_random(seed: int) -> BaseSampler:
    """Optuna's uniform sampler."""
    return RandomSampler(seed=seed)


def _search(bench: str, task: str, seed: int, sampler: BaseSampler) -> list[int]:
    tasks, values = tasks_of(bench), tasks_of(bench).values[task]
    place = None
    if bench not in (*RECORDED, "clusters", "agreeing"):
        place = _place(bench)
    else:
        encode, features = Encoder(_filled_axes(bench)), _filled_features(bench)
    study = optuna.create_study(study_name=f"{task}/{seed}", direction="maximize", sampler=sampler)
    rows: list[int] = []
    taken = np.zeros(len(values))
    for _ in range(budget_of(bench)):
        trial = study.ask()
        params = _suggest(bench, trial, tasks.space)
        if place is not None:
            row = place[tuple(params.values())]
        else:
            distance = np.square(features - encode([_filled(bench, params)])[0]).sum(axis=1)
            # Of few recorded networks each is looked at once.
            row = int(np.argmin(distance + (taken if bench in RECORDED else 0.0)))
        taken[row] = np.inf
        rows.append(row)
        study.tell(trial, float(values[row]))
    return rows


def _suggest(bench: str, trial: Any, space: dict[str, Any]) -> dict[str, Any]:
    """Asks for the parameters as an objective does; some depend on others."""
    params: dict[str, Any] = {}
    for name, distribution in space.items():
        if name == "momentum" and bench in ("clusters", "agreeing") and params["kind"] in "cd":
            continue
        params[name] = trial._suggest(name, distribution)
    return params


_PLACES: dict[str, dict[tuple[Any, ...], int]] = {}


def _place(bench: str) -> dict[tuple[Any, ...], int]:
    if bench not in _PLACES:
        points = tasks_of(bench).points
        _PLACES[bench] = {tuple(point.values()): i for i, point in enumerate(points)}
    return _PLACES[bench]


def _filled(bench: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"momentum": 0.5, **params} if bench in ("clusters", "agreeing") else params


def _filled_axes(bench: str) -> list[dict[str, Any]]:
    return axes(tasks_of(bench).space)


def _filled_features(bench: str) -> NDArray[np.float64]:
    tasks = tasks_of(bench)
    return Encoder(axes(tasks.space))([_filled(bench, p) for p in tasks.points])


def _priorband(bench: str, task: str, seed: int, prior: Prior) -> list[int]:
    """Incumbents of NePS' PriorBand after each evaluation, given the prior's mode."""
    tasks, budget = tasks_of(bench), budget_of(bench)
    job = {
        "space": axes(tasks.space),
        "rungs": [1],
        "budgets": list(range(1, budget + 1)),
        "seeds": [zlib.crc32(f"{task}/{seed}".encode())],
        "mode": prior.mode(),
        "confidence": "medium",
    }
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder, "job.npz"), Path(folder, "answers.json")
        observed = tasks.values[task][:, None]
        np.savez(question, features=tasks.features, observed=observed, job=json.dumps(job))
        subprocess.run(
            [PEER, HERE / "peer_priorband.py", question, answer],
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        )
        return list(json.loads(answer.read_text())[0])
