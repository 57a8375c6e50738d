"""What training losses and networks' own layers tell beside their validation curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from benchmarks.predictors._posterior_data import SETTINGS, Bench
from infoprior.metadataset import MetaDataset
from infoprior.predictors import Evidence, PerformancePredictor

EPOCHS = (3, 27)
KINDS = {
    "curves": (False, False), "training losses": (True, False), "layers": (False, True),
    "training losses, layers": (True, True),
}  # fmt: skip
"""Beside curves: whether training losses are evidence, and layers."""
CURVE = ["architecture", "seed", "epoch", "validation_accuracy", "validation_loss", "diverged"]


def shuffled_networks(meta: MetaDataset, seed: int) -> MetaDataset:
    """Every network has the layers of another network of its task."""
    layers = meta.layers
    names = np.array(sorted(layers["architecture"].unique()))
    rng = np.random.default_rng([seed, 11])
    moved = []
    for _, rows in layers.groupby("task", sort=False):
        order = rng.permutation(names)
        giver = dict(zip(order, np.roll(order, 1), strict=True))
        moved.append(rows.assign(architecture=rows["architecture"].map(giver)))
    return replace(meta, layers=pd.concat(moved, ignore_index=True))


def own(bench: Bench, split: str, shuffles: int) -> Iterator[dict]:
    """One row per held-out task, epoch, kind of evidence and shuffle (-1: networks' own layers).

    All networks of the first draw are known up to an epoch. `tau` is with the mean over draws of
    final test accuracies, `tau, same network` with those of the first draw.
    """
    train, _ = bench.split(split)
    settings = SETTINGS[bench.space] | {"layers": True, "training_losses": True}
    predictor = PerformancePredictor(**settings).fit(train, progress=False)
    names = predictor._fitted.model.names
    for shuffle in range(-1, shuffles):
        fitted, meta = predictor, bench.meta
        if shuffle >= 0:
            meta = shuffled_networks(meta, shuffle)
            fitted = predictor.with_auxiliary(bench.split(split, meta)[0])
        layers = dict(iter(meta.layers[meta.layers["seed"] == 0].groupby("task", sort=False)))
        for task in bench.discriminating(split, predictor):
            truth, scale = bench.truth(task, names)
            curves = bench.curves[task]
            curves = curves[curves["seed"] == 0]
            last = curves[curves["epoch"] == curves["epoch"].max()].set_index("architecture")
            same = last["test_accuracy"].loc[names]
            for epoch in EPOCHS:
                for kind, (losses, read) in KINDS.items():
                    if shuffle >= 0 and (losses or not read):
                        continue
                    columns = [*CURVE, "train_loss"] if losses else CURVE
                    posterior = fitted.posterior(Evidence(
                        curves=curves.loc[curves["epoch"] <= epoch, columns],
                        layers=layers[task][layers[task]["epoch"] <= epoch] if read else None,
                        n_validation=int(bench.about["n_validation"][task]),
                    ))  # fmt: skip
                    score = posterior.mean(of="score")
                    yield {
                        "task": task, "epoch": epoch, "evidence": kind, "shuffle": shuffle,
                        "tau": kendalltau(score, truth).statistic,
                        "tau, same network": kendalltau(score, same).statistic,
                        "regret": float(scale.regret(truth[int(score.argmax())])),
                        "error": 100 * float(np.abs(posterior.mean() - truth).mean()),
                    }  # fmt: skip
