"""The prior's first trial in a study is its mode."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler, TPESampler

from infoprior.priors import Prior, PriorSampler
from tests.priors.test_sampler import TIGHT, objective, run


def first_own(sampler: PriorSampler, space: dict[str, Any], n: int = 12) -> Any:
    """Parameters of the first trial that is the prior's, and of the later ones."""
    study = optuna.create_study(sampler=sampler)
    for _ in range(n):
        study.tell(study.ask(space), 0.0)
    own = [t.params for t in study.trials if sampler.source(t) == "prior"]
    return own[0], own[1:]


@pytest.mark.parametrize("base", [RandomSampler, TPESampler])
def test_the_prior_begins_with_its_mode(base: Any) -> None:
    for seed in range(4):
        sampler = PriorSampler(TIGHT, base(seed=0), seed=seed)
        first, later = first_own(sampler, dict(TIGHT.space))
        assert first == TIGHT.mode()
        assert all(params != first for params in later)


def test_with_the_valve_off_every_draw_is_from_the_prior() -> None:
    sampler = PriorSampler(TIGHT, RandomSampler(seed=0), weight=1.0, valve=False, seed=0)
    assert TIGHT.mode() not in first_own(sampler, dict(TIGHT.space))[:1]


def test_a_mode_outside_the_range_is_drawn_instead() -> None:
    space = {"x": FloatDistribution(0, 1), "n": IntDistribution(1, 9)}
    prior = Prior.from_points(space, [{"x": 0.2, "n": 7}])
    live = {"x": FloatDistribution(0.5, 1.0), "n": IntDistribution(1, 9)}
    first, _ = first_own(PriorSampler(prior, RandomSampler(seed=0), seed=0), live)
    assert first["n"] == 7
    assert 0.5 <= first["x"] <= 1.0


@pytest.mark.parametrize("weight", [0.02, 0.3, 1.0])
def test_the_mode_comes_first_whatever_the_weight(weight: float) -> None:
    for seed in range(12):
        sampler = PriorSampler(TIGHT, RandomSampler(seed=0), weight=weight, seed=seed)
        study = run(sampler, 45)
        own = [t.params for t in study.trials if sampler.source(t) == "prior"]
        assert own[:1] in ([], [TIGHT.mode()])


def test_the_mode_waits_for_what_is_enqueued() -> None:
    for seed in range(8):
        sampler = PriorSampler(TIGHT, RandomSampler(seed=0), seed=seed)
        study = optuna.create_study(sampler=sampler)
        for rate in (2e-4, 3e-4, 5e-4):
            study.enqueue_trial({"rate": rate})
        study.optimize(objective, n_trials=12)
        own = [t.params for t in study.trials if sampler.source(t) == "prior"]
        assert own[0] == TIGHT.mode()
        assert all(params != own[0] for params in own[1:])


def test_trials_that_cannot_have_the_mode_look_at_no_others() -> None:
    """Or the cost of a trial would grow with their number."""
    for options in ({"valve": False}, {"weight": 1.0, "valve": False}, {}):
        sampler = PriorSampler(TIGHT, seed=0, **options)
        nobody: Any = None
        assert not sampler._is_mode(nobody, 64)
        assert not sampler._is_mode(nobody, 1000)
