"""What PriorSampler costs a trial, beside its base sampler's own cost.

Ten parameters of every kind, a prior of 64 components, 1,000 trials in memory of an objective
that does nothing; least CPU time of the repeats. Two stopwatches, one around PriorSampler and one
around the base inside it, tell the two apart: their difference is PriorSampler's own work. The
difference between two studies would not: how long TPE takes depends on the trials it has seen.

    python benchmarks/sampler_overhead.py [--trials 1000] [--repeats 3] [--components 64]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

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


def measure(prior: Prior, base: BaseSampler, weight: float, n_trials: int) -> tuple[float, float]:
    """CPU milliseconds a trial: (PriorSampler's own, its base's)."""
    inner = Stopwatch(base)
    outer = Stopwatch(PriorSampler(prior, inner, weight, seed=0))
    study = optuna.create_study(sampler=outer)
    for _ in range(n_trials):
        trial = study.ask(SPACE)
        study.tell(trial, float(trial.params["dropout"]))
    return 1e3 * (outer.seconds - inner.seconds) / n_trials, 1e3 * inner.seconds / n_trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--components", type=int, default=64)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    rng = np.random.default_rng(0)
    points = Prior.uniform(SPACE).sample(arguments.components, rng)
    prior = Prior.from_points(SPACE, points)
    print(
        f"optuna {optuna.__version__}, {arguments.trials} trials, {len(SPACE)} parameters, "
        f"{arguments.components} components\n"
    )
    print("| base | weight | PriorSampler's own, CPU ms a trial | its base's, CPU ms a trial |")
    print("| --- | ---: | ---: | ---: |")
    for base in (RandomSampler, TPESampler):
        for weight in (0.0, 0.75, 1.0):
            costs = [
                measure(prior, base(seed=0), weight, arguments.trials)
                for _ in range(arguments.repeats)
            ]
            own, rest = (min(column) for column in zip(*costs, strict=True))
            print(f"| {base.__name__} | {weight:g} | {own:.3f} | {rest:.3f} |", flush=True)


if __name__ == "__main__":
    main()
