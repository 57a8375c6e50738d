"""The published meta-dataset, as files of the installed package.

Tasks, profiles and probe curves are kept once; architectures and curves once a space. Numbers have
32 bits. `index.json` is written last and names every file with its SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infoprior._ambient import default_settings
from infoprior._arguments import file_path, name_list
from infoprior._progress import shows_progress
from infoprior.files import remove_leftovers, write_atomically
from infoprior.metadataset._dataset import MetaDataset
from infoprior.metadataset._json import read_json
from infoprior.metadataset._schema import SCHEMAS, MetaDatasetError
from infoprior.metadataset._space_json import space_from_dict, space_to_dict
from infoprior.profiles import TABULAR_PROBES
from infoprior.spaces import DEFAULT_SPACE, SearchSpace

PUBLISHED = Path(__file__).parent / "published"
FORMAT, VERSION = "infoprior atlas", 1  # as the published index has it
INDEX = "index.json"
_FILE = re.compile(
    r"(tasks|profiles|probe_curves|jobs|\w+-(curves|architectures|layers|tasks))"
    r"\.[0-9a-f]{8}\.parquet"
)
_KEYS = {
    "tasks": ["task"],
    "profiles": ["task", "architecture", "seed", "epoch", "layer_index"],
    "probe_curves": ["task", "architecture", "seed", "epoch"],
    "jobs": ["kind", "task", "draw"],
    "architectures": ["architecture"],
    "curves": ["task", "architecture", "seed", "epoch"],
    "layers": ["task", "architecture", "seed", "epoch", "layer_index"],
}
PROBES = {"tabular": tuple(TABULAR_PROBES)}
"""Space whose networks are profiled themselves -> those of them that a new task is read by."""


@dataclass
class Publication:
    """The tables of a published meta-dataset, and what is said about them.

    Attributes:
        tables: "tasks", "profiles", "probe_curves", "jobs", and "<space>/architectures",
            "<space>/curves" of every space; "<space>/layers" and "<space>/tasks" of spaces whose
            networks are profiled themselves.
        spaces: name -> space.
        about: versions of packages and the settings of the build.
    """

    tables: dict[str, pd.DataFrame]
    spaces: Mapping[str, Any]
    about: Mapping[str, Any]


def write_publication(publication: Publication, directory: Path) -> None:
    """Write every table and the index; the same tables give the same bytes.

    File names hold a hash of the content: until the new index is there, the old one and its files
    stay whole, whatever kills the writing. Files of a former index, and what a killed writing left,
    are removed afterwards. Of two processes that write into one directory, one waits.

    Args:
        publication: what to write.
        directory: where to; it is made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _only_writer(directory):
        _write(publication, directory)


def _write(publication: Publication, directory: Path) -> None:
    remove_leftovers(directory)
    files = {}
    for name, frame in publication.tables.items():
        key = _KEYS[name.rpartition("/")[2]]
        content = _parquet(frame.sort_values(key, kind="stable", ignore_index=True))
        digest = hashlib.sha256(content).hexdigest()
        file = f"{name.replace('/', '-')}.{digest[:8]}.parquet"
        write_atomically(directory / file, content)
        files[name] = {"file": file, "sha256": digest}
    index = {
        "format": FORMAT,
        "version": VERSION,
        "units": "nats",
        "spaces": {name: space_to_dict(space) for name, space in publication.spaces.items()},
        "files": files,
        "about": dict(publication.about),
    }
    write_atomically(directory / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")
    kept = {entry["file"] for entry in files.values()}
    for leftover in directory.glob("*.parquet"):
        if _FILE.fullmatch(leftover.name) and leftover.name not in kept:
            leftover.unlink()


@contextlib.contextmanager
def _only_writer(directory: Path) -> Iterator[None]:
    """A lock that ends with this process: another one would remove files not in its own index."""
    lock = None
    with contextlib.suppress(ImportError, OSError):  # where the system has no such locks
        import fcntl

        lock = os.open(directory, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def read_publication(directory: Path) -> Publication:
    """Read what `write_publication` wrote.

    Raises:
        MetaDatasetError: there is none, it is of another version, or a file is not the one that
            the index names.
    """
    index, tables = _tables(directory, lambda index: list(index["files"]))
    spaces = {
        name: space_from_dict(space, f"{directory / INDEX}")
        for name, space in index["spaces"].items()
    }
    return Publication(tables, spaces, index["about"])


@default_settings()
@shows_progress("loading the meta-dataset")
def load_metadataset(
    space: str = DEFAULT_SPACE,
    *,
    directory: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> MetaDataset:
    """The published meta-dataset: networks, learning curves and information profiles.

    Args:
        space: whose networks: "tabular", "mlp", or another one that it has.
        directory: where `make published` has built another one; None: the package's own.
        progress: show on the terminal that it loads, if it takes more than two seconds.

    Returns:
        its `tasks` have the columns task, family, source, licence, kind ("real", "enumerated" or
        "synthetic"), n_train, n_features, n_classes, noise_ceiling, ... (docs/metadataset.md), its
        `curves` the epochs 1, 3, 9 and 27, its `profiles` the probes' layers at epochs 3 and 27,
        in nats.

    Raises:
        MetaDatasetError: there is no such space in it, or a file is damaged.

    >>> from infoprior import load_metadataset
    >>> meta = load_metadataset("mlp")
    >>> sorted(set(meta.tasks["kind"]))
    ['enumerated', 'real', 'synthetic']
    """
    (space,) = name_list([space], "space", MetaDatasetError)
    folder = PUBLISHED
    if directory is not None:
        folder = file_path(directory, "directory", MetaDatasetError)

    def wanted(index: dict[str, Any]) -> list[str]:
        if space not in index["spaces"]:
            known = sorted(index["spaces"])
            raise MetaDatasetError(
                f"{folder} has no networks of the space {space!r}, only of {known}."
            )
        of_space = [f"{space}/curves", f"{space}/architectures"]
        if space in PROBES:
            return [*of_space, f"{space}/layers", f"{space}/tasks"]
        return [*of_space, "tasks", "profiles", "probe_curves"]

    index, read = _tables(folder, wanted)
    if space in PROBES:
        return _with_own_profiles(space_from_dict(index["spaces"][space], str(folder)), read)
    curves, tasks = read[f"{space}/curves"], read["tasks"]
    profiles, probes = read["profiles"], read["probe_curves"]
    here = set(curves["task"].unique())
    if len(here) < len(tasks):
        tasks, profiles, probes = (
            t[t["task"].isin(here)].reset_index(drop=True) for t in (tasks, profiles, probes)
        )
    return MetaDataset(
        space_from_dict(index["spaces"][space], str(folder / INDEX)),
        tasks=tasks,
        architectures=read[f"{space}/architectures"],
        curves=curves,
        profiles=profiles,
        probe_curves=probes,
    )


def _with_own_profiles(space: SearchSpace, read: Mapping[str, pd.DataFrame]) -> MetaDataset:
    """The meta-dataset of a space some of whose networks are its probes."""
    curves, layers = read[f"{space.name}/curves"], read[f"{space.name}/layers"]
    probes = PROBES[space.name]
    read_by = layers[layers["architecture"].isin(probes)].reset_index(drop=True)
    first = curves[curves["architecture"].isin(probes) & (curves["seed"] == 0)]
    return MetaDataset(
        space,
        tasks=read[f"{space.name}/tasks"],
        architectures=read[f"{space.name}/architectures"],
        curves=curves,
        profiles=read_by[list(SCHEMAS["profiles"])],
        probe_curves=first.reset_index(drop=True),
        layers=layers,
    )


def _index(directory: Path) -> dict[str, Any]:
    path = directory / INDEX
    missing = f"{path} does not exist; make published builds such a folder."
    index = read_json(path, MetaDatasetError, missing)
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise MetaDatasetError(f"{path} is no index of a published meta-dataset.")
    if index.get("version") != VERSION:
        raise MetaDatasetError(
            f"{path}: version {index.get('version')!r}; this infoprior reads {VERSION}."
        )
    return index


def _tables(
    directory: Path, wanted: Callable[[dict[str, Any]], list[str]]
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """The index, and the tables that are wanted of it: all of one writing."""
    index = _index(directory)
    while True:
        try:
            return index, {name: _table(directory, index, name) for name in wanted(index)}
        except MetaDatasetError:
            former, index = index, _index(directory)
            if index == former:
                raise  # otherwise it was replaced meanwhile, and its files removed


def _table(directory: Path, index: dict[str, Any], name: str) -> pd.DataFrame:
    entry = index["files"].get(name, {"file": f"{name}.parquet", "sha256": ""})
    path = directory / entry["file"]
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MetaDatasetError(f"{path} does not exist; install infoprior again.") from None
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise MetaDatasetError(f"{path} is not what {INDEX} names; install infoprior again.")
    return pq.read_table(io.BytesIO(content)).to_pandas()


def _parquet(frame: pd.DataFrame) -> bytes:
    # Without pandas' own metadata, which would put its version into the bytes.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", compression_level=19)
    return buffer.getvalue()
