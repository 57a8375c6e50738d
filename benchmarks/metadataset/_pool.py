"""The synthetic tasks that are chosen from, and the real ones that they are to resemble.

What is known of each is kept in benchmarks/results/metadataset/generator_pool.parquet:
meta-features, and the final test accuracies of the shared design (synthetic tasks: draw 0; real
ones: the mean over the draws that were published then).
"""

from __future__ import annotations

from pipeline.published import jobs as planned  # isort: skip  # sets how MKL computes, first

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks._common import RESULTS
from benchmarks.metadataset._measure import with_skills
from infoprior import MetaDataset
from infoprior.metadataset import _jobs
from infoprior.metadataset._publication import PUBLISHED, read_publication
from infoprior.parallel import run_jobs
from infoprior.tasks._synthetic.generator import recipe
from infoprior.tasks._synthetic.mix import DISCRETE_KINDS, MIX, NUMERIC_KINDS
from pipeline.common import fan_out, read_params

FILE = RESULTS / "metadataset" / "generator_pool.parquet"
FIRST = 1000  # indices 0 to 999 were published first, whatever they were like
DRAWN = range(1200, 7200)  # further tasks are chosen among these, by their settings
MOST_ROWS = 2500  # of a further task: real tables are cut at 2,000 training rows
EPOCH = 27


def settings(indices: Sequence[int]) -> pd.DataFrame:
    """The settings of tasks as numbers, one row an index: what is known before any is drawn."""
    rows = []
    for index in indices:
        r = recipe(index)
        row = {
            "log_rows": np.log(r.n_train),
            "complexity": r.complexity,
            "log_classes": np.log(r.n_classes),
            "ordinal": r.ordinal,
            "log_rarest": np.log(min(r.class_weights) * r.n_classes),
            "temperature": r.temperature,
            "noise": r.noise,
            "correlation": r.correlation,
            "measurement_noise": r.measurement_noise,
            "log_informative": np.log(r.n_informative),
            "redundant": r.n_redundant / r.n_columns,
            "irrelevant": r.n_irrelevant / r.n_columns,
            "log_latent": np.log(r.n_latent),
            "log_columns": np.log(r.n_columns),
            "missing": np.mean(r.missing),
        }
        for name in ("mechanism", "latent", "measured"):
            row |= {f"{name} {value}": getattr(r, name) == value for value in MIX[name]}
        kinds = [kind.partition(":")[0] for kind in r.kinds]
        row |= {
            f"share {kind}": kinds.count(kind) / len(kinds)
            for kind in dict.fromkeys((*NUMERIC_KINDS, *DISCRETE_KINDS))
        }
        rows.append(row)
    return pd.DataFrame(rows, index=list(indices)).astype(float)


def synthetic(indices: Sequence[int]) -> pd.DataFrame:
    """Train the shared design where neither the package nor data/shards has it; a row a task."""
    params = read_params("published")
    names = [f"synthetic/{i}" for i in indices]
    described = planned.describe(names, params, 0)
    jobs = {
        n: planned.network_job(params, "mlp", n, 0, row["digest"]) for n, row in described.items()
    }
    published = read_publication(PUBLISHED)
    there, _ = planned.finished(list(jobs.values()), published)
    todo = {j.key: j.arguments for j in jobs.values() if j.key not in there}
    run_jobs(
        _jobs.train_job,
        todo,
        directory=planned.FOLDER / "mlp",
        description="candidates",
        **fan_out(),
    )
    curves = published.tables["mlp/curves"]
    old = _accuracies(curves[(curves["seed"] == 0) & curves["task"].isin(names)])
    rows = []
    for name, job in jobs.items():
        if job.key in there:
            accuracies = old.loc[name]
        else:
            result = json.loads((planned.FOLDER / "mlp" / f"{job.key}.json").read_text("utf-8"))
            accuracies = _accuracies(pd.DataFrame(result["curves"]).assign(task=name)).loc[name]
        rows.append(_row(described[name]["columns"], accuracies))
    return pd.DataFrame(rows)


def known(meta: MetaDataset, tasks: pd.DataFrame) -> pd.DataFrame:
    """A row for each of these published tasks; accuracies are the mean over its draws."""
    accuracies = _accuracies(meta.curves[meta.curves["task"].isin(tasks["task"])])
    return pd.DataFrame(
        [_row(row, accuracies.loc[row["task"]]) for row in tasks.to_dict("records")]
    )


def _accuracies(curves: pd.DataFrame) -> pd.DataFrame:
    """Final test accuracies of the shared design, a row a task."""
    last = curves[(curves["epoch"] == EPOCH) & ~curves["architecture"].str.contains("#")]
    mean = last.groupby(["task", "architecture"], observed=True)["test_accuracy"].mean()
    return mean.unstack()


def _row(columns: dict, accuracies: pd.Series) -> dict:
    numbers = with_skills({k[3:]: v for k, v in columns.items() if k.startswith("mf_")})
    about = {k: columns[k] for k in ("task", "family", "kind", "n_train")}
    return {**about, **numbers, **{str(k): np.float32(v) for k, v in accuracies.items()}}


def architectures(pool: pd.DataFrame) -> list[str]:
    """The columns that hold accuracies."""
    return sorted(c for c in pool if len(c) == 4 and c[0] == "a" and c[1:].isdigit())
