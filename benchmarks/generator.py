"""Does the generator resemble real tasks, in meta-features and in which architectures win?

    python benchmarks/generator.py --fit       # choose the draws to keep, from training families
    python benchmarks/generator.py             # the tables and figures, held-out families included

Writes benchmarks/results/generator.{md,csv} and two figures. What is measured of a task is kept
under benchmarks/cache/generator, so that a second run takes seconds.
"""

from __future__ import annotations

import argparse
from typing import Any

import _generator_measure as measure
import numpy as np
import pandas as pd
from _common import RESULTS, ROOT, markdown, threads, write, write_csv
from _generator_figures import metafeature_figure, ranking_figure
from _generator_fit import (
    agreement,
    coverage,
    discrepancy,
    family_weights,
    inclusion,
    keep,
    leave_family_out,
    likeness,
    ranks,
)

from infoprior.tasks._synthetic_mix import draw_recipe

POOL = 2400
KEPT = 1200
PENALTY = 10.0
POWERS = (0.0, 0.5, 1.0, 2.0)
POWER = 1.0
TRAINED = 57  # of the pool, to compare powers by
REPORTED = 34  # of the kept, for the static ranking
# Factors on the odds, by the static ranking on training families: architectures rank otherwise
# than on real tasks where the latent variables are not Gaussian, and where little can be learned.
NOT_NORMAL, LITTLE, LITTLE_SKILL = 0.25, 0.5, 0.3
KEPT_FILE = ROOT / "infoprior" / "tasks" / "_synthetic_kept.py"


class Measured:
    """Real tasks, the pool, and the accuracies of the shared design on both."""

    def __init__(self, pool: int = POOL, trained: int = TRAINED) -> None:
        self.real = measure.described_real()
        self.real["held_out"] = self.real.family.map(measure.held_out)
        drawn = measure.described_concepts(range(pool))
        self.pool = drawn[drawn.log_features.notna()].reset_index(drop=True)
        self.training = self.real[~self.real.held_out].reset_index(drop=True)
        self.rest = self.real[self.real.held_out].reset_index(drop=True)
        self.some = [k for k in self.pool.key if k < trained]
        self.rank_pool = ranks(measure.trained([("concept", k) for k in self.some]), self.some)
        self.rank_training = self.ranks_of(self.training)

    def ranks_of(self, real: pd.DataFrame) -> np.ndarray:
        return ranks(measure.trained([("real", k) for k in real.key]), list(real.key))


def tilted(real: pd.DataFrame, pool: pd.DataFrame, tilt: bool = True) -> np.ndarray:
    """Odds of being kept: likeness to the real tasks, and the factors of the static ranking."""
    odds = likeness(real, pool, PENALTY)
    if not tilt:
        return odds
    latent = np.array([draw_recipe(int(k)).latent for k in pool.key])
    odds = odds * np.where(latent == "normal", 1.0, NOT_NORMAL)
    return odds * np.where(pool.best_skill < LITTLE_SKILL, LITTLE, 1.0)


def compare_powers(m: Measured) -> list[dict[str, Any]]:
    """How hard to select: over training families, each left out of the fit that judges it."""
    real_static = leave_family_out(m.rank_training, m.training.family)
    trained = m.pool.key.isin(m.some).to_numpy()
    rows = []
    settings = [(power, False) for power in POWERS] + [(POWER, True)]
    for power, tilt in settings:
        spearman = np.empty(len(m.training))
        gaps = []
        for family in m.training.family.unique():
            out = (m.training.family == family).to_numpy()
            odds = tilted(m.training[~out], m.pool, tilt)
            chances = inclusion(odds, KEPT, power)
            static = chances[trained] @ m.rank_pool / chances[trained].sum()
            spearman[out] = [agreement(static, row) for row in m.rank_training[out]]
        for fold in range(5):
            families = m.training.family.unique()[fold::5]
            out = m.training.family.isin(families).to_numpy()
            odds = tilted(m.training[~out], m.pool, tilt)
            gaps.append(discrepancy(m.training[out], m.pool, inclusion(odds, KEPT, power)))
        weights = family_weights(m.training.family)
        rows.append(
            {
                "power": power,
                "factors": "yes" if tilt else "no",
                "discrepancy": float(np.mean(gaps)),
                "synthetic static": float(weights @ spearman),
                "real static": float(weights @ real_static),
                "difference": float(weights @ (spearman - real_static)),
            }
        )
    return rows


def fit() -> None:
    m = Measured()
    print(markdown(compare_powers(m)))
    chances = inclusion(tilted(m.training, m.pool), KEPT, POWER)
    kept = m.pool.key.to_numpy()[keep(chances)]
    bits = sum(1 << int(k) for k in kept)
    digits = f"{bits:0{POOL // 4}x}"
    lines = "\n".join(f'    "{digits[i : i + 80]}"' for i in range(0, len(digits), 80))
    head, _, tail = KEPT_FILE.read_text().partition("_POOL = ")
    tail = tail[tail.index("NUMBERS = ") :]
    body = f"_POOL = {POOL}\n_KEPT = int(\n{lines},\n    16,\n)\n\n"
    write(KEPT_FILE, head + body + tail)
    print(f"{len(kept)} of {POOL} draws are kept")


def report() -> None:
    from infoprior.tasks._synthetic_kept import NUMBERS

    m = Measured()
    kept = m.pool[m.pool.key.isin(NUMBERS)].reset_index(drop=True)
    some = list(NUMBERS[:REPORTED])
    static = ranks(measure.trained([("concept", k) for k in some]), some).mean(0)
    rank_rest = m.ranks_of(m.rest)
    both = np.concatenate([m.rank_training, rank_rest])
    real = pd.concat([m.training, m.rest], ignore_index=True)
    other_real = leave_family_out(both, real.family)
    training_only = family_weights(m.training.family) @ m.rank_training
    rows = []
    for k, (key, family, out) in enumerate(zip(real.key, real.family, real.held_out, strict=True)):
        row = {"task": key, "family": family, "held_out": out}
        row["spearman_synthetic"] = agreement(static, both[k])
        row["spearman_other_real"] = other_real[k]
        row["spearman_training_families"] = (
            agreement(training_only, both[k]) if out else float("nan")
        )
        rows.append(row)
    table = pd.DataFrame(rows)
    write_csv(RESULTS / "generator.csv", rows)
    static_real = family_weights(real.family) @ both
    metafeature_figure(m.training, m.rest, kept, RESULTS / "generator_metafeatures.png")
    ranking_figure(static_real, static, table, RESULTS / "generator_ranking.png")
    write(RESULTS / "generator.md", _page(m, kept, table, static_real, static))


def _page(
    m: Measured, kept: pd.DataFrame, table: pd.DataFrame, real: np.ndarray, synthetic: np.ndarray
) -> str:
    transfer = [_transfer(table[table.held_out == out], name) for out, name in
                ((False, "training"), (True, "held out"))]  # fmt: skip
    covered = []
    for frame, name in ((m.training, "training"), (m.rest, "held out")):
        near = {"families": name, "real tasks": len(frame)}
        near["all kept"] = coverage(frame, kept)
        near["as many as real"] = coverage(frame, kept, len(frame))
        near["discrepancy, kept"] = discrepancy(frame, kept, np.ones(len(kept)))
        near["discrepancy, pool"] = discrepancy(frame, m.pool, np.ones(len(m.pool)))
        covered.append(near)
    return PAGE.format(
        n_real=len(m.real), n_families=m.real.family.nunique(), seed=measure.SPLIT_SEED,
        n_training=m.training.family.nunique(), n_rest=m.rest.family.nunique(),
        not_normal=NOT_NORMAL, little=LITTLE, little_skill=LITTLE_SKILL,
        pool=POOL, kept=len(kept), n_trained=REPORTED, power=POWER, **measure.CAPS,
        rho=agreement(real, synthetic), n_architectures=measure.ARCHITECTURES,
        transfer=markdown(transfer), covered=markdown(covered),
        powers=markdown(compare_powers(m)),
        training_families=", ".join(sorted(m.training.family.unique())),
        held_out_families=", ".join(sorted(m.rest.family.unique())),
    )  # fmt: skip


def _transfer(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Mean Spearman, families of equal weight, and a bootstrap interval over families."""
    weights = family_weights(table.family)
    difference = (table.spearman_synthetic - table.spearman_other_real).groupby(table.family).mean()
    rng = np.random.default_rng(0)
    means = rng.choice(difference.to_numpy(), size=(10_000, len(difference))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "families": f"{name} ({len(difference)})",
        "synthetic": float(weights @ table.spearman_synthetic),
        "other real tasks": float(weights @ table.spearman_other_real),
        "training families only": float(weights @ table.spearman_training_families),
        "synthetic − other real": f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]",
    }


PAGE = """# The generator against real tasks

`python benchmarks/generator.py` made this page; `--fit` chose the draws that are kept.

{n_real} real tasks of {n_families} families (at least 500 rows) are divided once, by a hash of
the family's name with seed {seed}: {n_training} families to fit, {n_rest} held out, which no
choice saw. Of the first {pool} draws from the mix {kept} are kept, with chances proportional to
the odds (to the power {power}) that a logistic regression on meta-features takes a draw for a
real task. The odds of draws whose latent variables are not Gaussian are then multiplied by
{not_normal}, those of draws with a best landmarker's skill under {little_skill} by {little}: on
the training families architectures rank otherwise there. These two factors and the power were
chosen on all training families, so that the training rows below flatter them; the held-out rows
do not.

## Static ranking of architectures

Spearman of a task's final test accuracies ({n_architectures} architectures of the space `mlp`,
27 epochs, at most {max_train} training and {max_test} test rows) with the mean ranking over
{n_trained} of the kept synthetic tasks, and with the mean ranking over all real tasks of other
families. Families weigh equally; intervals: bootstrap over families.

{transfer}

"Training families only" is the mean ranking over the real tasks that the generator was fitted
to. The two mean rankings agree with Spearman {rho:.3f}.

![Mean ranks of architectures](generator_ranking.png)

## Meta-features

Coverage: the share of real tasks that have a synthetic task nearer than the nearest real task
of another family (standardised meta-features and skills of landmarkers, without the number of
rows); with all kept ones, and with as many drawn at random as there are real ones, where one
half is what equal distributions give. Discrepancy: squared maximum mean discrepancy.

{covered}

![Meta-features](generator_metafeatures.png)

## How hard to select

Over the training families: each is left out of the fit that judges it.

{powers}

## Families

To fit: {training_families}.

Held out: {held_out_families}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="choose the draws that are kept")
    threads(1)
    if parser.parse_args().fit:
        fit()
    else:
        report()


if __name__ == "__main__":
    main()
