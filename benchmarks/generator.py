"""Which tasks of the generator are published: chosen by half of the families of real tasks.

    python benchmarks/generator.py               # what to choose by: a table
    python benchmarks/generator.py --fit         # and write the choice into the package
    python benchmarks/generator.py --candidates  # before: draw and train what is chosen among

Writes benchmarks/results/generator.md. The candidates' training takes an hour and resumes; what is
known of them is kept in benchmarks/results/generator_pool.parquet, so that the rest takes seconds.
How the chosen tasks compare with real ones: benchmarks/generator_check.py.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd
from _common import RESULTS, ROOT, markdown, threads, write
from _generator_fit import (
    agreement,
    balanced,
    balanced_chances,
    discrepancy,
    family_weights,
    inclusion,
    keep,
    leave_family_out,
    moments,
    ranks,
)
from _generator_pool import DRAWN, FILE, FIRST, MOST_ROWS, known, settings, synthetic

from infoprior import load_metadataset
from infoprior.metadataset import FITTED_FAMILIES

DRAWN_ALIKE = 750  # by their settings, of which
CANDIDATES = 400  # are candidates beside the first thousand
SHARPER = 1.5  # settings tell little of the weights: their logarithms are stretched
CHOSEN = 1000
CHOICES = {
    "nothing": (),
    "numbers": ("numbers",),
    "ranks": ("ranks",),
    "numbers and ranks": ("numbers", "ranks"),
}
FOLDS = 5
CHOSEN_FILE = ROOT / "infoprior" / "metadataset" / "_chosen.py"


def candidates(fitted: pd.DataFrame, first: pd.DataFrame) -> list[int]:
    """Indices of tasks that are likely to be chosen, by their settings alone.

    A ridge regression learns from the first tasks how their balanced weights go with settings.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = balanced(*moments(fitted, first))
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9)))
    model.fit(settings(range(FIRST)), np.log(weights))
    drawn = settings(DRAWN)
    odds = np.exp(SHARPER * model.predict(drawn))
    odds[drawn["log_rows"] > np.log(MOST_ROWS)] = 1e-9
    alike = keep(inclusion(odds / odds.mean(), DRAWN_ALIKE))
    return [int(index) for index in drawn.index[alike]][:CANDIDATES]


def gather() -> None:
    """Draw the candidates, train them, and write what is known of them and of real tasks."""
    meta = load_metadataset()
    here = known(meta, meta.tasks[meta.tasks["kind"] == "real"])
    fitted = here[here["family"].isin(FITTED_FAMILIES)]
    first = synthetic(range(FIRST))
    more = synthetic(candidates(fitted, first))
    pool = pd.concat([here, first, more], ignore_index=True)
    numbers = pool.select_dtypes("number").columns
    pool[numbers] = pool[numbers].astype(np.float32).round(4)
    partial = FILE.with_suffix(".part")
    pool.to_parquet(partial, index=False, compression="zstd")
    partial.replace(FILE)
    print(f"{len(here)} real tasks, {len(first)} + {len(more)} synthetic ones in {FILE}")


def compare(fitted: pd.DataFrame, pool: pd.DataFrame) -> list[dict[str, Any]]:
    """What to choose by: each fold of families is judged by a choice made from the others."""
    families = fitted["family"].unique()
    rank, weights = ranks(fitted), family_weights(fitted["family"])
    other_real = float(weights @ leave_family_out(rank, fitted["family"]))
    of_pool = ranks(pool)
    rows = []
    for name, by in CHOICES.items():
        spearman, gaps, effective = np.empty(len(fitted)), [], []
        for fold in range(FOLDS):
            out = fitted["family"].isin(families[fold::FOLDS]).to_numpy()
            chances = _chances(fitted[~out], pool, by)
            static = chances @ of_pool / chances.sum()
            spearman[out] = [agreement(static, row) for row in rank[out]]
            gaps.append(discrepancy(fitted[out], pool, chances))
            effective.append(chances.sum() ** 2 / (chances**2).sum())
        rows.append(
            {
                "chosen by": name,
                "tasks in effect": round(float(np.mean(effective))),
                "discrepancy": float(np.mean(gaps)),
                "synthetic static": float(weights @ spearman),
                "real static": other_real,
                "difference": float(weights @ spearman) - other_real,
            }
        )
    return rows


def _chances(fitted: pd.DataFrame, pool: pd.DataFrame, by: tuple[str, ...]) -> np.ndarray:
    if not by:
        return np.full(len(pool), CHOSEN / len(pool))
    return balanced_chances(*moments(fitted, pool, by), CHOSEN)


def fit(fitted: pd.DataFrame, pool: pd.DataFrame) -> None:
    """Write the indices of the chosen tasks into the package."""
    chances = _chances(fitted, pool, ("numbers", "ranks"))
    indices = pool["task"].str.partition("/")[2].astype(int).to_numpy()[keep(chances)]
    digits = f"{sum(1 << int(k) for k in indices):x}"
    lines = "\n".join(f'    "{digits[i : i + 90]}"' for i in range(0, len(digits), 90))
    head, _, tail = CHOSEN_FILE.read_text("utf-8").partition("_CHOSEN = ")
    tail = tail[tail.index("FITTED_FAMILIES = ") :]
    write(CHOSEN_FILE, f"{head}_CHOSEN = int(\n{lines},\n    16,\n)\n\n{tail}")
    print(f"{len(indices)} of {len(pool)} tasks are chosen")


PAGE = """# Which tasks of the generator are published

`python benchmarks/generator.py` made this table; with `--fit` the choice goes into the package.

Of {pool} trained tasks {chosen} are chosen: of the first {first}, and of {more} more that were
drawn for settings like those of the first tasks of most weight. Chances are such that the means
over the chosen tasks are near those over real ones and their entropy is largest: means of the
compared meta-features, their squares and the training rows ("numbers"), and of the ranks of the
architectures of the shared design ("ranks"). Static: Spearman of a task's final test accuracies
with the mean ranking over the choice, or over real tasks of other families; a fifth of the families
at a time is left out of the choice that judges it. "Tasks in effect": by the sizes of the chances.
All on the {n} families that the generator is fitted to: {families}.

{choices}

How the chosen tasks do on other families: [generator_check.md](generator_check.md).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="write the choice into the package")
    parser.add_argument("--candidates", action="store_true", help="draw and train the candidates")
    arguments = parser.parse_args()
    threads(1)
    if arguments.candidates:
        gather()
        return
    table = pd.read_parquet(FILE)
    fitted = table[table["family"].isin(FITTED_FAMILIES)].reset_index(drop=True)
    pool = table[table["kind"] == "synthetic"].reset_index(drop=True)
    pool = pool[pool["task"].str.startswith("synthetic/")].reset_index(drop=True)
    text = PAGE.format(
        pool=len(pool), chosen=CHOSEN, first=FIRST, more=len(pool) - FIRST,
        n=fitted["family"].nunique(), families=", ".join(sorted(fitted["family"].unique())),
        choices=markdown(compare(fitted, pool)),
    )  # fmt: skip
    write(RESULTS / "generator.md", text)
    if arguments.fit:
        fit(fitted, pool)


if __name__ == "__main__":
    main()
