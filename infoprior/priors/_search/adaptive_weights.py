"""How much of a study a prior is to propose, learned from the study's own trials.

PriorBand (Mallik et al., NeurIPS 2023, section 5) shifts weight between the prior and the incumbent
by the likelihood of the best configurations so far. An Optuna sampler sees no rungs and no
brackets of its own, but it sees finished trials with their intermediate values, and who proposed
them: they are ranked, and a source's weight is the probability that its trials are the better ones.
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

from .._trial import feasible
from .._values import Array

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# The prior's weight stays within these: one trial in five is something to compare it with, also
# where the first comparison happened to favour a bad prior, and a good one that was unlucky at
# first gets another chance.
MIN_WEIGHT, MAX_WEIGHT = 0.03, 0.8
EVEN = 0.5  # that the prior is the better source, before a trial of its own says more
UNIFORM = 0.1  # of the other trials at first, the rest being the base sampler's
_UNIFORM_WITHIN = 0.1, 0.9
_BEST = 1.0 / 3.0  # of the finalists are ranked: as many as Hyperband's default factor keeps
_LOG_K = np.linspace(-3.0, 3.0, 40)  # a source's strength: from 1/20 to 20 times the others'
_UNDISCOUNTED = 8  # finalists up to which the prior's weight is not discounted
_STEPS = 32  # the most intermediate values kept of a trial
_LEVELS = 8  # the most steps at which trials are compared
_GOLDEN = 2654435769  # 2**32 over the golden ratio: multiples of it are spread evenly
_WINDOW = 512  # the most trials compared in a multi-objective study


class SourceWeights(NamedTuple):
    """How much is the prior's, uniform sampling's and the base sampler's; they sum to one.

    Of the next trials: which fraction each source is to propose. Of a trial that has ended: the
    probability that each has proposed it.
    """

    prior: float
    uniform: float
    base: float


@dataclass(frozen=True)
class Outcome:
    """What is kept of a finished trial.

    Attributes:
        number: the trial's.
        source_weights: who proposed it.
        steps: at which it reported, ascending; infinity last if it was trained to the end. Empty
            for a trial that failed or broke a constraint.
        values: at these steps, greater being better; the final value last.
        objectives: those of a multi-objective study, greater being better.
    """

    number: int
    source_weights: SourceWeights
    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    objectives: tuple[float, ...] = ()


def outcome(
    trial: FrozenTrial,
    state: TrialState,
    values: Sequence[float] | None,
    directions: Sequence[StudyDirection],
    source_weights: SourceWeights,
) -> Outcome:
    """The outcome of a trial that ends in `state` with `values`."""
    signs = [1.0 if d == StudyDirection.MAXIMIZE else -1.0 for d in directions]
    if state == TrialState.FAIL or not feasible(trial):
        return Outcome(trial.number, source_weights)
    if len(signs) > 1:
        objectives = tuple(_number(s * v) for s, v in zip(signs, values or (), strict=False))
        return Outcome(trial.number, source_weights, objectives=objectives)
    reports = sorted(trial.intermediate_values.items())
    if len(reports) > _STEPS:
        kept = np.linspace(0, len(reports) - 1, _STEPS).round().astype(int)
        reports = [reports[i] for i in kept.tolist()]
    steps = [float(step) for step, _ in reports]
    reached = [_number(signs[0] * value) for _, value in reports]
    if state == TrialState.COMPLETE and values:
        steps.append(math.inf)
        reached.append(_number(signs[0] * values[0]))
    return Outcome(trial.number, source_weights, tuple(steps), tuple(reached))


def _number(value: float) -> float:
    return -math.inf if math.isnan(value) else float(value)


def win_rates(outcomes: Sequence[Outcome]) -> Array:
    """The fraction of the other trials that each one beats, shape (n,); ties count half.

    Two trials are compared at the last step that both have reached; those of several objectives
    by Pareto dominance.
    """
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
    """Indices of the trials, shape (n,), the best first, and how many of them are finalists.

    Finalists got as far as any trial did, and are ranked by their last value; the others follow,
    by `win_rates`. Low fidelities alone would favour what learns fast over what ends well.
    """
    last = np.array([o.steps[-1] if o.steps else -math.inf for o in outcomes])
    rate = win_rates(outcomes)
    # Ties in an order that depends on nothing: the prior's trials may be the early ones.
    shuffle = np.array([o.number for o in outcomes], dtype=np.int64) * _GOLDEN % 2**32
    if len(outcomes) < 2 or any(o.objectives for o in outcomes) or last.max() == -math.inf:
        return np.lexsort((shuffle, -rate)), len(outcomes)
    final = last == last.max()
    value = np.array([o.values[-1] if f else 0.0 for o, f in zip(outcomes, final, strict=True)])
    return np.lexsort((shuffle, -rate, -value, ~final)), int(final.sum())


def plackett_luce_probability(membership: Array, before: float, ranked: int) -> float:
    """The probability that the trials of one source are the stronger ones, given a ranking.

    A trial's strength is k if it is the source's, 1 if not, and something between by membership.
    The ranking is taken as Plackett and Luce do (Plackett, Applied Statistics 24, 1975): the best
    is drawn among all trials with chances as their strengths, the second best among the others,
    and so on, for the first `ranked` of them. Log k is uniform on either side of 0, and positive
    with probability `before`.

    Args:
        membership: how much of each trial is the source's, in [0, 1], the best trial first,
            shape (n,).
        before: the probability before any trial is seen, in [0, 1].
        ranked: how far the order matters.
    """
    strength = 1.0 + membership * np.expm1(_LOG_K)[:, None]  # (strengths, n)
    left = np.cumsum(strength[:, ::-1], axis=1)[:, ::-1]
    log_p = np.log(strength[:, :ranked] / left[:, :ranked]).sum(axis=1)
    belief = np.exp(log_p - log_p.max(initial=-math.inf))
    mine, others = before * belief[_LOG_K > 0.0].sum(), (1 - before) * belief[_LOG_K < 0.0].sum()
    return float(mine / (mine + others))


def adapted_weights(
    outcomes: Sequence[Outcome], weight: float, *, learns: bool = False
) -> SourceWeights:
    """Which fraction of the next trials each source is to propose.

    Until trials of the prior can be told from others the prior's is `weight`. Then it is the
    probability that its trials are stronger than the others, one half before they are seen, or
    `weight` where that is more: so a prior may begin with a small weight, which costs little if it
    is a bad one, without being taken for a bad one. It stays within `MIN_WEIGHT` and `MAX_WEIGHT`.
    The rest is divided between uniform and base in the same way. From eight finalists on the
    probability before counts less and less, since the base sampler learns and the prior does not
    (as the prior's exponent beta / n in πBO, Hvarfner et al., ICLR 2022).

    Args:
        outcomes: of the trials that have ended.
        weight: the prior's at first, in [0, 1].
        learns: whether the prior learns from the study too, so that it is not discounted.
    """
    order, finalists = ranking(outcomes)
    memberships = np.array([outcomes[i].source_weights for i in order]).reshape(-1, 3)
    prior_weight = weight
    if len(memberships) and memberships[:, 0].min() < 0.5 < memberships[:, 0].max():
        discount = 1.0 if learns else min(1.0, _UNDISCOUNTED / max(finalists, 1))
        before = min(max(weight, EVEN), 0.999) * discount
        ranked = max(2, math.ceil(_BEST * finalists))
        prior_weight = plackett_luce_probability(memberships[:, 0], before, ranked)
    prior_weight = min(max(prior_weight, MIN_WEIGHT), MAX_WEIGHT)
    others = memberships[memberships[:, 0] < 0.5]
    ranked = max(2, math.ceil(_BEST * finalists * len(others) / max(len(memberships), 1)))
    low, high = _UNIFORM_WITHIN
    uniform = min(max(plackett_luce_probability(others[:, 1], UNIFORM, ranked), low), high)
    rest = 1.0 - prior_weight
    return SourceWeights(prior_weight, rest * uniform, rest * (1.0 - uniform))
