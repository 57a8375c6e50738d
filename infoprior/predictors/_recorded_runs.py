"""Recorded learning curves as arrays: tasks x draws x architectures x channels.

A channel is a quantity at an epoch: accuracy and losses at every rung, what a network's own layers
say at the rungs at which they were read, and the test accuracy at the end. One more, the score, is
where an architecture stands among the others of its task, on which close ones lie as far apart as
far ones: by accuracies alone, the few that fail would outweigh all differences among the good.
*Anchors* are the architectures that most tasks have run: what a model learns of how results go
together, it learns of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from infoprior.predictors import _layer_results as layer_results
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._scales import Scale, of_accuracy, of_quantity
from infoprior.predictors._targets import normal_scores

if TYPE_CHECKING:
    from infoprior.metadataset import MetaDataset

QUANTITIES = ("validation_accuracy", "validation_loss")
TRAINING_LOSS = "train_loss"
FINAL = "test_accuracy"
TEST, SCORE = -2, -1
"""Places of the test accuracy and of the score among the channels."""
_BETWEEN = 3.0  # factor between rungs: closer ones say the same again
MOST = 0.5  # of the tasks, of the runs: what an anchor and a rung have to be recorded in


@dataclass(frozen=True)
class Channels:
    """What there is to know of one network, in the order of the last axis of arrays.

    The last two are the test accuracy and the score, at `TEST` and `SCORE`; those before are
    evidence: quantities of learning curves at every rung, then those of layers at theirs.

    Attributes:
        epochs: the rungs, ascending.
        quantities: that are recorded at each of them.
        layer_epochs: the rungs at which networks' own layers were read, ascending.
        layer_quantities: that are known of layers at each of these.
    """

    epochs: tuple[int, ...]
    quantities: tuple[str, ...] = QUANTITIES
    layer_epochs: tuple[int, ...] = ()
    layer_quantities: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.evidence + 2

    @property
    def of_curves(self) -> int:
        """How many channels are of learning curves: the first ones."""
        return len(self.quantities) * len(self.epochs)

    @property
    def of_layers(self) -> int:
        """How many are of layers: those after them."""
        return len(self.layer_quantities) * len(self.layer_epochs)

    @property
    def evidence(self) -> int:
        """How many channels can be observed during a search: all but the last two."""
        return self.of_curves + self.of_layers

    def epochs_of(self, quantity: str) -> tuple[int, ...]:
        """The epochs at which a quantity has channels."""
        return self.epochs if quantity in self.quantities else self.layer_epochs

    def place(self, quantity: str, rung: int) -> int:
        """Where a quantity stands, at the rung of an index among its epochs."""
        if quantity in self.quantities:
            return self.quantities.index(quantity) * len(self.epochs) + rung
        before = self.layer_quantities.index(quantity) * len(self.layer_epochs)
        return self.of_curves + before + rung


@dataclass(frozen=True, eq=False)
class RecordedRuns:
    """Runs of K anchors on T tasks, in up to S draws: C channels of curves, L of layers.

    Attributes:
        tasks: names.
        anchors: ids of the architectures.
        channels: of the last axes.
        values: of the curves' channels and the test accuracy, shape (T, S, K, C + 1), on the
            scales; NaN where nothing was recorded.
        variance: of one draw's accuracies the binomial one, of losses 1 / rows, (T, K, C + 1).
        layers: of the layers' channels, shape (T, S, K, L); NaN where none was read.
        rows: validation rows of the tasks, shape (T,).
    """

    tasks: tuple[str, ...]
    anchors: tuple[str, ...]
    channels: Channels
    values: np.ndarray
    variance: np.ndarray
    layers: np.ndarray
    rows: np.ndarray

    @property
    def draws(self) -> np.ndarray:
        """Draws of each task in which an anchor was run, shape (T, K)."""
        return np.isfinite(self.values[..., -1]).sum(axis=1)

    @property
    def mean(self) -> np.ndarray:
        """Means over draws, shape (T, K, C + 1); NaN where there is none."""
        known, draws = np.nan_to_num(self.values), self.draws[..., None]
        return np.where(draws > 0, known.sum(axis=1) / np.maximum(draws, 1), np.nan)

    @property
    def layer_draws(self) -> np.ndarray:
        """Draws of each task in which all of an anchor's layers were read, shape (T, K)."""
        read = np.isfinite(self.layers).all(axis=-1) & np.isfinite(self.values[..., -1])
        return np.where(self.channels.of_layers > 0, read.sum(axis=1), 0)


def anchors_of(meta: MetaDataset) -> list[str]:
    """Ids of the architectures that at least half of the tasks have run, in their table's order.

    Raises:
        PredictorError: there are fewer than two.
    """
    runs = meta.curves.drop_duplicates(["task", "architecture"])["architecture"].value_counts()
    often = set(runs[runs >= MOST * len(meta.tasks)].index)
    anchors = [name for name in meta.architectures["architecture"] if name in often]
    if len(anchors) < 2:
        raise PredictorError(
            f"The meta-dataset has {len(anchors)} architectures that at least half of its "
            f"{len(meta.tasks)} tasks have run; two or more are needed to learn how results go "
            "together."
        )
    return anchors


def channels_of(
    meta: MetaDataset, *, training_losses: bool = False, layers: bool = False
) -> Channels:
    """The rungs: the last epoch, and one near each third of the next, among those recorded.

    Args:
        meta: the tasks.
        training_losses: whether they are a quantity, too.
        layers: likewise what networks' own layers say, where they were read.

    Raises:
        PredictorError: there are no curves.
    """
    if meta.curves.empty:
        raise PredictorError("The meta-dataset holds no curves; there is nothing to fit.")
    counts = meta.curves["epoch"].value_counts()
    recorded = np.sort(counts[counts >= MOST * counts.max()].index.to_numpy(np.int64))
    rungs, aim = {int(recorded[-1])}, recorded[-1] / _BETWEEN
    while aim >= recorded[0] / np.sqrt(_BETWEEN):
        rungs.add(int(recorded[np.abs(np.log(recorded / aim)).argmin()]))
        aim /= _BETWEEN
    quantities = (*QUANTITIES, TRAINING_LOSS) if training_losses else QUANTITIES
    of_layers = _layer_channels(meta, rungs) if layers else ()
    return Channels(tuple(sorted(rungs)), quantities, *of_layers)


def _layer_channels(meta: MetaDataset, rungs: set[int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The rungs at which networks of most tasks were read, and what is known there."""
    if meta.layers.empty or not set(layer_results.NEEDED) <= set(meta.layers):
        return (), ()
    known = meta.layers[meta.layers["mi_ty_validation_rows"].notna()]
    tasks = known[["task", "epoch"]].drop_duplicates()["epoch"].value_counts()
    epochs = [int(e) for e in tasks.index if e in rungs and tasks[e] >= MOST * len(meta.tasks)]
    return (tuple(sorted(epochs)), layer_results.QUANTITIES) if epochs else ((), ())


def recorded_runs(
    meta: MetaDataset, anchors: list[str], channels: Channels, scale: Scale
) -> RecordedRuns:
    """The runs of some architectures on every task of a meta-dataset.

    Args:
        meta: the tasks, in whose order the arrays are.
        anchors: ids.
        channels: what is read of each run; one that lacks an epoch is left out.
        scale: of accuracies.
    """
    about, curves = meta.tasks, meta.curves
    curves = curves[curves["architecture"].isin(anchors)]
    tasks = pd.Index(about["task"]).get_indexer(pd.Index(curves["task"]))
    draws = _within(curves["task"], curves["seed"])
    places = pd.Index(anchors).get_indexer(pd.Index(curves["architecture"]))
    shape = (len(about), int(draws.max(initial=0)) + 1, len(anchors), channels.of_curves + 1)
    values, variance = np.full(shape, np.nan), np.full(shape, np.nan)
    n_validation = about["n_validation"].to_numpy(np.float64)
    rows_of = n_validation[tasks]
    epoch = curves["epoch"].to_numpy()
    columns = {
        quantity: of_quantity(scale, quantity, curves[quantity].to_numpy(np.float64), rows_of)
        for quantity in channels.quantities
    }
    for rung, at in enumerate(channels.epochs):
        rows = epoch == at
        index = tasks[rows], draws[rows], places[rows]
        for quantity, (value, spread) in columns.items():
            place = channels.place(quantity, rung)
            values[(*index, place)], variance[(*index, place)] = value[rows], spread[rows]
    rows = epoch == channels.epochs[-1]
    index = tasks[rows], draws[rows], places[rows]
    n_test = about["n_test"].to_numpy(np.float64)[tasks][rows]
    final = of_accuracy(scale, curves[FINAL].to_numpy(np.float64)[rows], n_test)
    values[(*index, -1)], variance[(*index, -1)] = final
    complete = np.isfinite(values).all(axis=-1)
    values[~complete] = np.nan
    counted = np.maximum(complete.sum(axis=1), 1)[..., None]
    mean = np.where(complete[..., None], variance, 0.0).sum(axis=1) / counted
    runs = curves.assign(draw=draws).drop_duplicates(["task", "seed"])
    layers = _recorded_layers(meta, runs, anchors, channels, shape[:-1])
    return RecordedRuns(
        tuple(about["task"]), tuple(anchors), channels, values, mean, layers, n_validation
    )


def _recorded_layers(
    meta: MetaDataset, runs: pd.DataFrame, anchors: list[str], channels: Channels,
    shape: tuple[int, ...],
) -> np.ndarray:  # fmt: skip
    """What the anchors' own layers said, shape (T, S, K, L); runs hold the draw of each seed."""
    values = np.full((*shape, channels.of_layers), np.nan)
    if not channels.of_layers:
        return values
    layers = meta.layers[meta.layers["architecture"].isin(anchors)]
    layers = layers[layers["epoch"].isin(channels.layer_epochs)]
    network = ["task", "seed", "architecture", "epoch"]
    table = layer_results.layer_results(layers, network).reset_index()
    table = table.merge(runs[["task", "seed", "draw"]], on=["task", "seed"])
    tasks = pd.Index(meta.tasks["task"]).get_indexer(pd.Index(table["task"]))
    places = pd.Index(anchors).get_indexer(pd.Index(table["architecture"]))
    for rung, at in enumerate(channels.layer_epochs):
        rows = (table["epoch"] == at).to_numpy()
        index = tasks[rows], table["draw"].to_numpy()[rows], places[rows]
        for quantity in channels.layer_quantities:
            place = channels.place(quantity, rung) - channels.of_curves
            values[(*index, place)] = table[quantity].to_numpy(np.float64)[rows]
    return values


def scores_of(meta: MetaDataset, anchors: list[str]) -> np.ndarray:
    """Normal scores of the anchors on every task, shape (T, K); NaN where one was not run.

    Of the mean of validation and test accuracy at the end: less noisy than either.
    """
    final = meta.final()
    label = final[["validation_accuracy", FINAL]].mean(axis=1).where(~final["diverged"], -np.inf)
    wide = final.assign(label=label).pivot(index="task", columns="architecture", values="label")
    return normal_scores(wide.reindex(index=meta.tasks["task"], columns=anchors).to_numpy(float))


def _within(tasks: pd.Series, seeds: pd.Series) -> np.ndarray:
    """The place of each row's seed among those of its task, from 0, shape (n,)."""
    pairs = (
        pd.DataFrame({"task": tasks, "seed": seeds}).drop_duplicates().sort_values(["task", "seed"])
    )
    pairs["draw"] = pairs.groupby("task").cumcount()
    keys = pd.MultiIndex.from_frame(pairs[["task", "seed"]])
    asked = pd.MultiIndex.from_arrays([tasks, seeds])
    return pairs["draw"].to_numpy()[keys.get_indexer(asked)]
