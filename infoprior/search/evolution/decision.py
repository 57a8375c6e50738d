"""Decide (section 5.2): which layer is pruned, expanded or mutated, if any."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from infoprior.search.evolution.settings import EvolutionSettings
from infoprior.search.evolution.states import LayerShape, LayerState


@dataclass(frozen=True)
class Action:
    """One operation on a network.

    Attributes:
        kind: "prune", "widen", "deepen" or "mutate".
        layer: its name.
        width: that it gets, of prune and widen.
        attribute: what mutate changes, of `MUTATIONS`.
        value: that it gets, as a text.
    """

    kind: str
    layer: str
    width: int = 0
    attribute: str = ""
    value: str = ""


def decide(
    states: Sequence[LayerState],
    tau: float,
    settings: EvolutionSettings,
    resting: Collection[tuple[str, str, str]],
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
    another layer behind the most important. Mutations are trials: neither the document nor anything
    that is measured here says which one is good, so that it is drawn among all that there are, and
    validation judges it.

    Args:
        states: of the hidden layers.
        tau: the threshold.
        settings: bounds and sizes.
        resting: kinds, layers and attributes that are not to be tried.
        stalled: whether validation has stopped improving: only then there is a mutation.
        rng: draws the mutation.
    """
    ranked = sorted(range(len(states)), key=lambda i: (states[i].share, i))
    for i in ranked:
        state = states[i]
        target = max(settings.min_width, math.ceil(state.width * max(settings.shrink, state.rank)))
        if (
            state.free and state.rank < tau and target < state.width
            and ("prune", state.layer, "") not in resting
        ):  # fmt: skip
            return Action("prune", state.layer, target)
    for i in reversed(ranked):
        state = states[i]
        target = min(settings.max_width, math.ceil(state.width * settings.growth))
        if (
            state.free and state.rank >= max(tau, settings.saturated) and target > state.width
            and ("widen", state.layer, "") not in resting
        ):  # fmt: skip
            return Action("widen", state.layer, target)
    best = states[ranked[-1]]
    if (
        stalled and best.share < 0.9 and len(states) < settings.max_depth
        and ("deepen", best.layer, "") not in resting
    ):  # fmt: skip
        return Action("deepen", best.layer)
    return _mutation(states, resting, rng) if stalled else None


def decide_at_random(
    states: Sequence[LayerShape],
    settings: EvolutionSettings,
    rng: np.random.Generator,
    kind: tuple[str, str] | None = None,
) -> Action | None:
    """The control: a random kind of action on a random layer, with the same sizes.

    Args:
        states: of the hidden layers.
        settings: bounds and sizes.
        rng: draws.
        kind: that another run took at this step, and the attribute that it mutated; ("", "") for
            none; None: a random one.
    """
    kinds = ["prune", "widen", "deepen", *(["mutate"] if settings.mutations else [])]
    name, attribute = (str(rng.choice(kinds)), "") if kind is None else kind
    if not name:
        return None
    if name == "mutate":
        return _mutation(states, (), rng, attribute)
    pool = [state for state in states if state.free or name == "deepen"]
    if not pool:
        return None
    state = pool[int(rng.integers(len(pool)))]
    if name == "prune":
        target = max(settings.min_width, math.ceil(state.width * settings.shrink))
        return Action(name, state.layer, target) if target < state.width else None
    if name == "widen":
        target = min(settings.max_width, math.ceil(state.width * settings.growth))
        return Action(name, state.layer, target) if target > state.width else None
    return Action(name, state.layer) if len(states) < settings.max_depth else None


def _mutation(
    states: Sequence[LayerShape],
    resting: Collection[tuple[str, str, str]],
    rng: np.random.Generator,
    attribute: str = "",
) -> Action | None:
    """Another value of an attribute of a layer, each layer's attribute as likely; None: there are
    none."""
    pool = [
        (state, name)
        for state in states
        for name in state.choices
        if attribute in ("", name) and ("mutate", state.layer, name) not in resting
    ]
    if not pool:
        return None
    state, name = pool[int(rng.integers(len(pool)))]
    value = str(rng.choice(list(state.choices[name][1:])))
    return Action("mutate", state.layer, attribute=name, value=value)


def random_units(width: int, kept: int, rng: np.random.Generator) -> Tensor:
    """Numbers of random units that stay, shape (kept,), in order."""
    return torch.from_numpy(np.sort(rng.choice(width, size=kept, replace=False)))
