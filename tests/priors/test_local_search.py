"""LocalSearchSampler: uniform draws, and mutations of the best points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from scipy import stats

from infoprior.priors._search.local_search import (
    MUTATION_STD,
    _ranked,
    best_trials,
    make_local_search,
)
from infoprior.priors._search.seeded import SeededSampler
from infoprior.priors._trial import (
    PAUSED_PARAMS,
    PAUSED_STEP,
    PROMOTES,
    RUNG,
    params_checksum,
)

SPACE: dict[str, Any] = {
    "x": FloatDistribution(0.0, 1.0),
    "n": IntDistribution(1, 9),
    "kind": CategoricalDistribution(["a", "b", "c"]),
}
BEST = {"x": 0.5, "n": 5, "kind": "b"}
P, C = TrialState.PRUNED, TrialState.COMPLETE


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def draws(n: int, space: dict[str, Any] = SPACE) -> list[dict[str, Any]]:
    """A second trial beside the best, in each of so many studies."""
    found = []
    for seed in range(n):
        study = optuna.create_study(sampler=SeededSampler(make_local_search, seed))
        study.add_trial(create_trial(params=BEST, distributions=SPACE, value=0.0))
        found.append(study.ask(space).params)
    return found


def test_half_uniform_and_half_of_the_parameters_kept() -> None:
    found = draws(4000)
    # A parameter keeps its value in half of the half that steps, but for its third of the eighth
    # in which all three would have kept theirs.
    kept = 0.5 * (0.5 - 0.5**3 / 3)
    assert np.mean([p["x"] == BEST["x"] for p in found]) == pytest.approx(kept, abs=0.025)
    # The choice is uniform in the other half.
    assert np.mean([p["kind"] == "b" for p in found]) == pytest.approx(kept + 0.5 / 3, abs=0.025)
    assert BEST not in found  # something always changes


@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("rung", [0, 1, 2, 3])
def test_trials_that_cost_more_are_less_often_uniform(first: int, rung: int) -> None:
    """PriorBand's fraction, 1 / (1 + eta^r), at eta 3."""
    study = optuna.create_study()
    study.add_trial(create_trial(params=BEST, distributions=SPACE, value=0.0))
    sampler = make_local_search(0, first)
    n = 2000
    n_uniform = 0
    for number in range(n):
        trial = create_trial(
            state=TrialState.RUNNING, user_attrs={} if not rung else {RUNG: first * 3**rung}
        )
        trial.number = number
        n_uniform += not sampler._begin(study, trial).point
    fraction = 1 / (1 + 3**rung)
    error = math.sqrt(fraction * (1 - fraction) / n)
    assert n_uniform / n == pytest.approx(fraction, abs=4 * error)


def test_one_parameter_always_steps() -> None:
    study = optuna.create_study(sampler=SeededSampler(make_local_search, 3))
    space = {"x": SPACE["x"]}
    study.add_trial(create_trial(params={"x": 0.5}, distributions=space, value=0.0))
    assert all(study.ask(space).params["x"] != 0.5 for _ in range(200))


def test_numbers_change_by_a_truncated_normal_step() -> None:
    moved = [p["x"] for p in draws(4000) if p["x"] != BEST["x"]]
    steps = 0.5 * (0.5 + 0.5**3 / 3)
    part = steps / (steps + 0.5)
    normal = stats.truncnorm(-0.5 / MUTATION_STD, 0.5 / MUTATION_STD, loc=0.5, scale=MUTATION_STD)
    result = stats.kstest(moved, lambda v: part * normal.cdf(v) + (1 - part) * np.asarray(v))
    assert result.pvalue > 1e-3


def test_the_same_seed_the_same_draws_whatever_the_order_of_the_parameters() -> None:
    assert draws(40) == draws(40)
    reversed_space = dict(reversed(SPACE.items()))
    pairs = zip(draws(40, reversed_space), draws(40), strict=True)
    both = [(a, b) for a, b in pairs if a["x"] == 0.5]
    assert len(both) > 3
    assert all(a == b for a, b in both)


def test_no_point_is_tried_twice_while_there_are_others() -> None:
    """Where no float moves."""
    grid = {name: SPACE[name] for name in ("n", "kind")} | {"one": FloatDistribution(2.0, 2.0)}
    start = {"n": 5, "kind": "b", "one": 2.0}
    study = optuna.create_study()
    study.add_trial(create_trial(params=start, distributions=grid, value=0.0))
    sampler = make_local_search(0)
    points = [start]
    for number in range(1, 200):
        trial = create_trial(state=TrialState.RUNNING)
        trial.number = number
        if point := sampler._begin(study, trial).point:
            points.append(point)
            study.add_trial(create_trial(state=TrialState.FAIL, params=point, distributions=grid))
        if len(points) == 16:
            break
    assert len({tuple(p.values()) for p in points}) == 16  # of 27


def test_without_trials_uniform() -> None:
    study = optuna.create_study(sampler=SeededSampler(make_local_search, 0))
    found = [study.ask(SPACE).params["x"] for _ in range(500)]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_best_are_those_trained_longest(direction: str) -> None:
    sign = 1.0 if direction == "minimize" else -1.0
    study = optuna.create_study(direction=direction)

    def add(state: TrialState, *curve: float, **attributes: Any) -> None:
        reports = {3**k: sign * v for k, v in enumerate(curve)}
        value = sign * curve[-1] if state == C else None
        study.add_trial(
            create_trial(state=state, value=value, intermediate_values=reports,
                         user_attrs=attributes)
        )  # fmt: skip

    add(P, 0.1)  # 0
    add(P, 0.9, 0.8)  # 1
    add(P, 0.5, 0.4)  # 2: continued by 4
    add(P)  # 3: reported nothing
    add(C, 0.5, 0.4, 0.7, **{PROMOTES: 2, PAUSED_STEP: 3, PAUSED_PARAMS: params_checksum({})})  # 4
    add(P, 0.05)  # 5
    add(P, math.nan)  # 6
    assert [t.number for t in best_trials(study, 9)] == [4, 1, 5, 0]
    assert [t.number for t in best_trials(study, 2)] == [4, 1]


def test_a_trial_counts_beside_one_that_took_its_place_with_other_parameters() -> None:
    study = optuna.create_study()
    notes = {PROMOTES: 0, PAUSED_STEP: 1, PAUSED_PARAMS: params_checksum({"x": 0.5})}
    study.add_trial(create_trial(state=P, intermediate_values={1: 0.3}))
    study.add_trial(create_trial(state=P, intermediate_values={3: 0.4}, user_attrs=notes))
    assert [t.number for t in best_trials(study, 9)] == [1, 0]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_best_are_kept_up_from_trial_to_trial(direction: str) -> None:
    """As if all trials were looked through anew, whatever order they end in."""
    rng = np.random.default_rng(0)
    study = optuna.create_study(direction=direction)
    running: list[optuna.Trial] = []
    for _ in range(300):
        if running and rng.random() < 0.5:
            trial = running.pop(rng.integers(len(running)))
            value = float(rng.integers(9))
            kind = rng.integers(3)
            if kind:
                trial.report(value, int(rng.integers(3)))
            study.tell(trial, value if kind == 2 else None, state=(P, P, C)[kind])
        else:
            running.append(study.ask({"n": IntDistribution(1, 50)}))
        anew = optuna.load_study(study_name=study.study_name, storage=study._storage)
        assert best_trials(study, 5) == best_trials(anew, 5)
        tried = {t.params["n"] for t in study.trials}
        assert {n for n in range(1, 51) if _ranked(study).has({"n": n})} == tried


def test_points_with_lists_are_known_again() -> None:
    study = optuna.create_study()
    study.add_trial(
        create_trial(
            params={"c": [1, 2]}, distributions={"c": CategoricalDistribution([[1, 2]])}, value=0.0
        )
    )  # fmt: skip
    assert _ranked(study).has({"c": [1, 2]})
    assert not _ranked(study).has({"c": [1]})


def test_a_value_that_the_range_no_longer_has_is_drawn_anew() -> None:
    study = optuna.create_study(sampler=SeededSampler(make_local_search, 1))
    study.add_trial(create_trial(params=BEST, distributions=SPACE, value=0.0))
    for _ in range(20):
        trial = study.ask()
        assert 0.6 <= trial.suggest_float("x", 0.6, 0.9) <= 0.9
        assert trial.suggest_categorical("only", ["one"]) == "one"


def test_several_objectives_are_uniform() -> None:
    study = optuna.create_study(
        directions=["minimize"] * 2, sampler=SeededSampler(make_local_search, 0)
    )
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=30)
    assert len({t.params["x"] for t in study.trials}) == 30


def test_a_mutation_in_another_range_is_drawn_there() -> None:
    """As in spaces where one parameter's range depends on another one."""
    narrow = {"x": FloatDistribution(0.4, 0.6), "n": IntDistribution(1, 5, step=2)}
    narrow |= {"kind": CategoricalDistribution(["b", "a"])}
    found = draws(3000, narrow)
    moved = [p["x"] for p in found if p["x"] != BEST["x"]]
    # Of the trials that mutate, over a half of x; the rest is uniform.
    part = 1 - 0.5 / np.mean([p["x"] != BEST["x"] for p in found])
    normal = stats.truncnorm(
        -0.5 / MUTATION_STD, 0.5 / MUTATION_STD, loc=0.5, scale=0.2 * MUTATION_STD
    )
    uniform = stats.uniform(0.4, 0.2)
    result = stats.kstest(moved, lambda v: part * normal.cdf(v) + (1 - part) * uniform.cdf(v))
    assert result.pvalue > 1e-3
    # The other choice in all steps that move it, and in half of the uniform trials.
    other = 0.5 * (0.5 + 0.5**3 / 3) + 0.25
    assert np.mean([p["kind"] == "a" for p in found]) == pytest.approx(other, abs=0.03)
    assert {p["n"] for p in found} == {1, 3, 5}
