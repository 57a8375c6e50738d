"""What the critics of the recipe "tabular" gain from more units, steps and patience.

    python benchmarks/information/recipe.py [--n 1500] [--seeds 2]

I(T; Y) by "hybrid-labels" of the development group of `infoprior.information.known.known_layers`,
one thread: mean absolute error and bias over layers and seeds, against CPU seconds a layer (each
in a call of its own). The linear discriminants alone and the plain enumerated critic stand beside
it. Writes benchmarks/results/information/recipe.csv and .md and prints the table.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
from tqdm import tqdm

from benchmarks._common import RESULTS, machine, markdown, threads, timed, write, write_csv

SHOWN = ("hidden", "steps", "patience", "learning_rate")
COMMON: dict[str, Any] = {"batch_size": 256, "check_every": 10}
SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lda", {}),
    ("linear-probe", {}),
    ("enumerated", {}),
    *(
        ("hybrid-labels", COMMON | {"hidden": h, "steps": s, "patience": p, "learning_rate": r})
        for h, s, p, r in (
            (16, 100, 20, 5e-3),
            (32, 100, 20, 5e-3),
            (32, 200, 20, 5e-3),
            (32, 200, 20, 1e-2),
            (32, 200, 40, 3e-3),
            (64, 300, 40, 3e-3),
            (64, 600, 100, 3e-3),
        )
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    threads(1)
    from infoprior.information import estimate
    from infoprior.information.known import known_layers
    from infoprior.profiles import RECIPES

    layers = [known for known in known_layers() if known.group == "development"]
    samples = [
        (known.nats, known.sample(options.n, seed), seed)
        for known in tqdm(layers, desc="samples")
        for seed in range(options.seeds)
    ]
    table = []
    for method, settings in SETTINGS:
        errors, seconds = [], []
        for truth, (x, y), seed in tqdm(samples, desc=f"{method} {settings}"):
            result, took = timed(
                lambda x=x, y=y, seed=seed, method=method, settings=settings: estimate(
                    x, y, method, discrete_y=True, seed=seed, **settings
                )
            )
            errors.append(result.nats - truth)
            seconds.append(took)
        chosen = method == "hybrid-labels" and settings == dict(RECIPES["tabular"].ty_options)
        table.append({
            "method": method,
            **{key: settings.get(key, "") for key in SHOWN},
            "mean abs. error": float(np.mean(np.abs(errors))),
            "bias": float(np.mean(errors)),
            "worst": float(np.max(np.abs(errors))),
            "s a layer": float(np.mean(seconds)),
            "recipe": "tabular" if chosen else "",
        })  # fmt: skip
    head = (
        "# Settings of the default recipe's critics\n\n"
        f"`python benchmarks/information/recipe.py`; "
        f"{len(layers)} layers of the development group, n = "
        f"{options.n:,}, {options.seeds} seeds, 1 thread, {machine()}; nats.\n\n"
    )
    write_csv(RESULTS / "information" / "recipe.csv", table)
    write(RESULTS / "information" / "recipe.md", head + markdown(table))
    print(head + markdown(table))


if __name__ == "__main__":
    main()
