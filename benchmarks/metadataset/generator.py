"""Which tasks of the generator are published: chosen by the families of real tasks to learn from.

    python benchmarks/metadataset/generator.py               # what to choose by: a table
    python benchmarks/metadataset/generator.py --fit         # and write the choice into the package
    python benchmarks/metadataset/generator.py --more 250    # before: train 250 more

Writes benchmarks/results/metadataset/generator.md. Training so many candidates takes a quarter of
an hour and resumes; what is known of them is kept in
benchmarks/results/metadataset/generator_pool.parquet, so that the rest takes seconds. How the
chosen tasks compare with real ones: benchmarks/metadataset/generator_check.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

from benchmarks.metadataset._pool import DRAWN, FILE, FIRST, MOST_ROWS, known, settings, synthetic  # isort: skip

import numpy as np
import pandas as pd
from scipy.special import logit

from benchmarks._common import RESULTS, ROOT, markdown, threads, write
from benchmarks.metadataset._fit import (
    RANKS_WEIGH,
    SLACK,
    agreement,
    balanced_chances,
    discrepancy,
    family_weights,
    inclusion,
    keep,
    leave_family_out,
    moments,
    ranks,
)
from infoprior import load_metadataset
from infoprior.metadataset import FITTED_FAMILIES
from infoprior.tasks import TaskError, synthetic_task

MILDER = 0.5  # the odds of candidates are predicted log-odds times this: variety is kept
CHOSEN = 1000
CHOICES = {
    "nothing": (),
    "numbers": ("numbers",),
    "ranks": ("ranks",),
    "numbers and ranks": ("numbers", "ranks"),
}
BY = CHOICES["numbers and ranks"]
FOLDS = 5
CHOSEN_FILE = ROOT / "infoprior" / "metadataset" / "_chosen.py"


def candidates(fitted: pd.DataFrame, pool: pd.DataFrame, n: int) -> list[int]:
    """Indices of about n more tasks that are likely to be chosen, by their settings alone.

    A ridge regression learns from the pool how the log-odds of being chosen go with settings.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    chances = _chances(fitted, pool, BY, min(CHOSEN, len(pool) // 2))
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9)))
    here = indices(pool)
    model.fit(settings(here), logit(np.clip(chances, 1e-12, 1 - 1e-12)))
    drawn = settings(sorted(set(DRAWN) - set(here)))
    log_odds = MILDER * model.predict(drawn)
    odds = np.exp(log_odds - log_odds.max())
    odds[drawn["log_rows"] > np.log(MOST_ROWS)] = 1e-9
    alike = drawn.index[keep(inclusion(odds / odds.mean(), n))]
    return [int(index) for index in alike if drawable(int(index))]


def drawable(index: int) -> bool:
    """Whether the task has as many different rows as it asks for."""
    try:
        synthetic_task(index)
    except TaskError:
        return False
    return True


def indices(pool: pd.DataFrame) -> list[int]:
    """Of the pool's synthetic tasks."""
    return [int(name.removeprefix("synthetic/")) for name in pool["task"]]


def gather(n: int) -> None:
    """Draw and train n more candidates, and write what is known of the pool and of real tasks."""
    meta = load_metadataset("mlp")
    real = meta.tasks["kind"] == "real"
    fitted = known(meta, meta.tasks[real & meta.tasks["family"].isin(FITTED_FAMILIES)])
    pool = read(FILE)[1] if FILE.exists() else synthetic(range(FIRST)).assign(round=0)
    if n:
        more = synthetic(candidates(fitted, pool, n))
        pool = pd.concat([pool, more.assign(round=pool["round"].max() + 1)], ignore_index=True)
    table = pd.concat([fitted, pool], ignore_index=True)
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].astype(np.float32).round(4)
    partial = FILE.with_suffix(".part")
    table.to_parquet(partial, index=False, compression="zstd")
    partial.replace(FILE)
    print(f"{len(fitted)} real tasks and {len(pool)} synthetic ones in {FILE}")


def read(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The real tasks of fitted families, and the synthetic tasks of the pool."""
    table = pd.read_parquet(path)
    fitted = table[table["family"].isin(FITTED_FAMILIES)]
    pool = table[table["task"].str.startswith("synthetic/")]
    return fitted.reset_index(drop=True), pool.reset_index(drop=True)


def compare(fitted: pd.DataFrame, pool: pd.DataFrame) -> list[dict[str, Any]]:
    """What to choose by: each fold of families is judged by a choice made from the others."""
    families = fitted["family"].unique()
    rank, weights = ranks(fitted), family_weights(fitted["family"])
    other_real = float(weights @ leave_family_out(rank, fitted["family"]))
    of_pool = ranks(pool)
    first = of_pool[pool["round"] == 0].mean(0)
    plain = float(weights @ [agreement(first, row) for row in rank])
    rows: list[dict[str, Any]] = [
        {
            "chosen by": "first tasks, all",
            "tasks in effect": int((pool["round"] == 0).sum()),
            "discrepancy": discrepancy(fitted, pool, (pool["round"] == 0).to_numpy(float)),
            "synthetic static": plain,
            "real static": other_real,
            "difference": plain - other_real,
        }
    ]
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


def _chances(
    fitted: pd.DataFrame, pool: pd.DataFrame, by: tuple[str, ...], n: int = CHOSEN
) -> np.ndarray:
    if not by:
        return np.full(len(pool), n / len(pool))
    return balanced_chances(*moments(fitted, pool, by), n)


def choose(fitted: pd.DataFrame, pool: pd.DataFrame) -> list[int]:
    """The indices of the chosen tasks."""
    return [indices(pool)[k] for k in keep(_chances(fitted, pool, BY))]


def fit(fitted: pd.DataFrame, pool: pd.DataFrame) -> None:
    """Write the indices of the chosen tasks into the package."""
    chosen = choose(fitted, pool)
    digits = f"{sum(1 << int(k) for k in chosen):x}"
    lines = "\n".join(f'    "{digits[i : i + 90]}"' for i in range(0, len(digits), 90))
    head, _, tail = CHOSEN_FILE.read_text("utf-8").partition("_CHOSEN = ")
    tail = tail[tail.index("FITTED_FAMILIES = ") :]
    write(CHOSEN_FILE, f"{head}_CHOSEN = int(\n{lines},\n    16,\n)\n\n{tail}")
    print(f"{len(chosen)} of {len(pool)} tasks are chosen")


PAGE = """# Which tasks of the generator are published

`python benchmarks/metadataset/generator.py` made this table; with `--fit` the choice goes into the
package.

Of {pool} trained tasks {chosen} are chosen: of the first {first}, whose concepts had been chosen by
the meta-features of 22 families, and of {more} more that were drawn in {rounds} rounds for settings
like those of tasks likely to be chosen. The pool's file is a record that is added to: the first
round was drawn by 58 of the families and by weights without a bound.

Chances are of the largest entropy among those that bring the means over the chosen tasks nearer to
those over real ones: of the compared meta-features, their squares and the training rows
("numbers"), and of the ranks of the architectures of the shared design ("ranks", which weigh
{ranks_weigh:g} times as much). The slack is {slack:g}; others from 0.03 to 1, and ranks of
twice the weight, made no difference above 0.004 on a part of the pool.

Static: Spearman of a task's final test accuracies with the mean ranking over the choice, or over
real tasks of other families. A fifth of the families at a time is left out of the chances that
judge it, but the candidates of the pool were drawn with all of them: only the first row has seen
none of the rankings. "Tasks in effect": by the sizes of the chances, before {chosen} are drawn. All
on the {n} families that are not tested on: {families}.

{choices}

How the chosen tasks do on other families: [generator_check.md](generator_check.md).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="write the choice into the package")
    parser.add_argument("--more", type=int, metavar="N", help="draw and train N more candidates")
    arguments = parser.parse_args()
    threads(1)
    if arguments.more is not None:
        gather(arguments.more)
    fitted, pool = read(FILE)
    text = PAGE.format(
        pool=len(pool), chosen=CHOSEN, first=FIRST, more=len(pool) - FIRST,
        rounds=int(pool["round"].max()), ranks_weigh=RANKS_WEIGH, slack=SLACK,
        n=fitted["family"].nunique(), families=", ".join(sorted(fitted["family"].unique())),
        choices=markdown(compare(fitted, pool)),
    )  # fmt: skip
    write(RESULTS / "metadataset" / "generator.md", text)
    if arguments.fit:
        fit(fitted, pool)


if __name__ == "__main__":
    main()
