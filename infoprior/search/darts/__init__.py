"""Differentiable architecture search: Liu, Simonyan & Yang, "DARTS", ICLR 2019.

Every edge of a cell computes all its operations at once, weighted by a softmax over alpha. The
weights learn from training rows, alpha from validation rows, in turn. What alpha prefers in the end
is an ordinary point of a search space: see `CellSpace`, `get_space("darts-mlp")` for tables and
`get_space("darts-cnn")` for small images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.search.darts.bilevel import first_order_gradient, second_order_gradient
    from infoprior.search.darts.convergence import Convergence, fit_convergence
    from infoprior.search.darts.cost import search_cost
    from infoprior.search.darts.derivation import derive, skip_collapse
    from infoprior.search.darts.eigenvalue import dominant_eigenvalue, stopping_epoch
    from infoprior.search.darts.errors import DartsError
    from infoprior.search.darts.mixed import MixedOperation
    from infoprior.search.darts.perturbation import (
        PerturbationSelection,
        select_by_perturbation,
    )
    from infoprior.search.darts.retraining import TRAINING_SETTINGS, Retrained, retrain
    from infoprior.search.darts.search import DartsSearch, search_darts
    from infoprior.search.darts.settings import DartsSettings
    from infoprior.search.darts.supernet import Supernet
    from infoprior.spaces._cells import Cell, CellSpace

__all__ = [
    "TRAINING_SETTINGS",
    "Cell",
    "CellSpace",
    "Convergence",
    "DartsError",
    "DartsSearch",
    "DartsSettings",
    "MixedOperation",
    "PerturbationSelection",
    "Retrained",
    "Supernet",
    "derive",
    "dominant_eigenvalue",
    "first_order_gradient",
    "fit_convergence",
    "retrain",
    "search_cost",
    "search_darts",
    "second_order_gradient",
    "select_by_perturbation",
    "skip_collapse",
    "stopping_epoch",
]

__getattr__, __dir__ = lazy(__name__)
