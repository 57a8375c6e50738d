"""Mean ranks over tasks, and which of them are told apart, as a critical-difference diagram shows.

Demšar (JMLR 7, 2006) compares mean ranks by Nemenyi's test, whose answer for two methods depends on
the others in the diagram. As Benavoli, Corani and Mangili (JMLR 17, 2016) advise, pairs are
compared by Wilcoxon's signed-rank test here, corrected by Holm over all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from infoprior._arguments import data_frame, name_list, real_number
from infoprior.evaluation._errors import EvaluationError
from infoprior.evaluation._statistics import bootstrap_interval, holm, wilcoxon

MIN_COMPARED = 3
"""Methods that Friedman's test needs."""


@dataclass(frozen=True)
class Ranks:
    """What `mean_ranks` gives.

    Attributes:
        table: one row a method, the best first: method, rank (mean over tasks, 1 is the best), low
            and high (bootstrap over families).
        pairs: one row for each two methods: first, second, p (Wilcoxon), p_holm.
        groups: methods that are next to each other by rank and not told apart, each group as long
            as it can be; none within another.
        p_friedman: of all methods being alike (Friedman); NaN for two methods.
        n_tasks, n_families: that were ranked on.
        level: of the tests.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame
    groups: list[list[str]]
    p_friedman: float
    n_tasks: int
    n_families: int
    level: float


def mean_ranks(table: pd.DataFrame, metric: str, *, by: str, level: float = 0.05) -> Ranks:
    """Rank methods on every task, and test each two of them.

    Args:
        table: one row per (method, task), or several (seeds), which are averaged first. Columns:
            `by`, task, `metric` (smaller is better), and family where tasks share families.
        metric: the column compared.
        by: the column with the methods' names.
        level: below which an adjusted p-value tells two methods apart.

    Raises:
        EvaluationError: a column is missing, fewer than two methods, a value that isn't finite, or
            a method that wasn't judged on the same tasks as the others.
    """
    by, metric = name_list([by, metric], "by, metric", EvaluationError)
    data_frame(table, "table", [by, "task", metric], EvaluationError)
    level = real_number(level, "level", 0.0, 1.0, above=True, below=True, error=EvaluationError)
    means = table.groupby([by, "task"], sort=False)[metric].mean().unstack("task")
    if len(means) < 2:
        raise EvaluationError(f"table: {len(means)} methods in {by!r}; ranks need two or more.")
    if not np.isfinite(means.to_numpy(np.float64)).all():
        method, task = means.stack(future_stack=True).pipe(lambda v: v[~np.isfinite(v)]).index[0]
        raise EvaluationError(
            f"{metric} of {method!r} on task {task!r} is missing or not finite; leave out the "
            "method, or the task for every method."
        )
    tasks = list(means.columns)
    named = table["family"] if "family" in table else table["task"]
    families = pd.Series(named.to_numpy(str), table["task"]).groupby(level=0).first()[tasks]
    values = means.to_numpy(np.float64)
    # Ties within rounding noise are ties, as in `wilcoxon`.
    ranks = pd.DataFrame(np.round(values, 12)).rank(axis=0, method="average").to_numpy()
    order = np.argsort(ranks.mean(axis=1), kind="stable")
    methods = [str(means.index[i]) for i in order]
    rows = []
    for i, method in zip(order, methods, strict=True):
        low, high = bootstrap_interval(ranks[i], families=list(families))
        rows.append({"method": method, "rank": float(ranks[i].mean()), "low": low, "high": high})
    pairs = pd.DataFrame(
        [
            {
                "first": methods[a], "second": methods[b],
                "p": wilcoxon(values[order[a]], values[order[b]], families=list(families)),
            }
            for a, b in combinations(range(len(methods)), 2)
        ]
    )  # fmt: skip
    pairs["p_holm"] = holm(pairs["p"].to_numpy())
    told = pairs[pairs["p_holm"] < level]
    apart = set(zip(told["first"].astype(str), told["second"].astype(str), strict=True))
    return Ranks(
        pd.DataFrame(rows), pairs, _groups(methods, apart), _friedman(values, families),
        len(tasks), int(families.nunique()), level,
    )  # fmt: skip


def _groups(methods: list[str], apart: set[tuple[str, str]]) -> list[list[str]]:
    groups: list[list[str]] = []
    end = 0
    for start in range(len(methods)):
        stop = start + 1
        while stop < len(methods) and not any(
            (methods[i], methods[stop]) in apart for i in range(start, stop)
        ):
            stop += 1
        if stop > end and stop - start > 1:
            groups.append(methods[start:stop])
        end = max(end, stop)
    return groups


def _friedman(values: np.ndarray, families: pd.Series) -> float:
    """Friedman's test, a family counted once."""
    from scipy import stats

    if len(values) < MIN_COMPARED:
        return float("nan")
    within = pd.DataFrame(values.T).groupby(families.to_numpy(), sort=True).mean().round(12)
    if len(within) < 2:
        return float("nan")
    columns = within.to_numpy().T
    if (columns == columns[0]).all():  # all alike on every task: its statistic is 0 / 0
        return 1.0
    return float(stats.friedmanchisquare(*columns).pvalue)
