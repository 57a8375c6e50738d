"""Recorded learning curves as arrays: tasks x draws x architectures x channels.

A channel is a quantity at an epoch: validation accuracy and validation loss at every rung, and the
test accuracy at the end. One more, the score, is where an architecture stands among the others of
its task, on which close ones lie as far apart as far ones: by accuracies alone, the few that fail
would outweigh all differences among the good. *Anchors* are the architectures that most tasks have
run: what a model learns of how results go together, it learns of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from infoprior.predictors._errors import PredictorError
from infoprior.predictors._scales import Scale, of_accuracy, of_loss
from infoprior.predictors._targets import normal_scores

if TYPE_CHECKING:
    from infoprior.metadataset import MetaDataset

QUANTITIES = ("validation_accuracy", "validation_loss")
FINAL = "test_accuracy"
TEST, SCORE = -2, -1
"""Places of the test accuracy and of the score among the channels."""
_BETWEEN = 3.0  # factor between rungs: closer ones say the same again
MOST = 0.5  # of the tasks, of the runs: what an anchor and a rung have to be recorded in


@dataclass(frozen=True)
class Channels:
    """What there is to know of one network, in the order of the last axis of arrays.

    The last two are the test accuracy and the score, at `TEST` and `SCORE`; those before are
    evidence.

    Attributes:
        epochs: the rungs, ascending.
        quantities: that are recorded at each of them.
    """

    epochs: tuple[int, ...]
    quantities: tuple[str, ...] = QUANTITIES

    def __len__(self) -> int:
        return self.evidence + 2

    @property
    def evidence(self) -> int:
        """How many channels can be observed during a search: all but the last two."""
        return len(self.quantities) * len(self.epochs)

    def place(self, quantity: str, rung: int) -> int:
        """Where a quantity at the rung of an index stands."""
        return self.quantities.index(quantity) * len(self.epochs) + rung


@dataclass(frozen=True, eq=False)
class RecordedRuns:
    """Runs of the anchors on T tasks, in up to S draws: K anchors, D - 1 channels, without score.

    Attributes:
        tasks: names.
        anchors: ids of the architectures.
        channels: of the last axes.
        values: shape (T, S, K, D - 1), on the scales; NaN where nothing was recorded.
        variance: shape (T, K, D - 1): binomial variance of one draw's accuracy, 1 / rows of a loss.
    """

    tasks: tuple[str, ...]
    anchors: tuple[str, ...]
    channels: Channels
    values: np.ndarray
    variance: np.ndarray

    @property
    def draws(self) -> np.ndarray:
        """Draws of each task in which an anchor was run, shape (T, K)."""
        return np.isfinite(self.values[..., -1]).sum(axis=1)

    @property
    def mean(self) -> np.ndarray:
        """Means over draws, shape (T, K, D - 1); NaN where there is none."""
        known, draws = np.nan_to_num(self.values), self.draws[..., None]
        return np.where(draws > 0, known.sum(axis=1) / np.maximum(draws, 1), np.nan)


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


def channels_of(meta: MetaDataset) -> Channels:
    """The rungs: the last epoch, and one near each third of the next, among those recorded.

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
    return Channels(tuple(sorted(rungs)))


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
    shape = (len(about), int(draws.max(initial=0)) + 1, len(anchors), len(channels) - 1)
    values, variance = np.full(shape, np.nan), np.full(shape, np.nan)
    n_validation = about["n_validation"].to_numpy(np.float64)[tasks]
    epoch = curves["epoch"].to_numpy()
    columns = {
        "validation_accuracy": of_accuracy(
            scale, curves["validation_accuracy"].to_numpy(np.float64), n_validation
        ),
        "validation_loss": of_loss(curves["validation_loss"].to_numpy(np.float64), n_validation),
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
    return RecordedRuns(tuple(about["task"]), tuple(anchors), channels, values, mean)


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
