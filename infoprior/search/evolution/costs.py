"""What an assessment and an epoch cost, in epochs of training, by a rule and not by a clock.

A row pass is one row's forward and backward pass in an epoch of training. An assessment is charged
a fixed number of them and some for every row that it is made on, as was measured on multilayer
perceptrons of three layers of 64 units and 100 to 6,000 rows, one thread: between 0.6 and 1.6 times
the charge (`benchmarks/search/evolution_speed.py`). Layers of 16 units take half of it, ones of 128
units and maps of 32 channels up to twice; `EvolutionSettings.assessment_cost` overrules it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from infoprior._ambient import default_settings
from infoprior.profiles import Recipe
from infoprior.search._counting import ROWS, multiply_adds
from infoprior.search.evolution.reading import forward

RECIPE = Recipe("evolution", 1, ty_method="lda")
"""How `evolve` assesses layers unless it is told otherwise: linear discriminants, at a sixth of the
cost of the profiles' recipe, which on a few hundred rows costs as much as half a full training."""

MAP_SIDE = 4
"""Pixels a side to which maps are averaged before `RECIPE` is used: the discriminants' cost grows
with the cube of a layer's entries (50 s for 32 maps of 14 x 14)."""

FIXED, PER_ROW = 2000.0, 5.0
"""Row passes of an assessment, and of each of its rows, by the estimators of profiles ("tabular").
Convolutional critics ("maps") cost several times as much."""
LDA_FIXED, LDA_PER_ROW = 350.0, 0.8
"""The same by the method "lda"."""


def assessment_epochs(recipe: Recipe, n: int, n_train: int) -> float:
    """Epochs of training that an assessment of all layers is charged at.

    Args:
        recipe: of the assessment.
        n: rows that there are to assess on; it takes at most the recipe's `max_rows`.
        n_train: rows of an epoch.
    """
    lda = recipe.ty_method == "lda"
    fixed, per_row = (LDA_FIXED, LDA_PER_ROW) if lda else (FIXED, PER_ROW)
    return (fixed + per_row * min(n, recipe.max_rows)) / n_train


@default_settings()
def network_multiply_adds(network: nn.Module, x: Tensor) -> float:
    """Multiply-adds of a row, forward: matrix products and convolutions.

    Args:
        network: left in the mode it is in.
        x: rows, shape (n, ...), of which two are used.
    """
    with torch.no_grad():
        return multiply_adds(lambda: forward(network, x[:ROWS]))[0]


def epoch_cost(network: nn.Module, x: Tensor, unit: float | None) -> float:
    """Epochs that an epoch of a network counts as: as many as it has multiply-adds, at least one.

    Args:
        network: that is trained.
        x: rows, shape (n, ...).
        unit: multiply-adds of a row, forward, of a network whose epoch counts as one; None: an
            epoch of any network does.
    """
    return 1.0 if unit is None else max(1.0, network_multiply_adds(network, x) / unit)
