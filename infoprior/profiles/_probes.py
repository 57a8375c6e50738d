"""The fixed small networks that a task is read by, and how: one way for each kind of space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    "a000": {
        "inputs": "standard",
        "feature_scale": True,
        "depth": 5,
        "width": 158,
        "shape": "constant",
        "activation": "gelu",
        "normalization": "none",
        "dropout": 0.4767929809167981,
        "residual": False,
        "label_smoothing": 0.12075183801352979,
        "schedule": "constant",
        "learning_rate": 0.07380912850385535,
        "weight_decay": 1.3094720166386278e-05,
        "batch_size": 64,
    },
    "a001": {
        "inputs": "robust",
        "feature_scale": False,
        "depth": 2,
        "width": 34,
        "shape": "funnel",
        "activation": "relu",
        "normalization": "layer",
        "dropout": 0.14702755073085427,
        "residual": True,
        "label_smoothing": 0.07338028401136398,
        "schedule": "flat-cosine",
        "learning_rate": 0.001573817933284928,
        "weight_decay": 0.0015901080643903748,
        "batch_size": 128,
    },
    "a002": {
        "inputs": "quantile",
        "feature_scale": True,
        "depth": 3,
        "width": 313,
        "shape": "funnel",
        "activation": "tanh",
        "normalization": "batch",
        "dropout": 0.044682827312499285,
        "residual": True,
        "label_smoothing": 0.032745478115975855,
        "schedule": "flat-cosine",
        "learning_rate": 0.00039261645010248305,
        "weight_decay": 5.394851595370887e-05,
        "batch_size": 32,
    },
    "a003": {
        "inputs": "piecewise-8",
        "feature_scale": False,
        "depth": 1,
        "width": 44,
        "shape": "constant",
        "activation": "silu",
        "normalization": "layer",
        "dropout": 0.3314947700127959,
        "residual": False,
        "label_smoothing": 0.18635482732206585,
        "schedule": "cosine",
        "learning_rate": 0.007538952663735465,
        "weight_decay": 0.006282472375950197,
        "batch_size": 256,
    },
}
"""Four points of the published design of the space `tabular`, under their names there: to read a
task is to train the first of a search's networks."""


@dataclass(frozen=True)
class Reading:
    """How a task is read for the predictors of a space.

    Attributes:
        space: that the probes are points of.
        probes: name -> params.
        epochs: that they are trained for.
        schedule_epochs: that their learning rates' schedules run over: a full training's.
        recipe: how their layers are measured: a key of `RECIPES`; None: `recipe_for` them.
        inputs: whether an input profile, of the space's encodings, belongs to it.
    """

    space: str
    probes: Mapping[str, Mapping[str, Any]]
    epochs: int
    schedule_epochs: int
    recipe: str | None
    inputs: bool


READINGS: Mapping[str, Reading] = {
    reading.space: reading
    for reading in (
        Reading("mlp", PROBES, epochs=27, schedule_epochs=27, recipe=None, inputs=False),
        Reading(
            "tabular", TABULAR_PROBES, epochs=3, schedule_epochs=27, recipe="fast", inputs=True
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
