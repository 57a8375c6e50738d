"""What a predictor reads of a task: four groups of numbers, each switched on by name.

- accuracy: the probes' learning curves at Hyperband's rungs and at the last epoch: training and
  validation accuracy, and the losses as log(1 + loss / log(classes)) (1 + is chance level), which
  keeps a badly fitted probe from dwarfing the rest. Never a test accuracy.
- metafeatures: the task's metafeatures as they are.
- mi: per probe and layer I(T;Y) / H(Y), without unit, and log(1 + max(I(X; T + sigma Z), 0)), I in
  nats. These are absolute values: a z-score within a task removes what tells tasks apart. Ranks,
  widths and the like stay out, so that what these inputs are worth is what information is worth.
- inputs: what a linear layer sees of the labels in all inputs together, as they are and under some
  encodings (`infoprior.profiles.READ_INPUT_FEATURES`), over H(Y).

Missing values (a probe that diverged) become the median over the training tasks. Standardisation
uses the training tasks alone; each group is then divided by the square root of its size, so that
distances do not depend on how many numbers a group happens to hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from infoprior._arguments import instance_of, name_list
from infoprior.predictors._errors import PredictorError
from infoprior.profiles import READ_INPUT_FEATURES

if TYPE_CHECKING:
    from infoprior.metadataset import MetaDataset
    from infoprior.profiles import TaskProfile

GROUPS = ("accuracy", "metafeatures", "mi", "inputs")
INFORMATION = ("mi", "inputs")
"""The groups that are information: what `MetaDataset.shuffle_profiles` moves between tasks."""
INPUTS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "accuracy": ("accuracy",),
    "meta-features": ("metafeatures",),
    "mi": ("mi",),
    "inputs": ("inputs",),
    "data": ("metafeatures", "inputs"),
    "all": GROUPS,
}
"""Names of what is read of a task -> groups; "data" is what needs no network to be trained."""
EARLY_RUNGS = (1, 3, 9)  # of infoprior.training.RUNGS; the last rung is the last epoch
_CLIP = 5.0  # standard deviations: one odd task must not be infinitely far from all others


def check_inputs(inputs: str | Sequence[str]) -> tuple[str, ...]:
    """The groups in their fixed order, from a key of `INPUTS` or from group names.

    Raises:
        PredictorError: a name is unknown.
    """
    if isinstance(inputs, str):
        if inputs not in INPUTS:
            raise PredictorError(f"There are no inputs {inputs!r}; choose one of {list(INPUTS)}.")
        return INPUTS[inputs]
    inputs = name_list(inputs, "inputs", PredictorError)
    unknown = [group for group in inputs if group not in GROUPS]
    if unknown:
        raise PredictorError(f"Unknown input groups {unknown}; choose among {list(GROUPS)}.")
    return tuple(group for group in GROUPS if group in inputs)


def groups_of(inputs: Sequence[str], said: pd.DataFrame) -> tuple[str, ...]:
    """The groups that are read: all of them, asked for together, leave out what inputs say where
    nothing of it was measured (`said` has no columns), as for the space `mlp`."""
    if tuple(inputs) == GROUPS and not len(said.columns):
        return tuple(group for group in GROUPS if group != "inputs")
    return tuple(inputs)


def check_profile(profile: object) -> None:
    """PredictorError where it is no `TaskProfile`."""
    from infoprior.profiles import TaskProfile

    remedy = "give a TaskProfile, as infoprior.profiles.profile_task returns it"
    instance_of(profile, TaskProfile, "profile", remedy, PredictorError)


def features(profile: TaskProfile, inputs: str | Sequence[str]) -> dict[str, float]:
    """The named numbers that a predictor with these inputs reads of one task.

    Args:
        profile: the task's metafeatures, probe curves and probe layers.
        inputs: a key of `INPUTS`, or groups.

    Returns:
        "<group>/<probe>/...", "metafeatures/<name>" or "inputs/<name>" -> value; NaN where it is
        missing.

    Raises:
        PredictorError: the profile lacks a whole group, or is no profile; inputs are unknown.
    """
    check_profile(profile)
    metafeatures = pd.DataFrame([profile.metafeatures], index=[profile.task], dtype=np.float64)
    said = pd.DataFrame([profile.inputs], index=[profile.task], dtype=np.float64)
    table = _tabulate(
        [profile.task], check_inputs(inputs), metafeatures, profile.layers, profile.curves, said
    )
    return {str(name): float(value) for name, value in table.iloc[0].items()}


def feature_table(meta: MetaDataset, inputs: Sequence[str]) -> pd.DataFrame:
    """`features` of every task of a meta-dataset, one row each, in the order of `meta.tasks`.

    Args:
        meta: the tasks.
        inputs: groups.

    Returns:
        shape (n_tasks, p), the index the tasks' names; NaN where a value is missing.

    Raises:
        PredictorError: a task lacks a whole group.
    """
    return _tabulate(
        list(meta.tasks["task"]), tuple(inputs), meta.metafeatures(), meta.profiles,
        meta.probe_curves, meta.input_features(),
    )  # fmt: skip


def _tabulate(
    tasks: list[str], inputs: Sequence[str], metafeatures: pd.DataFrame, layers: pd.DataFrame,
    curves: pd.DataFrame, said: pd.DataFrame,
) -> pd.DataFrame:  # fmt: skip
    parts: list[pd.DataFrame] = []
    inputs = groups_of(inputs, said)
    if "accuracy" in inputs:
        _check_present("accuracy", "probe curves", tasks, curves)
        parts.append(_accuracy(curves, _log_classes(metafeatures)).reindex(tasks))
    if "metafeatures" in inputs:
        if metafeatures.empty:
            raise PredictorError("The inputs name metafeatures, but the profile holds none.")
        parts.append(metafeatures.loc[tasks].add_prefix("metafeatures/"))
    if "mi" in inputs:
        _check_present("mi", "profiled probe layers", tasks, layers)
        parts.append(_mi(layers).reindex(tasks))
    if "inputs" in inputs:
        said = said[[name for name in READ_INPUT_FEATURES if name in said]]
        measured = said[said.notna().any(axis=1)].rename_axis("task").reset_index()
        _check_present("inputs", "input profile", tasks, measured)
        parts.append(said.loc[tasks].add_prefix("inputs/"))
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=tasks)


def _check_present(group: str, what: str, tasks: list[str], table: pd.DataFrame) -> None:
    if missing := sorted(set(tasks) - set(table["task"])):
        raise PredictorError(
            f"The inputs name {group!r}, but {len(missing)} task(s) have no {what}: "
            f"{missing[:3]}; profile them with infoprior.profiles.profile_task."
        )


def _log_classes(metafeatures: pd.DataFrame) -> pd.Series:
    """log(number of classes) of each task; 1 (losses stay in nats) where no metafeature says it."""
    if "log_classes" not in metafeatures:
        return pd.Series(1.0, index=metafeatures.index)
    values = metafeatures["log_classes"]
    return values.where(values > 0.0, 1.0)


def _accuracy(curves: pd.DataFrame, log_classes: pd.Series) -> pd.DataFrame:
    run = ["task", "architecture", "seed"]
    last = curves.groupby(run)["epoch"].transform("max")
    at_end, at_rung = curves["epoch"] == last, curves["epoch"].isin(EARLY_RUNGS)
    rows = pd.concat([curves[at_rung & ~at_end], curves[at_end]])
    final = (rows["epoch"] == last.loc[rows.index]).to_numpy()
    scale = rows["task"].map(log_classes).to_numpy(dtype=np.float64)
    table = pd.DataFrame({
        "task": rows["task"].to_numpy(),
        "probe": rows["architecture"].to_numpy(),
        "at": np.where(final, "final", "epoch_" + rows["epoch"].astype(str)),
        "train_accuracy": rows["train_accuracy"].to_numpy(),
        "validation_accuracy": rows["validation_accuracy"].to_numpy(),
        "train_loss": np.log1p(rows["train_loss"].to_numpy() / scale),
        "validation_loss": np.log1p(rows["validation_loss"].to_numpy() / scale),
    })  # fmt: skip
    return _widen("accuracy", table, ["probe", "at"])


def _mi(layers: pd.DataFrame) -> pd.DataFrame:
    key = ["task", "architecture", "seed", "layer_index", "recipe"]
    rows = layers.sort_values("epoch", kind="stable").drop_duplicates(key, keep="last")
    # A diverged probe's layers hold no information that could be read: missing, not zero.
    read = ~rows["flags"].str.contains("non_finite").to_numpy(dtype=bool)
    h_y = rows["h_y"].to_numpy(dtype=np.float64)
    h_y = np.where(read & (h_y > 0), h_y, np.nan)
    xt = np.where(read, np.maximum(rows["mi_xt"].to_numpy(dtype=np.float64), 0.0), np.nan)
    table = pd.DataFrame({
        "task": rows["task"].to_numpy(),
        "probe": rows["architecture"].to_numpy(),
        "layer": rows["layer_index"].astype(str).to_numpy(),
        "recipe": rows["recipe"].to_numpy(),
        "ty_over_hy": rows["mi_ty"].to_numpy(dtype=np.float64) / h_y,
        "log_xt": np.log1p(xt),
    })  # fmt: skip
    return _widen("mi", table, ["probe", "layer", "recipe"])


def _widen(group: str, table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row per task: the mean over seeds of each value, named group/by/.../value."""
    mean: pd.DataFrame = table.groupby(["task", *by]).mean().unstack(by)  # type: ignore[assignment]
    mean.columns = pd.Index(["/".join([group, *map(str, c[1:]), str(c[0])]) for c in mean.columns])
    return mean[sorted(mean.columns)]


@dataclass(frozen=True)
class Standardizer:
    """Medians, means and scales of the training tasks, arrays of shape (p,)."""

    names: tuple[str, ...]
    median: np.ndarray
    mean: np.ndarray
    scale: np.ndarray  # infinite where the training tasks do not vary: the feature then reads 0

    def arrays(self) -> dict[str, np.ndarray]:
        """median, mean and scale by name."""
        return {"median": self.median, "mean": self.mean, "scale": self.scale}

    @classmethod
    def fit(cls, table: pd.DataFrame) -> Standardizer:
        """Statistics of the table's rows: shape (n_tasks, p), NaN where missing."""
        values = table.to_numpy(dtype=np.float64)
        known = np.isfinite(values)
        median = np.array([
            np.median(values[known[:, j], j]) if known[:, j].any() else 0.0
            for j in range(values.shape[1])
        ])  # fmt: skip
        filled = np.where(known, values, median)
        mean = filled.mean(axis=0) if len(filled) else median
        deviation = filled.std(axis=0) if len(filled) else np.zeros_like(median)
        varies = deviation > 1e-9 * (np.abs(mean) + 1e-9)
        scale = np.where(varies, deviation, np.inf)
        return cls(tuple(map(str, table.columns)), median, mean, scale)

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """Standardised values, shape (n, p), finite.

        Raises:
            PredictorError: the table lacks a feature of the training tasks.
        """
        missing = [name for name in self.names if name not in table.columns]
        if missing:
            of_probes = (n for n in missing if not n.startswith(("metafeatures", "inputs")))
            probes = sorted({n.split("/")[1] for n in of_probes})
            what = f"of the probe(s) {probes} " if probes else ""
            raise PredictorError(
                f"The profile lacks {len(missing)} of the {len(self.names)} features {what}that "
                f"the predictor was fitted on ({missing[0]!r}, ...); profile the task with the "
                f"same probes, epochs and recipe."
            )
        values = table[list(self.names)].to_numpy(dtype=np.float64)
        values = np.where(np.isfinite(values), values, self.median)
        z = np.clip((values - self.mean) / self.scale, -_CLIP, _CLIP)
        groups = [name.split("/", 1)[0] for name in self.names]
        return z / np.sqrt([max(1, groups.count(group)) for group in groups])
