"""How much is the prior's to propose: rankings by hand, beliefs by quadrature, planted optima."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.pruners import HyperbandPruner
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from infoprior.priors import Prior, PriorSampler
from infoprior.priors._search import adaptive_weights
from infoprior.priors._search.adaptive_weights import (
    Outcome,
    SourceWeights,
    adapted_weights,
    outcome,
    plackett_luce_probability,
    ranking,
    win_rates,
)
from infoprior.priors._search.trial_history import TrialHistory, milestone

PRIOR, UNIFORM, BASE = map(SourceWeights._make, np.eye(3).tolist())
SPACE: dict[str, Any] = {name: FloatDistribution(0, 1) for name in "xyz"}
# The valley is at 0.3.
PRIORS = {
    "good": Prior.from_points(SPACE, [dict.fromkeys("xyz", 0.3)]),
    "bad": Prior.from_points(SPACE, [dict.fromkeys("xyz", 0.95)], bandwidth=0.05),
}
OLD = not hasattr(optuna.trial.Trial, "set_constraint")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def valley(trial: optuna.Trial) -> float:
    return sum((trial.suggest_float(name, 0, 1) - 0.3) ** 2 for name in "xyz")


def plain(*values: float, weights: SourceWeights = BASE) -> list[Outcome]:
    """Trials without reports."""
    return [Outcome(i, weights, (math.inf,), (v,)) for i, v in enumerate(values)]


def test_win_rates_without_reports() -> None:
    assert win_rates(plain(3, 1, 2, 2)).tolist() == [1.0, 0.0, 0.5, 0.5]
    assert win_rates(plain(1)).tolist() == [0.5]


def test_trials_are_compared_at_the_last_step_both_reached() -> None:
    trials = [
        Outcome(0, BASE, (1, 3, math.inf), (0.1, 0.9, 0.5)),  # slow to begin with
        Outcome(1, BASE, (1, 3, math.inf), (0.5, 0.6, 0.6)),
        Outcome(2, BASE, (1, 3), (0.4, 0.7)),
        Outcome(3, BASE, (1,), (0.3,)),
        Outcome(4, BASE),  # failed
    ]
    # 0 loses to 1 in the end, beats 2 at step 3, loses to 3 at step 1; 1 loses to 2 at step 3.
    assert win_rates(trials).tolist() == [0.5, 0.75, 0.75, 0.5, 0.0]


@pytest.mark.parametrize("n_levels", [1, 3, 30])
def test_win_rates_are_fractions_of_wins(n_levels: int) -> None:
    rng = np.random.default_rng(n_levels)
    trials = []
    for i in range(60):
        steps = range(1, int(rng.integers(1, n_levels + 1)) + 1)
        values = rng.integers(0, 9, len(steps)).astype(float)
        trials.append(Outcome(i, BASE, tuple(map(float, steps)), tuple(values)))
    rates = win_rates(trials)
    assert rates.mean() == pytest.approx(0.5)  # what one wins another loses
    if n_levels > adaptive_weights._LEVELS:
        return
    for i, mine in enumerate(trials):
        wins = 0.0
        for j, other in enumerate(trials):
            if i != j:
                at = min(len(mine.steps), len(other.steps)) - 1
                a, b = mine.values[at], other.values[at]
                wins += (a > b) + 0.5 * (a == b)
        assert rates[i] == pytest.approx(wins / 59)


def test_dominance() -> None:
    points = [(1.0, 1.0), (0.0, 0.0), (2.0, 0.0), (0.0, 0.0)]
    trials = [Outcome(i, BASE, objectives=p) for i, p in enumerate(points)]
    rates = win_rates([*trials, Outcome(4, BASE)])
    assert np.argmax(rates) in (0, 2)
    assert rates[1] == rates[3] < rates[0]
    assert np.argmin(rates) == 4


def test_finalists_come_first_by_their_last_value() -> None:
    trials = [
        Outcome(0, BASE, (1, math.inf), (0.1, 0.9)),
        Outcome(1, BASE, (1,), (0.8,)),
        Outcome(2, BASE, (1, math.inf), (0.7, 0.4)),
        Outcome(3, BASE, (1,), (0.2,)),
        Outcome(4, BASE),
    ]
    order, finalists = ranking(trials)
    assert finalists == 2
    assert order.tolist() == [0, 2, 1, 3, 4]


def test_outcomes() -> None:
    trial = create_trial(state=TrialState.PRUNED, intermediate_values={3: 2.0, 1: math.nan})
    trial.number = 5
    down, up = [StudyDirection.MINIMIZE], [StudyDirection.MAXIMIZE]
    outcome_of_trial = outcome(trial, TrialState.PRUNED, [2.0], down, PRIOR)
    assert outcome_of_trial == Outcome(5, PRIOR, (1.0, 3.0), (-math.inf, -2.0))
    assert outcome(trial, TrialState.COMPLETE, [4.0], up, BASE).steps[-1] == math.inf
    assert outcome(trial, TrialState.FAIL, None, up, BASE) == Outcome(5, BASE)
    both = outcome(trial, TrialState.COMPLETE, [1.0, 2.0], down + up, BASE)
    assert both.objectives == (-1.0, 2.0)


def test_one_comparison_by_quadrature() -> None:
    """The source's trial beat the one other: P(k > 1) for log k uniform on [-3, 3]."""
    k = np.exp(np.linspace(-3, 3, 200_001))
    win = k / (1 + k)
    expected = win[k > 1].sum() / win.sum()
    assert plackett_luce_probability(np.array([1.0, 0.0]), 0.5, 2) == pytest.approx(
        expected, abs=5e-3
    )
    assert plackett_luce_probability(np.array([0.0, 1.0]), 0.5, 2) == pytest.approx(
        1 - expected, abs=5e-3
    )


def test_nothing_seen_is_the_initial_weight() -> None:
    assert adapted_weights([], 0.6).prior == pytest.approx(0.6)
    only = plain(3, 1, 2, weights=PRIOR)  # nothing to compare with
    assert adapted_weights(only, 0.6).prior == pytest.approx(0.6)
    assert plackett_luce_probability(np.full(5, 0.5), 0.3, 5) == pytest.approx(0.3)


def test_weights_follow_who_comes_out_ahead() -> None:
    def weights_after(order: str) -> adaptive_weights.SourceWeights:
        sources = {"p": PRIOR, "u": UNIFORM, "b": BASE}
        trials = [Outcome(i, sources[c], (math.inf,), (-float(i),)) for i, c in enumerate(order)]
        result = adapted_weights(trials, 0.6)
        assert sum(result) == pytest.approx(1.0)
        return result

    assert weights_after("ppppubub").prior == adaptive_weights.MAX_WEIGHT
    assert weights_after("ubububpppp").prior < 0.06
    assert weights_after("pubpubpub").prior == pytest.approx(0.6, abs=0.15)
    assert weights_after("bbbbpuuuu").base > 3 * weights_after("uuuupbbbb").base
    assert weights_after("ub" * 30 + "p" * 9).prior == adaptive_weights.MIN_WEIGHT
    # Who wins among the others does not depend on the prior's trials.
    first, second = weights_after("uuuubbbb"), weights_after("pppppppp" + "uuuubbbb")
    assert second.uniform / second.base == pytest.approx(first.uniform / first.base)
    # Alike, the prior's weight falls with time, since only the base sampler learns.
    assert weights_after("pb" * 4).prior > 2 * weights_after("pb" * 20).prior


def test_milestones() -> None:
    points = [milestone(n) for n in range(2000)]
    assert points[:33] == list(range(33))
    assert all(p <= n < p + max(1, n / 8) for n, p in enumerate(points))
    assert sorted(points) == points
    assert len(set(points[1000:])) < 50


def _reached(number: int, weights: SourceWeights, value: float) -> Outcome:
    return Outcome(number, weights, (math.inf,), (value,))


@pytest.mark.parametrize("others", [UNIFORM, BASE])
def test_a_small_weight_is_caution_and_no_disbelief(others: SourceWeights) -> None:
    """The initial weight holds until trials can be compared; then the sources are even."""
    for weight in (0.1, 0.25, 0.7):
        assert adapted_weights([], weight).prior == weight
        alone = [_reached(i, others, 0.1 * i) for i in range(6)]
        assert adapted_weights(alone, weight).prior == weight
        own = [_reached(i, PRIOR, 0.1 * i) for i in range(6)]
        assert adapted_weights(own, weight).prior == weight
        before = max(weight, 0.5)
        won = plackett_luce_probability(np.array([1.0, 0.0]), before, 2)
        better = [_reached(0, PRIOR, 0.9), _reached(1, others, 0.1)]
        assert adapted_weights(better, weight).prior == min(won, 0.8)
        assert won > before
        worse = adapted_weights([_reached(0, PRIOR, 0.1), _reached(1, others, 0.9)], weight).prior
        assert worse == plackett_luce_probability(np.array([0.0, 1.0]), before, 2) < before
    assert adapted_weights([], 0.9).prior == 0.8
    assert adapted_weights([], 0.0).prior == 0.03


def test_a_bad_prior_is_left_and_a_good_one_kept() -> None:
    def weights(prior: str, seed: int) -> list[float]:
        sampler = PriorSampler(PRIORS[prior], lambda s: RandomSampler(seed=s), seed=seed)
        study = optuna.create_study(sampler=sampler)
        study.optimize(valley, n_trials=24)
        return [t.user_attrs[PriorSampler.PRIOR_WEIGHT] for t in study.trials]

    good, bad = (np.mean([weights(p, s) for s in range(6)], axis=0) for p in ("good", "bad"))
    initial = 0.25 * (1 - PRIORS["good"].floor)
    assert good[0] == bad[0] == pytest.approx(initial)
    assert good[12:].mean() > 0.75
    assert bad[12:].mean() < 0.12


def test_the_base_takes_over_when_it_does_better() -> None:
    """TPE learns the valley's bottom, which a broad prior around it does not know."""
    broad = Prior.from_points(SPACE, [dict.fromkeys("xyz", 0.4)], bandwidth=0.3)
    study = optuna.create_study(sampler=PriorSampler(broad, seed=1))
    study.optimize(valley, n_trials=90)
    sources = [t.user_attrs[PriorSampler.SOURCE] for t in study.trials]
    assert sources[:10].count("prior") > 4
    assert sources[-30:].count("base") > 20


def test_the_floor_is_a_source_of_its_own() -> None:
    """With adaptive weights the prior's trials come from its kernels alone."""
    tight = Prior.from_points(SPACE, [dict.fromkeys("xyz", 0.3)], bandwidth=0.01, floor=0.5)
    study = optuna.create_study(sampler=PriorSampler(tight, RandomSampler(seed=0), seed=0))
    study.optimize(valley, n_trials=200)
    drawn = [t for t in study.trials if t.user_attrs[PriorSampler.SOURCE] == "prior"]
    assert len(drawn) > 50
    assert all(t.value < 0.01 for t in drawn)
    others = [t for t in study.trials if t.user_attrs[PriorSampler.SOURCE] == "uniform"]
    assert np.mean([t.params["x"] for t in others]) == pytest.approx(0.5, abs=0.25)


def test_trials_of_unknown_source_count_by_density() -> None:
    history = TrialHistory(PRIORS["bad"], 0.5)
    study = optuna.create_study()
    near, far = dict.fromkeys("xyz", 0.95), dict.fromkeys("xyz", 0.3)
    for params, value in [(near, 1.0), (far, 0.0)] * 5:
        study.add_trial(create_trial(params=params, distributions=SPACE, value=value))
    assert history.source_weights(study, 10).prior < 0.15
    assert history._source_weights_of(study.trials[0])[0] > 0.9
    assert history._source_weights_of(study.trials[1])[1] > 0.9


def reports(trial: optuna.Trial) -> float:
    value = valley(trial)
    for step in range(1, 10):
        trial.report(value + 1 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def test_sources_reach_a_journal_through_the_storage(tmp_path: Path) -> None:
    def open_storage() -> JournalStorage:
        return JournalStorage(JournalFileBackend(str(tmp_path / "a.journal")))

    storage = open_storage()
    sampler = PriorSampler(PRIORS["good"], seed=0, storage=storage)
    study = optuna.create_study(
        storage=storage,
        study_name="s",
        sampler=sampler,
        pruner=HyperbandPruner(min_resource=1, max_resource=9),
    )
    study.optimize(reports, n_trials=25)
    read = optuna.load_study(study_name="s", storage=open_storage())
    assert [sampler.source(t) for t in read.trials] == [sampler.source(t) for t in study.trials]
    assert all(PriorSampler.PRIOR_WEIGHT in t.user_attrs for t in read.trials)


def test_under_hyperband_all_brackets_count() -> None:
    """What one bracket has taught is known in the others, with the storage and without."""
    for storage in (None, InMemoryStorage()):
        sampler = PriorSampler(PRIORS["bad"], RandomSampler(seed=0), seed=2, storage=storage)
        study = optuna.create_study(
            storage=storage,
            study_name="s",
            sampler=sampler,
            pruner=HyperbandPruner(min_resource=1, max_resource=9),
        )
        study.optimize(reports, n_trials=40)
        latest = [t.user_attrs[PriorSampler.PRIOR_WEIGHT] for t in study.trials[-10:]]
        assert max(latest) < 0.3
        assert len(sampler._history._seen) == 40  # type: ignore[union-attr]


def test_a_study_of_its_own_each() -> None:
    sampler = PriorSampler(PRIORS["bad"], RandomSampler(seed=0), seed=0)
    for _ in range(2):
        study = optuna.create_study(sampler=sampler)
        study.optimize(valley, n_trials=12)
        assert study.trials[0].user_attrs[PriorSampler.PRIOR_WEIGHT] == pytest.approx(0.225)
        assert sampler.prior_weight(study) < 0.3


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_several_objectives(n_jobs: int) -> None:
    def two(trial: optuna.Trial) -> tuple[float, float]:
        value = valley(trial)
        return value, value + trial.params["x"]

    sampler = PriorSampler(PRIORS["bad"], RandomSampler(seed=0), seed=0)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.optimize(two, n_trials=30, n_jobs=n_jobs)
    assert sampler.prior_weight(study) < 0.15


def test_trials_that_fail_count_against_their_source() -> None:
    def fails(trial: optuna.Trial) -> float:
        value = valley(trial)
        return math.nan if trial.params["x"] > 0.8 else value

    sampler = PriorSampler(PRIORS["bad"], RandomSampler(seed=0), seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(fails, n_trials=30)
    assert any(t.state == TrialState.FAIL for t in study.trials)
    assert sampler.prior_weight(study) < 0.15


def test_the_users_own_points_say_nothing_about_the_prior() -> None:
    def prior_weight(enqueued: int) -> float:
        sampler = PriorSampler(PRIORS["bad"], RandomSampler(seed=0), seed=0)
        study = optuna.create_study(sampler=sampler)
        for _ in range(enqueued):
            study.enqueue_trial(dict.fromkeys("xyz", 0.31))
        study.optimize(valley, n_trials=enqueued + 30)
        assert len(sampler._history._seen) == 30  # type: ignore[union-attr]
        return sampler.prior_weight(study)

    assert prior_weight(20) < 0.15
    assert prior_weight(0) < 0.15


@pytest.mark.skipif(OLD, reason="Optuna before 5 has no Trial.set_constraint")
def test_what_breaks_a_constraint_is_no_success() -> None:
    def constrained(trial: optuna.Trial) -> float:
        value = valley(trial)
        trial.set_constraint("low", 0.5 - trial.params["x"])
        return value

    sampler = PriorSampler(PRIORS["good"], RandomSampler(seed=0), seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(constrained, n_trials=40)
    assert sampler.prior_weight(study) < 0.2  # it proposes x around 0.3


def test_ties_favour_no_source() -> None:
    """Early trials are mostly the prior's; where all are equal that must not count."""
    sources = [PRIOR] * 12 + [BASE] * 12
    tied = [Outcome(i, p, (math.inf,), (1.0,)) for i, p in enumerate(sources)]
    turned = [Outcome(i, p, (math.inf,), (1.0,)) for i, p in enumerate(sources[::-1])]
    order, _ = ranking(tied)
    first = order[:8].tolist()
    assert 2 <= sum(i < 12 for i in first) <= 6
    assert abs(adapted_weights(tied, 0.5).prior - adapted_weights(turned, 0.5).prior) < 0.6


def test_trials_of_killed_workers_do_not_count() -> None:
    history = TrialHistory(PRIORS["good"], 0.5)
    study = optuna.create_study()
    for number in range(6):
        attributes = {PriorSampler.SOURCE: "prior", "infoprior:stale": True}
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=attributes))
        attributes = {PriorSampler.SOURCE: "base"}
        study.add_trial(create_trial(value=float(number), user_attrs=attributes))
    assert history.source_weights(study, 12).prior == pytest.approx(0.5, abs=0.15)


def test_another_study_of_the_same_name_begins_anew() -> None:
    def peak(trial: optuna.Trial) -> float:
        return -valley(trial)  # the best is where the bad prior is

    sampler = PriorSampler(PRIORS["bad"], RandomSampler(seed=0), seed=0)
    fresh = PriorSampler(PRIORS["bad"], RandomSampler(seed=0), seed=0)
    optuna.create_study(study_name="s", sampler=sampler).optimize(valley, n_trials=30)
    weights = []
    for each in (sampler, fresh):
        study = optuna.create_study(study_name="s", sampler=each)
        study.optimize(peak, n_trials=16)
        weights.append(study.trials[-1].user_attrs[PriorSampler.PRIOR_WEIGHT])
    assert weights[0] > 0.5
    assert weights[1] > 0.5


def test_many_reports_are_thinned_out() -> None:
    trial = create_trial(value=1.0, intermediate_values={s: float(s) for s in range(1000)})
    outcome_of_trial = outcome(trial, TrialState.COMPLETE, [5.0], [StudyDirection.MAXIMIZE], BASE)
    assert len(outcome_of_trial.steps) == adaptive_weights._STEPS + 1
    assert outcome_of_trial.steps[0] == 0
    assert outcome_of_trial.steps[-2:] == (999.0, math.inf)


def test_certainty_stays_finite() -> None:
    sources = [BASE] * 3000 + [PRIOR] * 3000
    trials = [Outcome(i, s, (math.inf,), (-float(i),)) for i, s in enumerate(sources)]
    assert sum(adapted_weights(trials, 1.0)) == pytest.approx(1.0)
