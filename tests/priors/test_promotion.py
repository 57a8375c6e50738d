"""Hyperband by promotion: what each trial is for, what it continues, and who may do so."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from infoprior.priors import PausedTrial, resumed_from
from infoprior.priors._search.runner import fail_stale, optimize
from infoprior.priors._search.study import hyperband_study
from infoprior.priors._trial import PAUSED_STEP, PROMOTES, RUNG, STALE

State = TrialState
OLD = not hasattr(optuna.trial.Trial, "set_constraint")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def study_of(n_rungs: int = 3, direction: str = "minimize", **more: Any) -> optuna.Study:
    """Promoting, with random configurations."""
    return hyperband_study(
        name="study",
        max_resource=3 ** (n_rungs - 1),
        promote=True,
        storage="memory",
        direction=direction,  # type: ignore[arg-type]
        **{"base_sampler": lambda seed: RandomSampler(seed=seed), **more},
    )


def told(study: optuna.Study, value: float, upto: int = 10**9) -> FrozenTrial:
    """Ask for a trial whose value is the same at every step, and tell it as an objective would."""
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    for step in (1, 3, 9):
        if step > upto:
            return study.tell(trial, state=State.PRUNED)
        trial.report(value, step)
        if trial.should_prune():
            return study.tell(trial, state=State.PRUNED)
    return study.tell(trial, value)


def promoted(trial: Any) -> PausedTrial | None:
    """The paused trial whose place a trial takes, whatever its own parameters are."""
    number = trial.user_attrs.get(PROMOTES)
    return None if number is None else PausedTrial(number, trial.user_attrs[PAUSED_STEP])


def test_the_best_are_continued() -> None:
    study = study_of()
    values = [0.5, 0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 0.6, 0.4]
    for value in values:
        assert told(study, value).state == State.PRUNED
    first = [told(study, 0.0 + value) for value in (0.11, 0.21, 0.05)]
    assert [t.user_attrs[PROMOTES] for t in first] == [1, 5, 3]
    assert all(t.params == study.trials[t.user_attrs[PROMOTES]].params for t in first)
    assert [t.last_step for t in first] == [3, 3, 3]
    top = told(study, 0.04)  # from the one that is best at the second rung, not at the first
    assert (top.user_attrs[PROMOTES], top.state, top.last_step) == (11, State.COMPLETE, 9)
    # The second bracket begins a rung higher with new ones, and then takes what is best of all
    # that wait there: 0.11 and not its own.
    assert [resumed_from(told(study, v)) for v in (0.6, 0.12, 0.7)] == [None, None, None]
    assert resumed_from(told(study, 0.1)) == PausedTrial(9, 3)


def test_maximize_takes_the_largest_and_nan_never() -> None:
    study = study_of(2, "maximize")
    for value in (0.2, math.nan, 0.7):
        told(study, value)
    assert resumed_from(told(study, 0.7)) == PausedTrial(2, 1)


def test_who_stops_early_or_fails_is_not_continued() -> None:
    study = study_of(2)
    told(study, 0.0, upto=0)  # its objective pruned it before the rung
    study.tell(study.ask(), state=State.FAIL)
    assert told(study, 0.9).number == 2
    assert resumed_from(told(study, 0.9)) == PausedTrial(2, 1)


def test_nothing_to_promote_is_a_new_configuration() -> None:
    study = study_of(2)
    asked = [study.ask() for _ in range(4)]  # four workers: the fourth would promote
    assert [promoted(trial) for trial in asked] == [None] * 4
    assert asked[3].user_attrs[RUNG] == 1


def test_workers_that_choose_at_once_choose_differently() -> None:
    study = study_of()
    for value in (0.3, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        told(study, value)
    ahead = study._storage.create_new_trial(study._study_id)  # begun, and has not chosen yet
    assert study._storage.get_trial(ahead).number == 9
    assert promoted(study.ask()) == PausedTrial(2, 1)  # it leaves the best to the one before it
    third = study.ask()
    assert third.number == 11
    assert promoted(third) == PausedTrial(0, 1)


def test_a_promotion_whose_worker_was_killed_is_free_again() -> None:
    study = study_of()
    for value in (0.3, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        told(study, value)
    assert promoted(study.ask()) == PausedTrial(1, 1)  # and is never heard of again
    assert fail_stale(study) == [9]
    assert study.trials[9].user_attrs[STALE] is True
    assert promoted(study.ask()) == PausedTrial(1, 1)


def test_points_of_the_user_s_own_are_no_promotions() -> None:
    study = study_of(2)
    for value in (0.2, 0.1, 0.3):
        told(study, value)
    study.enqueue_trial({"x": 0.25})
    mine = told(study, 0.5)
    assert resumed_from(mine) is None
    assert mine.params == {"x": 0.25}
    assert mine.user_attrs[RUNG] == 1


def test_a_range_that_has_moved_keeps_what_it_can() -> None:
    study = study_of(2)
    for _ in range(3):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        trial.suggest_categorical("kind", ["a", "b"])
        trial.report(float(trial.number), 1)
        study.tell(trial, state=State.PRUNED)
    old, trial = study.trials[0], study.ask()
    assert promoted(trial) == PausedTrial(0, 1)
    assert trial.suggest_categorical("kind", ["a", "b"]) == old.params["kind"]
    assert 2.0 <= trial.suggest_float("x", 2.0, 3.0) <= 3.0
    assert resumed_from(trial) is None  # another configuration: there is nothing to resume
    assert 0 <= trial.suggest_int("new", 0, 5) <= 5
    # It has its place all the same: the next promotion is of another one.
    study.tell(trial, 0.5)
    while study.trials[-1].number < 8:
        told(study, 5.0)
    assert promoted(study.ask()) == PausedTrial(1, 1)


CHOICES = [(64, 64), (128,), None, True, 1, 2.5, math.inf]


def test_a_promotion_is_the_same_configuration_to_the_last_bit() -> None:
    study = study_of(2, base_sampler=None)
    study.enqueue_trial({"x": 0.0123456789, "big": 2**59 + 1, "c": (128,)})

    def function(trial: optuna.Trial) -> float:
        trial.suggest_float("x", 1e-4, 1.0, log=True)
        trial.suggest_int("big", 0, 2**60)
        trial.suggest_categorical("c", CHOICES)  # type: ignore[arg-type]
        return objective_of(trial, float(trial.number if resumed_from(trial) is None else 0))

    study.optimize(function, n_trials=20)
    again = [t for t in study.trials if resumed_from(t)]
    assert again[0].user_attrs[PROMOTES] == 0
    assert len(again) == 3
    for trial in again:
        old = study.trials[trial.user_attrs[PROMOTES]]
        assert repr(trial.params) == repr(old.params)


def objective_of(trial: optuna.Trial, value: float, *steps: int) -> float:
    for step in steps or (1, 3, 9):
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def nine(**more: Any) -> optuna.Study:
    """A study whose next trial is the first promotion; trial 1 is the best, then 2 and 0."""
    study = study_of(**more)
    for value in (0.3, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        told(study, value)
    return study


def test_a_worker_that_died_while_choosing_is_not_waited_for_forever() -> None:
    study = nine()
    study._storage.create_new_trial(study._study_id)
    assert promoted(study.ask()) == PausedTrial(2, 1)
    taken = [resumed_from(told(study, 0.95)) for _ in range(50)]
    # At first the best is left to it; from trial 42 on nobody waits.
    assert PausedTrial(1, 1) not in taken[: 42 - 11]
    assert PausedTrial(1, 1) in taken[42 - 11 :]


def test_interrupted_once_it_is_taken_up_again_and_not_for_ever() -> None:
    study = nine()
    for _ in range(2):
        trial = study.ask()
        assert promoted(trial) == PausedTrial(1, 1)
        study.tell(trial, state=State.FAIL)
    assert promoted(study.ask()) == PausedTrial(2, 1)


def test_an_objective_s_error_is_final() -> None:
    study = nine()

    def broken(trial: optuna.Trial) -> float:
        raise ValueError("no")

    optimize(study, broken, 10, catch=ValueError)
    assert study.trials[9].user_attrs[PROMOTES] == 1
    assert promoted(study.ask()) == PausedTrial(2, 1)


def test_a_failed_trial_that_optuna_tries_again_stays_what_it_was() -> None:
    study = nine()
    failed = study.tell(
        study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}), state=State.FAIL
    )
    study.add_trial(
        optuna.trial.create_trial(
            state=State.WAITING, params=failed.params, distributions=failed.distributions,
            user_attrs=failed.user_attrs,
        )
    )  # fmt: skip
    again = study.ask()
    assert again.params == failed.params
    assert promoted(again) == PausedTrial(1, 1)
    study.add_trial(
        optuna.trial.create_trial(
            state=State.WAITING, params={"x": 0.99}, distributions=failed.distributions
        )
    )
    other = study.ask()
    assert (other.params, promoted(other)) == ({"x": 0.99}, None)


def test_attributes_that_were_copied_do_not_make_a_promotion() -> None:
    study = nine()
    first = study.ask()
    assert promoted(first) == PausedTrial(1, 1)
    study.enqueue_trial({"x": 0.9}, user_attrs=first.user_attrs)
    assert promoted(study.ask()) is None


@pytest.mark.skipif(OLD, reason="Optuna before 5 has no Trial.set_constraint")
def test_what_breaks_a_constraint_is_not_continued() -> None:
    study = study_of(2)
    for value in (0.1, 0.2, 0.3):
        trial = study.ask()
        trial.set_constraint("c", 0.25 - value)
        trial.report(value, 1)
        study.tell(trial, state=State.PRUNED)
    assert promoted(study.ask()) == PausedTrial(2, 1)


def test_a_rung_that_was_passed_is_left_out() -> None:
    """An objective that reports every fifth step stops at 5 for rung 1, and then goes to 9."""
    study = study_of()
    steps = (5, 9)
    for number in range(9):
        with pytest.raises(optuna.TrialPruned):
            objective_of(trial := study.ask(), float(number), *steps)
        study.tell(trial, state=State.PRUNED)
    trial = study.ask()
    assert promoted(trial) == PausedTrial(0, 5)
    assert trial.user_attrs[RUNG] == 9
