"""How far a prior is to be trusted, learned from the trials of the study it proposes for.

PriorBand (Mallik et al., NeurIPS 2023, section 5) shifts weight between the prior and the incumbent
by the likelihood of the best configurations so far. An Optuna sampler sees no rungs and no
brackets of its own, but it sees finished trials with their intermediate values: they are compared
pair by pair at the last step that both reached, and the prior is trusted as far as the trials it
stands for get into the best third more often than the others do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ._normal import Array

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST, MOST = 0.02, 0.9  # of the prior's share: neither source is ever without trials
_BEST = 1.0 / 3.0  # of the trials count as a success, as the default reduction factor keeps
_BEFORE = 3.0  # trials' worth of belief that a source does as well as any other
_LEVELS = 8  # the most steps at which trials are compared
_WINDOW = 512  # the most trials compared in a multi-objective study
_GRID = (np.arange(512) + 0.5) / 512


@dataclass(frozen=True)
class Outcome:
    """What is kept of a finished trial.

    `share` is how much of it counts for the prior, in [0, 1]. `steps` and `values` are its
    intermediate values, greater being better, the final value last at step infinity if it was
    trained to the end. A trial that failed has none. `objectives` are those of a
    multi-objective study, greater being better.
    """

    number: int
    share: float
    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    objectives: tuple[float, ...] = ()


def outcome(
    trial: FrozenTrial,
    state: TrialState,
    values: Sequence[float] | None,
    directions: Sequence[StudyDirection],
    share: float,
) -> Outcome:
    """The outcome of a trial that ends in `state` with `values`."""
    signs = [1.0 if d == StudyDirection.MAXIMIZE else -1.0 for d in directions]
    if state == TrialState.FAIL:
        return Outcome(trial.number, share)
    if len(signs) > 1:
        found = tuple(_number(s * v) for s, v in zip(signs, values or (), strict=False))
        return Outcome(trial.number, share, objectives=found)
    reports = sorted(trial.intermediate_values.items())
    steps = [float(step) for step, _ in reports]
    reached = [_number(signs[0] * value) for _, value in reports]
    if state == TrialState.COMPLETE and values:
        steps.append(math.inf)
        reached.append(_number(signs[0] * values[0]))
    return Outcome(trial.number, share, tuple(steps), tuple(reached))


def _number(value: float) -> float:
    return -math.inf if math.isnan(value) else float(value)


def standings(outcomes: Sequence[Outcome]) -> Array:
    """The share of the other trials that each one beats, shape (n,); ties count half."""
    n = len(outcomes)
    if n < 2:
        return np.full(n, 0.5)
    if any(o.objectives for o in outcomes):
        return _dominance(outcomes)
    last = np.array([o.steps[-1] if o.steps else -math.inf for o in outcomes])
    levels = np.unique(last)
    if len(levels) > _LEVELS:  # some of them; a trial is compared at the last one it reached
        chosen = np.linspace(0, len(levels) - 1, _LEVELS).round().astype(int)
        levels = levels[chosen]
    level = np.searchsorted(levels, last, side="right") - 1
    wins = np.zeros(n)
    for k in range(len(levels)):
        here = np.flatnonzero(level >= k)
        ends = level[here] == k
        value = np.array([_at(outcomes[i], levels[k]) for i in here.tolist()])
        # Of two trials, the one that ended first ended here, or both did.
        ended = np.sort(value[ends])
        wins[here] += _below(ended, value) - 0.5 * ends  # less the tie with itself
        reaching = np.sort(value[~ends])
        wins[here[ends]] += _below(reaching, value[ends])
    return wins / (n - 1)


def _at(outcome: Outcome, step: float) -> float:
    """The value at the last reported step up to this one."""
    for s, value in zip(reversed(outcome.steps), reversed(outcome.values), strict=True):
        if s <= step:
            return value
    return outcome.values[0] if outcome.values else -math.inf


def _below(ordered: Array, value: Array) -> Array:
    """How many of `ordered` lie below each value; equal ones count half."""
    left = np.searchsorted(ordered, value, side="left")
    return 0.5 * (left + np.searchsorted(ordered, value, side="right"))


def _dominance(outcomes: Sequence[Outcome]) -> Array:
    width = max(len(o.objectives) for o in outcomes)
    points = np.array([o.objectives or (-math.inf,) * width for o in outcomes])
    n, recent = len(points), points[-_WINDOW:]
    better = (points[:, None] >= recent).all(-1) & (points[:, None] > recent).any(-1)
    worse = (points[:, None] <= recent).all(-1) & (points[:, None] < recent).any(-1)
    return 0.5 + 0.5 * (better.sum(1) - worse.sum(1)) / max(min(n, _WINDOW) - 1, 1)


def _belief(successes: float, trials: float) -> Array:
    """A Beta posterior's probabilities on the grid of success rates."""
    a = _BEST * _BEFORE + successes
    b = (1.0 - _BEST) * _BEFORE + trials - successes
    logs = (a - 1.0) * np.log(_GRID) + (b - 1.0) * np.log1p(-_GRID)
    p = np.exp(logs - logs.max())
    return p / p.sum()


def trust(standing: Array, share: Array, start: float) -> float:
    """The share of trials that the prior is to propose.

    Success is to stand in the best third. With a Beta posterior for the success rate of the
    prior's trials and one for all others', the odds of the prior are the starting odds times
    P(prior's rate is the higher) : P(it is the lower).

    Args:
        standing: of `standings`, shape (n,).
        share: how much of each trial counts for the prior, shape (n,).
        start: the share before any trial has ended, in (0, 1).
    """
    start = min(max(start, LEAST), MOST)
    if len(standing) < 2:
        return start
    bar = np.quantile(standing, 1.0 - _BEST)
    success = np.where(standing > bar, 1.0, np.where(standing == bar, 0.5, 0.0))
    mine = _belief(float(share @ success), float(share.sum()))
    others = _belief(float((1.0 - share) @ success), float((1.0 - share).sum()))
    above = float(mine @ (np.cumsum(others) - 0.5 * others))
    above = min(max(above, 1e-9), 1.0 - 1e-9)
    odds = start / (1.0 - start) * above / (1.0 - above)
    return min(max(odds / (1.0 + odds), LEAST), MOST)
