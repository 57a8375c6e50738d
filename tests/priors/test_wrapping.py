"""WrappingSampler passes on all that Optuna asks, and knows the samplers that it stands around."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage

from infoprior.priors import Prior, PriorSampler
from infoprior.priors._search.promotion import PromotingSampler
from infoprior.priors._search.wrapping import WrappingSampler, fixed_values, innermost, nested

SPACE = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(1e-3, 1.0, log=True)}
PRIOR = Prior.from_points(SPACE, [{"x": 0.3, "y": 0.1}])
CALLS = {name for name, member in vars(BaseSampler).items() if inspect.isfunction(member)}
PUBLIC = {name for name in CALLS if not name.startswith("_")}


class Recorder(TPESampler):
    """Notes which of its methods are called, and under which error settings of NumPy's."""

    def __init__(self) -> None:
        super().__init__(n_startup_trials=2, multivariate=True, seed=0)
        self.called: set[str] = set()
        self.settings: set[str] = set()


def _recorded(name: str) -> Any:
    def method(self: Recorder, *arguments: Any) -> Any:
        self.called.add(name)
        self.settings |= set(np.geterr().values())
        return getattr(TPESampler, name)(self, *arguments)

    return method


for _name in PUBLIC:
    setattr(Recorder, _name, _recorded(_name))


def trials(sampler: BaseSampler) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=sampler)
    study.optimize(
        lambda t: t.suggest_float("x", 0, 1) + t.suggest_float("y", 1e-3, 1, log=True), n_trials=12
    )
    return [t.params for t in study.trials]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def test_all_that_optuna_asks_is_passed_on() -> None:
    recorder = Recorder()
    wrapped = WrappingSampler(WrappingSampler(recorder))
    with np.errstate(all="print"):
        assert trials(wrapped) == trials(Recorder())
        wrapped.reseed_rng()
    assert recorder.called == PUBLIC
    # Of `reseed_rng`, which computes nothing, the caller's own.
    assert recorder.settings == {"ignore", "print"}


def test_notes_reach_the_trial_and_the_storage() -> None:
    class Noting(WrappingSampler):
        def before_trial(self, study: Any, trial: Any) -> None:
            self.note(study, trial, {"said": trial.number})
            super().before_trial(study, trial)

    for storage in (InMemoryStorage(), None):
        sampler = Noting(RandomSampler(seed=0), storage)
        study = optuna.create_study(sampler=sampler, storage=storage)
        asked = [study.ask(SPACE) for _ in range(3)]
        assert [t.user_attrs["said"] for t in asked] == [0, 1, 2]


def test_the_samplers_inside_and_what_they_fix() -> None:
    random = RandomSampler(seed=0)
    fixed = PartialFixedSampler({"x": 0.2}, random)
    prior = PriorSampler(PRIOR, fixed, seed=0)
    promoting = PromotingSampler(prior, (1, 3), 3, InMemoryStorage())
    outer = PartialFixedSampler({"x": 0.4, "y": 0.5}, promoting)
    assert innermost(outer) is random
    assert {id(s) for s in (outer, promoting, prior, fixed, random)} <= set(map(id, nested(outer)))
    assert fixed_values(outer, prior) == {"x": 0.4, "y": 0.5}  # the outermost one's
    assert fixed_values(promoting, prior) == {"x": 0.2}
    assert fixed_values(RandomSampler(), prior) == {"x": 0.2}  # a study's that it is not part of
    assert fixed_values(random, random) == {}


def test_it_says_whom_it_stands_around() -> None:
    assert str(WrappingSampler(RandomSampler())) == "WrappingSampler(RandomSampler)"
