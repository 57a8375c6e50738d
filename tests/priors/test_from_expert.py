"""What an expert's values weigh, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from infoprior.priors import Prior, PriorError
from tests.priors.spaces import EVERY_KIND

stats = pytest.importorskip("scipy.stats")

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "units": IntDistribution(16, 128, step=16),
    "optimizer": CategoricalDistribution(("sgd", "adam", "lamb")),
    "dropout": FloatDistribution(0.0, 1.0),
}


@pytest.mark.parametrize(
    ("confidence", "width", "odds"), [("low", 0.5, 2), ("medium", 0.25, 4), ("high", 0.125, 6)]
)
def test_the_stated_widths_and_odds(confidence: str, width: float, odds: int) -> None:
    values = {"lr": 1e-2, "optimizer": "adam"}
    prior = Prior.from_expert(SPACE, values, confidence, floor=1e-12)
    # A truncated Gaussian on the logarithm's scale, where 1e-2 is in the middle.
    kernel = stats.truncnorm(-0.5 / width, 0.5 / width, 0.5, width)
    likelier = odds / (odds + 2)
    rest = {"units": 32, "dropout": 0.9}
    for u in (0.5, 0.6, 0.95):
        ratio = prior.log_ratio({"lr": 1e-4 * 1e4**u, "optimizer": "adam", **rest})
        assert ratio == pytest.approx(np.log(3 * likelier * kernel.pdf(u)), abs=1e-3)
    same = [prior.log_ratio({"lr": 1e-2, "optimizer": o, **rest}) for o in ("adam", "sgd", "lamb")]
    assert same[0] - same[1] == pytest.approx(np.log(odds))
    assert same[1] == pytest.approx(same[2])


def test_names_without_a_value_are_uniform() -> None:
    prior = Prior.from_expert(SPACE, {"lr": 1e-2})
    base = {"lr": 1e-2, "units": 16, "optimizer": "sgd", "dropout": 0.1}
    other = {"lr": 1e-2, "units": 128, "optimizer": "lamb", "dropout": 0.9}
    assert prior.log_ratio(base) == pytest.approx(prior.log_ratio(other), abs=1e-4)
    assert prior.marginal("units").probabilities == pytest.approx(np.full(8, 1 / 8), abs=1e-4)


def test_confidence_for_each_name() -> None:
    values = {"lr": 1e-2, "dropout": 0.5, "optimizer": "sgd"}
    prior = Prior.from_expert(
        SPACE, values, {"lr": "high", "dropout": "low", "optimizer": "medium"}
    )
    kernels = prior.to_dict()["components"][0]["kernels"]
    assert (kernels["lr"]["width"], kernels["dropout"]["width"]) == (0.125, 0.5)
    assert kernels["optimizer"]["probabilities"] == pytest.approx([4 / 6, 1 / 6, 1 / 6])
    assert prior.metadata["confidence"] == "lr=high, optimizer=medium, dropout=low"
    with pytest.raises(PriorError, match=r"missing for \['lr', 'optimizer'\]"):
        Prior.from_expert(SPACE, values, {"dropout": "low"})
    with pytest.raises(PriorError, match=r"without a value: \['units'\]"):
        Prior.from_expert(SPACE, {"lr": 0.1}, {"lr": "low", "units": "low"})


def test_several_settings_are_components_of_their_own() -> None:
    settings = [{"lr": 1e-3, "optimizer": "adam"}, {"lr": 0.1, "units": 64}]
    prior = Prior.from_expert(SPACE, settings, "high", weights=[3, 1], floor=0.2)
    assert prior.weights == pytest.approx([0.75, 0.25])
    assert prior.floor == 0.2
    kernels = [c["kernels"] for c in prior.to_dict()["components"]]
    assert kernels[0]["units"]["width"] >= 100.0
    assert kernels[1]["units"]["width"] == 0.125
    assert kernels[1]["optimizer"]["probabilities"] == pytest.approx([1 / 3] * 3)
    # Joint: adam goes with the small learning rate.
    small, large = (
        {"lr": lr, "optimizer": "adam", "units": 64, "dropout": 0.5} for lr in (1e-3, 0.1)
    )
    assert prior.log_ratio(small) > prior.log_ratio(large) + 0.5


def test_every_kind_of_distribution() -> None:
    middle = Prior.uniform(EVERY_KIND).sample(1, np.random.default_rng(0))[0]
    prior = Prior.from_expert(EVERY_KIND, middle, "high")
    assert prior.mode() == pytest.approx(middle)
    assert len(prior.sample(50, np.random.default_rng(1))) == 50


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"lr": 2.0}, r"'lr' = 2\.0 is not a value"),
        ({"units": 33}, r"'units' = 33 is not a value"),
        ({"optimizer": "rmsprop"}, r"'optimizer' = 'rmsprop'"),
        ({"lr": "fast"}, r"'lr' needs a number"),
        ({"lr": float("nan")}, r"'lr' needs a number"),
        ({"momentum": 0.9}, r"unknown parameters \['momentum'\]"),
        ({}, r"no value"),
        ([], r"no value"),
        ([3], r"needs dicts"),
    ],
)
def test_wrong_values_are_named(values: Any, match: str) -> None:
    with pytest.raises(PriorError, match=match):
        Prior.from_expert(SPACE, values)


@pytest.mark.parametrize("confidence", ["certain", 0.5, None])
def test_wrong_confidence_is_named(confidence: Any) -> None:
    with pytest.raises(PriorError, match="'lr' needs one of"):
        Prior.from_expert(SPACE, {"lr": 0.1}, confidence)
