"""Does the generator resemble real tasks, in meta-features and in which architectures win?

    python benchmarks/metadataset/generator_check.py

Reads the published meta-dataset, trains nothing, and writes two figures and
benchmarks/results/metadataset/generator_check.{md,csv}. How the tasks were chosen:
benchmarks/metadataset/generator.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd

from benchmarks._common import RESULTS, markdown, threads, write, write_csv
from benchmarks.metadataset._figures import metafeature_figure, ranking_figure
from benchmarks.metadataset._fit import (
    agreement,
    coverage,
    discrepancy,
    family_weights,
    leave_family_out,
    ranks,
)
from benchmarks.metadataset._pool import EPOCH, known
from infoprior import load_metadataset
from infoprior.metadataset import FITTED_FAMILIES


def main() -> None:
    threads(1)
    meta = load_metadataset("mlp")
    tasks = meta.tasks
    real = known(meta, tasks[tasks["kind"] == "real"])
    real["held_out"] = ~real["family"].isin(FITTED_FAMILIES)
    synthetic = known(meta, tasks[tasks["source"] == "generator"])
    of_real, of_synthetic = ranks(real), ranks(synthetic)
    static = of_synthetic.mean(0)
    other_real = leave_family_out(of_real, real["family"])
    fitted = ~real["held_out"].to_numpy()
    fitted_only = family_weights(real["family"][fitted]) @ of_real[fitted]
    rows = [
        {
            "task": row.task, "family": row.family, "held_out": row.held_out,
            "spearman_synthetic": agreement(static, ranking),
            "spearman_other_real": other,
            "spearman_training_families": agreement(fitted_only, ranking) if row.held_out
            else float("nan"),
        }
        for row, ranking, other in zip(real.itertuples(), of_real, other_real, strict=True)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    write_csv(RESULTS / "metadataset" / "generator_check.csv", rows)
    groups = {"fitted": real[fitted], "held out": real[~fitted]}
    covered = [
        {
            "families": name,
            "real tasks": len(frame),
            "all synthetic": coverage(frame, synthetic),
            "as many as real": coverage(frame, synthetic, len(frame)),
            "discrepancy": discrepancy(frame, synthetic, np.ones(len(synthetic))),
        }
        for name, frame in groups.items()
    ]
    mean_real = family_weights(real["family"]) @ of_real
    metafeature_figure(
        groups["fitted"],
        groups["held out"],
        synthetic,
        RESULTS / "metadataset" / "generator_metafeatures.png",
    )
    ranking_figure(mean_real, static, table, RESULTS / "metadataset" / "generator_ranking.png")
    transfer = [_transfer(table[~table.held_out], "fitted"),
                _transfer(table[table.held_out], "held out")]  # fmt: skip
    page = PAGE.format(
        n_synthetic=len(synthetic), n_real=len(real), n_families=real["family"].nunique(),
        n_fitted=real["family"][fitted].nunique(), n_architectures=of_real.shape[1], epochs=EPOCH,
        rho=agreement(mean_real, static), transfer=markdown(transfer), covered=markdown(covered),
        digest=meta.digest[:12],
    )  # fmt: skip
    write(RESULTS / "metadataset" / "generator_check.md", page)


def _transfer(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Mean Spearman, families of equal weight, and bootstrap intervals over families."""
    weights = family_weights(table.family)
    row: dict[str, Any] = {
        "families": f"{name} ({table.family.nunique()})",
        "synthetic": float(weights @ table.spearman_synthetic),
        "other real tasks": float(weights @ table.spearman_other_real),
        "fitted families only": float(weights @ table.spearman_training_families),
    }
    for column, other in (("other_real", "other real"), ("training_families", "fitted only")):
        of_task = table.spearman_synthetic - table[f"spearman_{column}"]
        families = of_task.groupby(table.family).mean().to_numpy()
        if np.isfinite(families).all():
            rng = np.random.default_rng(0)
            means = rng.choice(families, size=(10_000, len(families))).mean(1)
            low, high = np.quantile(means, [0.025, 0.975])
            row[f"synthetic − {other}"] = f"{families.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        else:
            row[f"synthetic − {other}"] = "–"
    return row


PAGE = """# The generator against real tasks

`python benchmarks/metadataset/generator_check.py` made this page from the published meta-dataset
(`{digest}`): {n_synthetic} synthetic tasks, and {n_real} real ones of {n_families} families. The
synthetic tasks were chosen by {n_fitted} of these ([generator.md](generator.md)), whose rows below
flatter them; no choice saw the others.

## Static ranking of architectures

Spearman of a task's final test accuracies ({n_architectures} architectures of the space `mlp`,
{epochs} epochs, the mean over the task's draws) with the mean ranking over the synthetic tasks, and
with the mean ranking over all real tasks of other families. Families weigh equally; intervals:
bootstrap over families.

{transfer}

"Fitted families only" is the mean ranking over the real tasks that the choice was made by: what
a choice that has seen no others can know of the held-out ones.
The two mean rankings agree with Spearman {rho:.3f}.

![Mean ranks of architectures](generator_ranking.png)

## Meta-features

Coverage: the share of real tasks that have a synthetic task nearer than the nearest real task of
another family (standardised meta-features and skills of landmarkers, without the number of rows);
with all synthetic tasks, and with as many drawn at random as there are real ones, where one half is
what equal distributions give. Discrepancy: squared maximum mean discrepancy.

{covered}

![Meta-features](generator_metafeatures.png)
"""


if __name__ == "__main__":
    main()
