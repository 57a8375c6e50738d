"""Each of Optuna's samplers as base: no point lost, no fixed value changed, no study ended."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    PartialFixedSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from infoprior.priors import Prior, PriorError, PriorSampler, hyperband_study, optimize
from infoprior.priors._search.bases import make_base_sampler
from tests.priors.bumps import TIGHT, run

SPACE: dict[str, Any] = {"x": FloatDistribution(0, 1), "k": IntDistribution(1, 9)}
POINTS = [{"x": 0.3, "k": 2}, {"x": 0.7, "k": 7}]
PRIOR = Prior.from_points(SPACE, POINTS, bandwidth=0.02, floor=1e-6)
GRID = {"x": [0.0, 0.5, 1.0], "k": [1, 5, 9]}
CELLS = set(itertools.product(*GRID.values()))


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def objective(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 1) + trial.suggest_int("k", 1, 9)


def stepped(trial: optuna.Trial) -> float:
    """Of twelve points."""
    return trial.suggest_float("x", 0, 1, step=0.5) + trial.suggest_int("k", 1, 4)


def epochs(function: Any = objective) -> Any:
    def run(trial: optuna.Trial) -> float:
        value = float(function(trial))
        for step in (1, 3, 9):
            trial.report(value + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    return run


def cells(study: optuna.Study) -> set[tuple[Any, ...]]:
    return {(t.params["x"], t.params["k"]) for t in study.trials}


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_point_of_a_grid_is_tried(adaptive: bool, n_jobs: int) -> None:
    study = optuna.create_study(
        sampler=PriorSampler(PRIOR, GridSampler(GRID), seed=0, adaptive=adaptive)
    )
    study.enqueue_trial({"x": 0.5, "k": 5})
    study.enqueue_trial({"k": 5})
    study.optimize(objective, n_trials=80, n_jobs=n_jobs)
    assert len(study.trials) == 80
    assert cells(study) >= CELLS
    assert study.trials[1].params["k"] == 5
    if n_jobs > 1:  # near the end two workers may be at one point
        return
    # Each once by the grid itself, which gives its trials to others when it is through.
    by_grid = [t for t in study.trials if t.user_attrs[PriorSampler.SOURCE] == "base"]
    assert {(t.params["x"], t.params["k"]) for t in by_grid} == CELLS
    assert len(by_grid) == len(CELLS)


@pytest.mark.parametrize("promote", [True, False])
@pytest.mark.parametrize("prior", [PRIOR, None], ids=["prior", "none"])
def test_a_grid_under_hyperband(promote: bool, prior: Prior | None) -> None:
    study = hyperband_study(
        prior,
        name="s",
        max_resource=9,
        storage="memory",
        base_sampler=GridSampler(GRID),
        promote=promote,
    )
    optimize(study, epochs(), 60)
    assert len(study.trials) == 60
    assert cells(study) >= CELLS


def test_a_grid_resumed_tries_each_point_once(tmp_path: Any) -> None:
    def run(n: int) -> optuna.Study:
        study = hyperband_study(
            PRIOR, name="s", max_resource=9, storage=tmp_path / "a", base_sampler=GridSampler(GRID)
        )
        return optimize(study, epochs(), n)

    run(8)
    study = run(60)
    new = [t for t in study.trials if "grid_id" in t.system_attrs]
    assert sorted((t.params["x"], t.params["k"]) for t in new) == sorted(CELLS)


def test_brute_force_tries_all_points() -> None:
    for promote in (None, True, False):
        if promote is None:
            sampler = PriorSampler(PRIOR, BruteForceSampler(seed=0), seed=0)
            study = optuna.create_study(sampler=sampler)
            study.optimize(stepped, n_trials=70)
        else:
            study = hyperband_study(
                PRIOR, name="s", max_resource=9, storage="memory", promote=promote,
                base_sampler=lambda seed: BruteForceSampler(seed=seed),
            )  # fmt: skip
            optimize(study, epochs(stepped), 80)
        assert len(study.trials) == (70 if promote is None else 80)
        assert cells(study) >= set(itertools.product([0.0, 0.5, 1.0], [1, 2, 3, 4]))


@pytest.mark.parametrize("scramble", [True, False])
def test_no_point_of_a_sequence_is_lost(scramble: bool) -> None:
    """The base's own trials have the points that the sequence begins with, in their order."""

    def make() -> QMCSampler:
        return QMCSampler(seed=3, scramble=scramble, warn_asynchronous_seeding=False)

    study = optuna.create_study(
        sampler=PriorSampler(PRIOR, make(), seed=0, adaptive=False, weight=0.6)
    )
    study.optimize(objective, n_trials=40)
    alone = optuna.create_study(sampler=make())
    alone.optimize(objective, n_trials=40)
    own = [t.params for t in study.trials[1:] if t.user_attrs[PriorSampler.SOURCE] == "base"]
    assert 8 < len(own) < 30
    assert own == [t.params for t in alone.trials[1 : len(own) + 1]]


FIXED: dict[str, Any] = {
    "random": lambda: RandomSampler(seed=0),
    "tpe": lambda: TPESampler(seed=0, n_startup_trials=5, multivariate=True),
    "cma": lambda: CmaEsSampler(seed=0),
    "nsga2": lambda: NSGAIISampler(seed=0, population_size=5),
    "nsga3": lambda: NSGAIIISampler(seed=0, population_size=5),
    "gp": lambda: GPSampler(seed=0, n_startup_trials=30),
    "qmc": lambda: QMCSampler(seed=0),
    "brute force": lambda: BruteForceSampler(seed=0),
}


@pytest.mark.parametrize("inner", FIXED)
@pytest.mark.parametrize("where", ["object", "function", "outside", "twice"])
@pytest.mark.parametrize("adaptive", [True, False])
def test_fixed_values_are_kept_in_every_trial(inner: str, where: str, adaptive: bool) -> None:
    if inner == "cma":
        pytest.importorskip("cmaes")
    make = FIXED[inner]
    fixed = {"k": 7, "other": 1}

    def around(sampler: BaseSampler) -> BaseSampler:
        return PartialFixedSampler(fixed, sampler)

    base: Any = make() if where == "outside" else around(make())
    if where == "function":
        base = lambda seed: around(make())  # noqa: E731
    if where == "twice":
        base = PartialFixedSampler({"k": 7}, PartialFixedSampler({"k": 2}, make()))
    sampler: BaseSampler = PriorSampler(PRIOR, base, seed=0, adaptive=adaptive)
    study = optuna.create_study(sampler=around(sampler) if where == "outside" else sampler)
    study.optimize(stepped_k if inner == "brute force" else objective, n_trials=25)
    assert len(study.trials) == 25
    assert {t.params["k"] for t in study.trials} == {7}
    mine = [t.params["x"] for t in study.trials if t.user_attrs[PriorSampler.SOURCE] == "prior"]
    assert len(mine) > 2
    # The prior's other mode, at x = 0.3, has k = 2.
    assert all(abs(x - 0.7) < 0.15 for x in mine)


def stepped_k(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 1, step=0.1) + trial.suggest_int("k", 1, 9)


def test_a_fixed_value_of_the_prior_s_mode() -> None:
    """The first trial is the mode of the prior given what is fixed, not the prior's own."""
    weighted = Prior.from_points(SPACE, POINTS, weights=[0.9, 0.1], bandwidth=0.02, floor=1e-6)
    for fixed, expected in (({"k": 7}, 0.7), ({"k": 2}, 0.3), ({}, 0.3)):
        base = PartialFixedSampler(fixed, RandomSampler(seed=0))
        study = optuna.create_study(sampler=PriorSampler(weighted, base, seed=0))
        study.optimize(objective, n_trials=20)
        mine = [t for t in study.trials if t.user_attrs[PriorSampler.SOURCE] == "prior"]
        assert mine[0].params["x"] == pytest.approx(expected)
        assert mine[0].params["k"] == fixed.get("k", 2)
    # All of it fixed, and values outside of the prior's space.
    for fixed in ({"x": 0.5, "k": 3}, {"k": 3.5, "x": 7.0}):
        base = PartialFixedSampler(
            {"k": 3, **fixed} if fixed["k"] == 3 else {"x": 1.0}, RandomSampler()
        )
        study = optuna.create_study(sampler=PriorSampler(PRIOR, base, seed=0))
        study.optimize(objective, n_trials=12)
        assert len({t.params["x"] for t in study.trials}) == 1


def test_fixed_values_under_hyperband() -> None:
    for prior in (PRIOR, None):
        study = hyperband_study(
            prior, name="s", max_resource=9, storage="memory",
            base_sampler=lambda seed: PartialFixedSampler({"k": 7}, RandomSampler(seed=seed)),
        )  # fmt: skip
        optimize(study, epochs(), 40)
        assert {t.params["k"] for t in study.trials} == {7}


def test_a_grid_with_a_value_fixed() -> None:
    base = PartialFixedSampler({"k": 5}, GridSampler({"x": [0.0, 0.5, 1.0], "k": [5]}))
    study = optuna.create_study(sampler=PriorSampler(PRIOR, base, seed=0))
    study.optimize(objective, n_trials=40)
    assert {t.params["k"] for t in study.trials} == {5}
    assert {t.params["x"] for t in study.trials} >= {0.0, 0.5, 1.0}


def test_a_learning_sampler_is_told_of_all_trials_and_a_dealing_one_of_its_own() -> None:
    calls: list[tuple[str, int]] = []

    class Grid(GridSampler):
        def before_trial(self, study: Any, trial: Any) -> None:
            calls.append(("before", trial.number))
            super().before_trial(study, trial)

    study = optuna.create_study(sampler=PriorSampler(PRIOR, Grid(GRID), seed=0))
    study.optimize(objective, n_trials=12)
    own = [t.number for t in study.trials if t.user_attrs[PriorSampler.SOURCE] == "base"]
    assert calls == [("before", number) for number in own]
    assert 2 < len(own) < 12


REFUSED: list[tuple[Any, str]] = [
    (TPESampler, r"got the class TPESampler; lambda seed: TPESampler\(seed=seed\)"),
    ("tpe", "needs a function seed -> sampler or an Optuna sampler, got 'tpe'"),
    (lambda: RandomSampler(), "failed for the seed 0: TypeError"),
    (lambda seed: None, "needs to return an Optuna sampler, got NoneType"),
    (lambda seed: TPESampler, "needs to return an Optuna sampler, got"),
    (lambda seed: GridSampler(GRID, seed=seed), "a GridSampler that is made with another seed"),
    (lambda seed: QMCSampler(seed=seed, scramble=True), "a QMCSampler that is made with another"),
]


@pytest.mark.parametrize(("base", "says"), REFUSED)
def test_bases_that_are_none(base: Any, says: str) -> None:
    with pytest.raises(PriorError, match=f"^base_sampler: .*{says}"):
        PriorSampler(PRIOR, base)
    with pytest.raises(PriorError, match=f"^base_sampler: .*{says}"):
        hyperband_study(name="s", max_resource=9, storage="memory", base_sampler=base)


def test_a_prior_in_a_prior_is_refused() -> None:
    inner = PriorSampler(PRIOR, seed=0)
    for base in (inner, PartialFixedSampler({"k": 1}, inner), lambda seed: PriorSampler(PRIOR)):
        with pytest.raises(
            PriorError, match=r"^base_sampler: holds a PriorSampler itself; .*Prior\.mix"
        ):
            PriorSampler(PRIOR, base)


def test_functions_that_give_all_samplers_one_order() -> None:
    for base in (lambda _: GridSampler(GRID, seed=5), lambda seed: QMCSampler(seed=1)):
        study = optuna.create_study(sampler=PriorSampler(PRIOR, base, seed=0))
        study.optimize(objective, n_trials=60)
    assert isinstance(make_base_sampler(lambda seed: QMCSampler(seed=seed), 0), BaseSampler)
    study = optuna.create_study(
        sampler=PriorSampler(PRIOR, lambda _: GridSampler(GRID, seed=5), seed=0)
    )
    study.optimize(objective, n_trials=60)
    assert cells(study) >= CELLS


def test_a_copy_of_a_sampler_with_a_grid_works() -> None:
    sampler = PriorSampler(PRIOR, GridSampler(GRID), seed=0)
    study = optuna.create_study(sampler=pickle.loads(pickle.dumps(sampler)))  # own bytes, no file
    study.optimize(objective, n_trials=60)
    assert cells(study) >= CELLS


BUMP_GRID = {"depth": [1, 2, 3, 4, 5], "rate": [1e-3, 1e-2], "shape": ["funnel", "constant"]}
BASES: dict[str, Any] = {
    "brute force": lambda: optuna.samplers.BruteForceSampler(seed=0),
    "grid": lambda: optuna.samplers.GridSampler(BUMP_GRID, seed=0),
    "partial": lambda: optuna.samplers.PartialFixedSampler({"depth": 2}, RandomSampler(seed=0)),
    "gp": lambda: optuna.samplers.GPSampler(seed=0, n_startup_trials=3),
}


@pytest.mark.parametrize("base", BASES)
def test_bases_that_have_a_space_of_their_own(base: str) -> None:
    def steps(trial: optuna.Trial) -> float:
        depth = trial.suggest_int("depth", 1, 5)
        rate = trial.suggest_float("rate", 1e-3, 1e-2, step=0.009)
        return depth + rate + (trial.suggest_categorical("shape", ["funnel", "constant"]) == "a")

    study = run(PriorSampler(TIGHT, BASES[base](), weight=0.5, seed=0), 12, steps)
    assert {t.user_attrs[PriorSampler.SOURCE] for t in study.trials} >= {"prior", "base"}
    assert all(t.state.name == "COMPLETE" for t in study.trials)
