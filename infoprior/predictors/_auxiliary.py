"""What is known of a trained network beside its validation curve: training losses, its layers.

These take no part in the Gaussian over results: they are measurements of it. What a quantity at an
epoch reads of the network of architecture k in a draw of a task is

    c_k + H (theta_k - mu_k) + F z + B n + s + rest,

theta_k the architecture's results on the task, z the task's factors, n the luck of this network's
curve at that epoch, s what is the same for all networks of the task. Fitted by least squares on
what is expected of theta, z and n given all that is recorded of the training tasks, which leaves
the coefficients unbiased; what that leaves unknown of theta counts as rest. So a predictor without
such evidence answers as if none had been recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from infoprior.predictors import _layer_results as layer_results
from infoprior.predictors._recorded_runs import MOST, RecordedRuns
from infoprior.predictors._run_noise import positive
from infoprior.predictors._scales import of_loss

if TYPE_CHECKING:
    from infoprior.metadataset import MetaDataset
    from infoprior.predictors._records import Record

TRAINING_LOSS = "train_loss"
_NEAR = 1.75  # factor between epochs: what was read farther from all that are known is not used
_RIDGE = 1e-3  # of the variance of each regressor
_LEAST = 1e-6  # variance of the rest


@dataclass(frozen=True, eq=False)
class AuxiliaryModel:
    """L quantities at epochs, of K anchors with D channels and r factors.

    Attributes:
        quantities: names, L.
        epochs: of each, shape (L,).
        constant: c, shape (K, L).
        of_results: H, shape (L, D).
        of_factors: F, shape (L, r).
        of_luck: B, shape (L, D).
        shared: covariance of what all networks of a task have in common of the rest, (L, L).
        rest: of what each has of its own, shape (L, L).
    """

    quantities: tuple[str, ...]
    epochs: np.ndarray
    constant: np.ndarray
    of_results: np.ndarray
    of_factors: np.ndarray
    of_luck: np.ndarray
    shared: np.ndarray
    rest: np.ndarray

    def read(self, records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
        """What records of one network say.

        Returns:
            places among the L, shape (m,), and values, (m,): of several records near one epoch
            those of the nearest.
        """
        best: dict[int, tuple[float, float]] = {}
        for record in records:
            for place, quantity in enumerate(self.quantities):
                value = _value(record, quantity)
                away = abs(np.log(record.epoch / self.epochs[place]))
                nearest = away <= np.log(_NEAR) and away < best.get(place, (np.inf, 0.0))[0]
                if nearest and np.isfinite(value):
                    best[place] = float(away), value
        places = sorted(best)
        return np.array(places, dtype=int), np.array([best[place][1] for place in places])


def _value(record: Record, quantity: str) -> float:
    if quantity == TRAINING_LOSS:
        loss = np.array(record.train_loss)
        return float("nan") if np.isnan(loss) else float(of_loss(loss, np.array(1.0))[0])
    at = layer_results.QUANTITIES.index(quantity)
    return record.layers[at] if record.layers else float("nan")


@dataclass(frozen=True, eq=False)
class AuxiliaryRuns:
    """What was recorded of T tasks' networks: quantities (L), epochs (L,), values (T, S, K, L)."""

    quantities: tuple[str, ...]
    epochs: np.ndarray
    values: np.ndarray


def auxiliary_of(
    meta: MetaDataset, runs: RecordedRuns, training_losses: bool, layers: bool
) -> AuxiliaryRuns | None:
    """What a meta-dataset has of it, at the rungs; None: nothing, for most tasks.

    Args:
        meta: the tasks.
        runs: of its anchors.
        training_losses, layers: what is asked for.
    """
    network = ["task", "seed", "architecture", "epoch"]
    tables = {}
    if training_losses:
        losses = meta.curves.set_index(network)[[TRAINING_LOSS]]
        tables[TRAINING_LOSS] = losses.apply(
            lambda c: of_loss(c.to_numpy(np.float64), np.array(1.0))[0]
        )
    if layers and len(meta.layers) and set(layer_results.NEEDED) <= set(meta.layers):
        known = meta.layers[meta.layers["mi_ty_validation_rows"].notna()]
        tables["layers"] = layer_results.layer_results(known, network)
    seeds = meta.curves[["task", "seed"]].drop_duplicates().sort_values(["task", "seed"])
    seeds["draw"] = seeds.groupby("task").cumcount()
    quantities, epochs, columns = [], [], []
    for table in tables.values():
        rows = table.reset_index().merge(seeds, on=["task", "seed"])
        rows = rows[rows["architecture"].isin(runs.anchors)]
        for quantity in table.columns:
            for epoch in runs.channels.epochs:
                some = rows[rows["epoch"] == epoch]
                if some["task"].nunique() < MOST * len(runs.tasks):
                    continue
                values = np.full(runs.values.shape[:-1], np.nan)
                values[
                    pd.Index(runs.tasks).get_indexer(pd.Index(some["task"])), some["draw"],
                    pd.Index(runs.anchors).get_indexer(pd.Index(some["architecture"])),
                ] = some[quantity]  # fmt: skip
                quantities.append(quantity)
                epochs.append(epoch)
                columns.append(values)
    if not columns:
        return None
    return AuxiliaryRuns(tuple(quantities), np.array(epochs), np.stack(columns, axis=-1))


def fit_auxiliary(
    known: AuxiliaryRuns, runs: RecordedRuns, factors: np.ndarray, mean: np.ndarray,
    results: np.ndarray, weights: np.ndarray,
) -> AuxiliaryModel:  # fmt: skip
    """The coefficients under which what was recorded is expected best.

    Args:
        known: of the training tasks.
        runs: of the same.
        factors: expected z, shape (T, r).
        mean: mu, shape (K, D).
        results: expected theta - mu, shape (T, K, D).
        weights: of the tasks, shape (T,).
    """
    size = results.shape[-1]
    seen = np.isfinite(known.values).all(axis=-1) & np.isfinite(runs.values[..., -1])
    task, draw, anchor = np.nonzero(seen)
    luck = np.zeros((len(task), size))
    luck[:, :-1] = runs.values[task, draw, anchor] - (mean + results)[task, anchor, :-1]
    x = np.concatenate([results[task, anchor], factors[task], luck], axis=1)
    y, w = known.values[task, draw, anchor], weights[task]
    k = results.shape[1]
    total = np.maximum(np.bincount(anchor, w, k), 1e-12)[:, None]
    mean_x, mean_y = (
        np.stack([np.bincount(anchor, w * c, k) for c in part.T], axis=1) / total for part in (x, y)
    )
    x, y = x - mean_x[anchor], y - mean_y[anchor]
    coefficients = np.zeros((x.shape[1], y.shape[1]))
    for i, epoch in enumerate(known.epochs):
        rung = runs.channels.epochs.index(int(epoch))
        own = [runs.channels.place(q, rung) for q in runs.channels.quantities]
        used = [*range(size + factors.shape[1]), *(size + factors.shape[1] + c for c in own)]
        part = x[:, used]
        gram = (w[:, None] * part).T @ part
        gram[np.diag_indices_from(gram)] *= 1.0 + _RIDGE
        gram[np.diag_indices_from(gram)] += 1e-9 * w.sum()
        coefficients[used, i] = np.linalg.solve(gram, (w * y[:, i]) @ part)
    left = y - x @ coefficients
    shared, rest = _parts(left, task, w)
    first, last = size, size + factors.shape[1]
    # An anchor of which nothing was read reads as the others do.
    unread = np.bincount(anchor, minlength=k) == 0
    constant = mean_y - mean_x @ coefficients
    constant[unread] = constant[~unread].mean(axis=0)
    return AuxiliaryModel(
        known.quantities, known.epochs, constant, coefficients[:first].T,
        coefficients[first:last].T, coefficients[last:].T, shared, rest,
    )  # fmt: skip


def _parts(left: np.ndarray, task: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of what is left over: between tasks, and within them, (L, L) each.

    Args:
        left: residuals of networks, shape (n, L).
        task: of each, shape (n,).
        w: its weight, shape (n,), one for all of a task.
    """
    _, place, counts = np.unique(task, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(place, c) for c in left.T], axis=1) / counts[:, None]
    inside = left - means[place]
    weights = np.bincount(place, w) / counts
    rest = (w[:, None] * inside).T @ inside / max(w.sum() - weights.sum(), 1e-12)
    rest += _LEAST * np.eye(left.shape[1])
    between = (weights[:, None] * means).T @ means / weights.sum()
    return positive(between - rest * (weights @ (1.0 / counts)) / weights.sum(), 0.0), rest
