"""Distributions whose mutual information is known, to test and compare estimators on.

Needs numpy and SciPy only. Designs are chosen on the group "development" (it resembles public
benchmark tasks) and confirmed on the group "confirmation".

>>> from infoprior.information.known import known_pairs
>>> normal = next(k for k in known_pairs() if k.name == "normal-0.75")
>>> x, y = normal.sample(1000, seed=0)
>>> x.shape, y.shape, round(normal.nats, 3)
((1000, 1), (1000, 1), 0.413)
"""

from __future__ import annotations

from infoprior.information.known._catalogue import known_layers, known_noisy_layers, known_pairs
from infoprior.information.known._known import GROUPS, Known, Truth
from infoprior.information.known._layers import (
    class_gaussians,
    gaussian_mixtures,
    label_noise,
    moons,
    relu_units,
    rings,
    xor,
)
from infoprior.information.known._networks import noisy_linear_layers, nonlinear_units
from infoprior.information.known._pairs import (
    additive_uniform,
    channel,
    circles,
    dense,
    mixture,
    multinormal,
    sparse,
    student,
)

__all__ = [
    "GROUPS",
    "Known",
    "Truth",
    "additive_uniform",
    "channel",
    "circles",
    "class_gaussians",
    "dense",
    "gaussian_mixtures",
    "known_layers",
    "known_noisy_layers",
    "known_pairs",
    "label_noise",
    "mixture",
    "moons",
    "multinormal",
    "noisy_linear_layers",
    "nonlinear_units",
    "relu_units",
    "rings",
    "sparse",
    "student",
    "xor",
]
