"""Read packaged data sets from their raw files, without importing the packages.

The packages' own loaders are left alone: they import much and some break on today's pandas.
"""

from __future__ import annotations

import bz2
import functools
import importlib.metadata
import importlib.util
import io
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infoprior.tasks._encode import Column
from infoprior.tasks._packaged.entry import Entry
from infoprior.tasks._task import TaskError

MISSING_TOKENS = frozenset({"", "?", "<null>", "NA", "NaN", "nan", "None"})
_SEPARATORS = {"comma": ",", "space": r"\s+", "semicolon": ";"}


@dataclass(frozen=True)
class Package:
    """A package that ships data.

    Attributes:
        distribution: its name for pip.
        module: its name for Python.
        licence: of the package, as its metadata says.
        extra: the extra of infoprior that installs it.
        folder: of the raw files, below the module.
        entries: its data sets.
        archive: a tar file in that folder that holds the files; empty where they lie there.
    """

    distribution: str
    module: str
    licence: str
    extra: str
    folder: str
    entries: tuple[Entry, ...]
    archive: str = ""

    @property
    def source(self) -> str:
        """The distribution and its installed version."""
        return f"{self.distribution} {importlib.metadata.version(self.distribution)}"

    @property
    def command(self) -> str:
        """What installs it."""
        return f"pip install 'infoprior[{self.extra}]'"

    def installed(self) -> bool:
        """Whether it is; it is not imported."""
        return importlib.util.find_spec(self.module) is not None


@dataclass(frozen=True)
class Raw:
    """Features and labels as they lie in the file.

    Attributes:
        columns: raw features of n rows.
        labels: of the n rows.
        groups: whose each row is, where that is known.
    """

    columns: list[Column]
    labels: list[str]
    groups: list[str] | None = None


def read_raw(entry: Entry, package: Package) -> Raw:
    """Read a data set's file.

    Args:
        entry: the data set.
        package: that ships it.

    Raises:
        TaskError: the package or the file is not there.
    """
    if package.module == "sklearn":
        return _read_sklearn(entry)
    spec = importlib.util.find_spec(package.module)
    if spec is None or spec.origin is None:
        raise TaskError(
            f"task {entry.name!r} needs the package {package.distribution}; "
            f"install it with: {package.command}"
        )
    path = Path(spec.origin).parent / package.folder / (package.archive or entry.file)
    members = tuple(e.file for e in package.entries) if package.archive else ()
    held = _members(path, members) if members and path.is_file() else {}
    if not path.is_file() or (members and entry.file not in held):
        raise TaskError(
            f"{path.parent / entry.file}: no such file in {package.source}; "
            f"install the release that {package.command} gives"
        )
    if entry.layout == "matrix":
        return _read_matrix(path)
    return _parts(_read_frame(path, entry, held.get(entry.file)), entry)


@functools.lru_cache(maxsize=1)
def _members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Those files of a tar archive, which can only be read from its beginning: all at once."""
    held = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name in names and (file := archive.extractfile(member)) is not None:
                held[name] = file.read()
    return held


def _read_sklearn(entry: Entry) -> Raw:
    """A data set of scikit-learn, by its own loader."""
    from sklearn import datasets

    bunch: Any = getattr(datasets, "load_" + entry.name.partition("/")[2])()
    columns = [
        Column(str(name), np.asarray(values, dtype=np.float64))
        for name, values in zip(bunch.feature_names, bunch.data.T, strict=True)
    ]
    return Raw(columns, [str(bunch.target_names[k]) for k in bunch.target])


def _read_matrix(path: Path) -> Raw:
    """A file of numbers, and one of labels beside it."""
    import pandas as pd

    X = pd.read_csv(path, sep=r"\s+", header=None).to_numpy(dtype=np.float64)
    labels = path.with_suffix(".labels").read_text().split()
    return Raw([Column(f"x{k}", np.ascontiguousarray(X[:, k])) for k in range(X.shape[1])], labels)


def _read_frame(path: Path, entry: Entry, held: bytes | None) -> Any:
    """The table: columns of texts, and of numbers where the file has types."""
    import pandas as pd

    if entry.layout == "parquet":
        wanted = {*entry.keep, entry.label, entry.group} - {""} if entry.keep else None
        return pd.read_parquet(path, columns=None if wanted is None else sorted(map(str, wanted)))
    data = path.read_bytes() if held is None else held
    text = (bz2.decompress(data) if path.suffix == ".bz2" else data).decode("latin-1")
    lines = [line.strip() for line in text.splitlines()]
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
    """The name in a line @attribute of an ARFF file."""
    match = re.match(r"@attribute\s+('[^']*'|\"[^\"]*\"|[^\s{]+)", line, re.IGNORECASE)
    return match.group(1).strip("'\"") if match else line


def _parts(frame: Any, entry: Entry) -> Raw:
    """A table's features, labels and groups, as its entry says."""
    names = list(frame.columns)

    def position(column: int | str) -> int:
        if isinstance(column, str) and column not in names:
            raise TaskError(f"task {entry.name!r}: its file has no column {column!r}")
        return column if isinstance(column, int) else names.index(column)

    label = position(entry.label) % frame.shape[1]
    dropped = {label, *(position(c) for c in entry.drop)}
    kept = {position(c) for c in entry.keep} or set(range(frame.shape[1]))
    nominal = {position(c) for c in entry.nominal}
    columns = [
        _column(str(names[k]), frame.iloc[:, k], nominal=k in nominal)
        for k in range(frame.shape[1])
        if k in kept and k not in dropped
    ]
    groups = None
    if isinstance(entry.group, int):
        groups = [str(k // entry.group) for k in range(len(frame))]
    elif entry.group:
        groups = _texts(frame.iloc[:, position(entry.group)])
    return Raw(columns, _texts(frame.iloc[:, label]), groups)


def _column(name: str, series: Any, *, nominal: bool) -> Column:
    """Numbers where the file has them, or where every text is one; else categories."""
    from pandas.api import types

    if types.is_numeric_dtype(series) and not nominal:
        return Column(name, series.to_numpy(dtype=np.float64, na_value=np.nan))
    return text_column(name, _texts(series), nominal=nominal)


def _texts(series: Any) -> list[str]:
    return ["" if v is None or v != v else str(v).strip() for v in series.tolist()]


def classes(entry: Entry, labels: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Labels after cuts and merges, and which rows stay.

    Quantiles are of the labelled rows; a value at an edge counts to the class below.

    Args:
        entry: says what is cut, merged and left out.
        labels: of n rows, as they lie in the file.

    Returns:
        n labels, and whether each row stays, shape (n,), bool: rows without a label go, and those
        with one that is left out.
    """
    known = np.array([label not in MISSING_TOKENS for label in labels])
    made = list(labels)
    if entry.cut or entry.quantiles:
        numbers = np.array([float(v) if k else np.nan for v, k in zip(labels, known, strict=True)])
        edges = np.asarray(entry.cut, dtype=np.float64)
        if entry.quantiles:
            shares = np.arange(1, entry.quantiles) / entry.quantiles
            edges = np.quantile(numbers[known], shares)
        steps = [f"up to {edge:g}" for edge in edges] + [f"above {edges[-1]:g}"]
        made = [steps[k] for k in np.searchsorted(edges, numbers)]  # NaN counts as largest
    made = [entry.merge.get(label, label) for label in made]
    values, codes, counts = np.unique(made, return_inverse=True, return_counts=True)
    out = np.isin(values, entry.without) | (counts < entry.fewest)
    return made, known & ~out[codes]


def text_column(
    name: str,
    values: list[str],
    *,
    nominal: bool = False,
    missing: frozenset[str] = MISSING_TOKENS,
) -> Column:
    """A column of texts: numbers where every value that is not missing is one, else categories.

    Args:
        name: of the column.
        values: of n rows.
        nominal: categories in any case.
        missing: texts that mean that a value is missing.
    """
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
