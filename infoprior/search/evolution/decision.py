"""Assess and decide (sections 5.1 and 5.2): which layer is pruned, expanded or mutated, if any."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from infoprior.information import effective_rank
from infoprior.profiles import Recipe
from infoprior.search.evolution.chain import INPUT, Layer, read_chain, units
from infoprior.search.evolution.importance import LayerImportance, assess
from infoprior.search.evolution.reading import read_hidden
from infoprior.search.evolution.settings import ACTIVATIONS, EvolutionSettings

RANK_ROWS = 512
"""Rows, of maps pixels, on which effective ranks are measured."""


@dataclass(frozen=True)
class LayerState:
    """What decides about one hidden layer.

    Attributes:
        layer: its name.
        width: units or channels.
        free: whether its width can change; that of a layer that adds the inputs can't.
        information: I(L;O), nats.
        importance: see `task_importance`, nats.
        share: importance over H(O).
        rank: share of its units that are used: the effective rank (the exponential of the entropy
            of the singular values) over the width, in [0, 1].
        activation: a key of `ACTIVATIONS`, "" for another one.
        flags: of the estimate.
    """

    layer: str
    width: int
    free: bool
    information: float
    importance: float
    share: float
    rank: float
    activation: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Action:
    """One operation on a network.

    Attributes:
        kind: "prune", "widen", "deepen" or "mutate".
        layer: its name.
        width: that it gets, of prune and widen.
        activation: a key of `ACTIVATIONS`, of mutate.
    """

    kind: str
    layer: str
    width: int = 0
    activation: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What rests after it was undone."""
        return self.kind, self.layer


def assess_structure(
    network: nn.Module,
    x: Tensor,
    y: np.ndarray,
    settings: EvolutionSettings,
    seed: int,
    recipe: Recipe | None,
) -> list[LayerState]:
    """Importance and used units of every hidden layer.

    Args:
        network: see `read_chain`.
        x: rows, shape (n, ...).
        y: labels, shape (n,).
        settings: the type of the task.
        seed: of rows and estimates.
        recipe: how to measure.
    """
    importances = assess(network, x, y, task_type=settings.task_type, seed=seed, recipe=recipe)
    hidden = read_hidden(network, x[:: -(-len(x) // RANK_ROWS)])
    chain = read_chain(network)
    states = []
    for layer, importance in zip(chain.hidden, importances, strict=True):
        width = units(network.get_submodule(layer.path))
        states.append(
            LayerState(
                layer.name, width, layer.stream != INPUT, importance.information,
                importance.importance, _share(importance), _rank(hidden[layer.name], width),
                _activation(network, layer), importance.flags,
            )
        )  # fmt: skip
    return states


def _activation(network: nn.Module, layer: Layer) -> str:
    kinds = {type(make()): name for name, make in ACTIVATIONS.items()}
    names = [kinds.get(type(network.get_submodule(path)), "") for path in layer.followers]
    return next(filter(None, names), "")


def _share(importance: LayerImportance) -> float:
    return importance.importance / importance.h_o if importance.h_o else importance.importance


def _rank(t: Tensor, width: int) -> float:
    """Effective rank of units, over their number; every pixel of a channel is a row."""
    rows = t.reshape(len(t), width, -1).transpose(1, 2).reshape(-1, width)
    rows = rows[:: -(-len(rows) // RANK_ROWS)]
    if not bool(rows.isfinite().all()):
        return 0.0
    return effective_rank(rows) / min(width, len(rows) - 1)


def decide(
    states: Sequence[LayerState],
    tau: float,
    settings: EvolutionSettings,
    resting: Collection[tuple[str, str]],
    stalled: bool,
    rng: np.random.Generator,
) -> Action | None:
    """Prune what is unused, else expand what is full, else mutate.

    The document prunes whole layers of low importance. In a chain that fails: layers before the
    bottleneck inherit nothing from it, a layer that is too *narrow* is the one that says little,
    and one that is too wide says everything. So entropy decides, importance ranks: a layer is
    pruned where the share of its units that are used is below tau ("low entropy layers"), the least
    important first; it is expanded where that share is at least `saturated`, the most important
    first. Where no layer is full and the last one says less of O than it could, the network gets
    another layer behind the most important.

    Args:
        states: of the hidden layers.
        tau: the threshold.
        settings: bounds and sizes.
        resting: kinds and layers that are not to be tried.
        stalled: whether validation has stopped improving: only then there is a mutation.
        rng: draws the mutation.
    """
    ranked = sorted(range(len(states)), key=lambda i: (states[i].share, i))
    for i in ranked:
        state = states[i]
        target = max(settings.min_width, math.ceil(state.width * max(settings.shrink, state.rank)))
        if (
            state.free and state.rank < tau and target < state.width
            and ("prune", state.layer) not in resting
        ):  # fmt: skip
            return Action("prune", state.layer, target)
    for i in reversed(ranked):
        state = states[i]
        target = min(settings.max_width, math.ceil(state.width * settings.growth))
        if (
            state.free and state.rank >= max(tau, settings.saturated) and target > state.width
            and ("widen", state.layer) not in resting
        ):  # fmt: skip
            return Action("widen", state.layer, target)
    best = states[ranked[-1]]
    if (
        stalled and best.share < 0.9 and len(states) < settings.max_depth
        and ("deepen", best.layer) not in resting
    ):  # fmt: skip
        return Action("deepen", best.layer)
    if settings.mutate and stalled:
        state = states[int(rng.integers(len(states)))]
        if state.activation and ("mutate", state.layer) not in resting:
            return _mutation(state, rng)
    return None


def decide_at_random(
    states: Sequence[LayerState],
    settings: EvolutionSettings,
    rng: np.random.Generator,
    kind: str | None = None,
) -> Action | None:
    """The control: a random kind of action on a random layer, with the same sizes.

    Args:
        states: of the hidden layers, of which only names and widths are looked at.
        settings: bounds and sizes.
        rng: draws.
        kind: that another run took at this step; "" for none; None: a random one.
    """
    kinds = ["prune", "widen", "deepen", *(["mutate"] if settings.mutate else [])]
    kind = str(rng.choice(kinds)) if kind is None else kind
    free = [state for state in states if state.free]
    if not kind or (kind in ("prune", "widen") and not free):
        return None
    pool = free if kind in ("prune", "widen") else list(states)
    state = pool[int(rng.integers(len(pool)))]
    if kind == "prune":
        target = max(settings.min_width, math.ceil(state.width * settings.shrink))
        return Action(kind, state.layer, target) if target < state.width else None
    if kind == "widen":
        target = min(settings.max_width, math.ceil(state.width * settings.growth))
        return Action(kind, state.layer, target) if target > state.width else None
    if kind == "deepen":
        return Action(kind, state.layer) if len(states) < settings.max_depth else None
    return _mutation(state, rng) if state.activation else None


def _mutation(state: LayerState, rng: np.random.Generator) -> Action:
    """Another activation."""
    others = sorted(set(ACTIVATIONS) - {state.activation})
    return Action("mutate", state.layer, activation=str(rng.choice(others)))


def random_units(width: int, kept: int, rng: np.random.Generator) -> Tensor:
    """Numbers of random units that stay, shape (kept,), in order."""
    return torch.from_numpy(np.sort(rng.choice(width, size=kept, replace=False)))
