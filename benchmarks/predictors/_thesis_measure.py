"""I(T;Y) in the layers of random and of fixed networks of the space `thesis`, task by task.

What is measured is kept in benchmarks/cache/thesis: what was stopped is resumed.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks._common import ROOT
from infoprior.fingerprints import fingerprint, source_fingerprint
from infoprior.metadataset import published_task
from infoprior.parallel import run_jobs
from infoprior.spaces import get_space

CACHE = ROOT / "benchmarks" / "cache" / "thesis"
EPOCHS = 12
"""Of a network whose layers are read: what a survivor of the thesis's bracket gets."""
REFERENCES, PROBES = 4, 4
"""Networks of a task whose layers are read: random ones, and fixed ones, the first of the published
design."""
FIRST, STEP, OPTIONS = 10, 5, 23
"""Units of a layer: 10, 15, ..., 120."""
ROWS = 600
"""On which information is measured, at most: of training and validation rows."""
MINE = {
    "ranks": False, "folds": 3, "hidden": 32, "batch_size": 100, "steps": 120, "check_every": 20,
    "patience": 40,
}  # fmt: skip
"""At least 40 steps, 20 epochs of a fold's 200 rows; then until the bound on other rows stops
rising. What is read is the bound on the rows that the critics learned from, as in the thesis."""
ACCURATE = "flexible-lda"
"""Of the recipe `fast`."""


@dataclass(frozen=True)
class Layers:
    """Of networks of T tasks, R each.

    Attributes:
        options: of their four layers, 0 to 22, (T, R, 4).
        accuracy: in the end, on validation rows, (T, R).
        mine, accurate: I(T;Y) of their layers in nats, by MINE and by the accurate estimator,
            (T, R, L); NaN where a layer was not measured.
    """

    options: np.ndarray
    accuracy: np.ndarray
    mine: np.ndarray
    accurate: np.ndarray


@dataclass(frozen=True)
class Measured:
    """Of T tasks.

    Attributes:
        references: random networks, others for each task.
        probes: fixed networks.
        h_y: entropy of labels in nats, (T,).
    """

    references: Layers
    probes: Layers
    h_y: np.ndarray


def random_options(name: str, n: int) -> np.ndarray:
    """Random architectures of a task, uniform in the space, (n, 4)."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), 0])
    return rng.integers(OPTIONS, size=(n, 4))


def point(options: Sequence[int]) -> dict[str, int]:
    """An architecture of the space `thesis`."""
    return {f"units_{i + 1}": FIRST + STEP * int(o) for i, o in enumerate(options)}


def options_of(points: Sequence[dict[str, int]]) -> np.ndarray:
    """The inverse of `point`, (n, 4)."""
    units = np.array([[p[f"units_{i}"] for i in range(1, 5)] for p in points])
    return np.asarray((units - FIRST) // STEP)


def layers_job(name: str) -> dict[str, list]:
    """Of a task's random networks, then of the fixed ones: architecture, accuracy, information."""
    from infoprior.information import entropy, estimate
    from infoprior.profiles._reading import HiddenLayers, read_activations
    from infoprior.training import train_many

    task, space = published_task(name), get_space("thesis")
    points = [point(o) for o in random_options(name, REFERENCES)]
    points += space.shared_design(PROBES, seed=0)
    seeds = [*range(REFERENCES), *range(PROBES)]
    trained = train_many(
        task, list(zip(points, seeds, strict=True)), space=space, epochs=EPOCHS, record=(EPOCHS,),
        snapshots=(EPOCHS,), progress=False,
    )  # fmt: skip
    rng = np.random.default_rng([zlib.crc32(name.encode()), 1])
    rows = rng.permutation(np.concatenate([task.train, task.validation]))[:ROWS]
    classes, labels = np.unique(task.y[rows], return_inverse=True)
    one_hot = np.eye(len(classes), dtype=np.float32)[labels]
    hidden = [HiddenLayers(network.snapshots[EPOCHS]) for network in trained]
    layers = [layer for h in hidden for layer in read_activations(h, task.X[rows]).values()]
    mine = estimate(layers, one_hot, "mine", discrete_y=False, progress=False, **MINE)
    accurate = estimate(layers, labels, ACCURATE, discrete_y=True, progress=False)
    return {
        "options": options_of(points).tolist(),
        "accuracy": [network.curve[-1]["validation_accuracy"] for network in trained],
        "mine": [e.train for e in mine],
        "accurate": [e.nats for e in accurate],
        "h_y": [entropy(labels)],
    }


@lru_cache(maxsize=1)
def _code() -> str:
    """What results depend on beside the task's name."""
    rooms = (f"infoprior.{r}" for r in ("training", "spaces", "information", "tasks"))
    return fingerprint(source_fingerprint(*rooms), EPOCHS, REFERENCES, PROBES, ROWS, MINE, ACCURATE)


def measure(names: Sequence[str], workers: int) -> Measured:
    """Of all tasks; what is in the cache is not measured again."""
    jobs = {fingerprint(_code(), name): (name,) for name in names}
    results = run_jobs(
        layers_job, jobs, directory=CACHE, workers=workers, description="layers"
    ).values()
    n = REFERENCES + PROBES
    shapes = {"options": (n, 4), "accuracy": (n,), "mine": (n, 4), "accurate": (n, 4)}
    every = {
        key: np.array([r[key] for r in results], dtype=np.float64).reshape(-1, *shape)
        for key, shape in shapes.items()
    }
    return Measured(
        Layers(**{key: v[:, :REFERENCES] for key, v in every.items()}),
        Layers(**{key: v[:, REFERENCES:] for key, v in every.items()}),
        np.array([r["h_y"][0] for r in results]),
    )
