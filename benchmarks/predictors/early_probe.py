"""Does a cheaper probe do? Profiles after 3 epochs against those after 27, on the published tasks.

    python benchmarks/predictors/early_probe.py

Per layer: Spearman's correlation over tasks between the two epochs, of I(T;Y) / H(Y) and of
I(X; T + sigma Z). And what a predictor makes of them: Kendall's tau of the trees with inputs "mi"
on the folds of the stage `predictors` (the test families stay closed), the mean over three seeds,
with its 95 % bootstrap interval over families, and the difference.
Writes benchmarks/results/predictors/early_probe.md.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd
import torch
from joblib import delayed
from scipy.stats import kendalltau

from benchmarks._common import RESULTS
from infoprior import load_metadataset
from infoprior.evaluation import bootstrap_interval, predict_held_out
from infoprior.files import write_atomically
from infoprior.metadataset import MetaDataset
from infoprior.parallel import worker_pool
from infoprior.predictors import make_predictor
from pipeline.common import read_params
from pipeline.predictors import splits_of

RESULT = RESULTS / "predictors" / "early_probe.md"
EARLY, LATE = 3, 27
SEEDS = 3


def at(meta: MetaDataset, epoch: int) -> MetaDataset:
    """The meta-dataset with the profiles of one epoch."""
    return replace(meta, profiles=meta.profiles[meta.profiles["epoch"] == epoch])


def agreement(meta: MetaDataset) -> pd.DataFrame:
    """Spearman over tasks between the epochs, by probe and layer."""
    layers = meta.profiles[meta.profiles["h_y"] > 0.0].copy()
    layers["I(T;Y) / H(Y)"] = layers["mi_ty"] / layers["h_y"]
    layers["I(X; T+σZ)"] = layers["mi_xt"]
    rows = []
    for (probe, index), group in layers.groupby(["architecture", "layer_index"]):
        row = {"probe": probe, "layer": index + 1}
        for name in ("I(T;Y) / H(Y)", "I(X; T+σZ)"):
            table = group.pivot(index="task", columns="epoch", values=name)
            row[name] = table[EARLY].corr(table[LATE], method="spearman")
        rows.append(row)
    return pd.DataFrame(rows)


def taus(epoch: int, train: list[str], fold: list[str], seed: int) -> dict[str, float]:
    """Kendall's tau on the held-out tasks of a fold."""
    torch.set_num_threads(1)
    meta = at(load_metadataset("mlp").shared(), epoch)
    settings = read_params("predictors")["settings"]
    table, _ = predict_held_out(
        lambda: make_predictor("trees", ("mi",), seed=seed, **settings), meta, fold, train
    )
    truth = meta.final().set_index(["task", "architecture"])["test_accuracy"]
    return {
        str(task): kendalltau(g["log_ratio"], truth.loc[task].loc[g["architecture"]]).statistic
        for task, g in table.groupby("task")
    }


def main() -> None:
    meta = load_metadataset("mlp").shared()
    splits = splits_of(meta, read_params("predictors"))
    calls = [
        (epoch, train, held_out, seed)
        for epoch in (EARLY, LATE)
        for name, (train, held_out) in splits.items() if name != "test"
        for seed in range(SEEDS)
    ]  # fmt: skip
    results = list(worker_pool(2)(delayed(taus)(*call) for call in calls))
    rows = [
        {"epoch": call[0], "task": task, "tau": tau}
        for call, result in zip(calls, results, strict=True)
        for task, tau in result.items()
    ]
    # The mean over seeds.
    table = pd.DataFrame(rows).pivot_table(index="task", columns="epoch", values="tau")
    families = meta.tasks.set_index("task")["family"].loc[table.index].tolist()

    def interval(values: np.ndarray) -> str:
        low, high = bootstrap_interval(values, families=families)
        return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"

    late, early = table[LATE].to_numpy(), table[EARLY].to_numpy()
    lines = [
        "# Does a cheaper probe do?", "",
        "`python benchmarks/predictors/early_probe.py`, on the published meta-dataset "
        f"({len(meta.tasks)} tasks, of which {len(table)} real ones of "
        f"{len(set(families))} families judge, on folds; the mean over {SEEDS} seeds).", "",
        "| profiles after | Kendall's tau of the trees that read MI alone |",
        "| --- | --- |",
        f"| {LATE} epochs | {interval(late)} |",
        f"| {EARLY} epochs | {interval(early)} |",
        f"| difference ({EARLY} − {LATE}) | {interval(early - late)} |", "",
        f"Spearman's correlation over tasks between {EARLY} and {LATE} epochs:", "",
        agreement(meta).to_markdown(index=False, floatfmt=".3f"), "",
    ]  # fmt: skip
    write_atomically(RESULT, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
