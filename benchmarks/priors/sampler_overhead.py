"""What PriorSampler costs a trial, beside its base sampler's own cost.

Ten parameters of every kind, a prior of 64 components, trials in memory of an objective that does
nothing; least CPU time of the repeats. Two stopwatches, one around PriorSampler and one
around the base inside it, tell the two apart: their difference is PriorSampler's own work. The
difference between two studies would not: how long TPE takes depends on the trials it has seen.

    python benchmarks/priors/sampler_overhead.py [--trials 250 1000 4000] [--repeats 3]
                                                 [--components 64]

Written: benchmarks/results/priors/sampler_overhead.md. TPE is run with up to 1,000 trials.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from benchmarks._common import RESULTS, machine, write
from infoprior.priors import Prior, PriorSampler

SPACE: dict[str, optuna.distributions.BaseDistribution] = {
    "depth": IntDistribution(1, 5),
    "width": IntDistribution(16, 256, log=True),
    "units": IntDistribution(10, 120, step=5),
    "dropout": FloatDistribution(0.0, 0.5),
    "momentum": FloatDistribution(0.0, 0.9, step=0.1),
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
    "activation": CategoricalDistribution(("relu", "tanh", "gelu", "silu")),
    "batch_size": CategoricalDistribution((32, 64, 128, 256)),
    "residual": CategoricalDistribution((False, True)),
}


class Stopwatch(BaseSampler):
    """Adds up the CPU time spent in another sampler."""

    def __init__(self, sampler: BaseSampler) -> None:
        self.sampler, self.seconds = sampler, 0.0

    def _timed(self, method: str, *arguments: Any) -> Any:
        start = time.process_time()
        try:
            return getattr(self.sampler, method)(*arguments)
        finally:
            self.seconds += time.process_time() - start

    def infer_relative_search_space(self, *arguments: Any) -> Any:
        return self._timed("infer_relative_search_space", *arguments)

    def sample_relative(self, *arguments: Any) -> Any:
        return self._timed("sample_relative", *arguments)

    def sample_independent(self, *arguments: Any) -> Any:
        return self._timed("sample_independent", *arguments)

    def before_trial(self, *arguments: Any) -> None:
        self._timed("before_trial", *arguments)

    def after_trial(self, *arguments: Any) -> None:
        self._timed("after_trial", *arguments)


def measure(
    prior: Prior, base: BaseSampler, options: dict[str, Any], n_trials: int, hyperband: bool
) -> tuple[float, float]:
    """CPU milliseconds a trial: (PriorSampler's own, its base's)."""
    inner = Stopwatch(base)
    outer = Stopwatch(PriorSampler(prior, inner, seed=0, **options))
    pruner: BasePruner = HyperbandPruner(1, 27, 3) if hyperband else NopPruner()
    study = optuna.create_study(sampler=outer, pruner=pruner)
    pruner.prune(study, optuna.trial.create_trial(value=0.0))
    for _ in range(n_trials):
        trial = study.ask(SPACE)
        study.tell(trial, float(trial.params["dropout"]))
    return 1e3 * (outer.seconds - inner.seconds) / n_trials, 1e3 * inner.seconds / n_trials


CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "all trials the prior's": ({"weight": 1.0, "adaptive": False}, False),
    "adaptive weight": ({}, False),
    "adaptive weight, Hyperband": ({}, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[250, 1000, 4000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--components", type=int, default=64)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    rng = np.random.default_rng(0)
    points = Prior.uniform(SPACE).sample(arguments.components, rng)
    prior = Prior.from_points(SPACE, points)
    lines = [
        f"`python benchmarks/priors/sampler_overhead.py`, {machine()}, "
        f"optuna {optuna.__version__}, "
        f"{len(SPACE)} parameters, {arguments.components} components; CPU ms a trial.\n",
        "| base | PriorSampler | trials | its own | its base's |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    print("\n".join(lines))
    for base in (RandomSampler, TPESampler):
        for name, (options, hyperband) in CASES.items():
            for n_trials in arguments.trials:
                if base is TPESampler and n_trials > 1000:
                    continue
                costs = [
                    measure(prior, base(seed=0), options, n_trials, hyperband)
                    for _ in range(arguments.repeats)
                ]
                own, rest = (min(column) for column in zip(*costs, strict=True))
                lines.append(f"| {base.__name__} | {name} | {n_trials} | {own:.3f} | {rest:.3f} |")
                print(lines[-1], flush=True)
    write(RESULTS / "priors" / "sampler_overhead.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
