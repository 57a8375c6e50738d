"""A prior from a table of trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from .._errors import PriorError
from .._mixture.axes import CategoricalAxis, make_axes
from .._values import is_missing, is_number, listed, short
from .joint_space import contained
from .learn import Learned, check_settings, learn, source_metadata
from .ranking import TOP, RankedTrial, TopTrials, rank_complete, top_trials
from .table import Direction, check_column, column_of, columns_of, inferred, losses_of

_PREFIX = "params_"
_CONSTRAINTS = "system_attrs_constraints"  # where `trials_dataframe` puts them


@np.errstate(all="ignore")
def from_trials(
    frame: Any,
    *,
    space: Mapping[str, BaseDistribution] | None = None,
    value: str | Sequence[str] | None = None,
    direction: Direction | Sequence[Direction] = "minimize",
    study: str | None = None,
    outside: str = "move",
    top: float = TOP,
    metafeatures: Mapping[str, Any] | None = None,
    target: Any = None,
    bandwidth: float | None = None,
    floor: float | None = None,
    max_components: int = 512,
    adapt: bool = False,
) -> Learned:
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
        direction: "minimize" or "maximize", or a study's own `direction`; one for each objective
            where they differ.
        study: the column that says which study a row belongs to; all are one study by default,
            and a prior from a single study is less certain of where it holds.
        outside, top, metafeatures, target, bandwidth, floor, max_components, adapt: as
            `from_studies`; metafeatures go by the text of the `study` column.

    Raises:
        PriorError: where a column is missing or wrong (text where `space` has a number, no value
            that is one of the choices), or there is nothing to learn from.

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
    check_settings(top, outside, bandwidth, floor, max_components, adapt)
    axes = {} if space is None else make_axes(space)
    table = columns_of(frame)
    parameters = _parameters(table, space)
    if space is None:
        space = {name: inferred(name, column) for name, column in parameters.items()}
        axes = make_axes(space)
    for name, column in parameters.items():
        check_column(axes[name], column)
    none_is_a_choice = {
        n: isinstance(a, CategoricalAxis) and None in a.choices for n, a in axes.items()
    }
    # Columns that are parameters, where the names are the space's own, are nothing else.
    rest = {n: c for n, c in table.items() if all(c is not p for p in parameters.values())}
    losses = losses_of(rest, value, direction)
    n = len(losses)
    state = [_state(s) for s in rest.get("state", ["COMPLETE"] * n)]
    limits = {name: c for name, c in rest.items() if name.startswith(_CONSTRAINTS)}
    groups = ["table"] * n if study is None else _groups(column_of(rest, study, "study"), study)
    ranked: dict[str, list[RankedTrial]] = {}
    totals: Counter[str] = Counter()
    for i in range(n):
        params = {
            name: column[i]
            for name, column in parameters.items()
            if not is_missing(column[i]) or (column[i] is None and none_is_a_choice[name])
        }
        feasible = all(_satisfied(name, column[i]) for name, column in limits.items())
        reason, trial = _rank(params, losses[i], state[i], feasible)
        if trial is not None and outside == "drop" and not contained(axes, params):
            reason, trial = "outside", None
        totals[reason] += 1
        if trial is not None:
            ranked.setdefault(groups[i], []).append(trial)
    best: list[TopTrials] = []
    for name in sorted(ranked):
        counts: dict[str, int] = {}
        chosen = top_trials(name, ranked[name], top, counts, every=adapt)
        if chosen is not None:
            best.append(chosen)
            totals.update(counts)
    if not best:
        raise PriorError(
            f"frame: there are no two trials to compare in its {n} rows ({dict(totals)})."
        )
    return learn(
        best,
        space,
        bandwidth=bandwidth,
        floor=floor,
        max_components=max_components,
        metafeatures=metafeatures,
        target=target,
        metadata=source_metadata("trials", len(set(groups)), best, totals),
    )


def _parameters(
    table: Mapping[str, list[Any]], space: Mapping[str, BaseDistribution] | None
) -> dict[str, list[Any]]:
    prefixed = {n[len(_PREFIX) :]: c for n, c in table.items() if n.startswith(_PREFIX)}
    if space is None:
        if not prefixed:
            raise PriorError("space: is needed where the frame has no columns 'params_...'.")
        return {n: c for n, c in prefixed.items() if not all(is_missing(v) for v in c)}
    known = {n: prefixed.get(n, table.get(n)) for n in space}
    result = {n: c for n, c in known.items() if c is not None}
    if not result:
        raise PriorError(
            f"frame: has no column for any of {listed(space)}; it has {listed(table)}."
        )
    return result


def _state(value: Any) -> str:
    is_state = isinstance(value, TrialState)
    name = value.name if is_state else str(value).removeprefix("TrialState.").upper()
    if name not in TrialState.__members__:
        raise PriorError(f"frame: column 'state' holds {short(name)}, which is no Optuna state.")
    return name


def _groups(column: Sequence[Any], name: str) -> list[str]:
    if any(is_missing(value) for value in column):
        raise PriorError(f"study: column {short(name)} does not say of every row which it is of.")
    return [str(value) for value in column]


def _rank(
    params: dict[str, Any], losses: list[float] | None, state: str, feasible: bool
) -> tuple[str, RankedTrial | None]:
    """(what a row is counted as, what is ranked of it)."""
    if state in ("FAIL", "RUNNING", "WAITING"):
        return ("failed" if state == "FAIL" else "unfinished"), None
    if not params:
        return "without_parameters", None
    if state == "PRUNED":
        return "pruned", RankedTrial(params, None)
    if losses is None:
        return "without_value", None
    return rank_complete(params, losses, feasible=feasible)


def _satisfied(name: str, limit: Any) -> bool:
    """Whether a constraint, or each of a list, is at most zero; a missing one is."""
    if isinstance(limit, (list, tuple)) or (isinstance(limit, np.ndarray) and limit.ndim):
        return all([_satisfied(name, x) for x in limit])
    if is_missing(limit):
        return True
    if not is_number(limit):
        raise PriorError(
            f"frame: column {short(name)} needs numbers or lists of them, got {short(limit)}."
        )
    return bool(limit <= 0.0)
