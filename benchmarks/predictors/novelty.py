"""Does it pay to read a task that lies far from all training tasks?

    python benchmarks/predictors/novelty.py

Each real task is predicted by a performance predictor that has not seen its family, from what
needs no training (`data`) and from nothing. Tasks are sorted by how far they lie from the nearest
training task, relative to how far real training tasks lie from those of other families: by the
share of these that lie nearer. Nothing is left unread here, however far it lies.

Writes benchmarks/results/predictors/novelty.md, and novelty.csv with a row a task.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from benchmarks._common import RESULTS, markdown, write, write_csv
from benchmarks.predictors._posterior_data import Bench
from infoprior.metadataset import MetaDataset
from infoprior.predictors import PerformancePredictor
from infoprior.predictors._features import feature_table

GROUPS = {"metafeatures": "meta-features", "inputs": "inputs' information"}
BOUNDS = [0.0, 0.5, 0.8, 0.95, 1.0]

HEAD = """# Does it pay to read a task that lies far from all training tasks?

`python benchmarks/predictors/novelty.py`

{n} real tasks, each predicted without its family. *Nearer*: the share of real training tasks that
lie nearer to those of other families than the task does to its nearest one. *Gain*: Kendall's tau
with meta-features and inputs' information, less that with nothing. *Error*: mean absolute error
of accuracies in points; *covered*: by 80 % intervals.
"""


def measured(bench: Bench, split: str) -> list[dict[str, Any]]:
    """A row a held-out task."""
    train, held_out = bench.split(split)
    predictor = PerformancePredictor("data").fit(train, progress=False)
    fitted = predictor._fitted
    names, seen = fitted.model.names, fitted.seen
    unlimited = {group: replace(s, limit=np.inf) for group, s in seen.items()}
    predictor._fitted = replace(fitted, seen=unlimited)
    posteriors = {
        inputs: predictor.posterior_tasks(bench.meta, held_out, inputs=inputs)
        for inputs in ("nothing", "data")
    }
    nearer = {group: shares(predictor, group, train, bench.meta, held_out) for group in GROUPS}
    rows = []
    for i, task in enumerate(held_out):
        truth = bench.truth(task, names)[0]
        tau = {
            inputs: kendalltau(p[task].mean(of="score"), truth).statistic
            for inputs, p in posteriors.items()
        }
        low, high = posteriors["data"][task].interval(0.8)
        rows.append({
            "split": split,
            "task": task,
            "gain": tau["data"] - tau["nothing"],
            "error": 100.0 * float(np.abs(posteriors["data"][task].mean() - truth).mean()),
            "covered": 100.0 * float(((low <= truth) & (truth <= high)).mean()),
            **{group: values[i] for group, values in nearer.items()},
        })  # fmt: skip
    return rows


def shares(
    predictor: PerformancePredictor, group: str, train: MetaDataset, meta: MetaDataset,
    tasks: list[str],
) -> np.ndarray:  # fmt: skip
    """Of each task the share of real training tasks that lie nearer to others, shape (n,)."""
    seen, about = predictor._fitted.seen[group], train.tasks
    family = about["family"].to_numpy()
    among = [
        replace(seen, x=seen.x[family != family[i]]).distance(seen.x[i])
        for i in np.flatnonzero(about["kind"] == "real")
    ]
    table = feature_table(meta.subset(tasks), (group,)).loc[tasks]
    own = [seen.distance(x) for x in predictor._standardized(group, table)]
    return np.array([np.mean(np.array(among) < distance) for distance in own])


def main() -> None:
    bench = Bench("tabular", synthetic=10**6)
    rows = pd.DataFrame([row for split in bench.splits for row in measured(bench, split)])
    rows = rows.dropna()
    write_csv(RESULTS / "predictors" / "novelty.csv", rows.round(4).to_dict("records"))
    parts = [HEAD.format(n=len(rows))]
    for group, title in GROUPS.items():
        binned = rows.groupby(pd.cut(rows[group], BOUNDS, include_lowest=True), observed=True)
        means = binned[["gain", "error", "covered"]].mean()
        table = [
            {"nearer": f"{at.left:.2f} to {at.right:.2f}".replace("-0.00", "0.00"),
             "tasks": len(binned.get_group(at)), "gain": f"{row['gain']:+.3f}",
             "error": f"{row['error']:.1f}", "covered": f"{row['covered']:.0f} %"}
            for at, row in means.iterrows()
        ]  # fmt: skip
        ranks = ", ".join(
            f"{name} {(r := spearmanr(rows[group], rows[name])).statistic:+.2f} (p {r.pvalue:.2g})"
            for name in means
        )
        parts += [
            f"\n## By {title}\n",
            markdown(table),
            f"\nSpearman with the distance: {ranks}.\n",
        ]
    write(
        RESULTS / "predictors" / "novelty.md", "\n".join(part.strip("\n") + "\n" for part in parts)
    )


if __name__ == "__main__":
    main()
