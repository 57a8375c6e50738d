"""`MetaDataset`: six tables that agree with each other, and the views that predictors read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from infoprior._arguments import check_seed, file_path, instance_of, name_list
from infoprior.metadataset import _storage
from infoprior.metadataset._networks import networks_of
from infoprior.metadataset._schema import (
    SCHEMAS,
    TABLES,
    MetaDatasetError,
    check_known,
    empty_table,
)
from infoprior.metadataset._shuffle import profile_receivers
from infoprior.metadataset._tables import (
    INPUT_FEATURE,
    METAFEATURE,
    check_tables,
    measured_layers,
    points_of,
    same_point,
)
from infoprior.spaces import SearchSpace

if TYPE_CHECKING:
    from infoprior.profiles import TaskProfile


@dataclass(frozen=True, eq=False)
class MetaDataset:
    """How the same architectures fared on many tasks, and what small probes saw of each task.

    All information is in nats. The frames are checked when the object is made; treat them as
    read-only from then on (the digest is computed once).

    Attributes:
        space: the search space that the architectures are points of.
        tasks: one row per task: task, family, source, kind, n_train, n_validation, n_test,
            n_features, n_classes, one float column `mf_<name>` per metafeature, and, where it was
            measured, `in_<name>` per statistic of its inputs (`infoprior.profiles.INPUT_FEATURES`).
        architectures: one row per architecture: architecture (its id), one column per parameter.
        curves: one row per (task, architecture, seed, epoch): train_loss, validation_loss,
            test_loss (nats), train_accuracy, validation_accuracy, test_accuracy, diverged.
        profiles: one row per (task, probe, seed, epoch, layer, recipe): mi_xt, mi_ty, h_y and
            their diagnostics (`infoprior.profiles.PROFILE_COLUMNS`).
        probe_curves: the learning curves of the probes, columns as in `curves`; `architecture` is
            the probe's name.
        layers: the networks' own profiles: one row per (task, architecture, seed, epoch, layer,
            recipe), columns as in `profiles` and `infoprior.profiles.PART_COLUMNS`; empty where
            none were measured.

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
    layers: pd.DataFrame = field(default_factory=lambda: empty_table("layers"))

    def __post_init__(self) -> None:
        for name, frame in check_tables(self.space, self._tables()).items():
            object.__setattr__(self, name, frame)

    @classmethod
    def _of_checked(cls, space: SearchSpace, tables: Mapping[str, pd.DataFrame]) -> MetaDataset:
        """A meta-dataset of tables that have been checked, and are not again."""
        meta = object.__new__(cls)
        for name, value in ({"space": space} | dict(tables)).items():
            object.__setattr__(meta, name, value)
        return meta

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {name: getattr(self, name) for name in TABLES}

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

    def input_features(self) -> pd.DataFrame:
        """What inputs say, one row per task (the index), the prefix taken off the column names."""
        columns = [c for c in self.tasks.columns if c.startswith(INPUT_FEATURE)]
        table = self.tasks.set_index("task")[columns].astype(np.float64)
        return table.rename(columns=lambda c: c.removeprefix(INPUT_FEATURE))

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
        measured = self.input_features().loc[[task]].iloc[0]
        inputs = measured.to_dict() if measured.notna().any() else {}
        return TaskProfile(
            task=task,
            metafeatures={str(name): float(value) for name, value in values.items()},
            layers=layers[list(SCHEMAS["profiles"])],
            curves=curves[list(SCHEMAS["probe_curves"])],
            inputs={str(name): float(value) for name, value in inputs.items()},
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

    def networks(self, epoch: int | None = None) -> pd.DataFrame:
        """Every network with its own profile: (architecture, its MI profile, accuracy).

        Args:
            epoch: at which layers were read; None: the last one.

        Returns:
            one row per (task, architecture, seed) whose layers were read: task, family, kind,
            architecture, seed, its parameters (as in `rows`), `layer<k>_<column>` for the numbers
            of its k-th layer (k from 1; NaN where it has fewer layers, or diverged), h_y;
            validation_accuracy_at and train_loss_at of that epoch, and validation_accuracy,
            test_accuracy, diverged of its last one. Information in nats.

        Raises:
            MetaDatasetError: no layer was read at that epoch.
        """
        return networks_of(self, epoch)

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
            for name in ("architectures", "curves", "layers")
        }
        return self._with(kept)

    def _with(self, kept: Mapping[str, pd.DataFrame]) -> MetaDataset:
        """The same with some rows of its tables only."""
        rows = {name: frame.reset_index(drop=True) for name, frame in kept.items()}
        return self._of_checked(self.space, self._tables() | rows)

    def join(self, other: MetaDataset) -> MetaDataset:
        """The tasks of both; where both have a task, `other`'s rows replace this one's.

        Architectures of one name are one where their points agree up to rounding; this
        meta-dataset's points are kept.

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
        if differing := [name for name in both if not same_point(mine[name], theirs[name])]:
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
        and with them what the giver's inputs say (the columns `in_<name>` of `tasks`), so nothing
        of a task's own MI remains, and the marginal distribution of profiles is as before.
        Metafeatures, probe curves and curves stay where they are.

        Args:
            seed: draws the derangement.

        Raises:
            MetaDatasetError: fewer than two tasks have a profile.
        """
        seed = check_seed(seed, MetaDatasetError)
        profiled = set(self.profiles["task"])
        if len(profiled) < 2:
            raise MetaDatasetError(
                f"Shuffling profiles needs two tasks that have one; there are {len(profiled)}."
            )
        receiver = profile_receivers(self.tasks[self.tasks["task"].isin(profiled)], seed)
        moved = self.profiles.assign(task=self.profiles["task"].map(receiver))
        moved = moved.sort_values(["task", "architecture", "seed", "epoch", "layer_index"])
        giver = {to: task for task, to in receiver.items()}
        features = [c for c in self.tasks.columns if c.startswith(INPUT_FEATURE)]
        tasks = self.tasks.set_index("task")
        # A task without a profile neither gives nor gets what inputs say.
        given = tasks[features].loc[[giver.get(task, task) for task in tasks.index]]
        tasks = self.tasks.assign(**{c: given[c].to_numpy() for c in features})
        return replace(self, profiles=moved, tasks=tasks)

    # Files -----------------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over space and tables, whatever the order of rows and columns."""
        return _storage.digest(self.space, self._tables())

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write tasks, architectures, curves, profiles, probe_curves, layers and rows as parquet.

        Each file is replaced as a whole, `schema.json` (space, version, digest) last; the bytes
        depend on contents and on pyarrow's version alone.

        Raises:
            MetaDatasetError: the folder cannot be written.
        """
        folder = file_path(directory, "directory", MetaDatasetError)
        try:
            _storage.save(folder, self.space, self._tables(), self.rows(), self.digest)
        except OSError as error:
            raise MetaDatasetError(f"{folder} cannot be written: {error}.") from error

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> MetaDataset:
        """Read what `save` wrote.

        Raises:
            MetaDatasetError: a file is missing, does not fit its schema, or does not belong to
                the others (the digest differs).
        """
        folder = file_path(directory, "directory", MetaDatasetError)
        space, tables, digest = _storage.load(folder)
        meta = cls._of_checked(space, tables)
        meta.__dict__["digest"] = digest  # where the cached property looks
        return meta
