"""What PriorSampler costs a trial, beside its base sampler's own cost.

Ten parameters of every kind, a prior of 64 components, 1,000 trials in memory of an objective
that does nothing. Each sampler is timed in studies of its own, interleaved, best of the repeats.
Overhead is measured where it is clean: RandomSampler costs next to nothing, so PriorSampler with
every trial the prior's (weight 1) less RandomSampler alone is what a prior's trial costs more.
Around TPE the same difference also holds what TPE does not compute in the prior's trials.

    python benchmarks/sampler_overhead.py [--trials 1000] [--repeats 3] [--components 64]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

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


def seconds_per_trial(sampler: BaseSampler, n_trials: int) -> float:
    """Mean CPU seconds of a trial whose objective does nothing."""
    study = optuna.create_study(sampler=sampler)
    start = time.process_time()
    for _ in range(n_trials):
        trial = study.ask(SPACE)
        study.tell(trial, float(trial.params["dropout"]))
    return (time.process_time() - start) / n_trials


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
    cases: list[tuple[str, str, Callable[[], BaseSampler]]] = [
        ("RandomSampler", "", lambda: RandomSampler(seed=0)),
        ("PriorSampler", "RandomSampler", lambda: PriorSampler(prior, RandomSampler(0), 0.75, 0)),
        ("PriorSampler, weight 1", "RandomSampler",
         lambda: PriorSampler(prior, RandomSampler(0), 1.0, 0)),
        ("TPESampler", "", lambda: TPESampler(seed=0)),
        ("PriorSampler, weight 0", "TPESampler", lambda: PriorSampler(prior, None, 0.0, 0)),
        ("PriorSampler", "TPESampler", lambda: PriorSampler(prior, None, 0.75, 0)),
    ]  # fmt: skip
    best = [float("inf")] * len(cases)
    for _ in range(arguments.repeats):
        for i, (_, _, make) in enumerate(cases):
            best[i] = min(best[i], seconds_per_trial(make(), arguments.trials))

    alone = {name: cost for (name, base, _), cost in zip(cases, best, strict=True) if not base}
    print(f"optuna {optuna.__version__}, {arguments.trials} trials, {len(SPACE)} parameters, "
          f"{arguments.components} components\n")  # fmt: skip
    print("| sampler | base | CPU ms a trial | more than its base alone, ms |")
    print("| --- | --- | ---: | ---: |")
    for (name, base, _), cost in zip(cases, best, strict=True):
        more = f"{1e3 * (cost - alone[base]):+.3f}" if base else ""
        print(f"| {name} | {base} | {1e3 * cost:.3f} | {more} |")


if __name__ == "__main__":
    main()
