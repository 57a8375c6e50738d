"""Which of a study's trials are its best, and how much each of them counts.

Values are compared within a study only, and only by rank: past studies differ in what they measure
and on which scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._mixture.choices import choice_key
from .._values import Array

TOP = 0.1  # the share of a study's trials that counts as its best, as in TPE's default gamma
_KEPT = 128  # trials of all ranks, of a study that a prior is to adapt by
FEWEST, MOST = 3, 25  # of them; 25 is TPE's default too


@dataclass(frozen=True)
class RankedTrial:
    """One trial that can be ranked.

    Attributes:
        params: name -> value.
        losses: the objectives, lower is better, shape (m,); None for a trial that is ranked but
            never among the best.
        stopped: (step reached, loss there) of a pruned trial.
    """

    params: Mapping[str, Any]
    losses: tuple[float, ...] | None
    stopped: tuple[float, float] | None = None


class Ranking(NamedTuple):
    """Trials of all ranks: their parameters, and their ranks among all, in (0, 1), shape (n,)."""

    params: list[Mapping[str, Any]]
    ranks: Array


@dataclass(frozen=True)
class TopTrials:
    """A study's best trials, the best first.

    Attributes:
        name: of the study.
        params: of each trial, n of them.
        weights: shape (n,), float64, summing to one.
        n_ranked: of how many different trials they are the best.
        every: those of all ranks, for a prior that adapts.
    """

    name: str
    params: list[Mapping[str, Any]]
    weights: Array
    n_ranked: int
    every: Ranking | None = None

    @property
    def reliability(self) -> float:
        """(n − 1) / (n + 1): what the best of n is expected to say about where is good.

        The best of n points drawn at random lies at the quantile n / (n + 1) on average, any
        single one at 1/2; this is the share of the way from there to the optimum. 0.90 for 20
        trials and 0.998 for 1,000, so budgets hardly matter beyond a handful, and a study of a
        single trial says nothing.
        """
        return (self.n_ranked - 1) / (self.n_ranked + 1)


def rank_complete(
    params: Mapping[str, Any], losses: Sequence[float], *, feasible: bool
) -> tuple[str, RankedTrial]:
    """(what a trial that has its values is counted as, what is ranked of it)."""
    if not feasible:
        return "infeasible", RankedTrial(params, None)
    if not all(math.isfinite(x) for x in losses):
        return "not_finite", RankedTrial(params, tuple(math.inf for _ in losses))
    return "complete", RankedTrial(params, tuple(losses))


def n_best(n: int, top: float) -> int:
    """How many of n ranked trials are the best: the top share, 3 to 25 of them, half at most."""
    return max(1, min(max(int(np.ceil(top * n)), FEWEST), MOST, (n + 1) // 2))


def top_trials(
    name: str,
    ranked: Sequence[RankedTrial],
    top: float,
    counts: dict[str, int],
    *,
    every: bool = False,
) -> TopTrials | None:
    """The best of a study's trials; None where there are no two to compare, or none is usable.

    How many of them are repeated, and how many are among the best, goes into `counts`.

    Trials that were evaluated more than once count once, with the median of their losses. Pruned
    trials come after every complete one, those that got farther first, since a value at an earlier
    step cannot be compared with a final one (the order TPE gives them). Weights fall with the
    logarithm of the rank (Hansen 2016, The CMA evolution strategy: a tutorial, eq. 49); trials
    that tie share theirs. With `every`, trials of all ranks are kept beside them.
    """
    merged = _merge(ranked)
    counts["duplicate"], counts["used"] = len(ranked) - len(merged), 0
    if len(merged) < 2:
        return None
    m = n_best(len(merged), top)
    group = _groups(merged, m)
    usable = np.flatnonzero(group >= 0)
    if not len(usable):
        return None
    order = usable[np.argsort(group[usable], kind="stable")]
    rank = np.arange(1, len(order) + 1)
    weights = np.where(rank <= m, np.log(m + 0.5) - np.log(rank), 0.0)
    _, inverse, size = np.unique(group[order], return_inverse=True, return_counts=True)
    weights = (np.bincount(inverse, weights) / size)[inverse]
    chosen = weights > 0.0
    counts["used"] = int(chosen.sum())
    weights = weights[chosen] / weights[chosen].sum()
    params = [merged[i].params for i in order[chosen]]
    return TopTrials(name, params, weights, len(merged), _ranking(merged) if every else None)


def _ranking(merged: Sequence[RankedTrial]) -> Ranking:
    """At most `_KEPT` trials: the best quarter of that number, and others of all ranks."""
    group = _groups(merged, len(merged))
    group[group < 0] = group.max() + 1
    order = np.argsort(group, kind="stable")
    if len(order) > _KEPT:
        first = _KEPT // 4
        rest = np.linspace(first, len(order) - 1, _KEPT - first).round().astype(np.int64)
        order = np.unique(np.concatenate([np.arange(first), rest]))
        order = np.argsort(group, kind="stable")[order]
    # Ranks are those among all trials, so that the scores are.
    _, inverse, counts = np.unique(group, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - 0.5 * counts) / len(group)
    return Ranking([merged[i].params for i in order], middle[inverse.reshape(-1)[order]])


def _key(params: Mapping[str, Any]) -> Any:
    """What equal settings have in common, whether a value is 1, 1.0 or True."""
    return tuple((name, _value_key(params[name])) for name in sorted(params))


def _value_key(value: Any) -> Any:
    try:
        return choice_key(value)
    except TypeError:  # lists and the like, which no prior has, but a study may
        return repr(value)


def _merge(ranked: Sequence[RankedTrial]) -> list[RankedTrial]:
    """One trial for each setting of the parameters, in order of first appearance."""
    same: dict[Any, list[RankedTrial]] = {}
    for trial in ranked:
        same.setdefault(_key(trial.params), []).append(trial)
    return [group[0] if len(group) == 1 else _combine(group) for group in same.values()]


def _combine(group: list[RankedTrial]) -> RankedTrial:
    losses = [t.losses for t in group if t.losses is not None]
    if losses:
        return RankedTrial(group[0].params, tuple(np.median(losses, axis=0).tolist()))
    stopped = [t.stopped for t in group if t.stopped is not None]
    farthest = min(stopped, key=lambda s: (-s[0], s[1])) if stopped else None
    return RankedTrial(group[0].params, None, farthest)


def _groups(ranked: Sequence[RankedTrial], enough: int) -> NDArray[np.int64]:
    """Rank groups, lower is better and equal ones tie; -1 for trials never among the best.

    Beyond the first `enough` trials, all with several objectives are of one group.
    """
    group = np.full(len(ranked), -1, dtype=np.int64)
    finite = [
        i for i, t in enumerate(ranked) if t.losses is not None and np.all(np.isfinite(t.losses))
    ]
    if finite:
        losses = np.array([ranked[i].losses for i in finite], dtype=np.float64)
        group[finite] = fronts(losses, enough)
    stopped = [(t.stopped, i) for i, t in enumerate(ranked) if t.losses is None and t.stopped]
    first = int(group.max(initial=-1)) + 1
    keys = sorted({(-step, loss) for (step, loss), _ in stopped})
    position = {key: first + k for k, key in enumerate(keys)}
    for (step, loss), i in stopped:
        group[i] = position[-step, loss]
    return group


def fronts(losses: Array, enough: float = math.inf) -> NDArray[np.int64]:
    """Each point's Pareto front, 0 for the non-dominated ones, shape (n,) for losses (n, m).

    Non-dominated sorting (Deb et al. 2002, section III.A), up to the front that completes the
    first `enough` points; all after it get one number. For one objective that is its rank.
    """
    unique, inverse, counts = np.unique(losses, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    if losses.shape[1] == 1:
        return inverse.astype(np.int64)
    front = np.full(len(unique), -1, dtype=np.int64)
    rest, number = np.arange(len(unique)), 0
    while len(rest) and counts[front >= 0].sum() < enough:
        first = _non_dominated(unique[rest])
        front[rest[first]] = number
        rest, number = rest[~first], number + 1
    front[rest] = number
    return front[inverse]


def _non_dominated(losses: Array) -> NDArray[np.bool_]:
    """Which of some points, all different and in lexicographic order, no other dominates."""
    result = np.zeros(len(losses), dtype=np.bool_)
    if losses.shape[1] == 2:
        # Dominated is who is not below all before it.
        lowest = np.minimum.accumulate(losses[:, 1])
        result[0], result[1:] = True, losses[1:, 1] < lowest[:-1]
        return result
    left = np.arange(len(losses))
    while len(left):  # the first of those left is dominated by none
        result[left[0]] = True
        left = left[1:][~np.all(losses[left[0]] <= losses[left[1:]], axis=1)]
    return result
