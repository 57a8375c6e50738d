"""Tables of tasks that share a space, to learn from some and to search another.

    hpobench    8 data sets, 30,000 configurations of an MLP (`_tables.py`)
    hpolib      4 data sets, 62,208 configurations of an MLP, choices and numbers
    nas201      3 data sets, 15,625 cells, choices only
    graph       8 data sets, 59,049 graph networks, choices only (`peer_nas.py` says what these are)
    clusters    12 made-up tasks of two kinds whose optima lie at opposite ends, 6 of each: a float,
                an int, a choice and a conditional float; 4,096 points
    agreeing    8 made-up tasks of that space with one optimum but for a little noise
    mlp, tabular    the published networks' final test accuracy: the architectures that all real
                tasks of 500 test rows and more have in common; the searched task's family apart

Past studies: of each other task four of 100 points drawn at random, seeded; of mlp and tabular one
of each other task with all its architectures, at most 100 tasks.
"""

from __future__ import annotations

import itertools
import json
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from benchmarks._common import ROOT
from benchmarks.priors._tables import HPOBENCH, axes
from benchmarks.priors._trace import Encoder

NAS = ROOT / "benchmarks" / "cache" / "nas.npz"
BENCHES = ("graph", "nas201", "hpobench", "hpolib", "clusters", "agreeing", "mlp", "tabular")
RECORDED = ("mlp", "tabular")
STUDIES, TRIALS, MOST_TASKS = 4, 100, 100
LEAST_TEST, SEARCHED = 500, 24
NUMERIC = {"batch_size", "dropout_1", "dropout_2", "init_lr", "n_units_1", "n_units_2"}


@dataclass(frozen=True, eq=False)
class Tasks:
    """Tasks over one list of points.

    Attributes:
        space: name -> Optuna distribution.
        points: n of them.
        values: task -> value of each point, higher is better, shape (n,).
        families: task -> family; tasks of one are not learned from.
        searched: the tasks to search.
    """

    space: dict[str, BaseDistribution]
    points: list[dict[str, Any]] = field(repr=False)
    values: dict[str, NDArray[np.float64]] = field(repr=False)
    families: dict[str, str] = field(repr=False)
    searched: tuple[str, ...] = ()

    @property
    def features(self) -> NDArray[np.float64]:
        """The points encoded, shape (n, columns)."""
        return Encoder(axes(self.space))(self.points)


@lru_cache(maxsize=2)
def tasks_of(bench: str) -> Tasks:
    """A benchmark's tasks, read once a process."""
    if bench in RECORDED:
        return _recorded(bench)
    if bench in ("clusters", "agreeing"):
        return _made_up(bench)
    if bench == "hpobench":
        with np.load(HPOBENCH) as arrays:
            names = {k[5:]: len(arrays[k]) for k in arrays.files if k.startswith("axis/")}
            values = {
                k[5:]: arrays[k].reshape(len(arrays[k]), -1).mean(0, dtype=np.float64)
                for k in arrays.files
                if k.startswith("task/")
            }
        space: dict[str, BaseDistribution] = {
            name: IntDistribution(0, n - 1) for name, n in names.items()
        }
        levels = [range(n) for n in names.values()]
    else:
        with np.load(NAS) as arrays:
            described = json.loads(str(arrays[bench]))
            start = f"{bench}/"
            values = {
                k[len(start) :]: arrays[k].astype(float)
                for k in arrays.files
                if k.startswith(start)
            }
        space = {
            name: IntDistribution(0, len(v) - 1) if name in NUMERIC else CategoricalDistribution(v)
            for name, v in described.items()
        }
        levels = [range(len(v)) if n in NUMERIC else v for n, v in described.items()]
    points = [dict(zip(space, cell, strict=True)) for cell in itertools.product(*levels)]
    return Tasks(space, points, values, {t: t for t in values}, tuple(sorted(values)))


def _made_up(bench: str) -> Tasks:
    """Optima at opposite ends, or in one place, of a space with a conditional parameter."""
    space: dict[str, BaseDistribution] = {
        "rate": FloatDistribution(1e-5, 1e-1, log=True),
        "depth": IntDistribution(1, 8),
        "kind": CategoricalDistribution(["a", "b", "c", "d"]),
        "momentum": FloatDistribution(0.0, 1.0),  # of kinds a and b only
    }
    rng = np.random.default_rng(0)
    kinds, n = space["kind"].choices, 4096  # type: ignore[attr-defined]
    u, depth = rng.random((n, 2)), rng.integers(1, 9, n)
    kind = rng.integers(4, size=n)
    points: list[dict[str, Any]] = []
    for i in range(n):
        point = {"rate": float(10 ** (-5 + 4 * u[i, 0])), "depth": int(depth[i])}
        point["kind"] = kinds[kind[i]]
        points.append(point | ({"momentum": float(u[i, 1])} if kind[i] < 2 else {}))
    values = {}
    for t in range(12 if bench == "clusters" else 8):
        low = bench == "agreeing" or t % 2 == 0
        at = (0.15 if low else 0.85) + rng.uniform(-0.05, 0.05)
        best = (2 if low else 7) + rng.integers(-1, 2)
        liked = np.roll([0.3, 0.1, 0.0, 0.05], 0 if low else 2)
        loss = 3 * (u[:, 0] - at) ** 2 + 0.02 * (depth - best) ** 2 - liked[kind]
        loss += np.where(kind < 2, 0.3 * np.abs(u[:, 1] - (0.8 if low else 0.2)), 0.1)
        values[f"{'low' if low else 'high'}-{t:02d}"] = -loss + 0.005 * rng.standard_normal(n)
    return Tasks(space, points, values, {t: t for t in values}, tuple(sorted(values)))


def _recorded(bench: str) -> Tasks:
    from infoprior.metadataset import load_metadataset
    from infoprior.spaces import get_space

    meta, space = load_metadataset(bench, progress=False), dict(get_space(bench))
    curves = meta.curves[meta.curves.epoch == meta.curves.epoch.max()]
    means = curves.groupby(["task", "architecture"]).test_accuracy.mean().unstack("architecture")
    tasks = meta.tasks.set_index("task")
    real = tasks.index[(tasks.kind == "real") & (tasks.n_test >= LEAST_TEST)]
    means = means.loc[means.index.intersection(real)]
    shared = means.columns[means.notna().mean() >= 0.9]
    means = means[shared].dropna()
    apart = means.max(axis=1) - means.median(axis=1)
    means = means[apart > 0.005]  # elsewhere all are as good
    frame = meta.architectures.set_index("architecture").loc[shared]
    points = [
        {n: row[n] for n in space if n in row and not pd.isna(row[n])}
        for row in frame.astype(object).to_dict("records")
    ]
    families = tasks.family.loc[means.index].to_dict()
    first = means.index.to_series().groupby(pd.Series(families)).first()  # one a family
    rng = np.random.default_rng(0)
    searched = sorted(rng.permutation(sorted(first))[:SEARCHED])
    values = {t: means.loc[t].to_numpy(float) for t in means.index}
    return Tasks(space, points, values, families, tuple(searched))


def past_frame(bench: str, task: str, seed: int) -> pd.DataFrame:
    """Trials of past studies: `study`, `value`, and a column for each parameter."""
    tasks = tasks_of(bench)
    others = sorted(t for t in tasks.values if tasks.families[t] != tasks.families[task])
    rng = np.random.default_rng([seed, zlib.crc32(task.encode())])
    if bench in RECORDED:
        others = sorted(rng.permutation(others)[:MOST_TASKS].tolist())
    frames = []
    for other in others:
        for k in range(1 if bench in RECORDED else STUDIES):
            n = len(tasks.points)
            rows = np.arange(n) if bench in RECORDED else rng.choice(n, TRIALS, replace=False)
            frame = pd.DataFrame([tasks.points[i] for i in rows]).astype(object)
            frames.append(frame.assign(study=f"{other}#{k}", value=tasks.values[other][rows]))
    return pd.concat(frames, ignore_index=True)
