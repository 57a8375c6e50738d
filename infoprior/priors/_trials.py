"""A prior from a table of trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ._axes import CategoricalAxis
from ._errors import PriorError
from ._learn import learn
from ._ranking import TOP, Best, Tried, best, check_top
from ._union import axes_of, contained

if TYPE_CHECKING:
    from ._prior import Prior

_PREFIX = "params_"
_CONSTRAINTS = "system_attrs_constraints"  # where `trials_dataframe` puts them
_LOG_RATIO = 1e3  # a positive column that spans three decades is taken to be on a log scale


@np.errstate(all="ignore")
def from_trials(
    frame: Any,
    *,
    space: Mapping[str, BaseDistribution] | None = None,
    value: str | Sequence[str] | None = None,
    direction: str | Sequence[str] = "minimize",
    study: str | None = None,
    outside: str = "move",
    top: float = TOP,
    metafeatures: Mapping[str, Any] | None = None,
    target: Any = None,
    bandwidth: float | None = None,
    floor: float | None = None,
    max_components: int = 512,
) -> Prior:
    """A prior around the best rows of a table of trials.

    Rows are ranked as `from_studies` ranks trials, and everything else is as there; what follows
    is what differs. The table is a pandas DataFrame of one of two layouts: that of Optuna's
    `study.trials_dataframe()` (with `multi_index` or without), whose columns `params_...` are the
    parameters; or one with a column for each name of `space`.

    A `state` column, where there is one, says what became of a trial, as in Optuna's: COMPLETE
    rows are ranked, PRUNED ones count among how many there were but are never among the best
    (the table does not say how far they got), FAIL, RUNNING and WAITING ones are left out. Rows
    with a missing value are left out. Columns `system_attrs_constraints...` hold constraints:
    above zero is infeasible. A missing parameter (NaN, or None where it is no choice) is one that
    the trial does not have.

    Args:
        frame: the table.
        space: name -> Optuna distribution. A table does not say where its parameters could have
            been, so this is worth giving. Without it, with `params_` columns: whole numbers and
            floats get the range seen, on a log scale where it is positive and spans three decades;
            text, booleans and mixtures are choices.
        value: the column of the objective, or several for several objectives; by default
            "value", or else all that begin with "values_".
        direction: "minimize" or "maximize"; one for each objective where they differ.
        study: the column that says which study a row belongs to; all are one study by default,
            and a prior from a single study is less certain of where it holds.
        outside, top, metafeatures, target, bandwidth, floor, max_components: as `from_studies`;
            metafeatures go by the text of the `study` column.

    Raises:
        PriorError: where a column is missing or wrong, or there is nothing to learn from.

    Example:
        >>> import optuna
        >>> from infoprior.priors import Prior
        >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        >>> study.optimize(lambda t: (t.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=40)
        >>> space = {"x": optuna.distributions.FloatDistribution(0, 1)}
        >>> prior = Prior.from_trials(study.trials_dataframe(), space=space)
        >>> prior.log_ratio({"x": 0.3}) > 0.5
        True
    """
    share = check_top(top)
    if outside not in ("move", "drop"):
        raise PriorError(f"outside: needs to be 'move' or 'drop', got {outside!r}.")
    table = _columns(frame)
    parameters = _parameters(table, space)
    live = {n: _inferred(n, c) for n, c in parameters.items()} if space is None else dict(space)
    axes = axes_of(live)
    no_value = {n: isinstance(a, CategoricalAxis) and None in a.choices for n, a in axes.items()}
    losses = _losses(table, value, direction)
    n = len(losses)
    state = [str(s).rsplit(".", 1)[-1].upper() for s in table.get("state", ["COMPLETE"] * n)]
    limits = [column for name, column in table.items() if name.startswith(_CONSTRAINTS)]
    groups = ["table"] * n if study is None else [str(s) for s in _column(table, study, "study")]
    tried: dict[str, list[Tried]] = {}
    totals: dict[str, int] = {}
    for i in range(n):
        params = {
            name: column[i]
            for name, column in parameters.items()
            if not _missing(column[i]) or (column[i] is None and no_value[name])
        }
        reason, trial = _try(params, losses[i], state[i], [c[i] for c in limits])
        if trial is not None and outside == "drop" and not contained(axes, params):
            reason, trial = "outside", None
        totals[reason] = totals.get(reason, 0) + 1
        if trial is not None:
            tried.setdefault(groups[i], []).append(trial)
    found: list[Best] = []
    for name in sorted(tried):
        counts: dict[str, int] = {}
        chosen = best(name, tried[name], share, counts)
        if chosen is not None and chosen.n_ranked > 1:
            found.append(chosen)
            for key, count in counts.items():
                totals[key] = totals.get(key, 0) + count
    if not found:
        raise PriorError(f"frame: there are no two trials to compare in its {n} rows ({totals}).")
    metadata: dict[str, str | float | int] = {"source": "trials", "studies": len(set(groups))}
    metadata["studies_used"] = len(found)
    metadata |= {f"trials_{key}": count for key, count in sorted(totals.items())}
    return learn(
        found,
        live,
        bandwidth=bandwidth,
        floor=floor,
        max_components=max_components,
        metafeatures=metafeatures,
        target=target,
        metadata=metadata,
    )


def _columns(frame: Any) -> dict[str, list[Any]]:
    """name -> values as Python scalars; levels of a column index are joined by "_"."""
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise PriorError(f"frame: needs a pandas DataFrame, got {type(frame).__name__}.")
    table: dict[str, list[Any]] = {}
    for i, label in enumerate(frame.columns):
        parts = label if isinstance(label, tuple) else (label,)
        name = "_".join(str(part) for part in parts if str(part) != "")
        if name in table:
            raise PriorError(f"frame: there are two columns {name!r}.")
        table[name] = frame.iloc[:, i].tolist()
    return table


def _column(table: Mapping[str, list[Any]], name: str, what: str) -> list[Any]:
    if name not in table:
        raise PriorError(f"{what}: the frame has no column {name!r}; it has {[*table]}.")
    return table[name]


def _parameters(
    table: Mapping[str, list[Any]], space: Mapping[str, BaseDistribution] | None
) -> dict[str, list[Any]]:
    prefixed = {n[len(_PREFIX) :]: c for n, c in table.items() if n.startswith(_PREFIX)}
    if space is None:
        if not prefixed:
            raise PriorError("space: is needed where the frame has no columns 'params_...'.")
        return {n: c for n, c in prefixed.items() if not all(_missing(v) for v in c)}
    known = {n: prefixed.get(n, table.get(n)) for n in space}
    result = {n: c for n, c in known.items() if c is not None}
    if not result:
        raise PriorError(f"frame: has no column for any of {[*space]}; it has {[*table]}.")
    return result


def _missing(value: Any) -> bool:
    """None, NaN, NaT, or pandas' NA, which compares as itself only."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _inferred(name: str, column: Sequence[Any]) -> BaseDistribution:
    """The distribution that a column's values suggest."""
    seen = [v for v in column if not _missing(v)]
    if not all(_is_number(v) and math.isfinite(v) for v in seen):
        try:
            choices = {(type(v).__name__, v): v for v in seen}
        except TypeError:
            raise PriorError(
                f"frame: column {name!r} holds lists or the like; "
                "a prior's choices are None, bool, int, float or str."
            ) from None
        order = sorted(choices, key=lambda key: (key[0], str(key[1])))
        return CategoricalDistribution([choices[key] for key in order])
    low, high = min(seen), max(seen)
    log = low > 0 and high / low >= _LOG_RATIO
    gaps = len(seen) < len(column)  # pandas turns an int column with gaps into floats
    if all(isinstance(v, (int, np.integer)) or (gaps and float(v).is_integer()) for v in seen):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _losses(
    table: Mapping[str, list[Any]],
    value: str | Sequence[str] | None,
    direction: str | Sequence[str],
) -> list[list[float] | None]:
    """Each row's objectives, lower is better; None where one is missing."""
    if value is None:
        names = ["value"] if "value" in table else [n for n in table if n.startswith("values_")]
        if not names:
            raise PriorError("value: the frame has no column 'value'; pass value= to name it.")
    else:
        names = [value] if isinstance(value, str) else list(value)
    directions = [direction] * len(names) if isinstance(direction, str) else list(direction)
    if len(directions) != len(names):
        raise PriorError(f"direction: there are {len(directions)} for {len(names)} objectives.")
    for d in directions:
        if d not in ("minimize", "maximize"):
            raise PriorError(f"direction: needs to be 'minimize' or 'maximize', got {d!r}.")
    signed = []
    for name, d in zip(names, directions, strict=True):
        column = _column(table, name, "value")
        if wrong := [v for v in column if not _missing(v) and not _is_number(v)]:
            raise PriorError(f"value: column {name!r} needs numbers, got {wrong[0]!r}.")
        sign = -1.0 if d == "maximize" else 1.0
        signed.append([math.nan if _missing(v) else sign * float(v) for v in column])
    rows = [list(row) for row in zip(*signed, strict=True)]
    return [None if any(x != x for x in row) else row for row in rows]


def _try(
    params: dict[str, Any], losses: list[float] | None, state: str, limits: Sequence[Any]
) -> tuple[str, Tried | None]:
    """(what a row is counted as, what is ranked of it)."""
    if state in ("FAIL", "RUNNING", "WAITING"):
        return ("failed" if state == "FAIL" else "unfinished"), None
    if state not in ("COMPLETE", "PRUNED"):
        raise PriorError(f"frame: column 'state' holds {state!r}, which is no Optuna state.")
    if not params:
        return "without_parameters", None
    if state == "PRUNED":
        return "pruned", Tried(params, None)
    if losses is None:
        return "without_value", None
    if not all(_satisfied(limit) for limit in limits):
        return "infeasible", Tried(params, None)
    if not all(math.isfinite(x) for x in losses):
        return "not_finite", Tried(params, tuple(math.inf for _ in losses))
    return "complete", Tried(params, tuple(losses))


def _satisfied(limit: Any) -> bool:
    """Whether a constraint, or each of a list, is at most zero; a missing one is."""
    if isinstance(limit, (list, tuple, np.ndarray)):
        return all(_satisfied(x) for x in limit)
    return _missing(limit) or (_is_number(limit) and limit <= 0.0)
