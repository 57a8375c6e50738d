"""Searches with and without priors, replayed and live: what each prior cost and what it gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from infoprior._arguments import data_frame
from infoprior.evaluation._errors import EvaluationError
from infoprior.evaluation._judging import FIT, STATIC, VARIANT, _with_holm
from infoprior.evaluation._live import regret_curve
from infoprior.evaluation._metrics import RegretScale, task_seed
from infoprior.evaluation._replay import RecordedCurves, replay
from infoprior.evaluation._statistics import compare


def replay_task(
    curves: pd.DataFrame,
    predictions: pd.DataFrame,
    costs: Mapping[tuple[str, str], float],
    *,
    epochs: int,
    seeds: int,
    budgets: Sequence[float],
    weight: float,
    seed: int,
    min_gap: float,
) -> pd.DataFrame:
    """Every fit's Hyperband on one task's recorded curves: its regret at every budget.

    Args:
        curves: of the task, as `RecordedCurves.from_frame` takes them.
        predictions: one row per fit and architecture: predictor, inputs, shuffle, refit, split,
            architecture, log_ratio (nats, relative to uniform).
        costs: (predictor, inputs) -> what the prior costs before the search starts, in full
            trainings.
        epochs: of a full training.
        seeds: replays that regret is a mean over.
        budgets: in full trainings.
        weight: the share of draws that come from the prior.
        seed: of the replays, together with the task's name.
        min_gap: best minus median test accuracy below which a task tells nothing.

    Returns:
        one row per fit, search ("replay": costs charged; "replay_free") and budget: budget,
        regret (NaN where the budget leaves nothing for the search), predictor, inputs, shuffle,
        refit, part, search, task. Empty where the task tells nothing.

    Raises:
        EvaluationError: a column is missing, or an argument is out of range.
    """
    columns = [*FIT, "split", "architecture", "log_ratio"]
    data_frame(predictions, "predictions", columns, EvaluationError)
    recorded = RecordedCurves.from_frame(curves, max_epochs=epochs, min_gap=min_gap)
    if not recorded.scale.discriminating:
        return pd.DataFrame()
    searches, in_hand = [], []
    for (*fit, split), frame in predictions.groupby([*FIT, "split"], sort=False):
        rows = replay(
            recorded,
            dict(zip(frame["architecture"], frame["log_ratio"], strict=True)),
            seeds=seeds,
            budgets=budgets,
            start_cost=[costs[(str(fit[0]), str(fit[1]))], 0.0],
            weight=weight,
            seed=task_seed(seed, recorded.task),
        )
        part = "test" if split == "test" else "development"
        searches += [(*fit, part, name, recorded.task) for name in ("replay", "replay_free")]
        # The network in hand, as in a live study: a rung's winner is not trained on for free.
        in_hand.append(rows["regret_in_hand"].to_numpy())
    allowed = np.asarray(budgets, dtype=np.float64)
    which, _, budget = np.indices((len(searches), seeds, len(allowed))).reshape(3, -1)
    table = pd.DataFrame(
        {"search": which, "budget": allowed[budget], "regret": np.concatenate(in_hand)}
    )
    mean = table.groupby(["search", "budget"], as_index=False)["regret"].mean()
    about = pd.DataFrame(searches, columns=[*FIT, "part", "search", "task"])
    about = about.iloc[mean.pop("search")].reset_index(drop=True)
    return pd.concat([mean, about], axis=1)


def live_regret(
    rows: pd.DataFrame,
    budgets: Sequence[float],
    *,
    start_cost: float,
    scale: RegretScale,
    search: str = "live",
) -> pd.DataFrame:
    """A live study's regret at every budget, with its prior's cost charged and for free.

    Args:
        rows: of `live_study`, run with this start cost.
        budgets: in full trainings.
        start_cost: of the prior, in full trainings.
        scale: of the task's recorded architectures.
        search: what to call it.

    Returns:
        the rows of `regret_curve`, with the column search: what it is called where the cost is
        charged, and that with "_free" after it.

    Raises:
        EvaluationError: as `regret_curve`.
    """
    curves = []
    for name, charged in ((search, start_cost), (f"{search}_free", 0.0)):
        at = rows.assign(cost=rows["cost"] - start_cost + charged)
        curves.append(regret_curve(at, budgets, scale=scale).assign(search=name))
    return pd.concat(curves, ignore_index=True)


def tasks_for_live_studies(
    tasks: pd.DataFrame, final: pd.DataFrame, held_out: Sequence[str], n: int, min_gap: float
) -> list[str]:
    """The held-out tasks with the most test rows among those that tell architectures apart.

    Args:
        tasks: one row per task: task, n_test, n_train.
        final: one row per (task, architecture): task, test_accuracy.
        held_out: names to choose among.
        n: how many, at most.
        min_gap: best minus median test accuracy that a task needs.

    Returns:
        sorted names.

    Raises:
        EvaluationError: a column is missing.
    """
    data_frame(tasks, "tasks", ["task", "n_test", "n_train"], EvaluationError)
    data_frame(final, "final", ["task", "test_accuracy"], EvaluationError)
    gap = final.groupby("task")["test_accuracy"].agg(lambda a: a.max() - a.median())
    table = tasks[tasks["task"].isin(held_out)].set_index("task")
    table = table[gap.loc[table.index] > min_gap]
    table = table.sort_values(["n_test", "n_train"], ascending=False, kind="stable")
    return sorted(table.index[:n])


def summarize_searches(table: pd.DataFrame, reference: tuple[str, str] = STATIC) -> pd.DataFrame:
    """Mean regret over tasks per search, part, variant and budget, and the difference to a prior.

    Where a budget leaves a variant nothing to search with, its row is empty and it is not tested.

    Args:
        table: one row per search, part, predictor, inputs, task and budget (or several, which are
            averaged): also family, regret.
        reference: (predictor, inputs) of the opponent.

    Returns:
        search, part, predictor, inputs, budget, n_tasks, regret, low, high, difference with its
        interval, p, and p_holm over all tests of a search and part.

    Raises:
        EvaluationError: a column is missing, or the reference was not judged on the same tasks.
    """
    data_frame(
        table, "table", ["search", "part", *VARIANT, "task", "budget", "regret"], EvaluationError
    )
    if table.empty:
        raise EvaluationError("table: there is no search to sum up")
    columns = ["search", "part", *VARIANT, "budget", "n_tasks", "mean", "low", "high"]
    columns += ["difference", "difference_low", "difference_high", "p", "p_holm"]
    parts = []
    for (search, part), rows in table.groupby(["search", "part"], sort=False):
        tests = []
        for budget, frame in rows.sort_values("budget", kind="stable").groupby(
            "budget", sort=False
        ):
            without = frame.groupby(VARIANT, sort=False)["regret"].transform(
                lambda r: r.isna().any()
            )
            compared = compare(frame[~without], "regret", reference)
            idle = frame.loc[without, VARIANT].drop_duplicates()
            tests.append(pd.concat([compared, idle]).assign(budget=budget))
        parts.append(_with_holm(tests).assign(search=str(search), part=str(part)))
    return pd.concat(parts, ignore_index=True)[columns].rename(columns={"mean": "regret"})


def regret_curves(report: pd.DataFrame, shown: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Regret against budget of the replays on the test tasks, costs charged, a row a point.

    A prior that is not paid for yet has no regret, and no row: drawn as an empty cell it would
    stand at 0, the best there is.

    Args:
        report: of `summarize_searches`.
        shown: name of the prior -> (predictor, inputs).

    Returns:
        prior, budget (full trainings), regret.

    Raises:
        EvaluationError: a column is missing, or a prior has no row.
    """
    columns = ["search", "part", *VARIANT, "budget", "regret"]
    data_frame(report, "report", columns, EvaluationError)
    rows = report[(report["part"] == "test") & (report["search"] == "replay")]
    regret = rows.set_index([*VARIANT, "budget"])["regret"].sort_index()
    replayed = set(zip(rows["predictor"], rows["inputs"], strict=True))
    if missing := [variant for variant in shown.values() if variant not in replayed]:
        raise EvaluationError(f"report: no replay of {missing[0]} on the test tasks")
    parts = [
        regret.loc[variant].rename_axis("budget").rename("regret").reset_index().assign(prior=name)
        for name, variant in shown.items()
    ]
    return pd.concat(parts, ignore_index=True).dropna()[["prior", "budget", "regret"]]
