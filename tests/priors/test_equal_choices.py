"""Choices that are equal are one choice, whatever their types; text stays text."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution as Choice

from infoprior.priors import Prior, PriorError, PriorSampler
from tests.priors.past import study_of

pd = pytest.importorskip("pandas")


def past(choices: list[Any], name: str) -> optuna.Study:
    """A study that tried every choice once; the last one is the best."""
    trials = [({"c": c}, float(len(choices) - i)) for i, c in enumerate(choices)]
    return study_of(trials, {"c": Choice(choices)}, name=name)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ([0, 0.1], [0.0, 0.1], (0, 0.1)),
        ([0, 0.1], [0.0, 0.1, 0.5], (0, 0.1, 0.5)),
        ([16, 32], [16.0, 32.0, 64.0], (16, 32, 64.0)),
        ([0, 1], [False, True, None], (0, 1, None)),
        ([True, "1"], ["1", 1, "True"], (True, "1", "True")),
        ([0.0, 1], [-0.0, 2], (0.0, 1, 2)),
        ([2**53], [2**53 + 1, float(2**53)], (2**53, 2**53 + 1)),
        ([1, 2], [np.float64(1.0), np.int64(3)], (1, 2, 3)),
    ],
)
@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_studies_are_joined_by_value(
    one: list[Any], two: list[Any], expected: tuple[Any, ...]
) -> None:
    prior = Prior.from_studies([past(one, "one"), past(two, "two")])
    joined = prior.space["c"].choices  # type: ignore[attr-defined]
    assert joined == expected
    assert [type(c) for c in joined] == [type(c) for c in expected]
    best = Prior.from_studies([past(two, "two"), past(one, "one")], bandwidth=0.01, floor=0.01)
    likely = {i for i, p in enumerate(best.marginal("c").probabilities) if p > 0.05}  # type: ignore[arg-type]
    choices = best.space["c"].choices  # type: ignore[attr-defined]
    assert choices.index(two[-1]) in likely
    assert choices.index(one[-1]) in likely


def test_a_studys_own_list_may_hold_equal_choices() -> None:
    """Optuna takes the first for both."""
    prior = Prior.from_studies(past([0.5, 1, True, "1"], "one"))
    assert prior.space["c"] == Choice((0.5, 1, "1"))


def test_repeated_settings_are_one_whatever_their_types() -> None:
    trials = [({"c": 1}, 0.0), ({"c": True}, 4.0), ({"c": 1.0}, 1.0), ({"c": "1"}, 2.0)]
    prior = Prior.from_studies(study_of(trials, {"c": Choice((1, "1"))}))
    assert prior.metadata["trials_duplicate"] == 2


def test_a_columns_equal_values_are_one_choice() -> None:
    column = pd.Series([1, True, 1.0, "a", np.float32(0.5), 0.5], dtype=object)
    frame = pd.DataFrame({"params_c": column, "value": range(6)})
    assert set(Prior.from_trials(frame).space["c"].choices) == {1, "a", 0.5}  # type: ignore[attr-defined]
    given = Prior.from_trials(frame, space={"c": Choice((True, "a", 0.5))})
    assert given.metadata["values_moved"] == 0


@pytest.mark.parametrize("value", [1, 1.0, True, np.int64(1), np.float32(1.0), np.bool_(True)])
def test_a_choice_is_looked_up_by_value(value: Any) -> None:
    space = {"c": Choice((1, "1", None, 0.1))}
    prior = Prior.from_points(space, [{"c": value}], bandwidth=0.1)
    assert prior == Prior.from_points(space, [{"c": 1}], bandwidth=0.1)
    assert Prior.from_expert(space, {"c": value}).log_ratio({"c": value}) > 0.0
    assert prior.log_prob({"c": np.float32(0.1)}) == prior.log_prob({"c": 0.1}) > -np.inf
    assert prior.log_prob({"c": "1.0"}) == -np.inf
    with pytest.raises(PriorError, match="'c' needs one of its choices"):
        prior.log_prob({"c": [1]})


def test_priors_of_equal_choices_restrict_and_mix_exactly() -> None:
    ints, floats = Choice((0, 1, 2)), Choice((2.0, True, False, "x"))
    prior = Prior.from_points({"c": ints}, [{"c": 2}], bandwidth=0.2)
    other = prior.restrict({"c": floats})
    assert other.space["c"].choices == (2.0, True, False)  # type: ignore[attr-defined]
    assert [other.log_prob({"c": c}) for c in (0, 1, 2)] == pytest.approx(
        [prior.log_prob({"c": c}) for c in (0, 1, 2)]
    )
    same = Prior.from_points({"c": Choice((False, True, 2.0))}, [{"c": True}])
    assert prior.mix(same, 0.5).log_prob({"c": 2}) == pytest.approx(
        np.logaddexp(prior.log_prob({"c": 2}), same.log_prob({"c": 2})) - np.log(2)
    )


def test_a_trial_gets_the_choice_as_it_asks_for_it() -> None:
    prior = Prior.from_points({"c": Choice((0, 1))}, [{"c": 1}])
    study = optuna.create_study(sampler=PriorSampler(prior, weight=1.0, adaptive=False, seed=0))
    study.optimize(lambda t: float(t.suggest_categorical("c", [False, True])), n_trials=8)
    assert {type(t.params["c"]) for t in study.trials} == {bool}


def test_equal_choices_of_one_space_are_named() -> None:
    with pytest.raises(PriorError, match=r"'c' has choices that are equal: 1\.0 and True\."):
        Prior.uniform({"c": Choice(("a", 1.0, True))})
