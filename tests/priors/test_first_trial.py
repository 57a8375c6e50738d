"""PriorSampler's first trial of a study is the prior's mode, once, whoever runs it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.pruners import HyperbandPruner
from optuna.samplers import BaseSampler, GridSampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from infoprior.priors import Prior, PriorSampler, hyperband_study, optimize
from infoprior.priors._search.first_trial import FirstTrial
from infoprior.priors._search.random_numbers import uniforms, van_der_corput
from infoprior.priors._trial import PROMOTES, SOURCE
from tests.priors.test_sampler import TIGHT, objective, run

MODE = TIGHT.mode()


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def modes(study: optuna.Study) -> list[int]:
    """Numbers of the trials that have the mode's values and are new configurations."""
    trials = study.get_trials(deepcopy=False)
    return [t.number for t in trials if t.params == MODE and t.user_attrs.get(PROMOTES) is None]


@pytest.mark.parametrize("base", [RandomSampler, TPESampler])
@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("weight", [0.02, 0.3, 1.0])
def test_the_first_trial_is_the_mode_whatever_the_weight(
    weight: float, adaptive: bool, base: Any
) -> None:
    for seed in range(4):
        sampler = PriorSampler(TIGHT, base(seed=0), weight=weight, adaptive=adaptive, seed=seed)
        study = run(sampler, 12)
        assert modes(study) == [0]
        assert sampler.source(study.trials[0]) == "prior"


def test_without_weight_the_base_sampler_is_alone() -> None:
    study = run(PriorSampler(TIGHT, RandomSampler(seed=0), weight=0.0, seed=0), 12)
    alone = run(RandomSampler(seed=0), 12)
    assert [t.params for t in study.trials] == [t.params for t in alone.trials]


def test_a_uniform_prior_has_no_mode() -> None:
    study = run(PriorSampler(Prior.uniform(TIGHT.space), RandomSampler(seed=0), seed=0), 1)
    assert study.trials[0].params != Prior.uniform(TIGHT.space).mode()


def test_from_the_second_trial_on_sources_are_spread_by_the_weight() -> None:
    for seed in range(3):
        study = run(PriorSampler(TIGHT, RandomSampler(seed=0), 0.4, seed, adaptive=False), 64)
        shift, _ = uniforms(seed, -1, "")
        for trial in study.trials[1:]:
            is_prior_s = van_der_corput(trial.number, shift) < 0.4
            assert (trial.user_attrs[SOURCE] == "prior") == is_prior_s


@pytest.mark.parametrize("pruner", [None, HyperbandPruner(1, 9)])
@pytest.mark.parametrize("with_storage", [True, False])
def test_points_that_are_enqueued_come_before_it(pruner: Any, with_storage: bool) -> None:
    for seed in range(6):
        storage = InMemoryStorage()
        sampler = PriorSampler(TIGHT, seed=seed, storage=storage if with_storage else None)
        study = optuna.create_study(sampler=sampler, storage=storage, pruner=pruner)
        for rate in (2e-4, 3e-4, 5e-4):
            study.enqueue_trial({"rate": rate})
        study.optimize(objective, n_trials=12)
        assert modes(study) == [3]
        assert [sampler.source(t) for t in study.trials[:4]] == ["enqueued"] * 3 + ["prior"]


def test_points_enqueued_later_make_no_second_mode() -> None:
    study = run(PriorSampler(TIGHT, seed=0), 5)
    study.enqueue_trial({"rate": 2e-4})
    study.optimize(objective, n_trials=10)
    assert modes(study) == [0]


def test_a_study_whose_first_trial_failed_has_had_its_mode() -> None:
    study = optuna.create_study(sampler=PriorSampler(TIGHT, seed=0))
    study.tell(study.ask(dict(TIGHT.space)), state=TrialState.FAIL)
    study.optimize(objective, n_trials=10)
    assert modes(study) == [0]


def test_each_study_has_its_own_mode() -> None:
    sampler = PriorSampler(TIGHT, seed=0)
    for enqueued in (2, 0, 3):
        study = optuna.create_study(study_name="s", sampler=sampler)
        for _ in range(enqueued):
            study.enqueue_trial({"rate": 2e-4})
        study.optimize(objective, n_trials=8)
        assert modes(study) == [enqueued]


@pytest.mark.parametrize("stop", [0, 1, 2, 5])
def test_a_resumed_study_has_one_mode(stop: int, tmp_path: Path) -> None:
    for n in (stop, 9):
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "a.journal")))
        sampler = PriorSampler(TIGHT, seed=0, storage=storage)
        study = optuna.create_study(
            study_name="s", storage=storage, sampler=sampler, load_if_exists=True
        )
        if not study.trials:
            study.enqueue_trial({"rate": 2e-4})
        study.optimize(objective, n_trials=n - len([t for t in study.trials if t.state == 1]))
    assert modes(study) == [1]


@pytest.mark.parametrize("promote", [True, False])
def test_two_workers_on_a_journal_try_it_once(promote: bool, tmp_path: Path) -> None:
    """Each with its own storage, sampler and thread; the mode is the lowest number's."""
    ready = threading.Barrier(2)

    def work() -> None:
        study = hyperband_study(
            TIGHT, name="s", max_resource=9, promote=promote, storage=tmp_path / "a.journal"
        )
        ready.wait()
        optimize(study, objective, 20)

    hyperband_study(
        TIGHT, name="s", max_resource=9, promote=promote, storage=tmp_path / "a.journal"
    ).enqueue_trial({"rate": 2e-4})
    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    study = hyperband_study(
        TIGHT, name="s", max_resource=9, promote=promote, storage=tmp_path / "a.journal"
    )
    assert len(study.trials) >= 20
    assert modes(study) == [1]


def test_the_second_worker_may_be_ready_first() -> None:
    storage = InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="s", sampler=RandomSampler())
    storage.create_new_trial(study._study_id)  # trial 0, another worker's that is slow
    mine = optuna.load_study(
        storage=storage, study_name="s", sampler=PriorSampler(TIGHT, seed=0, storage=storage)
    )
    assert mine.ask(dict(TIGHT.space)).params != MODE


def test_threads_try_it_once() -> None:
    for pruner in (None, HyperbandPruner(1, 9)):
        study = optuna.create_study(sampler=PriorSampler(TIGHT, seed=0), pruner=pruner)
        study.optimize(objective, n_trials=16, n_jobs=4)
        assert modes(study) == [0]


@pytest.mark.parametrize("enqueued", [0, 2, 9, 14])
def test_in_a_promoting_study_it_is_the_first_new_configuration(enqueued: int) -> None:
    """With nine points or more the first promotions come before it."""

    def reporting(trial: optuna.Trial) -> float:
        value = objective(trial)
        for step in (1, 3, 9):
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    for weight in (0.1, 0.25):
        study = hyperband_study(
            TIGHT, name="s", max_resource=9, storage="memory", weight=weight, seed=1
        )
        for i in range(enqueued):
            study.enqueue_trial({"rate": 2e-4 * 1.1**i})
        optimize(study, reporting, 30)
        mode = modes(study)
        assert len(mode) == 1
        before = study.trials[: mode[0]]
        assert all(
            t.user_attrs.get(PROMOTES) is not None or t.user_attrs[SOURCE] == "enqueued"
            for t in before
        )


@pytest.mark.parametrize("where", ["inside", "around"])
def test_it_is_the_mode_given_what_is_fixed(where: str) -> None:
    """TIGHT's mode has depth 1; of its bump with depth 5 the rate and the shape follow."""
    base: BaseSampler = RandomSampler(seed=0)
    if where == "inside":
        sampler: BaseSampler = PriorSampler(TIGHT, PartialFixedSampler({"depth": 5}, base), seed=0)
    else:
        sampler = PartialFixedSampler({"depth": 5}, PriorSampler(TIGHT, base, seed=0))
    study = run(sampler, 8)
    expected = {"depth": 5, **TIGHT.condition({"depth": 5}).mode()}
    assert [t.number for t in study.trials if t.params == expected] == [0]


def test_all_values_fixed_leave_no_mode() -> None:
    sampler = PartialFixedSampler(MODE | {"depth": 2}, PriorSampler(TIGHT, seed=0))
    assert run(sampler, 3).trials[0].params == MODE | {"depth": 2}


def test_a_value_out_of_the_range_is_drawn_and_the_others_follow_it() -> None:
    space = {"x": FloatDistribution(0, 1), "n": IntDistribution(1, 9)}
    prior = Prior.from_points(space, [{"x": 0.2, "n": 7}])
    asked = {"x": FloatDistribution(0.5, 1.0), "n": IntDistribution(1, 9)}
    for base in (RandomSampler(seed=0), TPESampler(multivariate=True, seed=0)):
        study = optuna.create_study(sampler=PriorSampler(prior, base, seed=0))
        params = study.ask(asked).params
        assert params["n"] == 7
        assert 0.5 <= params["x"] <= 1.0
    # The mode has depth 1: where only the other bump's are asked for, its rate and shape follow.
    other = {**TIGHT.space, "depth": IntDistribution(4, 5)}
    study = optuna.create_study(sampler=PriorSampler(TIGHT, seed=0))
    params = study.ask(other).params
    assert params == {"depth": 5, **TIGHT.condition({"depth": 5}).mode()}


def test_a_grid_has_its_points_after_it() -> None:
    grid = {"depth": [2, 3], "rate": [1e-3, 1e-2], "shape": ["funnel"]}
    study = run(PriorSampler(TIGHT, GridSampler(grid, seed=0), seed=0), 30)
    assert modes(study) == [0]
    own = [t.params for t in study.trials if t.user_attrs[SOURCE] == "base"]
    assert {(p["depth"], p["rate"]) for p in own} == {(d, r) for d in (2, 3) for r in (1e-3, 1e-2)}


def test_once_it_is_known_no_trials_are_looked_at() -> None:
    """Or the cost of a trial would grow with their number."""
    study = optuna.create_study(study_name="s")
    first = FirstTrial()
    trials = [study.ask() for _ in range(3)]
    frozen = study.get_trials(deepcopy=False)
    assert first.is_first(study, frozen[0])

    class Blind:
        study_name = "s"

    blind: Any = Blind()
    assert not any(first.is_first(blind, trial) for trial in frozen[1:])
    assert len(trials) == 3


def test_a_worker_that_may_yet_promote_does_not_settle_it() -> None:
    """Trial 1 began in another process: it may be a promotion of the enqueued trial 0."""
    study = optuna.create_study()
    study.enqueue_trial({"rate": 2e-4})
    asked = [study.ask() for _ in range(4)]
    first, frozen = FirstTrial(), study.get_trials(deepcopy=False)
    assert not first.is_first(study, frozen[2])
    asked[1].set_user_attr(PROMOTES, 0)
    asked[2].set_user_attr(PROMOTES, 0)
    assert first.is_first(study, study.get_trials(deepcopy=False)[3])
