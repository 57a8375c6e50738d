"""What is kept of a study from trial to trial is what looking through all of it anew would give."""

from __future__ import annotations

import copy
import pickle
import time
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from infoprior.priors import hyperband_study, optimize
from infoprior.priors._search.finished import NewlyFinished
from infoprior.priors._search.promotion import PromotingSampler
from infoprior.priors._search.runner import _Tally, finished
from infoprior.priors._trial import PROMOTES, RUNG
from tests.priors.workers import PRIOR, SPACE, objective


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def test_each_trial_is_told_of_once_when_it_has_ended() -> None:
    study, seen, rng = optuna.create_study(), NewlyFinished(), np.random.default_rng(0)
    told: list[int] = []
    running: list[optuna.Trial] = []
    for _ in range(200):
        if running and rng.random() < 0.5:
            study.tell(running.pop(rng.integers(len(running))), 0.0)
        else:
            running.append(study.ask())
        if rng.random() < 0.5:
            ended, unfinished = seen.update(study.get_trials(deepcopy=False))
            told += [trial.number for trial in ended]
            assert sorted(told) == [t.number for t in study.trials if t.state.is_finished()]
            assert [t.number for t in unfinished] == sorted(t.number for t in running)
    assert len(set(told)) == len(told) > 50


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_promotions_are_those_of_a_sampler_that_looks_at_all_trials_anew(direction: Any) -> None:
    """Several workers, whose trials end in any order, by errors, kills and prunes too."""
    study = hyperband_study(
        name="s", max_resource=9, storage="memory", direction=direction,
        base_sampler=lambda seed: RandomSampler(seed=seed),
    )  # fmt: skip
    sampler: Any = study.sampler
    rng, running = np.random.default_rng(1), []
    n_promoted = 0
    for _ in range(300):
        if len(running) < 4:
            trial = study.ask()
            running.append(trial)
            n_promoted += trial.user_attrs.get(PROMOTES) is not None
        else:
            trial = running.pop(rng.integers(len(running)))
            trial.suggest_float("x", 0, 1)
            trial.report(float(rng.integers(20)), trial.user_attrs[RUNG])
            kind = rng.random()
            if kind < 0.2:
                if kind < 0.1:
                    trial.set_user_attr("infoprior:error", "it broke")
                study.tell(trial, state=TrialState.FAIL)
            elif trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, 1.0)
        anew = PromotingSampler(sampler.base_sampler, sampler._rungs, 3, study._storage)
        for rung in (0, 1):
            number = len(study.get_trials(deepcopy=False))
            best, expected = (each._best(study, number, rung) for each in (sampler, anew))
            assert (best and best.number) == (expected and expected.number)
    assert n_promoted > 30


def test_a_copied_sampler_promotes_the_same() -> None:
    study = hyperband_study(PRIOR, name="s", max_resource=9, storage="memory")
    optimize(study, objective, 30)
    read_back = pickle.loads(pickle.dumps(study.sampler))  # own bytes, no file
    for again in (copy.deepcopy(study.sampler), read_back):
        for rung in (0, 1):
            best = [s._best(study, 99, rung) for s in (study.sampler, again)]  # type: ignore[attr-defined]
            assert best[0].number == best[1].number


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_tally_is_that_of_all_trials(direction: str) -> None:
    study = optuna.create_study(direction=direction)
    tally, rng = _Tally(study), np.random.default_rng(2)
    for _ in range(100):
        trial = study.ask(SPACE)
        kind = rng.integers(4)
        if kind == 0:
            trial.set_user_attr("infoprior:error", "it broke")
        if kind == 3:
            study.tell(trial, float(rng.integers(5)))
        else:
            study.tell(trial, state=TrialState.PRUNED if kind == 2 else TrialState.FAIL)
        assert tally.update() == len(finished(study))
        if any(t.state == TrialState.COMPLETE for t in study.trials):
            assert tally.best is not None
            assert tally.best.value == study.best_value
            values = [t.value if t.state == TrialState.COMPLETE else None for t in study.trials]
            assert tally.best.number == values.index(study.best_value)


@pytest.mark.slow
def test_a_trial_costs_the_same_after_five_thousand() -> None:
    """CPU time of all that is ours and Optuna's, beside that of the first thousand."""
    study = hyperband_study(PRIOR, name="s", max_resource=9, storage="memory")
    spent: list[float] = []
    for n in (500, 1000, 4500, 5000):
        begun = time.process_time()
        optimize(study, objective, n)
        spent.append(time.process_time() - begun)
    assert spent[3] < 2.5 * spent[1]  # one that looks through all trials takes four times as long
