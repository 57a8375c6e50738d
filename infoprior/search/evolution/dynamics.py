"""How a structure moves, by the document's equations, and how far it is from where it ends.

Sections 3.1, 4 and 7.2. A structure S is the vector of ln(1 + width) of the hidden layers; a layer
that isn't there has 0, so that structures of different depths compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior._ambient import default_settings
from infoprior._arguments import real_number
from infoprior.search.evolution.errors import EvolutionError
from infoprior.spaces._reading import evaluation_mode

ALPHA, BETA = 0.7, 0.3
"""Of the information and of the divergence (section 3.1)."""


def structure_rate(
    information: float,
    divergence: float,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
    memory: float = 0.0,
    gamma: float = 0.0,
) -> float:
    """dS/dt = -alpha I(L;O) + beta KL(p_old || p_new) + gamma Memory (sections 3.1 and 7.2); nats.

    As it stands the equation shrinks the layers that say most of O, and faster the more they say,
    and grows all layers alike by a change: no layer ever rests but where the two cancel. The
    document reads it as preserving information, which is the opposite. So it is logged, and
    decisions are taken by threshold and ranking (sections 3.2 and 5.2).

    Args:
        information: I(L;O).
        divergence: KL(p_old || p_new), see `output_divergence`.
        alpha: weight of the information.
        beta: weight of the divergence.
        memory: how much of an earlier task is lost, see `Memory`.
        gamma: weight of the memory.
    """
    values = [
        real_number(value, name, error=EvolutionError)
        for name, value in (
            ("information", information), ("divergence", divergence), ("alpha", alpha),
            ("beta", beta), ("memory", memory), ("gamma", gamma),
        )
    ]  # fmt: skip
    return -values[2] * values[0] + values[3] * values[1] + values[5] * values[4]


@default_settings()
@torch.no_grad()
def output_divergence(old: nn.Module, new: nn.Module, x: Tensor) -> float:
    """KL(p_old || p_new), the mean over rows of that of the classes' probabilities; nats.

    The document doesn't say of what p is the distribution. This one is what a change of structure
    does to the network's answers: 0 after growth that preserves them.

    Args:
        old: maps x to logits, shape (n, n_classes); evaluated as it is left.
        new: the same.
        x: rows, shape (n, ...).
    """
    with evaluation_mode(old), evaluation_mode(new):
        return float(divergence(old(x), new(x)))


def divergence(old: Tensor, new: Tensor) -> Tensor:
    """KL(p_old || p_new) of logits of shape (n, n_classes), mean over rows; shape ()."""
    return functional.kl_div(
        functional.log_softmax(new, 1), functional.log_softmax(old, 1),
        reduction="batchmean", log_target=True,
    )  # fmt: skip


def structure(widths: Mapping[str, int]) -> list[float]:
    """S of a network: ln(1 + width) of each hidden layer."""
    return [math.log1p(width) for width in widths.values()]


def convergence(structures: Sequence[Sequence[float]], bound: float | None = None) -> pd.DataFrame:
    """||S(t) - S*|| against C / sqrt(t), for every step (section 4.1).

    The theorem isn't proved by its sketch: dV/dt <= -mu V + epsilon leaves V at epsilon / mu, and
    would make it fall exponentially before, not as 1 / t; and its right side multiplies a vector by
    a scalar. So it is observed. S* isn't known either; the last structure stands for it, with which
    the bound holds in the end by construction. The least C with which it holds at every step is
    max_t sqrt(t) ||S(t) - S*||.

    Args:
        structures: S(t) at t = 1, 2, ..., as `structure` gives them; the last one is S*.
        bound: C; None: the least one.

    Returns:
        one row a step: step, distance, least_c (of the steps so far), bound (C / sqrt(t)), holds.
    """
    if not structures:
        raise EvolutionError("structures is empty; give one for each step.")
    last = structures[-1]
    distances = []
    for each in structures:
        n = max(len(each), len(last))
        padded = [[*s, *[0.0] * (n - len(s))] for s in (each, last)]
        distances.append(math.dist(*padded))
    least = [math.sqrt(t) * d for t, d in enumerate(distances, start=1)]
    c = max(least) if bound is None else real_number(bound, "bound", 0.0, error=EvolutionError)
    rows = []
    for t, distance in enumerate(distances, start=1):
        limit = c / math.sqrt(t)
        rows.append(
            {
                "step": t, "distance": distance, "least_c": max(least[:t]), "bound": limit,
                "holds": distance <= limit * (1.0 + 1e-12),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
