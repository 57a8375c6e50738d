"""What a network's own profile after three epochs adds to its learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.predictors._disagreement_data import EARLY
from benchmarks.predictors._disagreement_models import family_weights
from benchmarks.predictors._disagreement_spaces import standardised, taus
from infoprior.metadataset import MetaDataset

KEY = ["task", "architecture"]
MEASURES = ("mi_ty_training_rows", "mi_ty_validation_rows", "mi_xt", "effective_rank", "dead_units")
TREES = 300


def networks(meta: MetaDataset) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """A row a network of the first draw, and the columns of each group of features.

    Groups: "architecture" (its encoded parameters), "curve" (to epoch 3, losses over log classes,
    beside the mean of the task's other networks), "profile" (of its layers: first, last, mean).
    `final` is its test accuracy in the end.
    """
    encoded = pd.DataFrame(
        meta.space.encode(list(meta.points().values())), index=pd.Index(meta.points())
    ).add_prefix("x")
    curves = meta.curves[meta.curves["seed"] == 0]
    classes = meta.tasks.set_index("task")["n_classes"]
    wide = curves[curves["epoch"] <= EARLY].set_index([*KEY, "epoch"])
    scale = np.log(classes.loc[wide.index.get_level_values("task")].to_numpy())
    curve = pd.DataFrame({
        "train_accuracy": wide["train_accuracy"],
        "validation_accuracy": wide["validation_accuracy"],
        "train_loss": np.log1p(wide["train_loss"] / scale),
        "validation_loss": np.log1p(wide["validation_loss"] / scale),
    }).unstack("epoch")  # fmt: skip
    curve.columns = pd.Index([f"curve/{name}/{epoch}" for name, epoch in curve.columns])
    profile = own_profiles(meta).reindex(curve.index)
    frame = pd.concat([curve, _beside(curve), profile, _beside(profile)], axis=1)
    final = curves[curves["epoch"] == curves["epoch"].max()].set_index(KEY)["test_accuracy"]
    frame["final"] = 100.0 * final.loc[frame.index]
    frame = frame.reset_index().merge(encoded, left_on="architecture", right_index=True, how="left")
    groups = {
        "architecture": list(encoded.columns),
        "curve": [c for c in frame if str(c).startswith("curve/")],
        "profile": [c for c in frame if str(c).startswith("profile/")],
    }
    return frame, groups


def own_profiles(meta: MetaDataset) -> pd.DataFrame:
    """Of every network at epoch 3: numbers of its first and last layer, and means over layers."""
    layers = meta.layers[(meta.layers["epoch"] == EARLY) & (meta.layers["seed"] == 0)]
    read = ~layers["flags"].str.contains("non_finite")
    h = layers["h_y"].where(read & (layers["h_y"] > 0))
    numbers = pd.DataFrame({
        "training": layers["mi_ty_training_rows"] / h,
        "validation": layers["mi_ty_validation_rows"] / h,
        "xt": np.log1p(layers["mi_xt"].clip(lower=0.0)).where(read),
        "rank": np.log(layers["effective_rank"].clip(lower=1.0)).where(read),
        "dead": layers["dead_units"].where(read),
    })  # fmt: skip
    numbers["memorised"] = numbers["training"] - numbers["validation"]
    names = list(numbers.columns)
    numbers[[*KEY, "layer_index"]] = layers[[*KEY, "layer_index"]]
    by = numbers.sort_values("layer_index").groupby(KEY)
    parts = {"first": by[names].first(), "last": by[names].last(), "mean": by[names].mean()}
    joined = pd.concat(
        [part.add_prefix(f"profile/{where}/") for where, part in parts.items()], axis=1
    )
    joined["profile/layers"] = by.size().astype(float)
    return joined


def _beside(columns: pd.DataFrame) -> pd.DataFrame:
    """Less the mean over the task's networks: where a network stands among them."""
    return (columns - columns.groupby(level="task").transform("mean")).add_suffix("/beside")


def shuffled(frame: pd.DataFrame, columns: Sequence[str], seed: int) -> pd.DataFrame:
    """Each network has the profile of another network of its task."""
    rng = np.random.default_rng([seed, 7])
    moved = frame.copy()
    order = np.arange(len(frame))
    for places in frame.groupby("task", sort=False).indices.values():
        drawn = rng.permutation(places)
        order[drawn] = np.roll(drawn, 1)
    moved[list(columns)] = frame[list(columns)].to_numpy()[order]
    return moved


def compare_own(
    meta: MetaDataset,
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]],
    shuffles: int,
    real_weight: float,
) -> pd.DataFrame:
    """Kendall's tau with final accuracies within held-out tasks, by what is read.

    Returns:
        columns split, set, shuffle, number (of the task), tau, task, family.
    """
    frame, groups = networks(meta)
    tasks = meta.tasks[["task", "family", "kind"]].reset_index(drop=True)
    number = tasks.reset_index().set_index("task")["index"]
    frame["number"] = number.loc[frame["task"]].to_numpy()
    frame = frame.sort_values(["number", "architecture"], ignore_index=True)
    n_points = frame.groupby("number").size().iloc[0]
    target = standardised(frame["final"].to_numpy().reshape(-1, n_points))
    weights = family_weights(tasks, real_weight)
    real = (tasks["kind"] == "real").to_numpy()
    read = {
        "architecture": ("architecture",),
        "architecture, curve": ("architecture", "curve"),
        "architecture, profile": ("architecture", "profile"),
        "architecture, curve, profile": ("architecture", "curve", "profile"),
    }
    runs = [(name, -1) for name in read]
    runs += [("architecture, curve, profile", s) for s in range(shuffles)]
    rows = []
    for name, shuffle in tqdm(runs, desc="own profiles", disable=None):
        columns = [c for group in read[name] for c in groups[group]]
        source = frame if shuffle < 0 else shuffled(frame, groups["profile"], shuffle)
        x = source[columns].to_numpy(dtype=np.float32).reshape(len(tasks), n_points, -1)
        for split, (train, held_out) in splits.items():
            static = np.average(target[train[real[train]]], axis=0,
                                weights=weights[train[real[train]]])  # fmt: skip
            predicted = static + _residuals(
                x, target - static, weights, train, held_out, static, max(shuffle, 0)
            )
            finals = frame["final"].to_numpy().reshape(-1, n_points)[held_out]
            for n, tau in zip(held_out, taus(predicted, finals), strict=True):
                rows.append({"split": split, "set": name, "shuffle": shuffle, "number": int(n),
                             "tau": tau})  # fmt: skip
            if name == "architecture" and shuffle < 0:
                for n, tau in zip(held_out, taus(np.repeat(static[None], len(held_out), 0), finals),
                                  strict=True):  # fmt: skip
                    rows.append({"split": split, "set": "static", "shuffle": -1,
                                 "number": int(n), "tau": tau})  # fmt: skip
    result = pd.DataFrame(rows)
    return result.join(tasks[["task", "family"]], on="number")


def _residuals(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, train: np.ndarray, held_out: np.ndarray,
    static: np.ndarray, seed: int,
) -> np.ndarray:  # fmt: skip
    """Predicted departures from the static scores, (held out, points), by boosted trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    def flat(numbers: np.ndarray) -> np.ndarray:
        column = np.broadcast_to(static[None, :, None], (len(numbers), len(static), 1))
        return np.concatenate([x[numbers], column], axis=2).reshape(-1, x.shape[2] + 1)

    model = HistGradientBoostingRegressor(
        max_iter=TREES, learning_rate=0.05, max_leaf_nodes=16, min_samples_leaf=100,
        l2_regularization=1.0, max_features=0.3, random_state=seed,
    )  # fmt: skip
    w = np.repeat(weights[train], len(static))
    model.fit(flat(train), y[train].ravel(), sample_weight=w)
    return np.asarray(model.predict(flat(held_out))).reshape(len(held_out), -1)
