"""What each encoding of inputs is worth on a task: rows that are measured once and kept.

A row is one draw of a task under one of two architectures: validation and test accuracy under every
encoding of the space `tabular`, after 27 epochs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmarks._common import RESULTS, append_row, read_rows
from benchmarks.metadataset._broad import broad_task
from infoprior.metadataset._jobs import published_task
from infoprior.spaces import get_space
from infoprior.spaces._tabular import INPUT_ENCODINGS
from infoprior.training import train_many

FILE = RESULTS / "metadataset" / "encodings.csv"
ENCODINGS = INPUT_ENCODINGS
EPOCHS = 27
DRAWS = 2

# Of the shared design of `mlp`, over the real tasks of fitted families: the best mean rank (the
# first choice of a static prior), and the best mean accuracy.
ARCHITECTURES = {
    "a008": {
        "depth": 2, "width": 116, "shape": "constant", "activation": "silu",
        "normalization": "layer", "dropout": 0.40482158260419965, "residual": False,
        "learning_rate": 0.0021088123735947713, "weight_decay": 0.0005454763857379247,
        "batch_size": 256,
    },
    "a015": {
        "depth": 3, "width": 38, "shape": "constant", "activation": "silu",
        "normalization": "layer", "dropout": 0.30861921003088355, "residual": True,
        "learning_rate": 0.005788644290192287, "weight_decay": 4.257833964591519e-05,
        "batch_size": 64,
    },
}  # fmt: skip
PLAIN = {"feature_scale": False, "label_smoothing": 0.0, "schedule": "constant"}


def measure(name: str, draw: int, path: Path = FILE) -> None:
    """Train a task's networks and append their rows."""
    task = broad_task(name, draw) if name.startswith("broad/") else published_task(name, draw)
    space = get_space("tabular")
    networks = [
        ({**point, **PLAIN, "inputs": inputs}, draw)
        for point in ARCHITECTURES.values()
        for inputs in ENCODINGS
    ]
    trained = train_many(
        task, networks, space=space, epochs=EPOCHS, record=[EPOCHS], progress=False
    )
    last = iter(network.curve[-1] for network in trained)
    for architecture in ARCHITECTURES:
        accuracies = {inputs: next(last) for inputs in ENCODINGS}
        row = {
            "task": name, "family": task.family, "draw": draw, "n_train": len(task.train),
            "n_test": len(task.test), "n_features": task.n_features, "digest": task.digest[:12],
            "architecture": architecture,
        }  # fmt: skip
        for part in ("validation", "test"):
            row |= {f"{part} {k}": round(v[f"{part}_accuracy"], 5) for k, v in accuracies.items()}
        append_row(path, row)


def gather(names: Iterable[str], draws: int = DRAWS, path: Path = FILE) -> None:
    """Measure what is missing, first draws first; what was interrupted is measured again."""
    names = list(names)
    rows = read_rows(path)
    counts = pd.Series([(r["task"], int(r["draw"])) for r in rows], dtype=object).value_counts()
    for draw in range(draws):
        for name in names:
            if counts.get((name, draw), 0) < len(ARCHITECTURES):
                measure(name, draw, path)


def table(path: Path = FILE) -> pd.DataFrame:
    """All rows, one a task, draw and architecture."""
    frame = pd.read_csv(path)
    return frame.drop_duplicates(["task", "draw", "architecture"], keep="last")
