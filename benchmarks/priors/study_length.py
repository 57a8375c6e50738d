"""What a trial of `hyperband_study` costs in a long study: CPU time, memory and the journal's size.

Ten parameters of every kind, a prior of 64 components, an objective that reports a loss a step and
does nothing else, promotion and its base sampler as shipped. Each case runs in a process of its
own; seconds are those of the last tenth of the trials, memory is by how much the process grew at
its peak.

    python benchmarks/priors/study_length.py [--trials 250 1000 5000]

Written: benchmarks/results/priors/study_length.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import optuna

from benchmarks._common import RESULTS, machine, write
from benchmarks.priors.sampler_overhead import SPACE
from infoprior.priors import Prior, hyperband_study, optimize

KEPT = ("memory", "journal")


def measure(kept: str, n_trials: int) -> dict[str, float]:
    """Milliseconds a trial at the end, megabytes, and seconds to open the finished study again."""
    rng = np.random.default_rng(0)
    prior = Prior.from_points(SPACE, Prior.uniform(SPACE).sample(64, rng))

    def objective(trial: optuna.Trial) -> float:
        params = {name: trial._suggest(name, kind) for name, kind in SPACE.items()}
        loss = abs(params["dropout"] - 0.2) + abs(params["depth"] - 3)
        for step in range(1, 28):
            trial.report(loss + 1.0 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss

    with tempfile.TemporaryDirectory() as folder:
        storage = "memory" if kept == "memory" else f"{folder}/study.journal"
        options = {"name": "long", "max_resource": 27, "promote": True, "storage": storage}
        study = hyperband_study(prior, **options)
        optimize(study, objective, n_trials=20, progress=False)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        optimize(study, objective, n_trials=n_trials - n_trials // 10, progress=False)
        start = time.process_time()
        optimize(study, objective, n_trials=n_trials, progress=False)
        seconds = time.process_time() - start
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        row = {"ms": 1e3 * seconds / (n_trials // 10), "megabytes": grown / 1024}
        if kept == "journal":
            start = time.process_time()
            assert len(hyperband_study(prior, **options).trials) == n_trials
            row["open"] = time.process_time() - start
            row["file"] = Path(storage).stat().st_size / 1e6
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[250, 1000, 5000])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.one:
        print(json.dumps(measure(arguments.one[0], int(arguments.one[1]))))
        return
    lines = [
        f"`python benchmarks/priors/study_length.py`, {machine()}, optuna {optuna.__version__}, "
        f"{len(SPACE)} parameters, 27 steps.\n",
        "| kept in | trials | CPU ms a trial at the end | MB | MB of the file | s to open it |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kept in KEPT:
        for n_trials in arguments.trials:
            command = [sys.executable, __file__, "--one", kept, str(n_trials)]
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent
            )
            row = json.loads(done.stdout.splitlines()[-1])
            rest = f"{row['file']:.0f} | {row['open']:.1f}" if "file" in row else "| "
            lines.append(
                f"| {kept} | {n_trials:,} | {row['ms']:.1f} | {row['megabytes']:.0f} | {rest} |"
            )
            print(lines[-1], flush=True)
    write(RESULTS / "priors" / "study_length.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
