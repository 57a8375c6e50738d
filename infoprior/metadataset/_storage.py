"""The tables of a meta-dataset as a directory of parquet files, and their digest."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infoprior.files import remove_leftovers, write_atomically
from infoprior.fingerprints._canonical import canonical_text
from infoprior.metadataset._json import read_json
from infoprior.metadataset._schema import KEYS, TABLES, MetaDatasetError
from infoprior.metadataset._space_json import space_from_dict, space_to_dict
from infoprior.metadataset._tables import check_tables
from infoprior.spaces import SearchSpace

VERSION = 4
SCHEMA_FILE = "schema.json"


def digest(space: SearchSpace, tables: Mapping[str, pd.DataFrame]) -> str:
    """SHA-256 (hex) over the space and, per table, the sorted rows column by column.

    Args:
        space: of the architectures.
        tables: name -> table, of `TABLES`.
    """
    sha = hashlib.sha256()
    sha.update(json.dumps(space_to_dict(space), sort_keys=True).encode())
    for name in TABLES:
        frame = _canonical(name, tables[name])
        sha.update(f"\n{name} {len(frame)}\n".encode())
        for column in sorted(frame.columns):
            # Escaped where it has to be, so that no name reads as one name and more.
            sha.update(f"{json.dumps(str(column), ensure_ascii=False)[1:-1]}\n".encode())
            _hash_column(sha, frame[column])
    return sha.hexdigest()


def save(
    directory: Path,
    space: SearchSpace,
    tables: Mapping[str, pd.DataFrame],
    rows: pd.DataFrame,
    digest: str,
) -> None:
    """Write every table, the joined rows, and `schema.json` last; each file as a whole.

    Args:
        directory: where to; it is made.
        space: of the architectures.
        tables: name -> table, of `TABLES`.
        rows: the joined rows, for readers that want one table.
        digest: of the space and the tables.
    """
    remove_leftovers(directory)
    for name in (*TABLES, "rows"):
        frame = rows if name == "rows" else _canonical(name, tables[name])
        # Without pandas' own metadata, which would put its version into the bytes.
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        write_atomically(directory / f"{name}.parquet", buffer.getvalue().to_pybytes())
    schema = {
        "format": "infoprior meta-dataset",
        "version": VERSION,
        "space": space_to_dict(space),
        "digest": digest,
        "units": "nats",
    }
    text = json.dumps(schema, indent=2, sort_keys=True) + "\n"
    write_atomically(directory / SCHEMA_FILE, text)


def load(directory: Path) -> tuple[SearchSpace, dict[str, pd.DataFrame], str]:
    """What `save` wrote, checked: the space, the tables by name, their digest.

    Raises:
        MetaDatasetError: a file is missing, does not fit its schema, or does not belong to the
            others.
    """
    path = directory / SCHEMA_FILE
    missing = f"{path} does not exist; {directory} holds no finished meta-dataset."
    schema = read_json(path, MetaDatasetError, missing)
    if not isinstance(schema, dict) or schema.get("version") != VERSION:
        version = schema.get("version") if isinstance(schema, dict) else type(schema).__name__
        raise MetaDatasetError(
            f"{path}: version {version!r}; this infoprior reads version {VERSION}."
        )
    space = space_from_dict(schema.get("space"), str(path))
    files = {name: str(directory / f"{name}.parquet") for name in TABLES}
    frames = {name: _read(Path(file)) for name, file in files.items()}
    tables = check_tables(space, frames, files)
    actual = digest(space, tables)
    if actual != schema.get("digest"):
        raise MetaDatasetError(
            f"{directory}: the tables do not have the digest that {SCHEMA_FILE} records; a file "
            f"was changed or belongs to another meta-dataset. Build it again."
        )
    return space, tables, actual


def _canonical(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order of their key. Architectures keep their order: points() follows it."""
    if name == "architectures" or not len(frame):
        return frame.sort_values("architecture", ignore_index=True)
    return frame.sort_values(list(KEYS[name]), kind="stable", ignore_index=True)


def _hash_column(sha: Any, series: pd.Series) -> None:
    types = pd.api.types
    if types.is_bool_dtype(series) and not series.hasnans:
        sha.update(b"b" + series.to_numpy(dtype=np.uint8).tobytes())
    elif _fits_float64(series):
        # However they are kept; NaN and zero have many bit patterns, one is used.
        values = series.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
        values[np.isnan(values)] = np.nan
        sha.update(b"n" + values.astype("<f8").tobytes())
    elif types.infer_dtype(series, skipna=True) in ("string", "categorical"):
        codes, names = pd.factorize(series)  # names repeat: each is written out once
        data = [_framed(name) for name in names] + [_framed(None)]  # code -1: missing
        sha.update(b"".join([data[code] for code in codes]))
    else:
        for value, missing in zip(series, series.isna(), strict=True):
            sha.update(_framed(None if missing else value))


def _fits_float64(series: pd.Series) -> bool:
    """Whether these are numbers that float64 holds."""
    types = pd.api.types
    if not types.is_numeric_dtype(series) or types.is_complex_dtype(series):
        return False
    if types.is_integer_dtype(series):
        there = series.dropna()
        return not len(there) or max(int(there.max()), -int(there.min())) <= 2**53
    return getattr(series.dtype, "itemsize", 8) <= 8


def _framed(value: Any) -> bytes:
    """As a text that no other value has, after its length."""
    data = canonical_text(value.item() if isinstance(value, np.generic) else value).encode()
    return struct.pack("<I", len(data)) + data


def _read(path: Path) -> pd.DataFrame:
    try:
        return pq.read_table(path).to_pandas()
    except FileNotFoundError:
        raise MetaDatasetError(f"{path} does not exist; build the meta-dataset again.") from None
    except (pa.ArrowException, OSError) as error:
        raise MetaDatasetError(f"{path} cannot be read as parquet: {error}") from error
