"""Priors that adapt against static ones, tasks left out one by one.

    make bench-peers; python benchmarks/priors/adapting.py [--bench graph ...] [--seeds 2]
                                                           [--methods adapt ...] [--jobs 1]

`_adapting_tables.py` says what the tasks and the past studies are. Methods: random; Optuna's TPE;
the static prior of `Prior.from_trials` alone (static) and in PriorSampler over TPE
(static-sampler); the same prior with adapt=True in PriorSampler (adapt); the static prior of the
third of the other tasks that are ranked most like the searched one over the whole table, in
PriorSampler (oracle: nobody knows that before a search); PriorBand of NePS with the static prior's
mode. 100 evaluations; of mlp and tabular, where few networks are recorded, 16.

Regret is (best − incumbent) / (best − median) of the table's values. An optimum is found when one
of the table's ten best points was evaluated (of mlp and tabular: the best); `best` is the best
itself. Intervals are bootstrapped over families; p-values Wilcoxon's over families, Holm over
benches. Finished jobs are kept in benchmarks/cache/adapting. Written:
benchmarks/results/priors/adapting.csv, .md and docs/figures/adapting.png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import pandas as pd

from benchmarks._common import RESULTS, ROOT, write, write_csv
from benchmarks.priors._adapting_report import figure, text
from benchmarks.priors._adapting_search import METHODS, PEER, budget_of, search_task
from benchmarks.priors._adapting_tables import BENCHES, RECORDED, tasks_of
from infoprior.fingerprints import fingerprint, source_fingerprint
from infoprior.parallel import run_jobs

SHARDS = ROOT / "benchmarks" / "cache" / "adapting"
AT = (1, 2, 4, 8, 16, 32, 64, 100)
ALL_METHODS = (*METHODS, "priorband")


def rows_of(bench: str, seeds: int, methods: list[str], jobs: int) -> list[dict[str, Any]]:
    """A row for each task, method, seed and budget."""
    code = source_fingerprint("infoprior.priors")
    peer = source_fingerprint("benchmarks.priors._adapting_tables")
    planned = {}
    for task in tasks_of(bench).searched:
        for seed in range(seeds):
            for method in methods:
                version = fingerprint(peer, *([code] if method not in ("random", "tpe") else []))
                key = f"{bench}.{task.replace('/', '--')}.{method}.{seed}.{version}"
                planned[key] = (bench, task, seed, method)
    done = run_jobs(search_task, planned, directory=SHARDS, workers=jobs, description=bench)
    rows = []
    for key, (_, task, seed, method) in planned.items():
        values = tasks_of(bench).values[task]
        best, median = float(values.max()), float(np.median(values))
        evaluated = np.array(done[key])
        incumbent = np.maximum.accumulate(np.where(evaluated < 0, values.min(), values[evaluated]))
        wanted = best if bench in RECORDED else float(np.sort(values)[-10])
        for budget in AT:
            if budget > budget_of(bench):
                continue
            reached = float(incumbent[budget - 1])
            rows.append({
                "bench": bench, "task": task, "family": tasks_of(bench).families[task],
                "seed": seed, "method": method, "budget": budget,
                "regret": round((best - reached) / (best - median), 5),
                "optimum": int(reached >= wanted), "best": int(reached >= best),
            })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--methods", nargs="+", choices=ALL_METHODS, default=list(ALL_METHODS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    options = parser.parse_args()
    if "priorband" in options.methods and not PEER.exists():
        print("PriorBand is left out: run `make bench-peers` first.")
        options.methods.remove("priorband")
    rows = []
    for bench in options.bench:
        methods = [m for m in options.methods if m != "priorband" or bench in ("graph", "hpobench")]
        rows += rows_of(bench, options.seeds, methods, options.jobs)
    frame = pd.DataFrame(rows)
    write_csv(RESULTS / "priors" / "adapting.csv", frame.to_dict("records"))
    account = text(frame, options.seeds)
    write(RESULTS / "priors" / "adapting.md", account)
    figure(frame, ROOT / "docs" / "figures" / "adapting.png")
    print(account)


if __name__ == "__main__":
    main()
