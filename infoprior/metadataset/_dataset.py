"""`MetaDataset`: five tables that agree with each other, and the views that predictors read."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from infoprior._arguments import check_seed, file_path, instance_of, name_list
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

if TYPE_CHECKING:
    from infoprior.profiles import TaskProfile

METAFEATURE = "mf_"  # prefix of the metafeature columns of the tasks table


@dataclass(frozen=True, eq=False)
class MetaDataset:
    """How the same architectures fared on many tasks, and what small probes saw of each task.

    All information is in nats. The frames are checked when the object is made; treat them as
    read-only from then on (the digest is computed once).

    Attributes:
        space: the search space that the architectures are points of.
        tasks: one row per task: task, family, source, kind, n_train, n_validation, n_test,
            n_features, n_classes, and one float column `mf_<name>` per metafeature.
        architectures: one row per architecture: architecture (its id), one column per parameter.
        curves: one row per (task, architecture, seed, epoch): train_loss, validation_loss,
            test_loss (nats), train_accuracy, validation_accuracy, test_accuracy, diverged.
        profiles: one row per (task, probe, seed, epoch, layer, recipe): mi_xt, mi_ty, h_y and
            their diagnostics (`infoprior.profiles.PROFILE_COLUMNS`).
        probe_curves: the learning curves of the probes, columns as in `curves`; `architecture` is
            the probe's name.

    Raises:
        MetaDatasetError: a table lacks a column, has one of the wrong type, holds a value that is
            not finite or out of bounds, repeats a key, or names a task that `tasks` does not.
    """

    space: SearchSpace
    tasks: pd.DataFrame
    architectures: pd.DataFrame
    curves: pd.DataFrame
    profiles: pd.DataFrame
    probe_curves: pd.DataFrame

    def __post_init__(self) -> None:
        frames = {name: getattr(self, name) for name in TABLES}
        for name, frame in check_tables(self.space, frames).items():
            object.__setattr__(self, name, frame)

    def __repr__(self) -> str:
        return (
            f"MetaDataset(space={self.space.name!r}, {len(self.tasks)} tasks, "
            f"{len(self.architectures)} architectures, {len(self.curves)} curve rows)"
        )

    # Views -----------------------------------------------------------------------------------

    @property
    def probes(self) -> tuple[str, ...]:
        """Names of the probes, sorted."""
        return tuple(sorted(set(self.profiles["architecture"])))

    def points(self) -> dict[str, dict[str, Any]]:
        """Architecture id -> params, Python scalars only, in the order of the table."""
        return points_of(self.space, self.architectures)

    def final(self) -> pd.DataFrame:
        """How each architecture ended on each task.

        Returns:
            one row per (task, architecture) that was run, sorted: task, architecture,
            validation_accuracy, test_accuracy (means over seeds of each run's last epoch),
            diverged (whether every seed diverged; the accuracy of one that did counts in the mean).
        """
        curves = self.curves.sort_values("epoch", kind="stable")
        last = curves.drop_duplicates(["task", "architecture", "seed"], keep="last")
        return (
            last.groupby(["task", "architecture"], sort=True)
            .agg(
                validation_accuracy=("validation_accuracy", "mean"),
                test_accuracy=("test_accuracy", "mean"),
                diverged=("diverged", "all"),
            )
            .reset_index()
        )

    def metafeatures(self) -> pd.DataFrame:
        """Metafeatures, one row per task (the index), the prefix taken off the column names."""
        columns = [c for c in self.tasks.columns if c.startswith(METAFEATURE)]
        table = self.tasks.set_index("task")[columns].astype(np.float64)
        return table.rename(columns=lambda c: c.removeprefix(METAFEATURE))

    def profile(self, task: str) -> TaskProfile:
        """What is known of a task before any architecture is searched on it.

        It holds nothing of `curves`: a predictor cannot see how the architectures fared there.

        Raises:
            MetaDatasetError: there is no such task, or no probe was profiled on it.
        """
        from infoprior.profiles import TaskProfile

        (task,) = name_list([task], "task", MetaDatasetError)
        if task not in set(self.tasks["task"]):
            raise MetaDatasetError(f"There is no task {task!r} in {self!r}.")
        layers = self.profiles[self.profiles["task"] == task].reset_index(drop=True)
        curves = self.probe_curves[self.probe_curves["task"] == task].reset_index(drop=True)
        if layers.empty or curves.empty:
            raise MetaDatasetError(
                f"Task {task!r} has no profile (its probes have {len(layers)} layer rows and "
                f"{len(curves)} curve rows); profile it with infoprior.profiles.profile_task."
            )
        values = self.metafeatures().loc[[task]].iloc[0].to_dict()
        return TaskProfile(
            task=task,
            metafeatures={str(name): float(value) for name, value in values.items()},
            layers=layers[list(SCHEMAS["profiles"])],
            curves=curves[list(SCHEMAS["probe_curves"])],
        )

    def rows(self) -> pd.DataFrame:
        """The joined rows: (architecture, MI profile, accuracy).

        Returns:
            one row per (task, architecture) that was run: task, family, kind, architecture, its
            parameters (`parameter/<name>` where another column has that name),
            `<probe>/<layer_index>/mi_xt|mi_ty|h_y` (nats, of the task's probes at the last
            epoch they were read at, means over seeds, missing where the probe diverged; mi_xt is
            I(X; T + sigma Z)),
            validation_accuracy, test_accuracy, diverged.
        """
        table = self.final()
        scores = table[["validation_accuracy", "test_accuracy", "diverged"]]
        keys = table[["task", "architecture"]]
        keys = keys.merge(self.tasks[["task", "family", "kind"]], on="task", how="left")
        taken = {*keys.columns, *scores.columns} - {"architecture"}
        renamed = self.architectures.rename(
            columns={name: f"parameter/{name}" for name in self.space if name in taken}
        )
        joined = keys.merge(renamed, on="architecture", how="left")
        if len(self.profiles):
            values = ["mi_xt", "mi_ty", "h_y"]
            key = ["task", "architecture", "layer_index"]
            last = self.profiles.groupby(key)["epoch"].transform("max") == self.profiles["epoch"]
            mean = measured_layers(self.profiles[last]).groupby(key)[values].mean()
            wide = pd.DataFrame(mean.unstack(["architecture", "layer_index"]))
            wide.columns = pd.Index([f"{c[1]}/{c[2]}/{c[0]}" for c in wide.columns])
            joined = joined.merge(wide[sorted(wide.columns)].reset_index(), on="task", how="left")
        order = ["task", "family", "kind", "architecture"]
        rest = [c for c in joined.columns if c not in order]
        return pd.concat([joined[order + rest], scores], axis=1)

    # Other meta-datasets ---------------------------------------------------------------------

    def subset(self, tasks: Sequence[str]) -> MetaDataset:
        """The meta-dataset of these tasks alone, with every architecture.

        Raises:
            MetaDatasetError: one of them is not in it.
        """
        wanted = list(dict.fromkeys(name_list(tasks, "tasks", MetaDatasetError)))
        check_known("subset", "task", wanted, self.tasks["task"], "")
        kept = {
            name: (frame := getattr(self, name))[frame["task"].isin(wanted)]
            for name in TABLES
            if name != "architectures"
        }
        return self._with(kept)

    def shared(self) -> MetaDataset:
        """The meta-dataset of the architectures that were run on every task.

        Raises:
            MetaDatasetError: there are none.
        """
        runs = self.curves.drop_duplicates(["task", "architecture"])["architecture"].value_counts()
        everywhere = set(runs[runs == len(self.tasks)].index)
        if not everywhere:
            raise MetaDatasetError(f"No architecture was run on every task of {self!r}.")
        kept = {
            name: (frame := getattr(self, name))[frame["architecture"].isin(everywhere)]
            for name in ("architectures", "curves")
        }
        return self._with(kept)

    def _with(self, kept: Mapping[str, pd.DataFrame]) -> MetaDataset:
        """The same with some rows of its tables: they have been checked, and are not again."""
        part = object.__new__(type(self))
        for name in ("space", *TABLES):
            here = getattr(self, name)
            value = kept[name].reset_index(drop=True) if name in kept else here
            object.__setattr__(part, name, value)
        return part

    def join(self, other: MetaDataset) -> MetaDataset:
        """The tasks of both; where both have a task, `other`'s rows stand for it.

        Architectures of one name are one where their points agree up to rounding; this table's
        points stand.

        Raises:
            MetaDatasetError: the spaces differ, an architecture has another point in each, or the
                tasks have other metafeatures.
        """
        instance_of(other, MetaDataset, "other", "give a MetaDataset", MetaDatasetError)
        if dict(self.space) != dict(other.space):
            raise MetaDatasetError(
                f"Meta-datasets of the spaces {self.space.name!r} and {other.space.name!r} cannot "
                "be joined; build both of one space."
            )
        mine, theirs = self.points(), other.points()
        both = [name for name in theirs if name in mine]
        if differing := [name for name in both if not _agree(mine[name], theirs[name])]:
            raise MetaDatasetError(
                f"The architecture {differing[0]!r} has another point in each meta-dataset; give "
                "the architectures of one of them other names."
            )
        measured = [set(meta.metafeatures().columns) for meta in (self, other)]
        if alone := sorted(measured[0] ^ measured[1]):
            raise MetaDatasetError(
                f"Only one of the meta-datasets has the metafeature {alone[0]!r}; measure the "
                "tasks of both with infoprior.tasks.metafeatures of one version."
            )
        replaced = set(other.tasks["task"])
        joined = {}
        for name in TABLES:
            key = "architecture" if name == "architectures" else "task"
            before, after = getattr(self, name), getattr(other, name)
            if name == "architectures":
                after = after[~after[key].isin(both)]
            else:
                before = before[~before[key].isin(replaced)]
            joined[name] = pd.concat([before, after], ignore_index=True)
        return replace(self, **joined)

    def shuffle_profiles(self, seed: int) -> MetaDataset:
        """The control: each task gets the whole MI profile of another family's task of its kind.

        A real task gets a real task's: else its own profile would say that it is real, and beat
        the control by that alone. (Where a kind has one task, it is shuffled with the others.)

        Every column of `profiles` moves together (I(X; T + sigma Z), I(T;Y), H(Y), diagnostics),
        so nothing of a task's own MI remains, and the marginal distribution of profiles is as
        before. Metafeatures, probe curves and curves stay where they are.

        Args:
            seed: draws the derangement.

        Raises:
            MetaDatasetError: fewer than two tasks have a profile.
        """
        from infoprior.metadataset._shuffle import derangement

        seed = check_seed(seed, MetaDatasetError)
        profiled = sorted(set(self.profiles["task"]))
        if len(profiled) < 2:
            raise MetaDatasetError(
                f"Shuffling profiles needs two tasks that have one; there are {len(profiled)}."
            )
        about = self.tasks.set_index("task")
        rng = np.random.default_rng([seed, len(profiled)])
        receiver: dict[str, str] = {}
        for group in _of_a_kind(profiled, about["kind"]):
            source = derangement([about["family"][task] for task in group], rng)
            # group[i] receives the rows of group[source[i]].
            receiver |= {group[j]: group[i] for i, j in enumerate(source)}
        moved = self.profiles.assign(task=self.profiles["task"].map(receiver))
        moved = moved.sort_values(["task", "architecture", "seed", "epoch", "layer_index"])
        return replace(self, profiles=moved)

    # Files -----------------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over space and tables, whatever the order of rows and columns."""
        from infoprior.metadataset._storage import digest

        return digest(self)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write tasks, architectures, curves, profiles, probe_curves and rows as parquet.

        Each file is replaced as a whole, `schema.json` (space, version, digest) last; the bytes
        depend on contents and on pyarrow's version alone.

        Raises:
            MetaDatasetError: the folder cannot be written.
        """
        from infoprior.metadataset._storage import save

        folder = file_path(directory, "directory", MetaDatasetError)
        try:
            save(self, folder)
        except OSError as error:
            raise MetaDatasetError(f"{folder} cannot be written: {error}.") from error

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> MetaDataset:
        """Read what `save` wrote.

        Raises:
            MetaDatasetError: a file is missing, does not fit its schema, or does not belong to
                the others (the digest differs).
        """
        from infoprior.metadataset._storage import load

        return load(file_path(directory, "directory", MetaDatasetError))


def measured_layers(profiles: pd.DataFrame) -> pd.DataFrame:
    """The rows of a profile table that hold numbers: not the zeros of a probe that diverged."""
    return profiles[~profiles["flags"].str.contains(NON_FINITE).astype(bool)]


def _of_a_kind(tasks: Sequence[str], kind: pd.Series) -> list[list[str]]:
    """The tasks by kind; kinds of a single task are put with the largest."""
    groups: dict[str, list[str]] = {}
    for task in tasks:
        groups.setdefault(str(kind[task]), []).append(task)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group))
    first = ordered[0] + [task for group in ordered[1:] if len(group) == 1 for task in group]
    return [first, *(group for group in ordered[1:] if len(group) > 1)]


def check_tables(
    space: SearchSpace, frames: Mapping[str, pd.DataFrame], files: Mapping[str, str] | None = None
) -> dict[str, pd.DataFrame]:
    """The tables, checked one by one and against each other (see `MetaDataset`)."""
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
        elif name == "architectures":
            columns |= {parameter: Column("any") for parameter in space}
        checked[name] = check_table(name, frame, columns, files.get(name, ""))
    known = checked["tasks"]["task"]
    for name in ("curves", "profiles", "probe_curves"):
        check_known(name, "task", checked[name]["task"], known, files.get(name, ""))
    check_known(
        "curves", "architecture", checked["curves"]["architecture"],
        checked["architectures"]["architecture"], files.get("curves", ""),
    )  # fmt: skip
    points_of(space, checked["architectures"], files.get("architectures", ""))
    return checked


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
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
    """Architecture id -> params as Python scalars, validated by the space."""
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
