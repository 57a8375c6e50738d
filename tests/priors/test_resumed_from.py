"""resumed_from: a trial resumes a paused one only with the same parameters, and all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import PartialFixedSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from infoprior.priors import PausedTrial, Prior, PriorError, hyperband_study, optimize, resumed_from
from infoprior.priors._trial import params_checksum
from tests.priors.test_promotion import promoted

Ask = Callable[[optuna.Trial], Any]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


PRIOR = Prior.from_points(
    {"x": optuna.distributions.FloatDistribution(0, 1),
     "k": optuna.distributions.IntDistribution(1, 9)},
    [{"x": 0.3, "k": 4}],
)  # fmt: skip


def first(trial: optuna.Trial) -> float:
    trial.suggest_categorical("kind", [1, 2])
    return trial.suggest_float("x", 0, 1) + 0 * trial.suggest_int("k", 1, 9)


def search(ask: Ask, seen: list[tuple[int, PausedTrial | None]], late: Ask | None = None) -> Ask:
    """An objective that calls `resumed_from` when it has its parameters, and may ask for more."""

    def objective(trial: optuna.Trial) -> float:
        value = float(ask(trial))
        seen.append((trial.number, resumed_from(trial)))
        if late is not None:
            late(trial)
        for step in (1, 3, 9):
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    return objective


def run(then: Ask, storage: Any = "memory", **more: Any) -> tuple[optuna.Study, list[Any]]:
    """Twelve trials of a space, and then forty more of another."""
    study = hyperband_study(
        more.pop("prior", PRIOR), name="s", max_resource=9, storage=storage, **more
    )
    seen: list[Any] = []
    optimize(study, search(first, []), 12)
    optimize(study, search(then, seen), 52)
    return study, seen


def exactly(params: dict[str, Any]) -> str:
    return repr(sorted(params.items()))


CHANGES: dict[str, Ask] = {
    "one more": lambda t: first(t) + 0 * t.suggest_float("dropout", 0, 1),
    "one renamed": lambda t: (
        t.suggest_categorical("kind", [1, 2]) * 0
        + t.suggest_float("x", 0, 1) + 0 * t.suggest_int("depth", 1, 9)
    ),
    "one fewer": lambda t: t.suggest_float("x", 0, 1) + 0 * t.suggest_int("k", 1, 9),
    "rounded": lambda t: (
        t.suggest_categorical("kind", [1, 2]) * 0
        + t.suggest_float("x", 0, 1, step=0.1) + 0 * t.suggest_int("k", 1, 9)
    ),
    "a narrower range": lambda t: (
        t.suggest_categorical("kind", [1, 2]) * 0
        + t.suggest_float("x", 0, 1) + 0 * t.suggest_int("k", 4, 5)
    ),
    "a wider range": lambda t: (
        t.suggest_categorical("kind", [1, 2]) * 0
        + t.suggest_float("x", -1, 2) + 0 * t.suggest_int("k", 1, 20)
    ),
    "the same": first,
}  # fmt: skip


@pytest.mark.parametrize("prior", [PRIOR, None], ids=["prior", "none"])
@pytest.mark.parametrize("change", CHANGES)
def test_only_with_the_same_names_values_and_types(change: str, prior: Prior | None) -> None:
    study, seen = run(CHANGES[change], prior=prior)
    for number, told in seen:
        trial = study.trials[number]
        place = promoted(trial)
        same = place is not None and exactly(study.trials[place.number].params) == exactly(
            trial.params
        )
        assert told == (place if same else None)
        assert resumed_from(trial) == told
    assert any(promoted(study.trials[number]) for number, _ in seen)
    again = [number for number, told in seen if told and told.number < 12]
    if change != "a narrower range":  # where it depends on what they were
        assert bool(again) == (change in ("the same", "a wider range"))


def test_a_parameter_that_is_asked_for_late_takes_it_back(tmp_path: Path) -> None:
    study = hyperband_study(PRIOR, name="s", max_resource=9, storage=tmp_path / "a.journal")
    optimize(study, search(first, []), 9)
    seen: list[Any] = []
    optimize(study, search(first, seen, late=lambda t: t.suggest_float("late", 0, 1)), 13)
    assert [told.number for _, told in seen[:3]] == [
        promoted(study.trials[number]).number
        for number, _ in seen[:3]  # type: ignore[union-attr]
    ]
    anew = hyperband_study(PRIOR, name="s", max_resource=9, storage=tmp_path / "a.journal")
    assert [resumed_from(trial) for trial in anew.trials[:12]] == [None] * 12
    # What it reached is its own, and the paused trial's stays beside it.
    history = anew.sampler.base_sampler._history  # type: ignore[attr-defined]
    optimize(anew, search(first, []), 14)
    assert history._later.keys().isdisjoint(range(9))
    assert {9, 10, 11} <= history._seen.keys()


def test_before_all_parameters_are_there_nothing_is_continued() -> None:
    study, _ = run(first)
    while (place := promoted(trial := study.ask())) is None:
        study.tell(trial, 9.0)
    assert resumed_from(trial) is None
    trial.suggest_categorical("kind", [1, 2])
    trial.suggest_int("k", 1, 9)
    assert resumed_from(trial) is None
    trial.suggest_float("x", 0, 1)
    assert resumed_from(trial) == place
    trial.suggest_float("more", 0, 1)
    assert resumed_from(trial) is None


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_values_that_are_fixed_later_are_kept_and_taken_up_only_where_they_were(where: str) -> None:
    study = hyperband_study(PRIOR, name="s", max_resource=9, storage="memory")
    optimize(study, search(first, []), 30)
    sampler: Any = study.sampler
    if where == "outside":
        study.sampler = PartialFixedSampler({"k": 7}, sampler)
    else:
        sampler.base_sampler = PartialFixedSampler({"k": 7}, sampler.base_sampler)
    seen: list[Any] = []
    optimize(study, search(first, seen), 80)
    assert {study.trials[number].params["k"] for number, _ in seen} == {7}
    assert any(promoted(study.trials[number]) for number, _ in seen)
    for number, told in seen:
        if told is not None:
            assert study.trials[told.number].params == study.trials[number].params


def test_a_trial_told_by_somebody_else_says_the_same(tmp_path: Path) -> None:
    """No sampler of ours ends it."""
    study = hyperband_study(PRIOR, name="s", max_resource=9, storage=tmp_path / "a.journal")
    optimize(study, search(first, []), 9)
    trial = study.ask()
    assert promoted(trial)
    trial.suggest_float("x", 0, 1)
    trial.report(0.1, 1)
    other = optuna.load_study(study_name="s", storage=study._storage, sampler=RandomSampler())
    other.tell(trial.number, state=TrialState.PRUNED)
    assert resumed_from(study.trials[9]) is None


def test_a_conditional_space_is_taken_up_in_its_branch() -> None:
    def branches(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return trial.suggest_float("x", 0, 1)
        return trial.suggest_float("y", 0, 1) + 0 * trial.suggest_int("k", 1, 3)

    study = hyperband_study(name="s", max_resource=9, storage="memory", base_sampler=_tpe)
    seen: list[Any] = []
    optimize(study, search(branches, seen), 60)
    assert all(
        resumed_from(study.trials[n]) == promoted(study.trials[n]) == told for n, told in seen
    )
    assert len({study.trials[n].params["kind"] for n, told in seen if told}) == 2


def _tpe(seed: int) -> TPESampler:
    return TPESampler(seed=seed, n_startup_trials=100)


def test_a_retried_trial_continues_with_what_the_paused_one_had() -> None:
    """As Optuna retries one whose worker died between two suggestions."""
    study, _ = run(first)
    while promoted(trial := study.ask()) is None:
        study.tell(trial, 9.0)
    trial.suggest_categorical("kind", [1, 2])
    dead = study.tell(trial, state=TrialState.FAIL)
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.WAITING, params=dead.params, distributions=dead.distributions,
            user_attrs=dead.user_attrs,
        )
    )  # fmt: skip
    again = hyperband_study(PRIOR, name="s", max_resource=9, storage=study._storage).ask()
    first(again)
    assert resumed_from(again) == promoted(dead)


def test_the_checksum_tells_values_of_different_types_apart() -> None:
    different: list[Any] = [1, 1.0, True, "1", None, math.nan, [1], [[1]], 2**60, 2**60 + 1]
    assert len({params_checksum({"x": value}) for value in different}) == len(different)
    assert params_checksum({"x": 1, "y": 2}) == params_checksum({"y": 2, "x": 1})
    assert params_checksum({"x": 1}) != params_checksum({"y": 1})
    same = [(0.1, np.float64(0.1)), (3, np.int64(3)), ((1, 2), [1, 2]), (True, np.True_)]
    for one, other in same:
        assert params_checksum({"x": one}) == params_checksum({"x": other})


@pytest.mark.parametrize("wrong", [None, 3, "trial", {}])
def test_what_is_no_trial_is_refused(wrong: Any) -> None:
    with pytest.raises(PriorError, match=r"^trial: needs an Optuna trial"):
        resumed_from(wrong)
