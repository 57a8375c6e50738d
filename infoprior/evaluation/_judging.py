"""Predictions judged on tasks, and the tables of what came out.

A *variant* is a predictor with an input set: a row of the report. Its fits (shuffles of the
control, refits of what draws random numbers) are averaged task by task before they are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from infoprior._arguments import data_frame, name_list
from infoprior.evaluation._errors import EvaluationError
from infoprior.evaluation._metrics import task_metrics, task_seed
from infoprior.evaluation._statistics import GROUP, compare, holm

STATIC = ("static", "nothing")
"""(predictor, inputs) of the opponent: the same prior for every data set."""
SHUFFLED = "-shuffled"
"""Suffix of the inputs whose MI, of layers and of inputs, is that of other tasks: the control."""
VARIANT = list(GROUP)
FIT = [*VARIANT, "shuffle", "refit"]
_KEYS = ["part", *VARIANT, "metric"]


def judge_task(
    predictions: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    task: str,
    family: str,
    ks: Sequence[int],
    n_draws: int,
    seed: int,
    min_gap: float,
) -> pd.DataFrame:
    """The metrics of every fit's prior on one task.

    Args:
        predictions: one row per fit and architecture: predictor, inputs, shuffle, refit, split,
            architecture, log_ratio (nats, relative to uniform).
        truth: the architecture (the index) -> validation_accuracy, test_accuracy.
        task: its name.
        family: its family.
        ks: regret is that of the best of k draws, for each of these k.
        n_draws: draws that regret is a mean over.
        seed: draws them, together with the task's name.
        min_gap: best minus median test accuracy below which a task tells nothing.

    Returns:
        one row per fit: `place` (index of its first prediction, so that the rows of several tasks
        can be put in the order of the predictions), predictor, inputs, shuffle, refit, part
        ("test" for the split of that name, else "development"), task, family, and the columns of
        `task_metrics`.

    Raises:
        EvaluationError: a column is missing, or an argument is out of range.
    """
    data_frame(
        predictions, "predictions", [*FIT, "split", "architecture", "log_ratio"], EvaluationError
    )
    data_frame(truth, "truth", ["validation_accuracy", "test_accuracy"], EvaluationError)
    rows = []
    for (*fit, split), frame in predictions.groupby([*FIT, "split"], sort=False):
        recorded = truth.loc[frame["architecture"]]
        metrics = task_metrics(
            frame["log_ratio"],
            recorded["validation_accuracy"],
            recorded["test_accuracy"],
            ks=ks,
            n_draws=n_draws,
            seed=task_seed(seed, task),
            min_gap=min_gap,
        )
        part = "test" if split == "test" else "development"
        about = {**dict(zip(FIT, fit, strict=True)), "part": part, "task": task, "family": family}
        rows.append({"place": frame.index[0], **about, **metrics})
    return pd.DataFrame(rows)


def compare_variants(
    table: pd.DataFrame, metrics: Sequence[str], reference: tuple[str, str] = STATIC
) -> pd.DataFrame:
    """Every variant against the reference, per part and metric.

    Args:
        table: rows of `judge_task`, of tasks that tell architectures apart.
        metrics: the columns that are compared.
        reference: (predictor, inputs) of the opponent.

    Returns:
        the rows of `compare` with the columns part and metric; `p_holm` is over all tests of a
        part.

    Raises:
        EvaluationError: as `compare`, or a column is missing.
    """
    metrics = name_list(metrics, "metrics", EvaluationError, least=1)
    data_frame(table, "table", ["part", *VARIANT], EvaluationError)
    if table.empty:
        raise EvaluationError("table: there is no task to compare variants on")
    parts = []
    for part, rows in table.groupby("part", sort=True):
        tests = [compare(rows, m, reference).assign(part=part, metric=m) for m in metrics]
        parts.append(_with_holm(tests))
    return pd.concat(parts, ignore_index=True)


def compare_with_control(
    table: pd.DataFrame, metrics: Sequence[str], suffix: str = SHUFFLED
) -> pd.DataFrame:
    """Does MI help? Every learned predictor with the task's own MI against other tasks' MI.

    Args:
        table: rows of `judge_task`, of tasks that tell architectures apart.
        metrics: the columns that are compared.
        suffix: the inputs `<inputs><suffix>` are the control of `<inputs>`.

    Returns:
        one row per part, predictor, inputs that have a control, and metric: n_tasks, n_families,
        with_own and with_shuffled (means over tasks), difference with its interval, p, and
        p_holm over all tests of a part.

    Raises:
        EvaluationError: as `compare`, a column is missing, or no inputs have a control.
    """
    metrics = name_list(metrics, "metrics", EvaluationError, least=1)
    data_frame(table, "table", ["part", *VARIANT], EvaluationError)
    tests = []
    for (part, predictor), rows in table.groupby(["part", "predictor"], sort=False):
        for inputs in rows["inputs"].unique():
            control = f"{inputs}{suffix}"
            if control not in set(rows["inputs"]):
                continue
            pair = rows[rows["inputs"].isin([inputs, control])]
            for metric in metrics:
                both = compare(pair, metric, (str(predictor), control))
                row = both[both["inputs"] == inputs].assign(part=part, metric=metric)
                tests.append(row.rename(columns={"mean": "with_own"}))
    if not tests:
        raise EvaluationError(f"table: no inputs have a control, named as they with {suffix!r}")
    joined = pd.concat(tests, ignore_index=True)
    joined["with_shuffled"] = joined["with_own"] - joined["difference"]
    for _, index in joined.groupby("part").groups.items():
        joined.loc[index, "p_holm"] = holm(joined.loc[index, "p"].to_numpy(np.float64))
    columns = [*_KEYS, "n_tasks", "n_families", "with_own", "with_shuffled"]
    columns += ["difference", "difference_low", "difference_high", "p", "p_holm"]
    return joined[columns]


def predictor_report(comparisons: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """One row per variant: the table that people read (reports/predictors.csv).

    Args:
        comparisons: rows of `compare_variants`, of the parts "development" and "test".
        metrics: in the order of the columns.

    Returns:
        predictor, inputs, and per part (columns of the test tasks begin with `test_`) n_tasks and,
        per metric, its mean, `_low`, `_high`, `_minus_static` and `_p_holm`.

    Raises:
        EvaluationError: a column is missing.
    """
    metrics = name_list(metrics, "metrics", EvaluationError, least=1)
    data_frame(comparisons, "comparisons", [*_KEYS, "n_tasks", "mean"], EvaluationError)
    report = comparisons[VARIANT].drop_duplicates().reset_index(drop=True)
    variants = pd.MultiIndex.from_frame(report[VARIANT])
    for part, prefix in (("development", ""), ("test", "test_")):
        for metric in metrics:
            here = (comparisons["part"] == part) & (comparisons["metric"] == metric)
            rows = comparisons[here].set_index(VARIANT).loc[variants].reset_index()
            if metric == metrics[0]:
                report[f"{prefix}n_tasks"] = rows["n_tasks"]
            for column, suffix in (
                ("mean", ""), ("low", "_low"), ("high", "_high"),
                ("difference", "_minus_static"), ("p_holm", "_p_holm"),
            ):  # fmt: skip
                report[f"{prefix}{metric}{suffix}"] = rows[column]
    return report


def choose_variant(
    table: pd.DataFrame, metric: str, *, inputs: Sequence[str] | None = None,
    costs: Mapping[tuple[str, str], float] | None = None,
) -> tuple[str, str]:  # fmt: skip
    """The cheapest variant that is not told from the best, on the development tasks alone.

    Not told: its mean is within one standard error of the difference, over families (the rule of
    Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984, section 3.4.3).

    Args:
        table: rows of `judge_task` with the part, controls left out or not: they are not chosen.
        metric: what decides; smaller is better.
        inputs: only variants with these inputs; None: all, the opponents too.
        costs: of each variant; None: all cost the same, so that the best is chosen.

    Returns:
        (predictor, inputs).

    Raises:
        EvaluationError: there is no such variant.
    """
    data_frame(table, "table", [*VARIANT, "part", "task", "family", metric], EvaluationError)
    rows = table[(table["part"] == "development") & ~table["inputs"].str.endswith(SHUFFLED)]
    if inputs is not None:
        rows = rows[rows["inputs"].isin(inputs)]
    if rows.empty:
        raise EvaluationError(f"there is no variant to choose by {metric} with inputs {inputs}")
    means = rows.groupby([*VARIANT, "task"], sort=False)[metric].mean().unstack("task")
    families = rows.groupby("task")["family"].first()[means.columns]
    mean = means.mean(axis=1)
    behind = (
        (means - means.iloc[int(mean.to_numpy().argmin())]).T.groupby(families.to_numpy()).mean()
    )
    error = behind.std(ddof=1).fillna(0.0) / np.sqrt(len(behind))
    near = mean[behind.mean() <= error]
    prices = [0.0 if costs is None else costs[key] for key in near.index]
    predictor, chosen = near.index[np.lexsort([near.to_numpy(), prices])[0]]
    return str(predictor), str(chosen)


def variant_means(
    comparisons: pd.DataFrame, variant: tuple[str, str], part: str, metrics: Sequence[str]
) -> dict[str, float]:
    """metric -> its mean over the tasks of a part, of one variant.

    Args:
        comparisons: rows of `compare_variants`.
        variant: (predictor, inputs).
        part: "development" or "test".
        metrics: which of them.

    Raises:
        EvaluationError: a column is missing, or the variant has no such metric there.
    """
    data_frame(comparisons, "comparisons", [*_KEYS, "mean"], EvaluationError)
    means = comparisons.set_index(_KEYS)["mean"].to_dict()
    if missing := [metric for metric in metrics if (part, *variant, metric) not in means]:
        raise EvaluationError(f"comparisons: no {missing[0]} of {variant} on the part {part!r}")
    return {metric: float(means[(part, *variant, metric)]) for metric in metrics}


def _with_holm(tests: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The tables as one, with Holm's correction over all their tests."""
    joined = pd.concat(tests, ignore_index=True)
    joined["p_holm"] = holm(joined["p"].to_numpy(np.float64))
    return joined
