"""Stage `evaluation`: judge every arm on held-out families and choose one, on the folds alone."""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, MODELS, REPORTS, groups, pool, read_params, write_csv, write_parquet,
)  # fmt: skip

import json
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from tqdm import tqdm

from infoprior.evaluation import compare, holm, task_metrics, task_seed
from infoprior.files import write_atomically
from infoprior.metadataset import MetaDataset
from infoprior.report import differences_figure, save_figure
from pipeline.variants import CONTROL, REFERENCE

GROUP = ["predictor", "inputs"]
TRUTH = ["validation_accuracy", "test_accuracy"]


def judge(meta: MetaDataset, predictions: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
    """A row per (arm, shuffle, refit, task): its metrics, its family, whether it is a test task."""
    tasks = meta.tasks.set_index("task")
    final = meta.final().set_index("architecture")[["task", *TRUTH]]
    final = final[final["task"].isin(predictions["task"].unique())]
    truths = {str(task): frame for task, frame in final.groupby("task", observed=True)}
    calls = (
        delayed(judge_task)(task, frame, truths[task], tasks.loc[task, "family"], params)
        for (task,), frame in groups(predictions, ["task"])
        if tasks.loc[task, "kind"] == "real"  # synthetic tasks help to learn, they do not judge
    )
    finished = pool()(calls)
    tables = list(tqdm(finished, desc="tasks", unit="task", mininterval=1))
    table = pd.concat(tables, ignore_index=True).sort_values("place", ignore_index=True)
    return table.drop(columns="place")


def judge_task(
    task: str, predictions: pd.DataFrame, truth: pd.DataFrame, family: str, params: dict[str, Any]
) -> pd.DataFrame:
    """The rows of one task, by fit; `place` says where a fit stands among the predictions."""
    fits = [*GROUP, "shuffle", "refit"]
    rows = []
    for (*fit, split), frame in groups(predictions, [*fits, "split"]):
        found = truth.loc[frame["architecture"]]
        metrics = task_metrics(
            frame["log_ratio"],
            found["validation_accuracy"],
            found["test_accuracy"],
            ks=params["ks"],
            n_draws=params["draws"],
            seed=task_seed(params["seed"], task),
            min_gap=params["min_gap"],
        )
        part = "test" if split == "test" else "development"
        about = {**dict(zip(fits, fit, strict=True)), "part": part, "task": task, "family": family}
        rows.append({"place": frame.index[0], **about, **metrics})
    return pd.DataFrame(rows)


def comparisons(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Every arm against the static prior, per part and metric; Holm over all of a part's tests."""
    parts = []
    for part, frame in table.groupby("part", sort=True):
        found = [compare(frame, m, REFERENCE).assign(part=part, metric=m) for m in metrics]
        joined = pd.concat(found, ignore_index=True)
        joined["p_holm"] = holm(joined["p"].to_numpy(np.float64))
        parts.append(joined)
    return pd.concat(parts, ignore_index=True)


def control(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Does MI help? Each learned predictor with the task's own MI against other tasks' MI."""
    found = []
    for (part, predictor), frame in groups(table, ["part", "predictor"]):
        for inputs in frame["inputs"].unique():
            if f"{inputs}{CONTROL}" not in set(frame["inputs"]):
                continue
            pair = frame[frame["inputs"].isin([inputs, f"{inputs}{CONTROL}"])]
            for metric in metrics:
                rows = compare(pair, metric, (predictor, f"{inputs}{CONTROL}"))
                row = rows[rows["inputs"] == inputs].assign(part=part, metric=metric)
                found.append(row.rename(columns={"mean": "with_own"}))
    joined = pd.concat(found, ignore_index=True)
    joined["with_shuffled"] = joined["with_own"] - joined["difference"]
    for _, index in joined.groupby("part").groups.items():
        joined.loc[index, "p_holm"] = holm(joined.loc[index, "p"].to_numpy(np.float64))
    columns = ["part", *GROUP, "metric", "n_tasks", "n_families", "with_own", "with_shuffled"]
    columns += ["difference", "difference_low", "difference_high", "p", "p_holm"]
    return joined[columns]


def wide(long: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """reports/predictors.csv: one row per arm; the test tasks' columns begin with test_."""
    out = long[GROUP].drop_duplicates().reset_index(drop=True)
    for part, prefix in (("development", ""), ("test", "test_")):
        for metric in metrics:
            rows = long[(long["part"] == part) & (long["metric"] == metric)].set_index(GROUP)
            rows = rows.loc[pd.MultiIndex.from_frame(out[GROUP])].reset_index()
            if metric == metrics[0]:
                out[f"{prefix}n_tasks"] = rows["n_tasks"]
            for column, suffix in (
                ("mean", ""), ("low", "_low"), ("high", "_high"),
                ("difference", "_minus_static"), ("p_holm", "_p_holm"),
            ):  # fmt: skip
                out[f"{prefix}{metric}{suffix}"] = rows[column]
    return out


def main() -> None:
    params = read_params("evaluation")
    meta = MetaDataset.load(DATA / "metadataset")
    predictions = pd.read_parquet(DATA / "predictions" / "predictions.parquet")
    every = judge(meta, predictions, params)
    write_parquet(every, DATA / "evaluation" / "tasks.parquet")
    # A task on which all architectures do alike cannot tell priors apart: left out for all.
    table = every[every["discriminating"]]
    metrics = ["kendall_tau", "log_ratio_of_best", *(f"regret_at_{k}" for k in params["ks"])]
    long = comparisons(table, metrics)
    write_parquet(long, DATA / "evaluation" / "comparisons.parquet")
    write_csv(wide(long, metrics), REPORTS / "predictors.csv")
    controls = control(table, metrics)
    write_csv(controls, REPORTS / "mi_control.csv")

    folds = long[(long["part"] == "development") & (long["metric"] == params["select"])]
    # The opponents compete too: where nothing beats the static prior, that is what is suggested.
    candidates = folds[~folds["inputs"].str.endswith(CONTROL)]
    best = candidates.loc[candidates["mean"].idxmin()]
    readers = candidates[candidates["inputs"].isin(["mi", "all"])]
    reader = readers.loc[readers["mean"].idxmin()]
    name, reader_name = (f"{arm.predictor}__{arm.inputs}" for arm in (best, reader))
    chosen_models = {
        "predictor": f"fitted/{name}",
        "predictor_with_mi": f"fitted/{reader_name}",
        "selected_by": params["select"],
    }
    write_atomically(MODELS / "best.json", json.dumps(chosen_models, indent=1) + "\n")
    held = long[(long["part"] == "test")].set_index([*GROUP, "metric"])["mean"]
    summary = {
        "tasks": int(every["task"].nunique()),
        "discriminating_tasks": int(table["task"].nunique()),
        "best": {
            "development": _metrics_of(long, "development", best, metrics),
            "test": {m: float(held[(best.predictor, best.inputs, m)]) for m in metrics},
        },
        "best_with_mi": {
            "test": {m: float(held[(reader.predictor, reader.inputs, m)]) for m in metrics}
        },
        "static": {"test": {m: float(held[(*REFERENCE, m)]) for m in metrics}},
    }
    text = json.dumps(_rounded(summary), indent=1)
    write_atomically(REPORTS / "metrics.json", text + "\n")
    chosen = long[
        (long["part"] == "development") & long["metric"].isin(["kendall_tau", params["select"]])
    ]
    save_figure(differences_figure(chosen), REPORTS / "figures" / "predictors.png")
    print(f"{table.task.nunique()} of {every.task.nunique()} tasks tell architectures apart;")
    print(f"chosen on the folds by {params['select']}: {name}; with MI: {reader_name}")


def _metrics_of(long: pd.DataFrame, part: str, arm: Any, metrics: list[str]) -> dict[str, float]:
    rows = long[
        (long["part"] == part)
        & (long["predictor"] == arm.predictor)
        & (long["inputs"] == arm.inputs)
    ].set_index("metric")
    return {m: float(rows.loc[m, "mean"]) for m in metrics}  # type: ignore[arg-type]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return round(value, 6) if isinstance(value, float) else value


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from pipeline import evaluation

    evaluation.main()
