"""A prior that learns during a search which past studies the present one is like."""

from __future__ import annotations

import json

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage

from infoprior.priors import (
    Prior,
    PriorError,
    PriorSampler,
    hyperband_study,
    optimize,
    resumed_from,
)
from infoprior.priors._adapting.adapt import ranked_evidence
from infoprior.priors._adapting.posterior import MOST_TRIALS, normal_scores

LOW, HIGH = 0.15, 0.85  # where the optima of two kinds of studies lie


def loss(params, best):
    """A loss with a conditional parameter; its choice is "a" in the low studies, "b" elsewhere."""
    wrong = params["kind"] != ("a" if best < 0.5 else "b")
    depth = 0.01 * abs(params["depth"] - (2 if best < 0.5 else 7))
    momentum = 0.05 * abs(params.get("momentum", 0.5) - best)
    return (params["x"] - best) ** 2 + depth + momentum + 0.1 * wrong


def asked(trial):
    """The parameters that a trial suggests."""
    params = {"x": trial.suggest_float("x", 0.0, 1.0), "depth": trial.suggest_int("depth", 1, 8)}
    params["kind"] = trial.suggest_categorical("kind", ["a", "b", "c"])
    if params["kind"] != "c":
        params["momentum"] = trial.suggest_float("momentum", 0.0, 1.0)
    return params


def past_study(name, best, seed, n_trials=40):
    study = optuna.create_study(study_name=name, sampler=RandomSampler(seed=seed))
    study.optimize(lambda trial: loss(asked(trial), best), n_trials=n_trials)
    return study


@pytest.fixture(scope="module")
def two_kinds():
    """Twelve studies, six with an optimum at either end."""
    return [
        past_study(f"{'low' if i % 2 else 'high'}-{i}", LOW if i % 2 else HIGH, i)
        for i in range(12)
    ]


@pytest.fixture(scope="module")
def adapting(two_kinds):
    return Prior.from_studies(two_kinds, adapt=True)


def random_trials(best, n, seed=100):
    study = past_study("own", best, seed, n)
    return [trial.params for trial in study.trials], [trial.value for trial in study.trials]


def searched(prior, best, seed, n_trials=30, **settings):
    study = optuna.create_study(sampler=PriorSampler(prior, seed=seed, **settings))
    study.optimize(lambda trial: loss(asked(trial), best), n_trials=n_trials)
    return study


@pytest.mark.parametrize(("best", "kind"), [(LOW, "low"), (HIGH, "high")])
def test_of_two_kinds_of_studies_the_right_one_is_trusted(adapting, best, kind):
    weights = adapting.study_weights(*random_trials(best, 12))
    assert sum(w for name, w in weights.items() if name.startswith(kind)) > 0.95


@pytest.mark.parametrize("best", [LOW, HIGH])
def test_the_density_moves_to_the_optimum_of_the_right_kind(adapting, best):
    given = adapting.adapted(*random_trials(best, 20))
    x = [point["x"] for point in given.sample(200, 0)]
    assert np.mean(np.abs(np.array(x) - best) < 0.2) > 0.8


def test_it_searches_better_than_the_static_prior_where_studies_disagree(two_kinds, adapting):
    static = Prior.from_studies(two_kinds)
    ends = [
        [searched(prior, HIGH, seed, 12).best_value for seed in range(3)]
        for prior in (static, adapting)
    ]
    assert np.mean(ends[1]) < 0.8 * np.mean(ends[0])


def test_before_there_are_two_trials_it_is_the_static_prior(two_kinds, adapting):
    static = Prior.from_studies(two_kinds)
    assert adapting.sample(5, 0) == static.sample(5, 0)
    assert adapting.metadata == static.metadata
    assert adapting.mode() == static.mode()
    assert adapting.adapts
    assert not static.adapts
    assert adapting.adapted([], []) is adapting
    assert adapting.adapted([{"x": 0.3}], [1.0]) is adapting


def test_identical_studies_are_trusted_alike_as_by_the_static_prior():
    same = past_study("same", LOW, 3)
    copies = []
    for i in range(4):
        copies.append(optuna.create_study(study_name=f"copy-{i}"))
        copies[-1].add_trials(same.trials)
    prior = Prior.from_studies(copies, adapt=True)
    weights = prior.study_weights(*random_trials(LOW, 15))
    assert weights == pytest.approx(dict.fromkeys(weights, 0.25))
    # No study differs from the mean, which says where is good as the static prior does.
    given = prior.adapted(*random_trials(LOW, 15))
    losses = [np.mean([loss(p, LOW) for p in each.sample(50, 0)]) for each in (given, prior)]
    assert losses[0] <= losses[1]


def test_a_study_like_none_of_the_past_trusts_them_as_before(adapting):
    params, values = random_trials(LOW, 40)
    values = np.random.default_rng(0).permutation(values)
    assert max(adapting.study_weights(params, values).values()) < 0.5


def test_the_same_seed_gives_the_same_trials(adapting):
    one, other = (searched(adapting, LOW, 5, 15) for _ in range(2))
    assert [t.params for t in one.trials] == [t.params for t in other.trials]


def test_a_study_that_is_stopped_continues_as_it_would_have(adapting):
    def run(parts):
        storage = InMemoryStorage()
        for n in parts:
            sampler = PriorSampler(adapting, seed=2, storage=storage)
            study = optuna.create_study(
                study_name="one", storage=storage, sampler=sampler, load_if_exists=True
            )
            study.optimize(lambda trial: loss(asked(trial), HIGH), n_trials=n)
        return [trial.params for trial in study.trials]

    assert run([20]) == run([7, 6, 7])


def test_a_saved_prior_is_the_same_and_adapts_the_same(adapting, tmp_path):
    adapting.save(tmp_path / "prior.json")
    loaded = Prior.load(tmp_path / "prior.json")
    trials = random_trials(HIGH, 10)
    assert loaded == adapting
    assert loaded.adapts
    assert loaded.adapted(*trials) == adapting.adapted(*trials)
    assert loaded.study_weights(*trials) == adapting.study_weights(*trials)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("names", "low", "names needs a list of texts"),
        ("names", [], "names needs 1 to"),
        ("weights", [1.0], "weights needs a list of 12"),
        ("weights", [1.0] * 12, "sum to one"),
        ("noise", 0.0, "noise"),
        ("noise", "much", "needs a number"),
        ("relevances", [1.0, -1.0, 1.0, 1.0], "above 0"),
        ("coefficients", [[0.0]] * 12, "coefficients needs a list of"),
        ("basis", [], "basis needs a list"),
        ("basis", [[0.5, 1.0, 7.0, None]], "no choice of 'kind' at 7"),
        ("pool", [[0.5, 1.5, 0.0, None]], "no value of 'depth' at 1.5"),
        ("pool", [[2.0, 1.0, 0.0, None]], "no value of 'x' at 2"),
        ("pool", [[0.5]], "needs 4 positions"),
    ],
)
def test_a_file_with_a_wrong_field_is_refused_naming_it(adapting, field, value, message):
    document = json.loads(json.dumps(adapting.to_dict()))
    document["past_studies"][field] = value
    with pytest.raises(PriorError, match=message):
        Prior.from_dict(document)


@pytest.mark.parametrize("past", [{}, None, [], {"names": []}])
def test_a_file_without_the_fields_is_refused(adapting, past):
    with pytest.raises(PriorError, match="past_studies: needs the keys"):
        Prior.from_dict({**adapting.to_dict(), "past_studies": past})


def test_a_renamed_prior_adapts(adapting):
    params, values = random_trials(LOW, 12)
    renamed = adapting.rename({"x": "u"})
    theirs = [{("u" if name == "x" else name): v for name, v in p.items()} for p in params]
    assert renamed.study_weights(theirs, values) == adapting.study_weights(params, values)
    assert renamed.adapted(theirs, values) == adapting.adapted(params, values).rename({"x": "u"})


def test_what_is_made_of_its_density_does_not_adapt(adapting):
    made = (
        adapting.condition({"depth": 2}),
        adapting.restrict({"x": FloatDistribution(0.0, 0.5)}),
        adapting.mix(Prior.uniform(adapting.space)),
        adapting.adapted(*random_trials(LOW, 5)),
    )
    assert not any(prior.adapts for prior in made)


def test_points_that_were_tried_are_not_proposed_again():
    choices = CategoricalDistribution(["a", "b", "c", "d"])
    space = {"one": choices, "two": choices}
    rng, past = np.random.default_rng(0), []
    for i in range(4):
        study = optuna.create_study(study_name=f"past-{i}")
        for point in Prior.uniform(space).sample(12, rng):
            value = float("abcd".index(point["one"])) + 0.1 * "abcd".index(point["two"])
            trial = optuna.trial.create_trial(params=point, distributions=space, value=value)
            study.add_trial(trial)
        past.append(study)
    prior = Prior.from_studies(past, adapt=True)
    tried = [{"one": "a", "two": "a"}, {"one": "a", "two": "b"}, {"one": "b", "two": "a"}]
    given = prior.adapted(tried, [0.0, 0.1, 1.0])
    assert given.mode() not in tried
    assert given.mode()["one"] in "ab"


@pytest.mark.parametrize(
    ("trials", "losses", "message"),
    [
        ([{"x": 0.5}], [1.0, 2.0], "a number for each of 1 trials"),
        ([{"x": 0.5}], [float("nan")], "a number for each"),
        ("trials", [], "trials: needs"),
    ],
)
def test_wrong_trials_are_refused(adapting, trials, losses, message):
    with pytest.raises(PriorError, match=message):
        adapting.adapted(trials, losses)


def test_a_static_prior_says_how_to_get_one_that_adapts():
    prior = Prior.uniform({"depth": IntDistribution(1, 5)})
    for ask in (prior.adapted, prior.study_weights):
        with pytest.raises(PriorError, match=r"does not adapt.*adapt=True"):
            ask([], [])


def test_adapt_needs_to_be_true_or_false(two_kinds):
    with pytest.raises(PriorError, match="adapt: needs to be True or False, got 'yes'"):
        Prior.from_studies(two_kinds, adapt="yes")


def test_a_table_of_trials_gives_a_prior_that_adapts(two_kinds):
    import pandas as pd

    frame = pd.concat(s.trials_dataframe().assign(name=s.study_name) for s in two_kinds)
    prior = Prior.from_trials(frame, space=two_kinds[0].trials[0].distributions | {
        "kind": CategoricalDistribution(["a", "b", "c"]),
        "momentum": FloatDistribution(0.0, 1.0),
    }, study="name", adapt=True)  # fmt: skip
    weights = prior.study_weights(*random_trials(LOW, 12))
    assert sum(w for name, w in weights.items() if name.startswith("low")) > 0.95


def test_failed_and_pruned_trials_and_workers_are_no_trouble(adapting):
    def objective(trial):
        value = loss(asked(trial), LOW)
        trial.report(value, 1)
        if trial.number % 5 == 1:
            raise optuna.TrialPruned
        if trial.number % 5 == 2:
            raise ValueError("failed")
        return value

    study = optuna.create_study(sampler=PriorSampler(adapting, seed=0))
    study.optimize(objective, n_trials=20, n_jobs=2, catch=(ValueError,))
    assert len(study.trials) == 20


def test_under_hyperband_trials_that_are_continued_count_once(adapting, monkeypatch):
    from infoprior.priors._search import adapting as module

    seen = []

    def spy(past, positions, order):
        seen.append(len(positions))
        return ranked_evidence(past, positions, order)

    monkeypatch.setattr(module, "ranked_evidence", spy)

    def objective(trial):
        value = loss(asked(trial), LOW)
        for step in (1, 3, 9):
            trial.report(value + 0.01 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study = hyperband_study(adapting, name="h", max_resource=9, storage="memory", seed=0)
    optimize(study, objective, n_trials=24, progress=False)
    assert len(study.trials) == 24
    continued = {old.number for t in study.trials if (old := resumed_from(t)) is not None}
    assert continued
    seen.clear()
    asking = study.ask()
    prior = module.StudyPrior(adapting, study._storage)
    prior.given(study, study.get_trials(deepcopy=False)[asking.number])
    assert seen == [24 - len(continued)]


def test_of_many_trials_the_best_and_some_of_all_ranks_are_looked_at(adapting):
    positions = [np.full(4, i / 1000.0) for i in range(1000)]
    order = np.random.default_rng(0).permutation(1000)
    evidence = ranked_evidence(adapting.past, positions, order)
    assert len(evidence) == MOST_TRIALS
    kept = set((evidence.positions[:, 0] * 1000).round().astype(int).tolist())
    assert set(order[: MOST_TRIALS // 2].tolist()) <= kept
    assert int(order[-1]) in kept


def test_scores_are_normal_quantiles_of_ranks_and_ties_share_one():
    scores = normal_scores(np.array([3.0, 1.0, 1.0, 9.0]))
    assert scores[1] == scores[2] > scores[0] > scores[3]
    assert scores.sum() == pytest.approx(0.0, abs=0.3)
    assert scores[3] == pytest.approx(-1.1503494)
