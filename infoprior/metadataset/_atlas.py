"""The atlas: the published meta-dataset, as files of the installed package.

Tasks, profiles and probe curves are kept once; architectures and curves once a space. Numbers have
32 bits. `atlas.json` is written last and names every file with its SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infoprior._ambient import default_settings
from infoprior._progress import shows_progress
from infoprior.metadataset._dataset import MetaDataset
from infoprior.metadataset._schema import MetaDatasetError
from infoprior.metadataset._space_json import space_from_dict, space_to_dict
from infoprior.parallel import write_atomically

ATLAS = Path(__file__).parent / "atlas"
FORMAT, ATLAS_VERSION = "infoprior atlas", 1
INDEX = "atlas.json"
_FILE = re.compile(
    r"(tasks|profiles|probe_curves|jobs|\w+-(curves|architectures))\.[0-9a-f]{8}\.parquet"
)
_KEYS = {
    "tasks": ["task"],
    "profiles": ["task", "architecture", "seed", "epoch", "layer_index"],
    "probe_curves": ["task", "architecture", "seed", "epoch"],
    "jobs": ["kind", "task", "draw"],
    "architectures": ["architecture"],
    "curves": ["task", "architecture", "seed", "epoch"],
}


@dataclass
class Atlas:
    """The tables of an atlas, and what is said about them.

    Attributes:
        tables: "tasks", "profiles", "probe_curves", "jobs", and "<space>/architectures",
            "<space>/curves" of every space.
        spaces: name -> space.
        about: versions of packages and the settings of the build.
    """

    tables: dict[str, pd.DataFrame]
    spaces: Mapping[str, Any]
    about: Mapping[str, Any]


def write_atlas(atlas: Atlas, directory: Path) -> None:
    """Write every table and the index; the same tables give the same bytes.

    File names hold a hash of the content: until the new index is there, the old one and its files
    stay whole, whatever kills the writing. Files of a former index are removed afterwards.
    """
    files = {}
    for name, frame in atlas.tables.items():
        key = _KEYS[name.rpartition("/")[2]]
        content = _parquet(frame.sort_values(key, kind="stable", ignore_index=True))
        digest = hashlib.sha256(content).hexdigest()
        file = f"{name.replace('/', '-')}.{digest[:8]}.parquet"
        write_atomically(directory / file, content)
        files[name] = {"file": file, "sha256": digest}
    index = {
        "format": FORMAT,
        "version": ATLAS_VERSION,
        "units": "nats",
        "spaces": {name: space_to_dict(space) for name, space in atlas.spaces.items()},
        "files": files,
        "about": dict(atlas.about),
    }
    write_atomically(directory / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")
    kept = {entry["file"] for entry in files.values()}
    for leftover in directory.glob("*.parquet"):
        if _FILE.fullmatch(leftover.name) and leftover.name not in kept:
            leftover.unlink()


def read_atlas(directory: Path) -> Atlas:
    """Read what `write_atlas` wrote.

    Raises:
        MetaDatasetError: there is none, it is of another version, or a file is not the one that
            the index names.
    """
    index = _index(directory)
    tables = {name: _table(directory, index, name) for name in index["files"]}
    spaces = {
        name: space_from_dict(space, f"{directory / INDEX}")
        for name, space in index["spaces"].items()
    }
    return Atlas(tables, spaces, index["about"])


@default_settings()
@shows_progress("loading the meta-dataset")
def load_metadataset(
    space: str = "mlp",
    *,
    directory: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> MetaDataset:
    """The published meta-dataset: networks, learning curves and information profiles.

    Args:
        space: whose networks: "mlp", or another one the atlas has.
        directory: of an atlas built by oneself; None: the one of the package.
        progress: show on the terminal that it loads, if it takes more than two seconds.

    Returns:
        its `tasks` have the columns task, family, source, licence, kind ("real", "enumerated" or
        "synthetic"), n_train, n_features, n_classes, noise_ceiling, ... (docs/atlas.md), its
        `curves` the epochs 1, 3, 9 and 27, its `profiles` the probes' layers at epochs 3 and 27,
        in nats.

    Raises:
        MetaDatasetError: there is no such space in it, or a file is damaged.

    >>> from infoprior import load_metadataset
    >>> meta = load_metadataset()
    >>> sorted(set(meta.tasks["kind"]))
    ['enumerated', 'real', 'synthetic']
    """
    folder = ATLAS if directory is None else Path(directory)
    index = _index(folder)
    if space not in index["spaces"]:
        raise MetaDatasetError(
            f"The atlas has no networks of the space {space!r}; it has {sorted(index['spaces'])}."
        )

    curves = _table(folder, index, f"{space}/curves")
    tasks, profiles, probes = (
        _table(folder, index, name) for name in ("tasks", "profiles", "probe_curves")
    )
    here = set(curves["task"].unique())
    if len(here) < len(tasks):
        tasks, profiles, probes = (
            t[t["task"].isin(here)].reset_index(drop=True) for t in (tasks, profiles, probes)
        )
    return MetaDataset(
        space_from_dict(index["spaces"][space], str(folder / INDEX)),
        tasks=tasks,
        architectures=_table(folder, index, f"{space}/architectures"),
        curves=curves,
        profiles=profiles,
        probe_curves=probes,
    )


def _index(directory: Path) -> dict[str, Any]:
    path = directory / INDEX
    try:
        index = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise MetaDatasetError(f"{path} does not exist; make atlas builds an atlas.") from None
    except ValueError as error:
        raise MetaDatasetError(f"{path} is not JSON: {error}") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise MetaDatasetError(f"{path} is no index of an atlas.")
    if index.get("version") != ATLAS_VERSION:
        raise MetaDatasetError(
            f"{path}: version {index.get('version')!r}; this infoprior reads {ATLAS_VERSION}."
        )
    return index


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
