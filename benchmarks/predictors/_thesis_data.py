"""The published rows as the thesis's experiments read them: of its own space, and of `mlp`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.predictors import _thesis_targets as targets
from benchmarks.predictors._thesis_measure import OPTIONS, Layers, Measured, options_of
from infoprior.metadataset import MetaDataset, measured_layers

RUNGS = (3, 9, 27)
"""Recorded epochs after which a bracket halves; the thesis's, 4, 8 and 12, were not recorded."""


@dataclass(frozen=True)
class Setting:
    """A row of the table.

    Attributes:
        name: of the row.
        tasks: to learn from: "20", "real", "all" (synthetic ones, too).
        probes: whether fixed networks are read, all at once, and not random ones, one by one.
        accurate: which estimator's values are read; else MINE's.
        absolute: I(T;Y) / H(Y); else standardised within a data set.
        clean: whether the scores of all networks are learned; else counts of survivors.
        joint: whether architectures are predicted; else the options of each layer.
        linear: ridge regression in place of the network.
    """

    name: str
    tasks: str = "20"
    probes: bool = False
    accurate: bool = False
    absolute: bool = False
    clean: bool = False
    joint: bool = False
    linear: bool = False

    @property
    def shares(self) -> bool:
        """Whether targets are the thesis's 92 shares."""
        return not (self.clean or self.joint)


@dataclass(frozen=True)
class Bench:
    """What a row is made of.

    Attributes:
        tasks: task, family, kind.
        options: of the architectures, (A, 4); None where they are of another space.
        rungs: validation scores at `RUNGS`, (draws, T, A, 3).
        final: mean of validation and test scores over draws, (T, A).
        truth: mean test scores over draws, (T, A): what rankings are judged by.
        measured: layers of random and fixed networks.
    """

    tasks: pd.DataFrame
    options: np.ndarray | None
    rungs: np.ndarray
    final: np.ndarray
    truth: np.ndarray
    measured: Measured

    def target(self, setting: Setting, seed: int = 0, part: slice = slice(None)) -> np.ndarray:
        """What is learned of every task: 92 numbers, or one of each architecture.

        Args:
            setting: see there.
            seed: of brackets.
            part: of the brackets.
        """
        if setting.clean:
            if setting.joint:
                return targets.standardised(self.final)
            return targets.effects(self._options(), self.final)
        counted = targets.survival(self.rungs, seed)[part].sum(axis=0)
        if setting.joint:
            return targets.shares(counted) * counted.shape[1]
        return targets.counts(self._options(), counted)

    def scores(self, setting: Setting, predicted: np.ndarray) -> np.ndarray:
        """Of all architectures, from predicted targets, (..., A)."""
        if setting.joint:
            return predicted
        return targets.scores_of(predicted, self._options(), setting.clean)

    def values(self, setting: Setting, what: str) -> np.ndarray:
        """Of networks that are read: their layers' "information", or "accuracy", as many times.

        Returns:
            (T, networks, layers).
        """
        layers = self.measured.probes if setting.probes else self.measured.references
        values = layers.accurate if setting.accurate else layers.mine
        if what == "accuracy":
            values = np.repeat(layers.accuracy[..., None], values.shape[2], axis=2)
        elif setting.absolute:
            values = values / self.measured.h_y[:, None, None]
        if setting.absolute:
            return np.asarray(values)
        mean, std = (f(values, axis=(1, 2), keepdims=True) for f in (np.nanmean, np.nanstd))
        return np.asarray((values - mean) / np.maximum(std, 1e-6))

    def inputs(self, setting: Setting, values: np.ndarray) -> np.ndarray:
        """Examples: a random network's architecture and values, or the values of all fixed ones.

        Returns:
            (T, examples, d).
        """
        if setting.probes:
            return values.reshape(len(values), 1, -1)
        options = self.measured.references.options
        chosen = (options[..., None] == np.arange(OPTIONS)).astype(np.float64)
        return np.concatenate([chosen.reshape(*options.shape[:2], -1), values], axis=2)

    def _options(self) -> np.ndarray:
        assert self.options is not None
        return self.options


def thesis_bench(meta: MetaDataset, measured: Measured) -> Bench:
    """Of the rows of `thesis`, accuracies less the price of units."""
    options = options_of(list(meta.points().values()))
    price = targets.score(np.zeros(len(options)), options)
    validation, test = recorded(meta, "validation"), recorded(meta, "test")
    return Bench(
        meta.tasks[["task", "family", "kind"]].reset_index(drop=True), options,
        validation + price[:, None],
        (validation + test)[..., -1].mean(axis=0) / 2.0 + price,
        test[..., -1].mean(axis=0) + price, measured,
    )  # fmt: skip


def recorded(meta: MetaDataset, part: str) -> np.ndarray:
    """Accuracies at `RUNGS` of architectures that every task has, (draws, T, A, 3)."""
    names, points = list(meta.tasks["task"]), list(meta.points())
    draws = sorted(meta.curves["seed"].unique())
    wide = meta.curves.pivot(
        index=["seed", "task"], columns=["architecture", "epoch"], values=f"{part}_accuracy"
    )
    columns = pd.MultiIndex.from_product([points, RUNGS])
    rows = wide.reindex(pd.MultiIndex.from_product([draws, names]))[columns].to_numpy(np.float64)
    return rows.reshape(len(draws), len(names), len(points), len(RUNGS))


def mlp_bench(meta: MetaDataset) -> Bench:
    """Of the rows of `mlp`: fixed probes and accurate estimators; real and synthetic tasks."""
    meta = meta.shared()
    names, points = list(meta.tasks["task"]), list(meta.points())
    final = meta.final().set_index(["task", "architecture"])
    validation, test = (
        final[f"{part}_accuracy"].unstack().loc[names, points].to_numpy()
        for part in ("validation", "test")
    )
    last = measured_layers(meta.profiles[meta.profiles["epoch"] == RUNGS[-1]])
    wide = last.pivot(index="task", columns=["architecture", "layer_index"], values="mi_ty")
    curves = meta.probe_curves[meta.probe_curves["epoch"] == RUNGS[-1]]
    accuracy = curves.groupby(["task", "architecture"])["validation_accuracy"].mean().unstack()
    h_y = meta.profiles.groupby("task")["h_y"].first()
    # One network of all probes' layers, as probes differ in depth.
    information = wide.loc[names].to_numpy(np.float64)[:, None, :]
    mean = accuracy.loc[names].mean(axis=1).to_numpy(np.float64)[:, None]
    none = np.zeros((len(names), 0, 4))
    probes = Layers(none, mean, information, information)
    empty = Layers(none, none[..., 0], none, none)
    return Bench(
        meta.tasks[["task", "family", "kind"]].reset_index(drop=True), None,
        np.zeros((0, len(names), len(points), len(RUNGS))), (validation + test) / 2.0, test,
        Measured(empty, probes, h_y.loc[names].to_numpy(np.float64)),
    )  # fmt: skip
