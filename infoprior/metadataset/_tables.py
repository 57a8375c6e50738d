"""The five tables of a meta-dataset, checked against each other, and what can be read off them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from infoprior._arguments import instance_of
from infoprior.metadataset._schema import (
    SCHEMAS,
    TABLES,
    Column,
    MetaDatasetError,
    check_known,
    check_table,
)
from infoprior.profiles._schema import NON_FINITE
from infoprior.spaces import SearchSpace

METAFEATURE = "mf_"  # prefix of the metafeature columns of the tasks table
INPUT_FEATURE = "in_"  # prefix of its columns of what the inputs say


def check_tables(
    space: SearchSpace, frames: Mapping[str, pd.DataFrame], files: Mapping[str, str] | None = None
) -> dict[str, pd.DataFrame]:
    """The tables, checked one by one and against each other (see `MetaDataset`).

    Args:
        space: of the architectures.
        frames: name -> table, of `TABLES`.
        files: name -> file that the table came from, for messages.

    Returns:
        name -> table, with a plain 0..n-1 index.

    Raises:
        MetaDatasetError: as `MetaDataset`.
    """
    files = files or {}
    checked: dict[str, pd.DataFrame] = {}
    instance_of(space, SearchSpace, "space", "give one of get_space", MetaDatasetError)
    if "architecture" in space:
        raise MetaDatasetError(
            f"The space {space.name!r} has a parameter 'architecture', which is the name of the id "
            f"column; rename the parameter."
        )
    for name in TABLES:
        columns = dict(SCHEMAS[name])
        frame = frames[name]
        if name == "tasks" and isinstance(frame, pd.DataFrame):
            columns |= {c: Column("number") for c in frame.columns if c.startswith(METAFEATURE)}
            measured = [c for c in frame.columns if c.startswith(INPUT_FEATURE)]
            columns |= dict.fromkeys(measured, Column("number", missing=True))
        elif name == "architectures":
            columns |= {parameter: Column("any") for parameter in space}
        checked[name] = check_table(name, frame, columns, files.get(name, ""))
    known = checked["tasks"]["task"]
    for name in ("curves", "profiles", "probe_curves", "layers"):
        check_known(name, "task", checked[name]["task"], known, files.get(name, ""))
    for name in ("curves", "layers"):
        check_known(
            name, "architecture", checked[name]["architecture"],
            checked["architectures"]["architecture"], files.get(name, ""),
        )  # fmt: skip
    points_of(space, checked["architectures"], files.get("architectures", ""))
    return checked


def same_point(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two points are the same one; exp rounds differently on different machines."""
    return one.keys() == other.keys() and all(
        math.isclose(value, other[name], rel_tol=1e-9)
        if isinstance(value, float) and isinstance(other[name], float)
        else value == other[name]
        for name, value in one.items()
    )


def points_of(
    space: SearchSpace, architectures: pd.DataFrame, where: str = ""
) -> dict[str, dict[str, Any]]:
    """Architecture id -> params as Python scalars, validated by the space.

    Args:
        space: of the architectures.
        architectures: the table: architecture (the id), and one column per parameter.
        where: the file it came from, for the message.

    Returns:
        id -> params, in the order of the table.

    Raises:
        MetaDatasetError: a value lies outside its distribution.
    """
    columns = {name: architectures[name].tolist() for name in space}
    points: dict[str, dict[str, Any]] = {}
    for row, identity in enumerate(architectures["architecture"]):
        try:
            params = {n: _scalar(d, columns[n][row]) for n, d in space.items()}
            points[str(identity)] = space.validate(params)
        except (ValueError, TypeError) as error:
            where = f"{where}: " if where else ""
            raise MetaDatasetError(
                f"{where}table 'architectures', architecture {identity!r}: {error}"
            ) from error
    return points


def _scalar(distribution: Any, value: Any) -> Any:
    """What a table cell stands for: parquet and numpy have their own bools, ints and nulls."""
    if isinstance(distribution, IntDistribution):
        return int(value) if float(value).is_integer() else value
    if isinstance(distribution, FloatDistribution):
        return float(value)
    if isinstance(distribution, CategoricalDistribution):
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return None
        for choice in distribution.choices:
            if choice == value and isinstance(choice, bool) == isinstance(value, bool | np.bool_):
                return choice
    return value


def measured_layers(profiles: pd.DataFrame) -> pd.DataFrame:
    """The rows of a profile table that hold numbers: not the zeros of a probe that diverged."""
    return profiles[~profiles["flags"].str.contains(NON_FINITE).astype(bool)]
