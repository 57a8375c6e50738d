"""Studies whose spaces differ: what they are joined to, and where their values go."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.distributions import CategoricalDistribution as Choice

from infoprior.priors import Prior, PriorError
from infoprior.priors._learning.joint_space import JointSpace
from tests.priors.past import study_of


def joined(*distributions: BaseDistribution) -> BaseDistribution:
    joint_space = JointSpace()
    for i, distribution in enumerate(distributions):
        joint_space.add({"p": distribution}, f"study {i}")
    return joint_space.space()["p"]


F, I = FloatDistribution, IntDistribution  # noqa: E741


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (F(0, 1), F(0.5, 3), F(0, 3)),
        (F(1e-4, 1e-2, log=True), F(1e-3, 1, log=True), F(1e-4, 1, log=True)),
        (F(1e-3, 1, log=True), F(0.5, 2), F(1e-3, 2, log=True)),
        (F(1e-3, 1, log=True), F(0, 1), F(0, 1)),
        (F(0, 1, step=0.1), F(0.5, 2, step=0.1), F(0, 2, step=0.1)),
        (F(0, 1, step=0.1), F(0.25, 1.25, step=0.1), F(0, 1.25)),
        (F(0, 1, step=0.1), F(0, 1, step=0.25), F(0, 1)),
        (F(0, 1, step=0.1), F(0, 1), F(0, 1)),
        (I(1, 5), I(3, 9), I(1, 9)),
        (I(16, 64, step=16), I(32, 128, step=16), I(16, 128, step=16)),
        (I(16, 64, step=16), I(8, 72, step=16), I(8, 72)),
        (I(16, 64, step=16), I(48, 48), I(16, 64, step=16)),
        (I(16, 64, step=16), I(50, 50), I(16, 64)),
        (I(3, 3), I(7, 7), I(3, 7)),
        (I(1, 64, log=True), I(1, 9), I(1, 64, log=True)),
        (I(1, 64, log=True), I(0, 9), I(0, 64)),
        (Choice(("a", "b")), Choice(("c", "b")), Choice(("a", "b", "c"))),
        (Choice((None, 1)), Choice(("1", 1)), Choice((None, 1, "1"))),
    ],
)
def test_two_distributions_are_joined(
    one: BaseDistribution, two: BaseDistribution, expected: BaseDistribution
) -> None:
    assert joined(one, two) == expected
    assert joined(one, one) == one
    if not isinstance(one, Choice):  # choices come in order of appearance
        assert joined(two, one) == expected
    if isinstance(expected, Choice):
        assert set(joined(two, one).choices) == set(expected.choices)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("one", "two"), [*itertools.permutations([F(0, 1), I(0, 1), Choice((0, 1))], 2)]
)
def test_kinds_at_odds_are_named(one: BaseDistribution, two: BaseDistribution) -> None:
    studies = [
        study_of([({"p": 0}, 0.0), ({"p": 1}, 1.0)], {"p": d}, name=n)
        for n, d in (("first", one), ("second", two))
    ]
    with pytest.raises(PriorError, match=r"'p' is \w+ in study 'first' and \w+ in study 'second'"):
        Prior.from_studies(studies)
    # What it is can be said.
    assert Prior.from_studies(studies, space={"p": F(0, 1)}).metadata["values_moved"] == 0


def test_values_lie_where_they_were_in_the_joint_space() -> None:
    narrow = study_of(
        [({"lr": 10**-k}, k) for k in (2.0, 2.5, 3.0)], {"lr": F(1e-3, 1e-2, log=True)}
    )
    wide = study_of([({"lr": 10**-k}, k) for k in (0.0, 2.0, 4.0)], {"lr": F(1e-4, 1.0, log=True)})
    prior = Prior.from_studies([narrow, wide])
    assert prior.space == {"lr": F(1e-4, 1.0, log=True)}
    centers = [c["kernels"]["lr"]["center"] for c in prior.to_dict()["components"]]
    assert centers == pytest.approx([0.5, 0.375, 1.0, 0.5])


def test_conditional_parameters_are_flat_where_a_trial_has_none() -> None:
    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("model", ["tree", "net"]) == "tree":
            return abs(trial.suggest_int("depth", 1, 9) - 7) / 10
        return abs(trial.suggest_float("lr", 1e-4, 1.0, log=True) - 1e-2)

    studies = []
    for seed in range(4):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        study.optimize(objective, n_trials=60)
        studies.append(study)
    prior = Prior.from_studies(studies)
    assert list(prior.space) == ["model", "depth", "lr"] or set(prior.space) == {
        "model",
        "depth",
        "lr",
    }
    for part in prior.to_dict()["components"]:
        kernels = part["kernels"]
        chosen = prior.space["model"].choices[np.argmax(kernels["model"]["probabilities"])]  # type: ignore[attr-defined]
        assert (kernels["lr"]["width"] >= 100.0) == (chosen == "tree")
        assert (kernels["depth"]["width"] >= 100.0) == (chosen == "net")
    tree, net = (prior.condition({"model": m}) for m in ("tree", "net"))
    depths = net.marginal("depth").probabilities
    assert depths is not None
    assert np.ptp(depths) < 0.1 < np.ptp(tree.marginal("depth").probabilities)  # type: ignore[arg-type]
    assert int(np.argmax(tree.marginal("depth").probabilities)) == 6  # type: ignore[arg-type]


def test_parameters_that_some_studies_lack() -> None:
    rng = np.random.default_rng(0)
    space = {"x": F(0, 1), "y": F(0, 1)}

    def study(names: str, best: float) -> optuna.Study:
        points = [{n: float(rng.random()) for n in names} for _ in range(40)]
        return study_of([(p, sum(abs(v - best) for v in p.values())) for p in points], space)

    prior = Prior.from_studies(
        [study("x", 0.3), study("xy", 0.3), study("y", 0.3), study("xy", 0.3)]
    )
    assert prior.space == space
    assert prior.log_ratio({"x": 0.3, "y": 0.3}) > 1.0 > prior.log_ratio({"x": 0.9, "y": 0.9})


def boundaries(values: dict[Any, float], space: dict[str, BaseDistribution]) -> optuna.Study:
    return study_of([({"p": p}, v) for p, v in values.items()], space)


def test_values_outside_the_users_ranges_move_to_the_border() -> None:
    past = boundaries({0.9: 0.0, 0.8: 1.0, 0.2: 2.0, 0.1: 3.0}, {"p": F(0, 1)})
    prior = Prior.from_studies(past, space={"p": F(0.0, 0.5)})
    assert prior.metadata["values_moved"] == 2
    assert {c["kernels"]["p"]["center"] for c in prior.to_dict()["components"]} == {1.0}
    assert prior.mode() == {"p": 0.5}


def test_or_the_trials_are_left_out_before_ranking() -> None:
    past = boundaries({0.9: 0.0, 0.8: 1.0, 0.2: 2.0, 0.1: 3.0}, {"p": F(0, 1)})
    prior = Prior.from_studies(past, space={"p": F(0.0, 0.5)}, outside="drop")
    assert prior.metadata["trials_outside"] == 2
    assert prior.metadata["values_moved"] == 0
    assert prior.mode() == {"p": pytest.approx(0.2)}


def test_values_off_the_users_grid_move_to_the_nearest() -> None:
    past = boundaries({33: 0.0, 90: 1.0, 64: 2.0, 65: 3.0}, {"p": I(1, 100)})
    prior = Prior.from_studies(past, space={"p": I(16, 64, step=16)}, bandwidth=0.01, floor=0.01)
    mass = prior.marginal("p").probabilities
    assert mass is not None
    assert mass[1] > 0.75  # 32, for 33
    assert mass[3] > 0.15  # 64, for 90
    assert prior.metadata["values_moved"] == 2


def test_choices_the_user_does_not_have_are_flat() -> None:
    past = boundaries({"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0}, {"p": Choice(tuple("abcd"))})
    prior = Prior.from_studies(past, space={"p": Choice(("b", "c", "new")), "q": F(0, 1)})
    parts = prior.to_dict()["components"]
    assert parts[0]["kernels"]["p"]["probabilities"] == pytest.approx([1 / 3] * 3)  # a
    assert int(np.argmax(parts[1]["kernels"]["p"]["probabilities"])) == 0  # b
    assert prior.marginal("q").density == pytest.approx(np.ones(512), abs=1e-4)


def test_names_of_the_users_space_are_the_priors() -> None:
    past = study_of(
        [({"x": 0.1, "y": 0.2}, 0.0), ({"x": 0.3, "y": 0.4}, 1.0)], {"x": F(0, 1), "y": F(0, 1)}
    )
    assert Prior.from_studies(past, space={"y": F(0, 1)}).space == {"y": F(0, 1)}
    with pytest.raises(PriorError, match="no study has a good trial"):
        Prior.from_studies(past, space={"z": F(0, 1)})


def test_numbers_of_another_kind_fit_the_users_space() -> None:
    past = boundaries({"8": 0.0, "16": 1.0, "32": 2.0}, {"p": Choice(("8", "16", "32"))})
    # Text is no number: nothing is known of p.
    with_text = Prior.from_studies(past, space={"p": I(1, 64)})
    assert with_text.log_ratio([{"p": 8}, {"p": 60}]) == pytest.approx([0.0, 0.0], abs=1e-4)
    as_numbers = boundaries({8: 0.0, 16: 1.0, 32: 2.0}, {"p": Choice((8, 16, 32))})
    prior = Prior.from_studies(as_numbers, space={"p": I(1, 64)})
    assert prior.log_ratio({"p": 8}) > 0.0 > prior.log_ratio({"p": 60})


def test_the_density_sums_to_one_with_missing_parameters() -> None:
    space: dict[str, BaseDistribution] = {
        "a": I(1, 6),
        "b": Choice(("x", "y")),
        "c": I(1, 50, log=True),
    }
    trials = [
        ({"a": 2}, 0.0),
        ({"b": "y", "c": 7}, 1.0),
        ({"a": 5, "b": "x"}, 2.0),
        ({"c": 3}, 3.0),
    ]
    prior = Prior.from_studies(study_of(trials, space), space=space)
    points = itertools.product(range(1, 7), "xy", range(1, 51))
    total = np.exp(prior.log_prob([dict(zip("abc", p, strict=True)) for p in points])).sum()
    assert total == pytest.approx(1.0, abs=1e-9)
    assert isinstance(prior, Prior)
