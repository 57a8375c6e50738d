"""Hyperband replayed over recorded learning curves (Li et al., JMLR 18, 2018, Algorithm 1).

The recorded architectures of one task stand for the space. Each replay draws them in an order
that a prior sets, and charges the epochs that Hyperband would have trained. As everything is
recorded, many seeds and priors cost milliseconds, and all priors get the same random numbers.

The brackets for R = 27 and eta = 3, in the order they run here, then over again: 4 architectures
at 27 epochs; 6 at 9, 2 at 27; 12 at 3, 4 at 9, 1 at 27; 27 at 1, 9 at 3, 3 at 9, 1 at 27.

That is Algorithm 1 (`infoprior.priors.hyperband_brackets`) from the most conservative bracket to
the most aggressive. The paper runs them the other way round, but its brackets are independent and
their order is free (Optuna interleaves them). Over a small recorded pool the order matters: the
aggressive bracket draws 27 architectures, nearly all of a pool of 32, so after it every prior has
looked at the same ones, and what a replay measured would be successive halving alone. Conservative
first, the draws before the pool runs short are few and dear, and a prior that knows something shows
it from the first training on.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from infoprior._arguments import (
    check_seed,
    data_frame,
    number_list,
    real_number,
    whole_number,
    whole_within,
)
from infoprior.evaluation._errors import EvaluationError
from infoprior.evaluation._metrics import MOST_DRAWS, Floats, RegretScale, drawable, over_recorded
from infoprior.priors import hyperband_brackets, hyperband_rungs

Ints = NDArray[np.int64]
_KEYS = ["task", "architecture", "seed", "epoch"]


def epochs_at_rungs(max_epochs: int, eta: int) -> tuple[int, ...]:
    """1, eta, eta², …, max_epochs: a replay's rungs, in epochs.

    Args:
        max_epochs: of a full training; a power of eta.
        eta: the reduction factor.

    Raises:
        EvaluationError: max_epochs isn't a power of eta.
    """
    eta = whole_number(eta, "eta", 2, EvaluationError)
    max_epochs = whole_number(max_epochs, "max_epochs", 1, EvaluationError)
    levels = hyperband_rungs(max_epochs, reduction_factor=eta)
    if max_epochs != eta ** (len(levels) - 1):
        raise EvaluationError(f"max_epochs must be a power of eta = {eta}, got {max_epochs}")
    return levels


@dataclass(frozen=True, eq=False)
class RecordedCurves:
    """The curves of one task as arrays, made once and replayed many times.

    Attributes:
        task: its name.
        architectures: their ids, sorted: the order of ``log_ratio``.
        epochs: the rungs, in epochs.
        eta: factor between rungs.
        validation, test: accuracies at the rungs, shape (n_recorded_seeds, n, n_rungs).
        final_validation, final_test: accuracies at the last rung, mean over the recorded seeds,
            shape (n,).
        scale: what regret is measured by, of ``final_test``.
    """

    task: str
    architectures: tuple[str, ...]
    epochs: tuple[int, ...]
    eta: int
    validation: Floats
    test: Floats
    final_validation: Floats
    final_test: Floats
    scale: RegretScale

    @classmethod
    def from_frame(
        cls, curves: pd.DataFrame, *, max_epochs: int = 27, eta: int = 3, min_gap: float = 1e-9
    ) -> RecordedCurves:
        """From the curves table of one task.

        Args:
            curves: columns task, architecture, seed, epoch, validation_accuracy, test_accuracy;
                each (architecture, seed) with a row at every rung. Where architectures have
                different numbers of seeds, the fewer are gone through again.
            max_epochs: a full training, the last rung.
            eta: factor between rungs.
            min_gap: see `RegretScale`.

        Raises:
            EvaluationError: columns missing, more than one task, repeated rows, a rung that
                isn't recorded, accuracies outside [0, 1].
        """
        levels = epochs_at_rungs(max_epochs, eta)
        accuracies = ["validation_accuracy", "test_accuracy"]
        data_frame(curves, "curves", [*_KEYS, *accuracies], EvaluationError)
        for name in accuracies:
            if not pd.api.types.is_numeric_dtype(curves[name]):
                raise EvaluationError(f"curves: {name} has to be a column of numbers")
        names = curves["task"].unique()
        if len(names) != 1:
            raise EvaluationError(f"one task's curves are needed, got those of {len(names)}")
        task = str(names[0])
        at_rungs = curves[curves["epoch"].isin(levels)]
        if at_rungs.duplicated(_KEYS).any():
            raise EvaluationError(f"the curves of {task!r} hold the same epoch twice")
        wide = at_rungs.pivot(
            index=["architecture", "seed"],
            columns="epoch",
            values=accuracies,
        )
        architectures = sorted(curves["architecture"].unique())
        by_architecture = wide.groupby(level="architecture", sort=True).indices
        for name in architectures:
            if name not in by_architecture:
                raise EvaluationError(f"{task!r}: {name} has no row at any of the rungs {levels}")
        repeats = max(len(rows) for rows in by_architecture.values())
        picked = np.array([np.resize(by_architecture[name], repeats) for name in architectures])
        parts = []
        for metric in accuracies:
            values = np.full((len(wide), len(levels)), np.nan)
            for column, level in enumerate(levels):
                if (metric, level) in wide.columns:
                    values[:, column] = wide[(metric, level)].to_numpy(np.float64)
            bad = ~((values >= 0.0) & (values <= 1.0))
            if bad.any():
                row, column = np.argwhere(bad)[0]
                raise EvaluationError(
                    f"{task!r}: {wide.index[row][0]}, seed {wide.index[row][1]}, has no "
                    f"{metric} within [0, 1] at epoch {levels[column]}; every rung of {levels} "
                    "must be recorded"
                )
            parts.append(values)
        means = [
            np.array([part[by_architecture[name], -1].mean() for name in architectures])
            for part in parts
        ]
        validation, test = (part[picked].transpose(1, 0, 2) for part in parts)
        scale = RegretScale.of(means[1], min_gap=min_gap)
        ids = tuple(str(name) for name in architectures)
        return cls(task, ids, levels, eta, validation, test, means[0], means[1], scale)

    def align(self, log_ratio: ArrayLike | Mapping[str, float] | pd.Series) -> Floats:
        """Scores to draw by, in the order of ``architectures``.

        Args:
            log_ratio: an array in that order, or by architecture id; a constant added to it
                makes no difference.

        Returns:
            Shape (n,): the prior restricted to these architectures, relative to uniform over
            them (`over_recorded`); where it is ``-inf``, a number far below all others.

        Raises:
            EvaluationError: architectures missing, another shape, NaN, +inf, or ``-inf``
                throughout.
        """
        if isinstance(log_ratio, pd.Series | Mapping):
            missing = [name for name in self.architectures if name not in log_ratio]
            if missing:
                raise EvaluationError(f"log_ratio lacks the architectures {missing[:5]}")
            log_ratio = [log_ratio[name] for name in self.architectures]
        scores = number_list(log_ratio, "log_ratio", EvaluationError, finite=False)
        if scores.shape != (len(self.architectures),):
            raise EvaluationError(
                f"log_ratio must hold one number for each of the {len(self.architectures)} "
                f"architectures of {self.task!r}, got shape {scores.shape}"
            )
        return drawable(over_recorded(scores))


def replay(
    curves_of_task: pd.DataFrame | RecordedCurves,
    log_ratio: ArrayLike | Mapping[str, float] | pd.Series,
    *,
    seeds: int = 30,
    budgets: Sequence[float] = (1, 2, 4, 8, 16),
    start_cost: float | Sequence[float] = 0.0,
    weight: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Regret of Hyperband under a prior after given budgets, over recorded curves.

    Brackets: from the most conservative to the most aggressive, then over again; their order is
    free, and only this one lets a prior matter early over a small recorded pool (see the module).
    The first training is a full one, so nothing is evaluated below one full training.

    Sampling: architectures come without replacement in the order of log_ratio + Gumbel noise,
    which is drawing one after the other in proportion to exp(log_ratio); the last bracket may
    find fewer left and runs with those. When all have been drawn once, each further bracket
    draws anew, those that aren't fully trained yet before those that are. Epochs once paid for
    are never paid again: continuing from a rung costs the further epochs only, and an architecture
    drawn again costs nothing up to where it was trained before.

    Promotion: the best by validation accuracy at the rung. Incumbent: the best validation
    accuracy at the highest rung that any architecture has reached (the first one if tied). A
    training counts when it is finished; no budget is ever overrun.

    Start cost: what the probes and their profiling cost, in full trainings; 0 for priors that
    need none. As long as the budget less start cost pays for no evaluation, regret is NaN:
    nothing found yet isn't as good as a median network. Compare priors at budgets at which
    each has found something, or say what a missing one counts for.

    Args:
        curves_of_task: the curves table of one task, or `RecordedCurves` (quicker when the same
            task is replayed for several priors).
        log_ratio: log p(x) − log u(x) in nats, by architecture id or in sorted order of ids. A
            constant makes no difference: the prior is restricted to the recorded architectures
            (`over_recorded`).
        seeds: number of replays. Replay i uses the same random numbers for every prior (of the
            same task), and the i-th recorded training of each architecture, round and round.
        budgets: in full trainings (``max_epochs`` epochs each).
        start_cost: in full trainings, part of the budget. Of several the searches are replayed
            once: what a start cost leaves of a budget decides only where they are cut.
        weight: of the prior; below 1 the rest is uniform over the recorded architectures,
            as with `PriorSampler` over a random base sampler: every draw is from the mixture.
        seed: random numbers.

    Returns:
        One row per (seed, budget): ``seed``, ``budget``; ``regret`` of the incumbent
        *architecture* (its recorded test accuracy after full training: which one would you
        choose now; 0 best, 1 median); ``regret_in_hand`` of the incumbent *network* as trained
        so far (its test accuracy at its rung in this replay's recorded training: nothing more
        to pay); ``incumbent`` (architecture id); ``rung`` it has reached (epochs); ``cost``
        spent when it became the incumbent, never above the budget. Before any evaluation both
        regrets are NaN, the incumbent is None, the rung 0, the cost what of the start cost the
        budget covers. Of several start costs: these rows of each, with a column ``start_cost``.

    Raises:
        EvaluationError: bad curves (see `RecordedCurves.from_frame`), log-ratios that don't fit
            them, settings out of range.
    """
    recorded = (
        curves_of_task
        if isinstance(curves_of_task, RecordedCurves)
        else RecordedCurves.from_frame(curves_of_task)
    )
    scores = recorded.align(log_ratio)
    seeds = whole_within(seeds, "seeds", 1, MOST_DRAWS, EvaluationError)
    seed = check_seed(seed, EvaluationError)
    weight = real_number(weight, "weight", 0.0, 1.0, error=EvaluationError)
    allowed = number_list(budgets, "budgets", EvaluationError)
    if not (allowed > 0).all():
        raise EvaluationError(f"budgets have to be above 0, got {allowed.min():g}")
    several = isinstance(start_cost, Sequence | np.ndarray)
    costs = start_cost if several else [start_cost]
    charged = number_list(costs, "start_cost", EvaluationError)
    if not (charged >= 0.0).all():
        raise EvaluationError(f"start_cost has to be 0 or more full trainings, got {start_cost}")
    if weight < 1.0:  # log(w p/u + 1 - w), in log space so that a steep prior can't overflow
        part = math.log(weight) if weight > 0.0 else -math.inf
        scores = np.logaddexp(part + scores, math.log1p(-weight))
    longest = int(_epochs_left(recorded, allowed, float(charged.min())).max())
    searches = _run(recorded, scores, seeds, longest, seed)
    tables = [_judge(recorded, searches, allowed, float(cost)) for cost in charged]
    if not several:
        return tables[0]
    named = [table.assign(start_cost=cost) for table, cost in zip(tables, charged, strict=True)]
    return pd.concat(named, ignore_index=True)


def _epochs_left(recorded: RecordedCurves, budgets: Floats, start_cost: float) -> Floats:
    """Whole epochs that each budget leaves after the start cost; the slack is for float noise."""
    return np.floor((budgets - start_cost) * recorded.epochs[-1] + 1e-6)


def _judge(
    recorded: RecordedCurves,
    searches: tuple[Ints, Ints, Ints, Floats],
    budgets: Floats,
    start_cost: float,
) -> pd.DataFrame:
    """The rows of `replay` for one start cost, from the evaluations of `_run`."""
    members, levels, costs, values = searches
    seeds, full = len(members), recorded.epochs[-1]
    available = _epochs_left(recorded, budgets, start_cost)
    spent = np.cumsum(costs, axis=1)
    # One number orders (rung, validation accuracy): accuracies lie in [0, 1].
    rank = 2.0 * levels + values
    best = np.maximum.accumulate(rank, axis=1)
    improved = np.ones(rank.shape, dtype=bool)
    improved[:, 1:] = best[:, 1:] > best[:, :-1]
    incumbent = np.maximum.accumulate(np.where(improved, np.arange(rank.shape[1]), 0), axis=1)
    # finished[s, b]: how many evaluations budget b has paid for in replay s
    finished = (spent[:, :, None] <= available).sum(axis=1)
    event = np.take_along_axis(incumbent, np.maximum(finished - 1, 0), axis=1)
    row = np.arange(seeds)[:, None]
    chosen, level = members[row, event], levels[event]
    repeat = row % recorded.test.shape[0]
    nothing = finished == 0
    scale = recorded.scale
    regret = np.where(nothing, np.nan, scale.regret(recorded.final_test[chosen]))
    in_hand = np.where(nothing, np.nan, scale.regret(recorded.test[repeat, chosen, level]))
    names = np.array(recorded.architectures, dtype=object)
    incumbents = names[chosen]
    incumbents[nothing] = None
    reached = np.where(nothing, 0, np.asarray(recorded.epochs)[level])
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(seeds), budgets.size),
            "budget": np.tile(budgets, seeds),
            "regret": regret.ravel(),
            "regret_in_hand": in_hand.ravel(),
            "incumbent": incumbents.ravel(),
            "rung": reached.ravel(),
            "cost": np.where(
                nothing, np.minimum(start_cost, budgets), start_cost + spent[row, event] / full
            ).ravel(),
        }
    )


def _run(
    recorded: RecordedCurves, scores: Floats, seeds: int, limit: int, seed: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """All evaluations of all replays, until each has spent ``limit`` epochs or trained all.

    The replays run in step, one array operation for all: a bracket has the same shape in each.

    Returns:
        members (seeds, n_events): which architecture; levels (n_events,): the rung index;
        costs (seeds, n_events): epochs paid, 0 where already trained that far;
        values (seeds, n_events): validation accuracy.
    """
    epochs = np.array(recorded.epochs)
    brackets = hyperband_brackets(len(epochs), recorded.eta)[::-1]
    n = scores.size
    row = np.arange(seeds)[:, None]
    repeat = row % recorded.validation.shape[0]
    paid = np.zeros((seeds, n), dtype=np.int64)
    entropy = [seed, zlib.crc32(recorded.task.encode())]
    order, used, rounds, turn = np.zeros((seeds, 0), dtype=np.int64), 0, 0, 0
    members: list[Ints] = []
    levels: list[Ints] = []
    costs: list[Ints] = []
    values: list[Floats] = []
    while True:
        if used == order.shape[1] or rounds > 1:
            rng = np.random.default_rng([*entropy, rounds])
            keys = scores + rng.gumbel(size=(seeds, n))  # row i doesn't depend on `seeds`
            # The fully trained come last. So every bracket of the least aggressive kind trains
            # some to the end, and the loop ends however steep the prior is.
            order = np.lexsort((-keys, paid == epochs[-1]), axis=1)
            used, rounds = 0, rounds + 1
        first, sizes = brackets[turn % len(brackets)]
        turn += 1
        drawn = order[:, used : used + sizes[0]]
        used += drawn.shape[1]
        for step in range(len(sizes)):
            level = first + step
            if step:
                keep = max(1, drawn.shape[1] // recorded.eta)
                ranking = np.argsort(-values[-1], axis=1, kind="stable")[:, :keep]
                drawn = np.take_along_axis(drawn, ranking, axis=1)
            already = paid[row, drawn]
            cost = np.maximum(epochs[level] - already, 0)
            paid[row, drawn] = already + cost
            members.append(drawn)
            levels.append(np.full(drawn.shape[1], level))
            costs.append(cost)
            values.append(recorded.validation[repeat, drawn, level])
        if paid.sum(axis=1).min() >= min(limit, n * int(epochs[-1])):
            break
    return (
        np.concatenate(members, axis=1),
        np.concatenate(levels),
        np.concatenate(costs, axis=1),
        np.concatenate(values, axis=1),
    )
