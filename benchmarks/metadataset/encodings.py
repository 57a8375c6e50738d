"""What encodings of inputs gain on real tasks, and on tasks of either generator.

    python benchmarks/metadataset/encodings.py              # the tables, from the rows
    python benchmarks/metadataset/encodings.py --measure    # before: train what is missing
    python benchmarks/metadataset/encodings.py --fit        # after: write the odds into the package

Writes benchmarks/results/metadataset/encodings.md. Training takes a core some 40 minutes and
resumes; its rows are kept in benchmarks/results/metadataset/encodings.csv. The odds of the second
generator are fitted to the families of `FITTED_FAMILIES` only, on tasks of the odds in `_broad.py`;
its own tasks, drawn by the fitted odds, are measured afterwards and were not fitted to anything.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd

from benchmarks._common import RESULTS, ROOT, markdown, threads, write
from benchmarks.metadataset import _encodings as rows
from benchmarks.metadataset._encoding_fit import (
    CLIPPED,
    FITTED,
    LEAST,
    TIMID,
    Measured,
    Odds,
    Picks,
    distance,
    features,
    fit_odds,
    gains,
    mean_ranks,
    measured,
    static_agreement,
    uncertainty,
)
from infoprior import load_metadataset
from infoprior.metadataset import FITTED_FAMILIES, chosen_tasks

OLD, FRESH = 80, 120  # tasks of each kind that are measured
POOL = (*range(102), *range(1000, 1186, 3), *range(1001, 1224, 3), *range(1002, 1212, 3))
FOLDS = 5
REPEATS, TIMIDS = 3, (3.0, 10.0, 30.0, 100.0)
ODDS_FILE = ROOT / "infoprior" / "tasks" / "_synthetic" / "odds.py"
NAMES = {
    "real": "real, fitted families",
    "synthetic": "first generator",
    "broad": "pool",
    "synthetic2": "second generator",
}


def measure() -> None:
    """Train what is missing: real tasks on all draws, others on the first."""
    tasks = load_metadataset("mlp").tasks
    real = tasks[(tasks["kind"] == "real") & tasks["family"].isin(FITTED_FAMILIES)]
    rows.gather(real.sort_values("n_train")["task"])
    rows.gather(chosen_tasks(OLD), draws=1)
    rows.gather([f"broad/{i}" for i in POOL], draws=1)
    rows.gather([f"synthetic2/{i}" for i in range(FRESH)], draws=1)


def groups(frame: pd.DataFrame) -> dict[str, Measured]:
    """The measured tasks by kind."""
    prefix = frame["task"].str.partition("/")[0]
    kind = prefix.where(prefix.isin(list(NAMES)), "real")
    return {n: measured(frame[kind == n], n == "real") for n in NAMES if (kind == n).any()}


def compare(every: dict[str, Measured], fitted: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """Tables of what encodings gain by group; `fitted` weighs the broad tasks."""
    real = every["real"]
    shown = [(NAMES[n], g, g.weights) for n, g in every.items()]
    place = [n for n, _, _ in shown].index(NAMES["broad"]) + 1
    shown.insert(place, ("pool, weighted", every["broad"], fitted / fitted.sum()))
    tables: dict[str, list[dict[str, Any]]] = {n: [] for n in ("gain", "spread", "best", "whole")}
    for name, group, weights in shown:
        x, names = features(group)
        mean = dict(zip(names, weights @ x, strict=True))
        head = {"tasks": f"{name} ({len(group.tasks)})"}
        gain = weights @ gains(group.repeats).mean(0)
        variance = [mean[f"square {k}"] - g**2 for k, g in zip(rows.ENCODINGS, gain, strict=True)
                    if k != rows.ENCODINGS[0]]  # fmt: skip
        tables["gain"].append(
            head | {k: f"{g:+.2f}" for k, g in zip(rows.ENCODINGS, gain, strict=True)}
        )
        tables["spread"].append(
            head
            | {
                k: f"{np.sqrt(max(v, 0)):.2f}"
                for k, v in zip(rows.ENCODINGS[1:], variance, strict=True)
            }
        )
        tables["best"].append(head | {k: f"{100 * mean[f'best {k}']:.0f}" for k in rows.ENCODINGS})
        static = mean_ranks(group, weights)
        tables["whole"].append(head | {
            "best − median": f"{mean['best - median']:.2f}",
            "chosen − median": f"{mean['chosen - median']:.2f}",
            "static on itself": f"{static_agreement(group, weights):.2f}",
            "static on real": "–" if group is real
            else f"{static_agreement(real, real.weights, static):.2f}",
            "training rows": f"{np.exp(mean['rows']):.0f}",
            "in effect": f"{1 / (weights**2).sum():.0f}",
        })  # fmt: skip
    errors = dict(zip(features(real)[1], uncertainty(real), strict=True))
    error = {"tasks": "standard error of real"}
    tables["gain"].insert(1, error | {
        k: f"{errors[f'gain {k}']:.2f}" if k != rows.ENCODINGS[0] else "" for k in rows.ENCODINGS
    })  # fmt: skip
    tables["best"].insert(
        1, error | {k: f"{100 * errors[f'best {k}']:.0f}" for k in rows.ENCODINGS}
    )
    return tables


def on_halves(real: Measured, broad: Measured, picks: Picks) -> list[dict[str, Any]]:
    """How far half of the pool is from real tasks, weighted by odds that the other half gave."""
    x, target, errors = features(broad)[0], real.weights @ features(real)[0], uncertainty(real)
    rng, halves = np.random.default_rng(0), []
    for _ in range(REPEATS):
        order = rng.permutation(len(x))
        halves += [(order[::2], order[1::2]), (order[1::2], order[::2])]
    table = []
    for timid in TIMIDS:
        distances = []
        for one, other in halves:
            odds = fit_odds(picks.subset(one), x[one], target, errors, timid)
            weighed = ((half, picks.subset(half).weights(odds)) for half in (one, other))
            distances.append([distance(x[half], w, target, errors) for half, w in weighed])
        fitted, judged = np.mean(distances, axis=0)
        weights = picks.weights(fit_odds(picks, x, target, errors, timid))
        table.append({
            "timid": f"{timid:g}", "fitted half": f"{fitted:.1f}", "other half": f"{judged:.1f}",
            "tasks in effect": f"{weights.sum() ** 2 / (weights**2).sum():.0f}",
        })  # fmt: skip
    return table


def on_folds(every: dict[str, Measured], picks: Picks) -> list[dict[str, Any]]:
    """Distance from families that a fit did not see: mean squared, in their standard errors."""
    real, broad = every["real"], features(every["broad"])[0]
    families = np.array(sorted(set(real.tasks["family"])))
    np.random.default_rng(0).shuffle(families)
    of_all = uncertainty(real)
    candidates = {NAMES[n]: (features(g)[0], g.weights) for n, g in every.items() if n != "real"}
    distances: dict[str, list[float]] = {}
    for fold in range(FOLDS):
        out = real.tasks["family"].isin(families[fold::FOLDS]).to_numpy()
        seen, unseen = real.subset(~out), real.subset(out)
        target = unseen.weights @ features(unseen)[0]
        errors = of_all * np.sqrt(len(families) / unseen.tasks["family"].nunique())
        odds = fit_odds(picks, broad, seen.weights @ features(seen)[0], uncertainty(seen))
        candidates["pool, weighted without the fold"] = (broad, picks.weights(odds))
        candidates["real tasks of the other folds"] = (features(seen)[0], seen.weights)
        for name, (x, weights) in candidates.items():
            distances.setdefault(name, []).append(distance(x, weights, target, errors))
    return [
        {"tasks": name, "mean": f"{np.mean(d):.1f}", "folds": " ".join(f"{v:.1f}" for v in d)}
        for name, d in distances.items()
    ]


def write_odds(odds: Odds) -> None:
    """Into the package."""
    lines = []
    for name in FITTED:
        values = (f"        {json.dumps(v)}: {p}," for v, p in odds[name].items())
        lines += [f'    "{name}": {{', *values, "    },"]
    write(ODDS_FILE, ODDS_PAGE.format("\n".join(lines)))


ODDS_PAGE = '''"""Odds of the second generator's settings.

`python benchmarks/metadataset/encodings.py --fit` wrote them, from the families of
`infoprior.metadataset.FITTED_FAMILIES` only. A change makes other tasks of all its indices.
"""

from typing import Any

ODDS: dict[str, dict[Any, float]] = {{
{}
}}
'''

PAGE = """# What encodings of inputs gain, on real tasks and on synthetic ones

`python benchmarks/metadataset/encodings.py` made these tables from `encodings.csv`, where
`--measure` keeps what it trains: two architectures of the space `tabular` (the best two of `mlp` on
the fitted families: `_encodings.py`) under each of its encodings, {epochs} epochs. Points of
accuracy over `standard`, the mean over the two architectures. Families weigh equally. Real tasks,
at most 2,000 training rows: {n_real} of {n_families} families, those of `FITTED_FAMILIES`; none of
the others was looked at. So that chance has the same part in all groups, accuracies are those on
validation rows (a third of the training rows); of real tasks on test rows as well, and the mean
over two draws. Gains are clipped to ±{clipped:g} points.

The odds of the second generator's settings are those by which a pool of tasks, drawn by the odds in
`_broad.py`, would have the means of real tasks, if they were drawn by them instead: of gains, of
products of gains on two parts of the rows, of who is best, of the two differences below and of
ln(training rows), each in units of its standard error over families. The divergence from the
pool's odds and of the weights from equal ones counts as well ({timid:g} times a nat, where the
others are half their sum of squares). No odds are below {least:g}. "Second generator" are its own
first tasks, drawn by these odds and measured afterwards.

## Mean gain over `standard` (points)

{gain}

## Spread of gains between tasks (points)

Standard deviation, from products of gains on validation and on test rows: without the noise of the
rows they are measured on.

{spread}

## Tasks on which an encoding is best (%)

{best}

## In all

"Best − median": of the encodings, on the same rows (chance included). "Chosen − median": the best
on one part of the rows, on the other one. "Static": mean correlation (Spearman) of a task's
encodings with the mean ranking of the other families' tasks of its group; "on real": of the real
tasks with the group's. "In effect": families, by their weights.

{whole}

## On families that were not fitted to

Mean squared difference of the numbers above ({n_features} of them) from those of a fifth of the
real families, in their standard errors; 1 is what chance in that fifth gives, and what chance in
the other tasks adds is subtracted. The second generator's own odds have seen all families; "without
the fold" has not.

{folds}

## On tasks that were not fitted by

The same, from all real families: odds fitted on a half of the pool weigh its other half ("timid":
the weight of the divergences; {timid:g} is taken).

{halves}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--measure", action="store_true", help="train what is missing")
    parser.add_argument("--fit", action="store_true", help="write the odds into the package")
    arguments = parser.parse_args()
    threads(1)
    if arguments.measure:
        measure()
    every = groups(rows.table())
    real = every["real"]
    picks = Picks(list(every["broad"].tasks["task"]))
    target = real.weights @ features(real)[0]
    odds = fit_odds(picks, features(every["broad"])[0], target, uncertainty(real))
    tables = compare(every, picks.weights(odds))
    page = PAGE.format(
        epochs=rows.EPOCHS, n_real=len(real.tasks), n_families=real.tasks["family"].nunique(),
        clipped=CLIPPED, timid=TIMID, least=LEAST,
        n_features=len(target),
        folds=markdown(on_folds(every, picks)),
        halves=markdown(on_halves(real, every["broad"], picks)),
        **{k: markdown(v) for k, v in tables.items()},
    )  # fmt: skip
    write(RESULTS / "metadataset" / "encodings.md", page)
    if arguments.fit:
        write_odds(odds)


if __name__ == "__main__":
    main()
