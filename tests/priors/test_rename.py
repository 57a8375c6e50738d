"""The same prior under other names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from infoprior.priors import Prior, PriorError
from tests.priors.spaces import EVERY_KIND


def renamed(points: list[dict[str, Any]], names: dict[str, str]) -> list[dict[str, Any]]:
    return [{names.get(name, name): value for name, value in p.items()} for p in points]


@pytest.mark.parametrize(
    "names",
    [
        {"float": "lr"},
        {"float": "int", "int": "float"},  # they swap
        {"float": "int", "int": "log_int", "log_int": "float"},
        {"float": "", "categorical": "\n"},
        {"float": "float"},
        {},
    ],
)
def test_densities_and_draws_are_the_same(prior: Prior, names: dict[str, str]) -> None:
    prior = prior.with_metadata(source="test")
    other = prior.rename(names)
    assert list(other.space) == [names.get(name, name) for name in prior.space]
    assert list(other.space.values()) == list(prior.space.values())
    points = prior.sample(30, np.random.default_rng(0))
    assert np.array_equal(other.log_prob(renamed(points, names)), prior.log_prob(points))
    assert other.sample(30, np.random.default_rng(0)) == renamed(points, names)
    assert (other.floor, other.metadata) == (prior.floor, prior.metadata)
    assert np.array_equal(other.weights, prior.weights)
    back = other.rename({new: old for old, new in names.items()})
    assert back == prior
    assert Prior.from_dict(other.to_dict()) == other


def test_tables_and_far_centres_are_kept_too(prior: Prior) -> None:
    narrow = prior.restrict({**EVERY_KIND, "stepped_int": EVERY_KIND["int"]}).rename({"int": "i"})
    assert narrow == Prior.from_dict(narrow.to_dict())
    assert Prior.uniform(EVERY_KIND).rename({"int": "i"}).n_components == 0


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ({"flaot": "lr"}, r"no parameter 'flaot'; did you mean 'float'\?"),
        ({"q": "lr"}, r"no parameter 'q', only \['float', 'log_float'"),
        ({3: "lr"}, "no parameter 3"),
        ({"float": "int"}, r"\['float', 'int'\] would all be named 'int'"),
        ({"float": "z", "int": "z"}, r"\['float', 'int'\] would all be named 'z'"),
        ({"float": 3}, "'float' needs text as its new name, got 3"),
        ({"float": None}, "'float' needs text"),
        ([("float", "lr")], "^rename: needs a dict"),
        ("float", "^rename: needs a dict"),
        (None, "^rename: needs a dict"),
    ],
)
def test_names_that_cannot_be_given_are_named(prior: Prior, names: Any, match: str) -> None:
    with pytest.raises(PriorError, match=match):
        prior.rename(names)
