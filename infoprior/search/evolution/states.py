"""What is known of the hidden layers when it is decided what to change (section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from infoprior.information import effective_rank
from infoprior.profiles import Recipe
from infoprior.search.evolution.chain import INPUT, read_chain, units
from infoprior.search.evolution.costs import MAP_SIDE, RECIPE
from infoprior.search.evolution.importance import LayerImportance, assess
from infoprior.search.evolution.mutations import choices
from infoprior.search.evolution.reading import read_hidden
from infoprior.search.evolution.settings import EvolutionSettings

RANK_ROWS = 512
"""Rows, of maps pixels, on which effective ranks are measured."""


@dataclass(frozen=True)
class LayerShape:
    """How a hidden layer is built.

    Attributes:
        layer: its name.
        width: units or channels.
        free: whether its width can change; that of a layer that adds the inputs can't.
        choices: what mutations can make of it: attribute -> its value, then the other ones.
    """

    layer: str
    width: int
    free: bool
    choices: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class LayerState(LayerShape):
    """What decides about one hidden layer.

    Attributes:
        information: I(L;O), nats.
        importance: see `task_importance`, nats.
        share: importance over H(O).
        rank: share of its units that are used: the effective rank (the exponential of the entropy
            of the singular values) over the width, in [0, 1].
        flags: of the estimate.
    """

    information: float
    importance: float
    share: float
    rank: float
    flags: tuple[str, ...]


def describe(network: nn.Module, x: Tensor, settings: EvolutionSettings) -> list[LayerShape]:
    """The hidden layers as they are built, with nothing measured.

    Args:
        network: see `read_chain`.
        x: rows, shape (n, ...), of which two are looked at.
        settings: what may be mutated.
    """
    chain = read_chain(network)
    given = [x[:2], *read_hidden(network, x[:2]).values()]
    return [
        LayerShape(
            layer.name,
            units(network.get_submodule(layer.path)),
            layer.stream != INPUT,
            choices(network, layer, min(t.shape[2:]) if t.ndim == 4 else None, settings),
        )
        for layer, t in zip(chain.hidden, given, strict=False)
    ]


def assess_structure(
    network: nn.Module,
    x: Tensor,
    y: np.ndarray,
    settings: EvolutionSettings,
    seed: int,
    recipe: Recipe,
) -> list[LayerState]:
    """Importance and used units of every hidden layer.

    Args:
        network: see `read_chain`.
        x: rows, shape (n, ...).
        y: labels, shape (n,).
        settings: the type of the task, and what may be mutated.
        seed: of rows and estimates.
        recipe: how to measure.
    """
    importances = assess(
        network, x, y, task_type=settings.task_type, seed=seed, recipe=recipe,
        map_side=MAP_SIDE if recipe == RECIPE else None,
    )  # fmt: skip
    hidden = read_hidden(network, x[:: -(-len(x) // RANK_ROWS)])
    return [
        LayerState(
            plain.layer, plain.width, plain.free, plain.choices, importance.information,
            importance.importance, _share(importance), _rank(hidden[plain.layer], plain.width),
            importance.flags,
        )
        for plain, importance in zip(describe(network, x, settings), importances, strict=True)
    ]  # fmt: skip


def _share(importance: LayerImportance) -> float:
    return importance.importance / importance.h_o if importance.h_o else importance.importance


def _rank(t: Tensor, width: int) -> float:
    """Effective rank of units, over their number; every pixel of a channel is a row."""
    rows = t.reshape(len(t), width, -1).transpose(1, 2).reshape(-1, width)
    rows = rows[:: -(-len(rows) // RANK_ROWS)]
    if not bool(rows.isfinite().all()):
        return 0.0
    return effective_rank(rows) / min(width, len(rows) - 1)
