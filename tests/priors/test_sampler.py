"""PriorSampler in real studies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import HyperbandPruner
from optuna.samplers import RandomSampler, TPESampler

from infoprior.priors import Prior, PriorError, PriorSampler
from tests.priors.bumps import TIGHT, is_bump, objective, run
from tests.priors.spaces import EVERY_KIND, prior_over

stats = pytest.importorskip("scipy.stats")
optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("base", [RandomSampler, TPESampler])
def test_the_prior_draws_jointly_from_the_first_trial_on(base: Any) -> None:
    # A categorical kernel of bandwidth 0.02 leaves its bump one time in fifty.
    study = run(PriorSampler(TIGHT, base(seed=0), weight=1.0, adaptive=False, seed=1), 60)
    assert sum(is_bump(t.params) for t in study.trials) >= 55
    depths = [t.params["depth"] for t in study.trials]
    assert 15 <= depths.count(1) <= 45


def test_draws_follow_the_prior() -> None:
    prior = prior_over(EVERY_KIND)
    sampler = PriorSampler(prior, RandomSampler(seed=0), weight=1.0, adaptive=False, seed=4)
    study = optuna.create_study(sampler=sampler)
    drawn = [study.ask(EVERY_KIND).params for _ in range(800)]
    for name, distribution in EVERY_KIND.items():
        kind = {FloatDistribution: float, IntDistribution: int}.get(type(distribution))
        assert kind is None or {type(point[name]) for point in drawn} == {kind}
    direct = prior.sample(4000, np.random.default_rng(1))
    got, want = prior.log_ratio(drawn), prior.log_ratio(direct)
    assert np.all(np.isfinite(got))
    assert stats.ks_2samp(got, want).pvalue > 1e-3  # a joint statistic
    for name in ("float", "log_int", "stepped_float"):
        one, other = ([p[name] for p in points] for points in (drawn, direct))
        assert stats.ks_2samp(one, other).pvalue > 1e-3


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_share_of_the_prior(weight: float) -> None:
    sampler = PriorSampler(TIGHT, RandomSampler(seed=0), weight=weight, seed=2, adaptive=False)
    study = run(sampler, 300)
    fraction = np.mean([sampler.source(t) == "prior" for t in study.trials])
    assert fraction == pytest.approx(weight, abs=0.09)
    by_base = [t for t in study.trials if sampler.source(t) == "base"]
    by_prior = [t for t in study.trials if sampler.source(t) == "prior"]
    assert sum(is_bump(t.params) for t in by_base) <= 0.3 * len(by_base)
    assert sum(is_bump(t.params) for t in by_prior) >= 0.9 * len(by_prior)


def test_weight_zero_is_the_base_sampler() -> None:
    alone = run(TPESampler(seed=5), 25)
    wrapped = run(PriorSampler(TIGHT, TPESampler(seed=5), weight=0.0, seed=1), 25)
    assert [t.params for t in wrapped.trials] == [t.params for t in alone.trials]


def test_the_same_seed_gives_the_same_trials() -> None:
    first, second, other = (run(PriorSampler(TIGHT, seed=s), 25) for s in (7, 7, 8))
    assert [t.params for t in first.trials] == [t.params for t in second.trials]
    assert [t.params for t in first.trials] != [t.params for t in other.trials]
    unseeded = [run(PriorSampler(TIGHT, weight=1.0), 5).trials[1].params for _ in range(2)]
    assert unseeded[0] != unseeded[1]


def test_a_draw_hangs_on_seed_and_trial_alone() -> None:
    """Resuming, copying, pickling and reseeding change nothing; trials differ."""
    whole = run(PriorSampler(TIGHT, RandomSampler(), weight=1.0, adaptive=False, seed=3), 12)
    study = run(PriorSampler(TIGHT, RandomSampler(), weight=1.0, adaptive=False, seed=3), 6)
    sampler = PriorSampler(TIGHT, RandomSampler(), weight=1.0, adaptive=False, seed=3)
    sampler.reseed_rng()
    # What joblib does to send a sampler to its workers; the bytes are this test's own.
    study.sampler = pickle.loads(pickle.dumps(copy.deepcopy(sampler)))  # own bytes, no file
    study.optimize(objective, n_trials=6)
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]
    assert len({t.params["rate"] for t in whole.trials}) == 12


def test_two_threads() -> None:
    sampler = PriorSampler(TIGHT, RandomSampler(), weight=1.0, adaptive=False, seed=3)
    parallel = run(sampler, 40, n_jobs=2)
    serial = run(PriorSampler(TIGHT, RandomSampler(), weight=1.0, adaptive=False, seed=3), 40)
    by_number = {t.number: t.params for t in parallel.trials}
    assert by_number == {t.number: t.params for t in serial.trials}
    assert {t.state for t in run(PriorSampler(TIGHT, seed=3), 30, n_jobs=2).trials} == {
        optuna.trial.TrialState.COMPLETE
    }


LIVE: list[tuple[str, Any, Any]] = [
    # (what, prior's distribution, the trial's)
    ("narrower float", FloatDistribution(0, 10), FloatDistribution(3, 4)),
    ("wider float", FloatDistribution(3, 4), FloatDistribution(0, 10)),
    ("overlapping float", FloatDistribution(0, 10), FloatDistribution(8, 20)),
    ("log in the prior", FloatDistribution(1, 100, log=True), FloatDistribution(2, 50)),
    ("log in the trial", FloatDistribution(1, 100), FloatDistribution(2, 500, log=True)),
    ("step in the trial", FloatDistribution(0, 10), FloatDistribution(2, 20, step=0.5)),
    ("step in the prior", FloatDistribution(0, 10, step=0.5), FloatDistribution(2.2, 8.9)),
    ("another step", FloatDistribution(0, 10, step=0.5), FloatDistribution(0, 9, step=0.75)),
    ("narrower int", IntDistribution(1, 100), IntDistribution(20, 30)),
    ("int, coarser", IntDistribution(1, 100), IntDistribution(10, 120, step=5)),
    ("int, finer", IntDistribution(10, 120, step=5), IntDistribution(1, 50)),
    ("log int", IntDistribution(1, 1000, log=True), IntDistribution(30, 40)),
    ("log int, in the trial", IntDistribution(1, 1000), IntDistribution(3, 40, log=True)),
    ("int for float", IntDistribution(1, 9), FloatDistribution(2.5, 20)),
    ("float for int", FloatDistribution(1, 9), IntDistribution(2, 20)),
    ("float step for int", FloatDistribution(0, 9, step=0.5), IntDistribution(2, 20)),
    ("choices", CategoricalDistribution("abcd"), CategoricalDistribution("dxb")),
]


@pytest.mark.parametrize(("prior", "live"), [c[1:] for c in LIVE], ids=[c[0] for c in LIVE])
def test_draws_are_the_prior_restricted_to_the_trials_distribution(prior: Any, live: Any) -> None:
    mixture = prior_over({"p": prior}, n=3, seed=1, floor=0.2)
    sampler = PriorSampler(mixture, RandomSampler(), weight=1.0, adaptive=False, seed=6)
    study = optuna.create_study(sampler=sampler)
    frozen = [optuna.trial.create_trial(value=0.0) for _ in range(600)]
    for number, trial in enumerate(frozen):
        trial.number = number
    drawn = [sampler.sample_independent(study, trial, "p", live) for trial in frozen]
    integer = isinstance(live, IntDistribution)
    for value in drawn:
        assert live._contains(live.to_internal_repr(value))
        assert type(value) is (int if integer else float if prior != LIVE[-1][1] else str)
    # Truth by rejection, where the draws of the prior fall into the distribution at all.
    if isinstance(prior, FloatDistribution) and prior.step is None and getattr(live, "step", None):
        values = [v for v in np.arange(live.low, live.high + 1e-9, live.step) if v <= prior.high]
        values = [v for v in values if v >= prior.low]
        chance = np.exp(mixture.log_prob([{"p": float(v)} for v in values]))
        counts = [drawn.count(v) for v in values]
        assert stats.chisquare(counts, chance / chance.sum() * sum(counts)).pvalue > 1e-3
        return
    direct = [p["p"] for p in mixture.sample(60_000, np.random.default_rng(5))]
    if isinstance(live, CategoricalDistribution):
        kept = [live.choices.index(v) for v in direct if v in live.choices]
        mine = [live.choices.index(v) for v in drawn]
    else:
        kept = [v for v in direct if live._contains(live.to_internal_repr(v))]
        kept, mine = [v for v in kept if not integer or v == int(v)], drawn
    assert len(kept) > 200
    values = sorted(set(kept))
    if len(values) > 60:
        assert stats.ks_2samp(mine, kept).pvalue > 1e-3
    else:
        table = np.array([[x.count(v) for v in values] for x in (mine, kept)])
        table = table[:, table.sum(axis=0) > 5]
        assert stats.chi2_contingency(table).pvalue > 1e-3


@pytest.mark.parametrize(
    ("prior", "live"),
    [
        (FloatDistribution(0, 1), FloatDistribution(2, 3)),
        (FloatDistribution(0, 1), FloatDistribution(1, 3)),
        (IntDistribution(0, 10, step=2), IntDistribution(1, 9, step=2)),
        (IntDistribution(1, 100), CategoricalDistribution([32, 64])),
        (CategoricalDistribution([32, 64]), IntDistribution(1, 100)),
        (CategoricalDistribution("ab"), CategoricalDistribution("xy")),
        (CategoricalDistribution("ab"), CategoricalDistribution([1, True])),
        (FloatDistribution(0, 1), FloatDistribution(0.2, 0.9, step=1e-6)),
    ],
)
def test_nothing_in_common_is_left_to_the_base(prior: Any, live: Any) -> None:
    sampler = PriorSampler(
        Prior.uniform({"p": prior}), RandomSampler(seed=0), 1.0, 0, adaptive=False
    )
    study = optuna.create_study(sampler=sampler)
    for _ in range(20):
        value = study.ask({"p": live}).params["p"]
        assert live._contains(live.to_internal_repr(value))


def test_a_moved_range_keeps_the_draw_joint() -> None:
    """The trial asks for the second bump's depths only: its rate follows."""

    def narrow(trial: optuna.Trial) -> float:
        trial.suggest_int("depth", 4, 5)
        trial.suggest_float("rate", 1e-5, 1.0, log=True)
        return 0.0

    for base in (RandomSampler(seed=0), TPESampler(seed=0)):
        study = run(PriorSampler(TIGHT, base, weight=1.0, adaptive=False, seed=0), 30, narrow)
        assert all(t.params["depth"] == 5 and t.params["rate"] > 1e-2 for t in study.trials)


def test_enqueued_values_are_kept_and_conditioned_on() -> None:
    study = optuna.create_study(
        sampler=PriorSampler(TIGHT, RandomSampler(), 1.0, 0, adaptive=False)
    )
    for _ in range(10):
        study.enqueue_trial({"depth": 1})
    study.optimize(objective, n_trials=10)
    assert all(t.params["depth"] == 1 and t.params["rate"] < 1e-3 for t in study.trials)


def test_unknown_names_are_left_to_the_base() -> None:
    def more(trial: optuna.Trial) -> float:
        return objective(trial) + trial.suggest_float("momentum", 0, 1)

    sampler = PriorSampler(TIGHT, RandomSampler(seed=0), weight=1.0, adaptive=False, seed=0)
    study = run(sampler, 80, more)
    momentum = [t.params["momentum"] for t in study.trials]
    assert stats.kstest(momentum, "uniform").pvalue > 1e-3
    assert sum(is_bump(t.params) for t in study.trials) >= 70
    # and the prior may know more than the trial asks for
    study = run(
        PriorSampler(TIGHT, weight=1.0, adaptive=False, seed=0),
        25,
        lambda t: t.suggest_int("depth", 1, 5),
    )
    assert {t.params["depth"] for t in study.trials} == {1, 5}


@pytest.mark.parametrize("base", [RandomSampler, TPESampler])
def test_conditional_spaces(base: Any) -> None:
    def conditional(trial: optuna.Trial) -> float:
        depth = trial.suggest_int("depth", 1, 5)
        if depth > 2:
            return trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        return trial.suggest_float("other", 0, 1) + (
            trial.suggest_categorical("shape", ["funnel", "constant"]) == "funnel"
        )

    study = run(
        PriorSampler(TIGHT, base(seed=0), weight=1.0, adaptive=False, seed=0), 40, conditional
    )
    deep = [t.params for t in study.trials if t.params["depth"] > 2]
    flat = [t.params for t in study.trials if t.params["depth"] <= 2]
    assert deep
    assert all(p["rate"] > 1e-2 for p in deep)
    assert sum(p["shape"] == "funnel" for p in flat) >= 0.85 * len(flat) > 0


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_hyperband(n_jobs: int) -> None:
    def epochs(trial: optuna.Trial) -> float:
        score = objective(trial)
        for step in range(9):
            trial.report(score + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return score

    sampler = PriorSampler(TIGHT, weight=0.75, seed=0, adaptive=False)
    pruner = HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
    study = optuna.create_study(sampler=sampler, pruner=pruner, study_name="hyperband")
    study.optimize(epochs, n_trials=40, n_jobs=n_jobs)
    states = {t.state.name for t in study.trials}
    assert states == {"COMPLETE", "PRUNED"}
    drawn = [t for t in study.trials if sampler.source(t) == "prior"]
    assert len(drawn) == 40 - sum(sampler.source(t) == "base" for t in study.trials) > 20
    assert sum(is_bump(t.params) for t in drawn) >= 0.85 * len(drawn)


def test_the_source_is_an_attribute_of_the_trial() -> None:
    sampler = PriorSampler(TIGHT, RandomSampler(seed=0), weight=0.5, seed=0)
    inside: list[str] = []

    def marked(trial: optuna.Trial) -> float:
        inside.append(sampler.source(trial))
        return objective(trial)

    trials = run(sampler, 20, marked).trials
    assert [t.user_attrs["infoprior:source"] for t in trials] == inside
    assert [sampler.source(t) for t in trials] == inside
    assert set(inside) == {"prior", "uniform", "base"}
    assert trials[0].user_attrs["infoprior:prior_weight"] == pytest.approx(0.5)
    with pytest.raises(PriorError, match="infoprior:source"):
        sampler.source(optuna.trial.create_trial(value=0.0))


def test_the_base_sees_every_trial() -> None:
    calls: list[str] = []

    class Spy(RandomSampler):
        def before_trial(self, *_: Any) -> None:
            calls.append("before")

        def after_trial(self, *_: Any) -> None:
            calls.append("after")

        def reseed_rng(self) -> None:
            calls.append("reseed")

    sampler = PriorSampler(TIGHT, Spy(), weight=1.0, adaptive=False, seed=0)
    run(sampler, 3)
    sampler.reseed_rng()
    assert calls == ["before", "after"] * 3 + ["reseed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prior.json",), "prior"),
        ((TIGHT, "tpe"), "base_sampler"),
        ((TIGHT, TPESampler), "base_sampler"),
        ((TIGHT, None, "a"), "weight"),
        ((TIGHT, None, 0.5, -1), "seed"),
        ((TIGHT, None, 0.5, 1.7), "seed"),
        ((TIGHT, None, 1.5), "weight"),
        ((TIGHT, None, float("nan")), "weight"),
        ((TIGHT, None, True), "weight"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(PriorError, match=message):
        PriorSampler(*arguments)
    with pytest.raises(PriorError, match="storage"):
        PriorSampler(TIGHT, storage="sqlite:///a.db")  # type: ignore[arg-type]


MODES = Prior.from_points(
    {n: FloatDistribution(0, 1) for n in "ab"},
    [{"a": 0.1, "b": 0.1}, {"a": 0.9, "b": 0.9}],
    bandwidth=0.02,
    floor=0.01,
)


def mixed(study: Any) -> float:
    """The fraction of trials that mix the two modes."""
    return float(np.mean([(t.params["a"] > 0.5) != (t.params["b"] > 0.5) for t in study.trials]))


def test_values_asked_one_by_one_are_drawn_with_the_relative_ones() -> None:
    """TPE proposes what all trials have at once; b's range changes, so it is asked by itself."""

    def moving(trial: optuna.Trial) -> float:
        b = trial.suggest_float("b", 0, 1 + 0.001 * trial.number)
        return b + trial.suggest_float("a", 0, 1)

    assert mixed(run(PriorSampler(MODES, weight=1.0, adaptive=False, seed=0), 60, moving)) < 0.1


def test_enqueued_values_are_conditioned_on_where_the_base_is_relative() -> None:
    def both(trial: optuna.Trial) -> float:
        return trial.suggest_float("a", 0, 1) + trial.suggest_float("b", 0, 1)

    study = run(PriorSampler(MODES, weight=1.0, adaptive=False, seed=0), 15, both)
    for _ in range(20):
        study.enqueue_trial({"b": 0.1})
    study.optimize(both, n_trials=20)
    enqueued = study.trials[15:]
    assert {t.user_attrs[PriorSampler.SOURCE] for t in enqueued} == {"enqueued"}
    assert all(t.params["b"] == 0.1 for t in enqueued)
    assert np.mean([t.params["a"] > 0.5 for t in enqueued]) < 0.1


def test_choices_that_cannot_be_hashed_are_left_to_the_base() -> None:
    sampler = PriorSampler(
        Prior.uniform({"c": CategoricalDistribution("ab")}), RandomSampler(seed=0), 1.0, 0
    )
    study = run(sampler, 5, lambda t: float(len(t.suggest_categorical("c", [[1, 2], [3]]))))
    assert {t.value for t in study.trials} <= {1.0, 2.0}


def test_one_sampler_for_two_studies_of_a_storage() -> None:
    sampler, storage = PriorSampler(TIGHT, seed=0), optuna.storages.InMemoryStorage()
    for name in ("first", "second"):
        study = optuna.create_study(storage=storage, study_name=name, sampler=sampler)
        study.optimize(objective, n_trials=15)
        assert len(study.trials) == 15
