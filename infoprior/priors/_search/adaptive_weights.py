"""How far a prior is to be trusted, learned from the trials of the study it proposes for.

PriorBand (Mallik et al., NeurIPS 2023, section 5) shifts weight between the prior and the incumbent
by the likelihood of the best configurations so far. An Optuna sampler sees no rungs and no
brackets of its own, but it sees finished trials with their intermediate values, and who proposed
them: they are ranked, and a source gets trials as far as its own come out ahead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import TrialState

from .._mixture.truncated_normal import Array
from .._trial import feasible

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# The prior's share stays within these: one trial in five is something to compare it with, also
# where the first comparison happened to favour a bad prior, and a wronged prior gets a chance.
LEAST, MOST = 0.03, 0.8
EVEN = 0.5  # the odds that the prior is the better source, before a trial of its own says more
UNIFORM = 0.1  # of the other trials at first, the rest being the base sampler's
_UNIFORM_WITHIN = 0.1, 0.9
_BEST = 1.0 / 3.0  # of the finalists are ranked: as many as Hyperband's default factor keeps
_LOG_K = np.linspace(-3.0, 3.0, 40)  # a source's strength: from 1/20 to 20 times the others'
_TRUSTED = 8  # finalists up to which the starting share counts in full
_STEPS = 32  # the most intermediate values kept of a trial
_LEVELS = 8  # the most steps at which trials are compared
_GOLDEN = 2654435769  # 2**32 over the golden ratio: multiples of it are spread evenly
_WINDOW = 512  # the most trials compared in a multi-objective study


@dataclass(frozen=True)
class Outcome:
    """What is kept of a finished trial.

    `parts` is how much of it counts for the prior, for uniform sampling and for the base sampler,
    summing to one. `steps` and `values` are its intermediate values, greater being better, the
    final value last at step infinity if it was trained to the end. A trial that failed, or broke
    a constraint, has none.
    `objectives` are those of a multi-objective study, greater being better.
    """

    number: int
    parts: tuple[float, float, float]
    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    objectives: tuple[float, ...] = ()


class Shares(NamedTuple):
    """Of the next trials, which share each source gets; they sum to one."""

    prior: float
    uniform: float
    base: float


def outcome(
    trial: FrozenTrial,
    state: TrialState,
    values: Sequence[float] | None,
    directions: Sequence[StudyDirection],
    parts: tuple[float, float, float],
) -> Outcome:
    """The outcome of a trial that ends in `state` with `values`."""
    signs = [1.0 if d == StudyDirection.MAXIMIZE else -1.0 for d in directions]
    if state == TrialState.FAIL or not feasible(trial):
        return Outcome(trial.number, parts)
    if len(signs) > 1:
        found = tuple(_number(s * v) for s, v in zip(signs, values or (), strict=False))
        return Outcome(trial.number, parts, objectives=found)
    reports = sorted(trial.intermediate_values.items())
    if len(reports) > _STEPS:
        kept = np.linspace(0, len(reports) - 1, _STEPS).round().astype(int)
        reports = [reports[i] for i in kept.tolist()]
    steps = [float(step) for step, _ in reports]
    reached = [_number(signs[0] * value) for _, value in reports]
    if state == TrialState.COMPLETE and values:
        steps.append(math.inf)
        reached.append(_number(signs[0] * values[0]))
    return Outcome(trial.number, parts, tuple(steps), tuple(reached))


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
    wins: Array = np.zeros(n)
    for k in range(len(levels)):
        here = np.flatnonzero(level >= k)
        ends = level[here] == k
        value = np.array([_at(outcomes[i], levels[k]) for i in here.tolist()])
        # Of two trials, the one that ended first ended here, or both did.
        ended = np.sort(value[ends])
        wins[here] += _below(ended, value) - 0.5 * ends  # less the tie with itself
        reaching = np.sort(value[~ends])
        wins[here[ends]] += _below(reaching, value[ends])
    return np.asarray(wins / (n - 1), dtype=np.float64)


def _at(outcome: Outcome, step: float) -> float:
    """The value at the last reported step up to this one."""
    for s, value in zip(reversed(outcome.steps), reversed(outcome.values), strict=True):
        if s <= step:
            return value
    return outcome.values[0] if outcome.values else -math.inf


def _below(ordered: Array, value: Array) -> Array:
    """How many of `ordered` lie below each value; equal ones count half."""
    left = np.searchsorted(ordered, value, side="left")
    right = np.searchsorted(ordered, value, side="right")
    return np.asarray(0.5 * (left + right), dtype=np.float64)


def _dominance(outcomes: Sequence[Outcome]) -> Array:
    width = max(len(o.objectives) for o in outcomes)
    points = np.array([o.objectives or (-math.inf,) * width for o in outcomes])
    n, recent = len(points), points[-_WINDOW:]
    better = (points[:, None] >= recent).all(-1) & (points[:, None] > recent).any(-1)
    worse = (points[:, None] <= recent).all(-1) & (points[:, None] < recent).any(-1)
    ahead = (better.sum(1) - worse.sum(1)) / max(min(n, _WINDOW) - 1, 1)
    return np.asarray(0.5 + 0.5 * ahead, dtype=np.float64)


def ranking(outcomes: Sequence[Outcome]) -> tuple[NDArray[np.int64], int]:
    """Indices of the trials, the best first, and how many of them are finalists.

    Finalists got as far as any trial did, and are ranked by their last value; the others follow,
    by `standings`. Low fidelities alone would favour what learns fast over what ends well.
    """
    last = np.array([o.steps[-1] if o.steps else -math.inf for o in outcomes])
    standing = standings(outcomes)
    # Ties in an order that hangs on nothing: the prior's trials may be the early ones.
    shuffle = np.array([o.number for o in outcomes], dtype=np.int64) * _GOLDEN % 2**32
    if len(outcomes) < 2 or any(o.objectives for o in outcomes) or last.max() == -math.inf:
        return np.lexsort((shuffle, -standing)), len(outcomes)
    final = last == last.max()
    value = np.array([o.values[-1] if f else 0.0 for o, f in zip(outcomes, final, strict=True)])
    return np.lexsort((shuffle, -standing, -value, ~final)), int(final.sum())


def stronger(share: Array, start: float, ranked: int) -> float:
    """The probability that the trials of one source are the stronger ones.

    A trial's strength is k if it is the source's, 1 if not, and something between by share. The
    ranking is taken as Plackett and Luce do (Plackett, Applied Statistics 24, 1975): the best is
    drawn among all trials with chances as their strengths, the second best among the others, and
    so on, for the first `ranked` of them. Log k is uniform on either side of 0, and positive with
    probability `start` before anything is seen.

    Args:
        share: how much of each trial is the source's, the best trial first, shape (n,).
        start: in [0, 1].
        ranked: how far the order matters.
    """
    strength = 1.0 + share * np.expm1(_LOG_K)[:, None]
    left = np.cumsum(strength[:, ::-1], axis=1)[:, ::-1]
    log_p = np.log(strength[:, :ranked] / left[:, :ranked]).sum(axis=1)
    belief = np.exp(log_p - log_p.max(initial=-math.inf))
    mine, others = start * belief[_LOG_K > 0.0].sum(), (1 - start) * belief[_LOG_K < 0.0].sum()
    return float(mine / (mine + others))


def shares(outcomes: Sequence[Outcome], start: float) -> Shares:
    """Which share of the next trials each source gets.

    Until trials of the prior can be told from others the prior's is `start`. Then it is the
    probability that its trials are stronger than the others, even odds at first, or `start` where
    that is more: so a prior may begin with a small share, which costs little if it is a bad one,
    without being taken for a bad one. It stays within `LEAST` and `MOST`. The others' share is
    divided between uniform and base in the same way. From eight finalists on the odds count less
    and less, since the base sampler learns and the prior does not (as the prior's exponent
    beta / n in πBO, Hvarfner et al., ICLR 2022).

    Args:
        outcomes: of the trials that have ended.
        start: the prior's share at first.
    """
    order, finalists = ranking(outcomes)
    parts = np.array([outcomes[i].parts for i in order]).reshape(-1, 3)
    if len(parts) and parts[:, 0].min() < 0.5 < parts[:, 0].max():
        odds = min(max(start, EVEN), 0.999) * min(1.0, _TRUSTED / max(finalists, 1))
        start = stronger(parts[:, 0], odds, max(2, math.ceil(_BEST * finalists)))
    prior = min(max(start, LEAST), MOST)
    others = parts[parts[:, 0] < 0.5]
    ranked = max(2, math.ceil(_BEST * finalists * len(others) / max(len(parts), 1)))
    low, high = _UNIFORM_WITHIN
    uniform = min(max(stronger(others[:, 1], UNIFORM, ranked), low), high)
    return Shares(prior, (1.0 - prior) * uniform, (1.0 - prior) * (1.0 - uniform))
