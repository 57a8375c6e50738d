"""What a prior that adapts costs a trial: CPU milliseconds, and as a multiple of TPE's.

    python benchmarks/priors/adapting_speed.py [--studies 10 100 1000] [--repeats 20]

Past studies of 100 random trials with ten parameters (floats, ints, choices, one conditional) are
learned from; then the density given 100 trials of a study is made, as a sampler does in every
trial that it draws from the prior. Beside it Optuna's TPE in the same study. Written:
benchmarks/results/priors/adapting_speed.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository, to run this as a script

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from benchmarks._common import RESULTS, machine, write
from infoprior.priors import Prior, PriorSampler
from infoprior.priors._search.adapting import StudyPrior

TRIALS = 100
SPACE: dict[str, Any] = {
    **{f"float_{i}": FloatDistribution(1e-4, 1.0, log=True) for i in range(4)},
    **{f"int_{i}": IntDistribution(1, 16) for i in range(3)},
    **{f"choice_{i}": CategoricalDistribution(["a", "b", "c", "d"]) for i in range(2)},
    "conditional": FloatDistribution(0.0, 1.0),
}


def study_frame(name: str, rng: np.random.Generator) -> pd.DataFrame:
    """A study's trials; each has its own optimum."""
    points = Prior.uniform(SPACE).sample(TRIALS, rng)
    frame = pd.DataFrame(points).astype(object)
    frame.loc[frame.choice_0 == "a", "conditional"] = None
    best = rng.random(4)
    u = np.log10(frame[[f"float_{i}" for i in range(4)]].to_numpy(float)) / 4 + 1
    value = ((u - best) ** 2).sum(axis=1) + 0.1 * (frame.choice_1 == rng.choice(list("abcd")))
    return frame.assign(study=name, value=value.to_numpy(float))


def least(call: Callable[[], None], repeats: int) -> float:
    """The least CPU time of a call, in seconds: what other processes add to it left out."""
    took = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        took.append(time.process_time() - start)
    return min(took)


def density(prior: StudyPrior, study: optuna.Study, trial: Any) -> None:
    """Make the density of a trial anew."""
    prior._latest = None
    prior.given(study, trial)


def values(sampler: optuna.samplers.BaseSampler, study: optuna.Study, trial: Any) -> None:
    """A trial's values from a sampler."""
    for name, distribution in SPACE.items():
        sampler.sample_independent(study, trial, name, distribution)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng = np.random.default_rng(0)
    rows = []
    for n in options.studies:
        past = pd.concat([study_frame(f"study-{i}", rng) for i in range(n)], ignore_index=True)
        took = {}
        for adapt in (False, True):
            start = time.process_time()
            prior = Prior.from_trials(past, space=SPACE, study="study", adapt=adapt)
            took[adapt] = time.process_time() - start
        study = optuna.create_study(sampler=PriorSampler(prior, seed=0))
        own = study_frame("own", rng)
        for row in own.to_dict("records"):
            params = {k: row[k] for k in SPACE if row[k] is not None}
            study.add_trial(optuna.trial.create_trial(
                params=params, distributions={k: SPACE[k] for k in params}, value=row["value"]
            ))  # fmt: skip
        sampler, tpe = study.sampler, optuna.samplers.TPESampler(seed=0)
        trial = study.ask().storage.get_trial(study.trials[-1]._trial_id)
        sampler._study_prior.given(study, trial)  # the past is prepared once a study

        adapting = least(partial(density, sampler._study_prior, study, trial), options.repeats)
        peer = least(partial(values, tpe, study, trial), options.repeats)
        ratio = adapting / peer
        fits = f"{took[False]:.1f} | {took[True]:.1f}"
        rows.append(f"| {n} | {fits} | {adapting * 1e3:.1f} | {ratio:.2f} |")
        print(rows[-1], flush=True)
    text = (
        f"`python benchmarks/priors/adapting_speed.py`, {machine()}; past studies of {TRIALS} "
        "trials, ten parameters, 100 trials of the present study; CPU time.\n\n"
        "| past studies | static prior, s | adapting prior, s | a trial, ms | over TPE's |\n"
        "| ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(rows) + "\n"
    )
    write(RESULTS / "priors" / "adapting_speed.md", text)


if __name__ == "__main__":
    main()
