"""The published rows of a space as the posterior's benchmark reads them, and its controls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from infoprior.evaluation import RegretScale, held_out_splits
from infoprior.metadataset import FITTED_FAMILIES, MetaDataset, load_metadataset
from infoprior.metadataset._schema import empty_table
from infoprior.metadataset._shuffle import profile_receivers
from infoprior.predictors import PerformancePredictor
from infoprior.predictors._features import GROUPS, INFORMATION
from infoprior.profiles import READINGS

MIN_GAP, FULL = 0.01, 27
SETS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "meta-features": ("metafeatures",),
    "input profile": ("inputs",),
    "meta-features, input profile": ("metafeatures", "inputs"),
    "probes' accuracies": ("accuracy",),
    "probes' layers": ("mi",),
    "meta-features, accuracies": ("accuracy", "metafeatures"),
    "all": GROUPS,
}
"""Kinds of evidence before a search, and the groups of a profile that they are."""
SETTINGS: dict[str, dict[str, float]] = {"mlp": {}, "tabular": {"real_weight": 4.0}}
"""Of the predictor, chosen on the folds."""
PAIRS = (
    ("all", "nothing"), ("all", "meta-features, accuracies"),
    ("meta-features, input profile", "nothing"), ("meta-features, input profile", "meta-features"),
    ("input profile", "nothing"),
)  # fmt: skip
"""What was to be compared, corrected among themselves."""
COSTS = {
    "mlp": {"accuracy": 2.4, "metafeatures": 0.1, "mi": 5.4 - 2.4, "inputs": 0.0},
    "tabular": {"accuracy": 0.31, "metafeatures": 0.17, "mi": 0.53, "inputs": 0.38},
}
"""Trainings of the median network that measuring a group costs (probe_cost.py, probe_choice.py);
the layers' beside that of training the probes."""


def read_for(meta: MetaDataset) -> MetaDataset:
    """With probes as a task is read: after as many epochs as the space's reading trains them."""
    epochs = READINGS[meta.space.name].epochs
    return replace(
        meta,
        profiles=meta.profiles[meta.profiles["epoch"] == epochs],
        probe_curves=meta.probe_curves[meta.probe_curves["epoch"] <= epochs],
    )


class Bench:
    """The published rows, their splits, and what is recorded of each real task."""

    def __init__(self, space: str, synthetic: int) -> None:
        meta = read_for(load_metadataset(space))
        self.space = space
        self.splits = held_out_splits(meta.tasks, 5, 0.25, 0, keep=FITTED_FAMILIES)
        made = meta.tasks["task"][meta.tasks["kind"] == "synthetic"]
        left_out = set(np.random.default_rng(0).permutation(sorted(made))[synthetic:])
        self.meta = meta.subset([t for t in meta.tasks["task"] if t not in left_out])
        # What profiles are made of: copies of it are quick.
        self.profiles = replace(
            self.meta, curves=empty_table("curves"), layers=empty_table("layers")
        )
        self.about = self.meta.tasks.set_index("task")
        self.curves = dict(iter(self.meta.curves.groupby("task", sort=False)))
        self.final = self.meta.final().set_index(["task", "architecture"])["test_accuracy"]
        measured = len(self.meta.input_features().columns) > 0
        self.sets = {
            name: tuple(g for g in groups if measured or g != "inputs")
            for name, groups in SETS.items()
            if measured or name == "all" or "inputs" not in groups
        }

    def split(self, name: str, meta: MetaDataset | None = None) -> tuple[MetaDataset, list[str]]:
        """Training rows, and the held-out real tasks on which architectures differ."""
        train, held_out = self.splits[name]
        known = set(self.about.index)
        return (self.meta if meta is None else meta).subset([t for t in train if t in known]), [
            t for t in held_out if self.about["kind"][t] == "real"
        ]

    def truth(self, task: str, names: list[str]) -> tuple[np.ndarray, RegretScale]:
        """Recorded test accuracies, shape (n,), and the scale of regret."""
        accuracy = self.final[task].loc[names].to_numpy()
        return accuracy, RegretScale.of(accuracy, min_gap=MIN_GAP)

    def discriminating(self, split: str, predictor: PerformancePredictor) -> list[str]:
        """The held-out tasks on which the predictor's architectures differ."""
        names = predictor._fitted.model.names
        return [t for t in self.split(split)[1] if self.truth(t, names)[1].discriminating]

    def cost(self, groups: tuple[str, ...]) -> float:
        """Of measuring groups of a profile, in full trainings."""
        costs = COSTS[self.space]
        counted = {*groups, "accuracy"} if "mi" in groups else set(groups)
        return sum(costs[g] for g in counted)


def moved_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups that a control takes from other tasks: of "all" what is information."""
    return tuple(g for g in groups if g in INFORMATION) if name == "all" else groups


def shuffled(meta: MetaDataset, groups: tuple[str, ...], seed: int) -> MetaDataset:
    """Each task with some groups of another task's profile, of its kind and another family."""
    receiver = profile_receivers(meta.tasks, seed)
    parts = {}
    for group, table in (("accuracy", "probe_curves"), ("mi", "profiles")):
        if group in groups:
            rows = getattr(meta, table)
            parts[table] = rows.assign(task=rows["task"].map(receiver))
    prefixes = tuple(p for g, p in {"metafeatures": "mf_", "inputs": "in_"}.items() if g in groups)
    if prefixes:
        columns = [c for c in meta.tasks if c.startswith(prefixes)]
        given = meta.tasks.set_index(meta.tasks["task"].map(receiver))[columns]
        tasks = meta.tasks.copy()
        tasks[columns] = given.loc[tasks["task"]].to_numpy()
        parts["tasks"] = tasks
    return replace(meta, **parts)
