"""The two tabular benchmarks, and the priors for each of their tasks.

(a) hpobench: 30,000 configurations of an MLP on 8 data sets, trained to the end; validation
    accuracy (the package's `val_acc`), the mean of five repeats. Parameters are indices into the
    grid, whose values lie evenly on a log scale.
(b) curves: `record_curves.py`'s architectures of the `mlp` space at epochs 1, 3, 9, 27; accuracy on
    all held-out rows, validation and test together: less noise than in either; interpolated by a
    Gaussian process (`_surrogate.py`) to 16,384 points drawn uniformly, since a search would
    soon have seen all of the recorded ones. A proposed point stands for the nearest of these
    (`Encoder` says by what distance). Tasks of which the process explains less than 55 % of the
    variance on held-out points are left out.

A search sees these accuracies, and regret is of the one after a full training.

Priors are kernels around points chosen by that accuracy (`Prior.from_points`), at most 30 a task:

    good    the best 1 % of every other task
    medium  those ranked from 20 % to 40 % on every other task
    bad     the worst 5 % of the task itself
    deceiving   the best of a poor region of the task itself: of 100 regions, the hundredth of all
            points that are nearest to a random one, that whose best tenth is the worst, and of it
            that tenth; what is tried there looks good beside its neighbours, and is not
    none    uniform
"""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
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
from benchmarks.priors._surrogate import fit
from benchmarks.priors._trace import Encoder
from infoprior.evaluation import RegretScale
from infoprior.fingerprints import fingerprint, source_fingerprint
from infoprior.priors import Prior

SURROGATES = ROOT / "benchmarks" / "cache" / "surrogates"
HPOBENCH = ROOT / "benchmarks" / "cache" / "hpobench.npz"
CURVES = ROOT / "benchmarks" / "data" / "mlp_curves.parquet"
DESIGN = ROOT / "benchmarks" / "data" / "mlp_design.parquet"
BENCHES = ("hpobench", "curves")
ARMS = ("good", "medium", "bad", "deceiving", "none")
LEAST_R2 = 0.55  # of a surrogate, on held-out points: tasks below are left out
RUNGS = (1, 3, 9, 27)
DENSE = 16_384  # points of the curves' surrogate
POINTS = 30  # of each other task: more kernels only cost time
REGIONS = 100  # among which the poorest is looked for
BANDWIDTH = 0.1  # about the steps of hpobench's grid


@dataclass(frozen=True, eq=False)
class Table:
    """One task's recorded results.

    Attributes:
        bench, task: names.
        space: name -> Optuna distribution.
        axes: the same as JSON, for `Encoder`.
        points: the recorded points, n of them.
        rungs: epochs at which values are seen; the last one is a full training.
        observed: accuracy at the rungs, shape (n, rungs).
        features: the points encoded, shape (n, columns).
    """

    bench: str
    task: str
    space: dict[str, BaseDistribution]
    points: list[dict[str, Any]] = field(repr=False)
    rungs: tuple[int, ...]
    observed: NDArray[np.float64] = field(repr=False)
    features: NDArray[np.float64] = field(repr=False)

    @property
    def axes(self) -> list[dict[str, Any]]:
        return axes(self.space)

    @property
    def truth(self) -> NDArray[np.float64]:
        """Accuracy after a full training, shape (n,): what regret is of."""
        return self.observed[:, -1]

    def regret(self, rows: Any) -> NDArray[np.float64]:
        """Normalised regret of recorded rows: 0 the best, 1 the median; 1 for row -1 (nothing)."""
        rows = np.asarray(rows)
        scale = RegretScale.of(self.truth)
        return np.where(rows < 0, 1.0, scale.regret(self.truth[rows]))

    @property
    def digest(self) -> int:
        """Changes when the data do."""
        return zlib.crc32(self.observed.tobytes())


def axes(space: dict[str, BaseDistribution]) -> list[dict[str, Any]]:
    """A space as JSON."""
    described: list[dict[str, Any]] = []
    for name, d in space.items():
        if isinstance(d, CategoricalDistribution):
            described.append({"name": name, "choices": list(d.choices)})
        else:
            assert isinstance(d, IntDistribution | FloatDistribution)
            whole = isinstance(d, IntDistribution)
            described.append(
                {"name": name, "low": d.low, "high": d.high, "log": d.log, "integer": whole}
            )
    return described


def tasks(bench: str) -> list[str]:
    """The names of a benchmark's tasks."""
    if bench == "hpobench":
        if not HPOBENCH.exists():
            raise SystemExit(f"{HPOBENCH} is missing: run `make bench-peers` first.")
        with np.load(HPOBENCH) as arrays:
            return sorted(key[5:] for key in arrays.files if key.startswith("task/"))
    recorded = sorted(pd.read_parquet(CURVES, columns=["task"]).task.unique())
    return [task for task in recorded if _surrogate(task)[2] >= LEAST_R2]


@lru_cache(maxsize=64)
def table(bench: str, task: str) -> Table:
    """A task's table, read once a process."""
    return _hpobench(task) if bench == "hpobench" else _curves(task)


@lru_cache(maxsize=1)
def _grid() -> tuple[dict[str, BaseDistribution], list[dict[str, Any]], NDArray[np.float64]]:
    with np.load(HPOBENCH) as arrays:
        sizes = {k[5:]: len(arrays[k]) for k in arrays.files if k.startswith("axis/")}
    space: dict[str, BaseDistribution] = {n: IntDistribution(0, k - 1) for n, k in sizes.items()}
    cells = np.indices([*sizes.values()]).reshape(len(sizes), -1).T.tolist()
    points = [dict(zip(sizes, cell, strict=True)) for cell in cells]
    return space, points, Encoder(axes(space))(points)


def _hpobench(task: str) -> Table:
    space, points, features = _grid()
    with np.load(HPOBENCH) as arrays:
        values = arrays[f"task/{task}"]
    mean = values.reshape(len(values), -1).mean(axis=0, dtype=np.float64)
    return Table("hpobench", task, space, points, (1,), mean[:, None], features)


@lru_cache(maxsize=1)
def _recorded() -> tuple[pd.DataFrame, list[dict[str, Any]], NDArray[np.float64]]:
    from infoprior.spaces import get_space

    design = pd.read_parquet(DESIGN).set_index("architecture").sort_index()
    space = get_space("mlp")
    # As objects, so that each column gives Python scalars.
    points = [{n: row[n] for n in space} for row in design.astype(object).to_dict("records")]
    curves = pd.read_parquet(CURVES)
    return curves, points, Encoder(axes(dict(space)))(points)


def _curves(task: str) -> Table:
    from infoprior.spaces import get_space

    points, features = _dense()
    values = _surrogate(task)[0]
    return Table("curves", task, dict(get_space("mlp")), points, RUNGS, values, features)


@lru_cache(maxsize=1)
def _dense() -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
    from infoprior.spaces import get_space

    space = dict(get_space("mlp"))
    points = Prior.uniform(space).sample(DENSE, np.random.default_rng(0))
    return points, Encoder(axes(space))(points)


@lru_cache(maxsize=64)
def _surrogate(task: str) -> tuple[NDArray[np.float64], int, float]:
    """Values at the dense points, shape (DENSE, rungs); recorded points; R2. Fitted once, kept."""
    curves, points, features = _recorded()
    mine = curves[(curves.task == task) & curves.epoch.isin(RUNGS)]
    mine = mine.sort_values(["architecture", "epoch"])
    sizes = mine.n_validation.iloc[0], mine.n_test.iloc[0]
    parts = mine[["validation_accuracy", "test_accuracy"]].to_numpy(np.float64)
    values = np.average(parts, axis=1, weights=sizes).reshape(len(points), len(RUNGS))
    code = source_fingerprint("benchmarks.priors._surrogate", "benchmarks.priors._trace")
    key = fingerprint(features, values, DENSE, code)
    path = SURROGATES / f"{key}.npz"
    if not path.exists():
        smoothed, r2 = fit(features, values, _dense()[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
            np.savez(file, values=smoothed, r2=r2)
        Path(file.name).replace(path)
    with np.load(path) as arrays:
        return arrays["values"], len(points), float(arrays["r2"])


@lru_cache(maxsize=256)
def prior_for(bench: str, task: str, arm: str) -> Prior:
    """The prior that a searcher of this task is given."""
    own = table(bench, task)
    if arm == "none":
        return Prior.uniform(own.space)
    most = POINTS * (len(tasks(bench)) - 1)
    if arm == "bad":
        chosen = _ranked(own, 0.95, 1.0, most)
    elif arm == "deceiving":
        chosen = _best_of_poor_region(own, most)
    else:
        first, last = (0.0, 0.01) if arm == "good" else (0.2, 0.4)
        others = [table(bench, other) for other in tasks(bench) if other != task]
        chosen = np.concatenate([_ranked(other, first, last, POINTS) for other in others])
    # All tasks share their points: one chosen on several tasks is one kernel of more weight.
    rows, counts = np.unique(chosen, return_counts=True)
    points = [own.points[row] for row in rows]
    return Prior.from_points(own.space, points, counts, bandwidth=BANDWIDTH)


def _best_of_poor_region(table: Table, most: int) -> NDArray[np.int64]:
    """Rows of the best tenth of the region whose best tenth is the worst, at most so many."""
    n, features = len(table.points), table.features
    size = max(n // 100, 1)
    rng = np.random.default_rng(zlib.crc32(table.task.encode()))
    poorest, level = np.zeros(0, np.int64), np.inf
    for middle in rng.choice(n, min(n, REGIONS), replace=False):
        distances = np.square(features - features[middle]).sum(axis=1)
        region = np.argsort(distances, kind="stable")[:size]
        ranked = region[np.argsort(-table.truth[region], kind="stable")]
        best = ranked[: max(size // 10, 1)]
        if (value := float(np.median(table.truth[best]))) < level:
            poorest, level = best[:most], value
    return poorest


def _ranked(table: Table, first: float, last: float, most: int) -> NDArray[np.int64]:
    """Rows ranked from the share `first` to `last` on the task, at most so many (drawn)."""
    n = len(table.points)
    order = np.argsort(-table.observed[:, -1], kind="stable")
    rows = order[round(first * n) : max(round(last * n), round(first * n) + 1)]
    if len(rows) > most:
        rng = np.random.default_rng(zlib.crc32(table.task.encode()))
        rows = rng.choice(rows, most, replace=False)
    return rows
