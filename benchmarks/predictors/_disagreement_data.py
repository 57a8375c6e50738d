"""What the comparison of spaces reads: accuracies as arrays, and groups of features by task."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from infoprior.metadataset import MetaDataset
from infoprior.predictors._features import feature_table
from infoprior.profiles import READINGS

EARLY = READINGS["tabular"].epochs
"""Epoch at which the probes of `tabular` and its networks' own profiles are read."""

INFORMATION = ("inputs", "layers")
"""Groups that are information, and are moved to other tasks in controls."""

SETS: dict[str, tuple[str, ...]] = {
    "meta-features": ("metafeatures",),
    "probes' accuracies": ("accuracies",),
    "input profile": ("inputs",),
    "probes' layers": ("layers",),
    "meta-features, accuracies": ("metafeatures", "accuracies"),
    "information": INFORMATION,
    "all": ("metafeatures", "accuracies", "inputs", "layers"),
}


def sets_of(groups: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Sets of groups of features, of the groups that there are: `mlp` has no input profiles."""
    kept = {name: tuple(g for g in parts if g in groups) for name, parts in SETS.items()}
    every = {name: parts for name, parts in kept.items() if len(parts) == len(SETS[name])}
    return every | {"all": kept["all"]}


def comparisons(sets: Collection[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs to be compared: what was to be confirmed, corrected among themselves, and all others.

    What was to be confirmed is about the input profile, or the probes' layers where there is none.
    """
    first = "input profile" if "input profile" in sets else "probes' layers"
    planned = [
        (first, "static"), (first, "meta-features"), (first, "probes' accuracies"),
        (first, "shuffled"), ("all", "meta-features, accuracies"), ("all", "shuffled"),
    ]  # fmt: skip
    others = [(name, other) for other in ("static", "shuffled") for name in sets]
    return planned, [pair for pair in others if pair not in planned]


@dataclass(frozen=True)
class Scores:
    """Final test accuracies of shared architectures, in points.

    Attributes:
        tasks: task, family, kind, n_train, n_test; one row each, in the order of `test`.
        points: ids of the architectures.
        test: shape (draws, tasks, points), NaN where a task has fewer draws.
        validation: the same on validation rows.
    """

    tasks: pd.DataFrame
    points: list[str]
    test: np.ndarray
    validation: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Over draws, (tasks, points)."""
        return np.asarray(np.nanmean(self.test, axis=0))

    @property
    def draws(self) -> np.ndarray:
        """How many a task has, (tasks,)."""
        return np.asarray((~np.isnan(self.test[:, :, 0])).sum(axis=0))

    def of(self, keep: np.ndarray) -> Scores:
        """Of some tasks, by a mask or by numbers."""
        tasks = self.tasks[keep] if keep.dtype == bool else self.tasks.iloc[keep]
        return replace(
            self, tasks=tasks.reset_index(drop=True), test=self.test[:, keep],
            validation=self.validation[:, keep],
        )  # fmt: skip


def scores_of(meta: MetaDataset) -> Scores:
    """Accuracies of the architectures that every task has."""
    meta = meta.shared()
    last = meta.curves[meta.curves["epoch"] == meta.curves["epoch"].max()]
    points = sorted(meta.architectures["architecture"])
    names = list(meta.tasks["task"])
    draws = sorted(last["seed"].unique())
    arrays = []
    for column in ("test_accuracy", "validation_accuracy"):
        table = last.pivot(index=["seed", "task"], columns="architecture", values=column)
        index = pd.MultiIndex.from_product([draws, names])
        values = table.reindex(index)[points].to_numpy(dtype=np.float64)
        arrays.append(100.0 * values.reshape(len(draws), len(names), len(points)))
    about = meta.tasks[["task", "family", "kind", "n_train", "n_test"]].reset_index(drop=True)
    return Scores(about, points, *arrays)


def feature_groups(meta: MetaDataset) -> dict[str, pd.DataFrame]:
    """Group -> its features, one row a task; probes as they are when a task is read by them.

    Without "inputs" where nothing was measured of these.
    """
    epochs = READINGS[meta.space.name].epochs
    read = replace(
        meta,
        profiles=meta.profiles[meta.profiles["epoch"] == epochs],
        probe_curves=meta.probe_curves[meta.probe_curves["epoch"] <= epochs],
    )
    names = list(meta.tasks["task"])
    groups = {
        "metafeatures": meta.metafeatures().loc[names].add_prefix("metafeatures/"),
        "accuracies": feature_table(read, ("accuracy",)).loc[names],
        "inputs": meta.input_features().loc[names].add_prefix("inputs/"),
        "layers": layer_features(meta, read).loc[names],
    }
    return {name: table for name, table in groups.items() if len(table.columns)}


def layer_features(meta: MetaDataset, read: MetaDataset) -> pd.DataFrame:
    """Of every layer of the probes: I(T;Y) / H(Y), log(1 + I(X; T + sigma Z)); where the probes are
    networks of the space, I(T;Y) of training and of validation rows, rank over width, dead units.

    Args:
        meta: networks' own profiles.
        read: the probes' profiles.
    """
    known = feature_table(read, ("mi",)).add_prefix("layers/")
    if meta.layers.empty:
        return known
    probes = meta.probes
    own = meta.layers[meta.layers["architecture"].isin(probes) & (meta.layers["epoch"] == EARLY)]
    finite = ~own["flags"].str.contains("non_finite")
    h = own["h_y"].where(finite & (own["h_y"] > 0))
    more = pd.DataFrame({
        "training": own["mi_ty_training_rows"] / h,
        "validation": own["mi_ty_validation_rows"] / h,
        "rank": (own["effective_rank"] / own["width"]).where(finite),
        "dead": own["dead_units"].where(finite),
    })  # fmt: skip
    more[["task", "probe", "layer"]] = own[["task", "architecture", "layer_index"]]
    wide = more.groupby(["task", "probe", "layer"]).mean().unstack(["probe", "layer"])
    wide.columns = pd.Index([f"layers/{c[1]}/{c[2]}/{c[0]}" for c in wide.columns])
    return known.join(wide[sorted(wide.columns)])
