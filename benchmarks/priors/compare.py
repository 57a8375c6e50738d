"""PriorSampler against its peers, with good, medium, bad, deceiving and no priors.

    python benchmarks/priors/compare.py [--bench curves] [--tasks keel/letter ...] [--seeds 30]
                                        [--arms good ...] [--methods ours ...] [--jobs 2]

Two tabular benchmarks (`_tables.py` says what they and the priors are):

(a) hpobench: eight data sets, no fidelities: an evaluation is a full training.
(b) curves: recorded data sets, searched with Optuna's HyperbandPruner from 1 to 27 epochs.

Methods: random, TPE, BOHB-style TPE; the prior alone (static); PriorSampler (ours) over TPE, as it
comes and with a fixed weight; PriorBand from neural-pipeline-search, given the prior's mode, at the
confidences "medium" and "high" (after `make bench-peers`). On (b) all run under Hyperband: Optuna's
pruner, or, "promoting", as `hyperband_study` does, where trials resume paused
ones; so does PriorBand.

What is measured: regret of the incumbent, the best accuracy at the highest rung reached so far, as
(best − its accuracy) / (best − median) over the recorded configurations, after a full training.

Finished jobs are kept in benchmarks/cache/priors and not run again while their data and code stay
the same. Written: benchmarks/results/priors/compare.csv, .md and .png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import pandas as pd

from benchmarks._common import RESULTS, write, write_csv
from benchmarks.priors._jobs import ALL_METHODS, results
from benchmarks.priors._report import bars, figure, per_task, text, wide
from benchmarks.priors._search import run
from benchmarks.priors._tables import ARMS, BENCHES, tasks

__all__ = ["run"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--tasks", nargs="+", help="names; default: all")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--methods", nargs="+", choices=ALL_METHODS, default=list(ALL_METHODS))
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument(
        "--name", default="compare", help="of the files in benchmarks/results/priors"
    )
    options = parser.parse_args()
    frames = []
    for bench in options.bench:
        names = [name for name in tasks(bench) if options.tasks is None or name in options.tasks]
        if names:
            rows = results(bench, names, options.methods, options.arms, options.seeds, options.jobs)
            frames.append(per_task(rows))
    means = pd.concat(frames, ignore_index=True)
    account = text(means, options.seeds)
    write_csv(RESULTS / "priors" / f"{options.name}.csv", wide(means).to_dict("records"))
    write(RESULTS / "priors" / f"{options.name}.md", account)
    figure(means, RESULTS / "priors" / f"{options.name}.png")
    print(account)
    for bench in options.bench:
        print(f"{bench}:", *bars(means, bench), sep="\n  ")


if __name__ == "__main__":
    main()
