"""Statistics over tasks: intervals, paired tests, and the table of comparisons.

The unit is the task, never the seed or the draw: more seeds make a task's number steadier, they
don't make more tasks. Tasks of one family aren't independent: intervals resample families, and
tests see one number per family.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from infoprior._arguments import (
    check_seed,
    data_frame,
    name_list,
    number_list,
    real_number,
    whole_within,
)
from infoprior.evaluation._errors import EvaluationError
from infoprior.evaluation._metrics import MOST_DRAWS

Floats = NDArray[np.float64]
GROUP = ("predictor", "inputs")


class Interval(NamedTuple):
    """Ends of a confidence interval."""

    low: float
    high: float


def bootstrap_interval(
    values: ArrayLike,
    level: float = 0.95,
    n: int = 10_000,
    seed: int = 0,
    *,
    families: Sequence[Any] | None = None,
) -> Interval:
    """Percentile bootstrap interval of the mean over tasks (Efron and Tibshirani 1993, ch. 13).

    With ``families`` whole families are drawn with replacement (cluster bootstrap: Davison and
    Hinkley 1997, section 3.8) and the mean is over all tasks of those drawn.

    Args:
        values: one number per task, shape (n_tasks,).
        level: coverage, above 0 and below 1.
        n: number of resamples.
        seed: random numbers.
        families: the family of each task, same length.

    Returns:
        (low, high). A single task or family tells nothing about others: (-inf, inf).

    Raises:
        EvaluationError: no values, non-finite values, lengths that differ, a level out of range.
    """
    array = _vector(values, "values")
    level = real_number(level, "level", 0.0, 1.0, above=True, below=True, error=EvaluationError)
    n = whole_within(n, "n", 1, MOST_DRAWS, EvaluationError)
    seed = check_seed(seed, EvaluationError)
    groups = np.arange(array.size) if families is None else _codes(families, array.size)
    sums = np.bincount(groups, weights=array)
    sizes = np.bincount(groups).astype(np.float64)
    if sums.size < 2:
        return Interval(-np.inf, np.inf)
    counts = _resamples(sums.size, n, seed)
    means = (counts @ sums) / (counts @ sizes)
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high))


@lru_cache(maxsize=4)
def _resamples(size: int, n: int, seed: int) -> Floats:
    """How often each of `size` families is drawn in each of n resamples, shape (n, size).

    Kept, as all metrics and predictors of one set of tasks share them.
    """
    # Multinomial: no need to draw indices one by one.
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1.0 / size), size=n)
    counts: Floats = drawn.astype(np.float64)
    counts.flags.writeable = False
    return counts


def wilcoxon(a: ArrayLike, b: ArrayLike, *, families: Sequence[Any] | None = None) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test on paired values of the same tasks.

    Zero differences keep their ranks, split evenly between the two sides (Demšar, JMLR 7, 2006,
    section 3.1.3); all zero gives 1. Differences are rounded to 12 decimals first, so that
    ties aren't broken by rounding noise. With ``families`` the differences are averaged within
    each family before the test, because the test supposes independent pairs.

    Args:
        a, b: one number per task each, shape (n_tasks,), in the same order.
        families: the family of each task, same length; None: each task is its own.

    Returns:
        the p-value.

    Raises:
        EvaluationError: lengths differ, no values, or values that aren't finite.
    """
    from scipy import stats

    first, second = _vector(a, "a"), _vector(b, "b")
    if first.shape != second.shape:
        raise EvaluationError(f"paired values needed, got {first.size} and {second.size}")
    difference = first - second
    if families is not None:
        groups = _codes(families, difference.size)
        difference = np.bincount(groups, weights=difference) / np.bincount(groups)
    difference = np.round(difference, 12)
    if not difference.any():
        return 1.0
    p = stats.wilcoxon(difference, zero_method="zsplit", alternative="two-sided").pvalue
    return float(min(1.0, p))


def holm(p_values: ArrayLike) -> Floats:
    """Holm's step-down adjusted p-values (Scandinavian Journal of Statistics 6, 1979).

    Same order as given, never falling with the raw value, at most 1. NaN stays NaN and doesn't
    count as a test.

    Raises:
        EvaluationError: values outside [0, 1].
    """
    p = number_list(p_values, "p_values", EvaluationError, finite=False, least=0)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    raw = p[tested]
    if ((raw < 0.0) | (raw > 1.0)).any():
        raise EvaluationError("p-values must lie between 0 and 1")
    order = np.argsort(raw, kind="stable")
    scaled = raw[order] * np.arange(raw.size, 0, -1)
    adjusted[tested[order]] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def compare(
    table: pd.DataFrame,
    metric: str,
    reference: str | tuple[str, ...],
    *,
    group: Sequence[str] = GROUP,
    level: float = 0.95,
    n: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Every predictor against the reference, over tasks.

    Args:
        table: one row per (predictor, inputs, task), or several (seeds, shuffles), which are
            averaged first. Columns: those of ``group``, ``task``, ``metric``, and ``family``
            where tasks share families (without it each task is its own).
        metric: the column compared.
        reference: the row compared with, as values of ``group`` in order; the first alone where
            that is enough, e.g. ``"static"``.
        group: what makes a row of the result; (predictor, inputs) unless told.
        level, n, seed: of the bootstrap intervals, see `bootstrap_interval`.

    Returns:
        One row per predictor, in order of appearance: the columns of ``group``, n_tasks,
        n_families, mean, low, high, difference (mean minus the reference's, task by task),
        difference_low, difference_high, p (Wilcoxon, see `wilcoxon`; NaN in the reference's
        row), p_holm (over all rows but the reference).

    Raises:
        EvaluationError: columns missing, an unknown or ambiguous reference, NaN in the metric,
            a task of two families, or a predictor that wasn't judged on the same tasks as the
            reference.
    """
    group = name_list(group, "group", EvaluationError, least=1)
    (metric,) = name_list([metric], "metric", EvaluationError)
    data_frame(table, "table", [*group, "task", metric], EvaluationError)
    if not pd.api.types.is_numeric_dtype(table[metric]):
        raise EvaluationError(f"{metric} has to be a column of numbers")
    if table[metric].isna().any():
        bad = table.loc[table[metric].isna()].iloc[0]
        raise EvaluationError(
            f"{metric} is missing in {int(table[metric].isna().sum())} rows, first for task "
            f"{bad['task']!r} of {tuple(bad[group])}; leave that task out for every predictor"
        )
    family_of = _family_of(table)
    columns = {
        key if isinstance(key, tuple) else (key,): rows.groupby("task", sort=True)[metric].mean()
        for key, rows in table.groupby(group, sort=False, dropna=False)
    }
    chosen = _reference(list(columns), reference)
    base = columns[chosen].astype(np.float64)
    families = [family_of[task] for task in base.index]
    settings: dict[str, Any] = {"level": level, "n": n, "seed": seed, "families": families}
    rows = []
    for key, column in columns.items():
        if not column.index.equals(base.index):
            differing = sorted(set(map(str, column.index.symmetric_difference(base.index))))
            raise EvaluationError(
                f"{key} and the reference {chosen} weren't judged on the same tasks; "
                f"only one of them has {differing[:5]}"
            )
        values = column.to_numpy(np.float64)
        difference = values - base.to_numpy()
        low, high = bootstrap_interval(values, **settings)
        d_low, d_high = bootstrap_interval(difference, **settings)
        p = np.nan if key == chosen else wilcoxon(values, base.to_numpy(), families=families)
        rows.append(
            dict(zip(group, key, strict=True))
            | {"n_tasks": values.size, "n_families": len(set(families))}
            | {"mean": float(values.mean()), "low": low, "high": high}
            | {"difference": float(difference.mean())}
            | {"difference_low": d_low, "difference_high": d_high, "p": p}
        )
    result = pd.DataFrame(rows)
    result["p_holm"] = holm(result["p"].to_numpy(np.float64))
    return result


def _reference(keys: list[tuple[Any, ...]], reference: str | tuple[str, ...]) -> tuple[Any, ...]:
    if not isinstance(reference, str | tuple | list):
        raise EvaluationError(f"reference has to be a name or several, got {reference!r}")
    wanted = (reference,) if isinstance(reference, str) else tuple(reference)
    matching = [key for key in keys if key[: len(wanted)] == wanted]
    if len(matching) != 1:
        problem = "matches no row" if not matching else f"is ambiguous: {matching}"
        raise EvaluationError(f"the reference {reference!r} {problem}; there are {keys}")
    return matching[0]


def _family_of(table: pd.DataFrame) -> dict[Any, str]:
    if "family" not in table.columns:
        return {task: str(task) for task in table["task"]}
    pairs = table[["task", "family"]].drop_duplicates()
    if pairs["family"].isna().any() or pairs["task"].duplicated().any():
        raise EvaluationError("every task must have exactly one family, the same in all rows")
    return {task: str(family) for task, family in zip(pairs["task"], pairs["family"], strict=True)}


def _codes(families: Sequence[Any], size: int) -> NDArray[np.intp]:
    if isinstance(families, str) or not isinstance(families, Iterable):
        raise EvaluationError(f"families has to be a list, got {families!r}")
    families = list(families)
    if len(families) != size:
        raise EvaluationError(f"{size} values but {len(families)} families")
    codes: NDArray[np.intp] = np.unique([str(name) for name in families], return_inverse=True)[1]
    return codes


def _vector(values: ArrayLike, what: str) -> Floats:
    return number_list(values, what, EvaluationError)
