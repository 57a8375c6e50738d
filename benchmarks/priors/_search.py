"""One search of the priors benchmark: an Optuna study over a table, by any of the methods.

Costs are epochs. A trial is told its validation value at each rung it passes and runs until
Optuna's HyperbandPruner (1 to 27 epochs, eta 3) stops it; promoted trials continue a paused
one. So only new epochs are ever charged. Where the table has one rung, there is no
pruner and each trial is a full training. All methods get the same seed for a (task, seed).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage

from benchmarks.priors._bohb import BOHBSampler
from benchmarks.priors._tables import RUNGS, Table, prior_for, table
from benchmarks.priors._trace import BUDGETS, Encoder, Event, Nearest, incumbents
from infoprior.priors import Prior, PriorSampler, resumed_from
from infoprior.priors._search.local_search import make_local_search
from infoprior.priors._search.promotion import PromotingSampler, RungPruner

ETA = 3  # of Hyperband
Space = dict[str, BaseDistribution]
Make = Callable[[Space, Prior, int, BaseStorage], BaseSampler]

# Without a prior: the same in every arm.
PLAIN: dict[str, Make] = {
    "random": lambda space, prior, seed, storage: RandomSampler(seed=seed),
    "tpe": lambda space, prior, seed, storage: TPESampler(seed=seed),
    "bohb": lambda space, prior, seed, storage: BOHBSampler(space, seed),
}
WITH_PRIOR: dict[str, Make] = {
    "static": lambda space, prior, seed, storage: PriorSampler(
        prior,
        lambda s: RandomSampler(seed=s),
        weight=1.0,
        seed=seed,
        adaptive=False,
        storage=storage,
    ),
    "ours": lambda space, prior, seed, storage: PriorSampler(prior, seed=seed, storage=storage),
    "ours-fixed-weight": lambda space, prior, seed, storage: PriorSampler(
        prior, seed=seed, adaptive=False, storage=storage
    ),
}
# As `hyperband_study` has it: only where there are fidelities.
PROMOTING: dict[str, Make] = {
    "random-promoted": lambda space, prior, seed, storage: PromotingSampler(
        RandomSampler(seed=seed), RUNGS, ETA, storage
    ),
    "steps-promoted": lambda space, prior, seed, storage: PromotingSampler(
        make_local_search(seed), RUNGS, ETA, storage
    ),
    "ours-promoted": lambda space, prior, seed, storage: PromotingSampler(
        PriorSampler(prior, make_local_search, seed=seed, storage=storage), RUNGS, ETA, storage
    ),
}
METHODS: dict[str, Make] = {**PLAIN, **WITH_PRIOR, **PROMOTING}
NO_PRIOR = (*PLAIN, "random-promoted", "steps-promoted")

optuna.logging.set_verbosity(optuna.logging.WARNING)


def run(
    method: str | Make,
    arm: str,
    task: str,
    seed: int,
    budget: float = BUDGETS[-1],
    *,
    bench: str = "curves",
    budgets: Sequence[float] = BUDGETS,
) -> NDArray[np.float64]:
    """Normalised regret of the incumbent at each budget, shape (len(budgets),).

    Args:
        method: a key of METHODS, or a function (space, prior, seed, storage) -> Optuna sampler.
        arm: "good", "medium", "bad", "deceiving" or "none".
        task: of `_tables.tasks(bench)`.
        seed: everything random.
        budget: the search ends there, in full trainings; larger budgets get NaN.
        bench: "hpobench" or "curves".
        budgets: at which regret is told.
    """
    data = table(bench, task)
    events, _ = search(method, data, prior_for(bench, task, arm), seed, budget)
    within = np.asarray(budgets) <= budget
    return np.where(within, data.regret(incumbents(events, data.rungs[-1], budgets)), np.nan)


def search(
    method: str | Make, data: Table, prior: Prior, seed: int, budget: float
) -> tuple[list[Event], optuna.Study]:
    """The events of one search of a table, and its study."""
    storage = InMemoryStorage()
    make = METHODS[method] if isinstance(method, str) else method
    sampler = make(data.space, prior, seed_of(data.task, seed), storage)
    full = data.rungs[-1]
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if len(data.rungs) > 1:
        pruner = optuna.pruners.HyperbandPruner(data.rungs[0], full, reduction_factor=ETA)
    if isinstance(sampler, PromotingSampler):
        pruner = RungPruner(full)
    study = optuna.create_study(
        storage=storage,
        study_name=f"{data.task}/{seed}",  # Hyperband's brackets depend on it
        direction="maximize",
        sampler=sampler,
        pruner=pruner,
    )
    # Until its first call Hyperband's takes every trial for bracket 0.
    pruner.prune(study, optuna.trial.create_trial(value=0.0))
    if isinstance(sampler, BOHBSampler):
        sampler.whole = study
    nearest = Nearest(Encoder(data.axes), data.features)
    events: list[Event] = []
    spent = 0
    while spent < budget * full:
        trial = study.ask(data.space)
        paused = resumed_from(trial)
        row, before = nearest(trial.params), 0 if paused is None else paused.step
        curve = data.observed[row].tolist()
        for rung, (epochs, value) in enumerate(zip(data.rungs, curve, strict=True)):
            if epochs <= before:
                continue
            spent, before = spent + epochs - before, epochs
            events.append((spent, rung, value, row))
            trial.report(value, step=epochs)
            if epochs < full and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve[-1])
    return events, study


def seed_of(task: str, seed: int) -> int:
    """The sampler's seed, the same for all methods."""
    return int(np.random.SeedSequence([int(seed), zlib.crc32(task.encode())]).generate_state(1)[0])
