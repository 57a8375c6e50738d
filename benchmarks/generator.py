"""Which draws of the generator's mix are kept: chosen on training families of real tasks.

    python benchmarks/generator.py          # how hard to select: a table
    python benchmarks/generator.py --fit    # and write the choice into the package

Writes benchmarks/results/generator.md. What is measured of a task is kept under
benchmarks/cache/generator, so that a second run takes seconds. How the chosen draws compare with
real tasks: benchmarks/generator_check.py.
"""

from __future__ import annotations

import argparse
from typing import Any

import _generator_measure as measure
import numpy as np
import pandas as pd
from _common import RESULTS, ROOT, markdown, threads, write
from _generator_fit import (
    agreement,
    discrepancy,
    family_weights,
    inclusion,
    keep,
    leave_family_out,
    likeness,
    ranks,
)

from infoprior.tasks import FITTED_FAMILIES
from infoprior.tasks._synthetic_mix import draw_recipe

POOL = 2400
KEPT = 1200
PENALTY = 10.0
POWERS = (0.0, 0.5, 1.0, 2.0)
POWER = 1.0
TRAINED = 57  # of the pool, to compare powers by
# Factors on the odds, by the static ranking on training families: architectures rank otherwise
# than on real tasks where the latent variables are not Gaussian, and where little can be learned.
NOT_NORMAL, LITTLE, LITTLE_SKILL = 0.25, 0.5, 0.3
KEPT_FILE = ROOT / "infoprior" / "tasks" / "_synthetic_kept.py"


class Measured:
    """Real tasks of training families, the pool, and the accuracies of the shared design."""

    def __init__(self, pool: int = POOL, trained: int = TRAINED) -> None:
        real = measure.described_real()
        drawn = measure.described_concepts(range(pool))
        self.pool = drawn[drawn.log_features.notna()].reset_index(drop=True)
        self.training = real[real.family.isin(FITTED_FAMILIES)].reset_index(drop=True)
        self.some = [k for k in self.pool.key if k < trained]
        self.rank_pool = ranks(measure.trained([("concept", k) for k in self.some]), self.some)
        keys = list(self.training.key)
        self.rank_training = ranks(measure.trained([("real", k) for k in keys]), keys)


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


def fit(m: Measured) -> None:
    """Write the numbers of the kept draws into the package."""
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


PAGE = """# Which draws of the generator's mix to keep

`python benchmarks/generator.py` made this table; with `--fit` the choice goes into the
package.

Of the first {pool} draws from the mix {kept} are kept, with chances proportional to the odds (to
the power {power}) that a logistic regression on meta-features takes a draw for a real task. The
odds of draws whose latent variables are not Gaussian are then multiplied by {not_normal}, those of
draws with a best landmarker's skill under {little_skill} by {little}: on the training families
architectures rank otherwise there. "Static": Spearman of a task's final test accuracies
({n_architectures} architectures, at most {max_train} training and {max_test} test rows) with a mean
ranking over synthetic tasks, or over real ones; each family is left out of the fit that judges it.
The powers and factors were chosen by this table, on these {n} families: {families}.

{powers}

How the chosen draws do on other families: [generator_check.md](generator_check.md).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="write the choice into the package")
    threads(1)
    arguments = parser.parse_args()
    m = Measured()
    text = PAGE.format(
        pool=POOL, kept=KEPT, power=POWER, not_normal=NOT_NORMAL, little=LITTLE,
        little_skill=LITTLE_SKILL, n_architectures=measure.ARCHITECTURES, **measure.CAPS,
        n=m.training.family.nunique(), families=", ".join(sorted(m.training.family.unique())),
        powers=markdown(compare_powers(m)),
    )  # fmt: skip
    write(RESULTS / "generator.md", text)
    if arguments.fit:
        fit(m)


if __name__ == "__main__":
    main()
