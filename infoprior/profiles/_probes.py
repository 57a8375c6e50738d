"""The fixed small networks that a task is read by, and how: one way for each kind of space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infoprior.profiles._input_features import READ_ENCODINGS
from infoprior.profiles._schema import ProfileError

PROBES: dict[str, dict[str, Any]] = {
    # One plain layer: what little nonlinearity is worth.
    "probe-a": {
        "depth": 1,
        "width": 32,
        "shape": "constant",
        "activation": "relu",
        "normalization": "none",
        "dropout": 0.0,
        "residual": False,
        "learning_rate": 1e-2,
        "weight_decay": 1e-4,
        "batch_size": 64,
    },
    # A narrowing, smooth one: what survives a bottleneck.
    "probe-b": {
        "depth": 2,
        "width": 64,
        "shape": "funnel",
        "activation": "tanh",
        "normalization": "batch",
        "dropout": 0.0,
        "residual": False,
        "learning_rate": 1e-2,
        "weight_decay": 1e-3,
        "batch_size": 128,
    },
    # A deeper, regularised one: what depth adds when it cannot simply memorise.
    "probe-c": {
        "depth": 3,
        "width": 48,
        "shape": "constant",
        "activation": "gelu",
        "normalization": "layer",
        "dropout": 0.2,
        "residual": True,
        "learning_rate": 3e-3,
        "weight_decay": 1e-2,
        "batch_size": 32,
    },
    # A wide, slow one: what is left to gain after few epochs.
    "probe-d": {
        "depth": 2,
        "width": 128,
        "shape": "constant",
        "activation": "relu",
        "normalization": "none",
        "dropout": 0.0,
        "residual": False,
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
        "batch_size": 32,
    },
}
"""Four different points of the space `mlp`, the same on every task: name -> params."""

TABULAR_PROBES: dict[str, dict[str, Any]] = {
    "a038": {
        "inputs": "piecewise-8",
        "feature_scale": True,
        "depth": 3,
        "width": 97,
        "shape": "funnel",
        "activation": "gelu",
        "normalization": "batch",
        "dropout": 0.13436698401346803,
        "residual": True,
        "label_smoothing": 0.15952538028359414,
        "schedule": "cosine",
        "learning_rate": 0.012225081886962936,
        "weight_decay": 2.5734428934286918e-05,
        "batch_size": 64,
    },
    "a043": {
        "inputs": "robust",
        "feature_scale": False,
        "depth": 2,
        "width": 124,
        "shape": "funnel",
        "activation": "tanh",
        "normalization": "batch",
        "dropout": 0.4401187370531261,
        "residual": False,
        "label_smoothing": 0.10270878095179797,
        "schedule": "flat-cosine",
        "learning_rate": 0.0006277213319291408,
        "weight_decay": 6.691117183620608e-05,
        "batch_size": 256,
    },
}
"""Two points of the published design of the space `tabular`, under their names there: to read a
task is to train the first networks of a search. Of the pairs that are trained and measured for less
than one full training, the one that tells most of rankings on development families
(benchmarks/predictors/probe_choice.py)."""


@dataclass(frozen=True)
class Reading:
    """How a task is read for the predictors of a space.

    Attributes:
        space: that the probes are points of.
        probes: name -> params.
        epochs: that they are trained for.
        schedule_epochs: that their learning rates' schedules run over: a full training's.
        recipe: how their layers are measured: a key of `RECIPES`; None: `recipe_for` them.
        encodings: that an input profile (`linear_only`) is read under; none: it has no such part.
    """

    space: str
    probes: Mapping[str, Mapping[str, Any]]
    epochs: int
    schedule_epochs: int
    recipe: str | None
    encodings: tuple[str, ...] = ()


READINGS: Mapping[str, Reading] = {
    reading.space: reading
    for reading in (
        Reading("mlp", PROBES, epochs=27, schedule_epochs=27, recipe=None),
        Reading(
            "tabular",
            TABULAR_PROBES,
            epochs=3,
            schedule_epochs=27,
            recipe="fast",
            encodings=READ_ENCODINGS,
        ),
    )
}
"""Spaces that tables are read for. Other spaces are read for by the probes of `mlp`."""


def get_reading(space: str) -> Reading:
    """The reading of a space.

    Raises:
        ProfileError: it has none.
    """
    if not isinstance(space, str) or space not in READINGS:
        raise ProfileError(
            f"space = {space!r}: tables are read by the probes of one of {list(READINGS)}."
        )
    return READINGS[space]


def reading_of(probes: set[str]) -> str:
    """The space whose probes these are, by their names; "mlp" where they are no space's."""
    named = (space for space, reading in READINGS.items() if probes & set(reading.probes))
    return next(named, "mlp")
