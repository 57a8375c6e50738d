"""Stage `evaluation`: judge every variant on held-out families, choose one on the folds alone."""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, REPORTS, pool, read_params, write_csv, write_parquet,
)  # fmt: skip

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
from joblib import delayed
from tqdm import tqdm

from infoprior.evaluation import (
    Ranks,
    choose_variant,
    compare_variants,
    compare_with_control,
    judge_task,
    mean_ranks,
    predictor_report,
    variant_means,
)
from infoprior.files import write_atomically
from infoprior.metadataset import MetaDataset
from infoprior.report import critical_difference_figure, differences_figure, save_figure
from pipeline.choice import Choice
from pipeline.variants import CONTROL, INFORMED, STATIC, WITHOUT_INPUTS, Variant

RANKED = ("meta-features", "data", "all")
"""Inputs in the diagram of critical differences, beside predictors that read nothing ever."""


def judge(meta: MetaDataset, predictions: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
    """A row per (variant, shuffle, refit, task): its metrics and part, as `judge_task` says."""
    about = meta.tasks.set_index("task")[["kind", "family"]].to_dict("index")
    final = meta.final().set_index("architecture")
    final = final[final["task"].isin(predictions["task"].unique())]
    truths = {str(task): frame for task, frame in final.groupby("task", observed=True)}
    settings = {"n_draws": params["draws"]} | {n: params[n] for n in ("ks", "seed", "min_gap")}
    calls = (
        delayed(judge_task)(
            frame, truths[str(task)], task=str(task), family=about[task]["family"], **settings
        )
        for task, frame in predictions.groupby("task", sort=False)
        if about[task]["kind"] == "real"  # synthetic tasks help to learn, they do not judge
    )
    tables = list(tqdm(pool()(calls), desc="tasks", unit="task", mininterval=1))
    table = pd.concat(tables, ignore_index=True).sort_values("place", ignore_index=True)
    return table.drop(columns="place")


def choose(table: pd.DataFrame, metric: str, costs: Mapping[str, float]) -> Choice:
    """The opponents compete too: where nothing beats the static prior, that is what is chosen."""
    keys = table[["predictor", "inputs"]].drop_duplicates().itertuples(index=False, name=None)
    prices = {key: Variant(*key).start_cost(costs) for key in keys if not Variant(*key).is_control}
    best = choose_variant(table, metric, costs=prices)
    with_mi = choose_variant(table, metric, costs=prices, inputs=list(INFORMED))
    return Choice(best=Variant(*best), best_with_mi=Variant(*with_mi), metric=metric)


def summary(comparisons: pd.DataFrame, choice: Choice, metrics: list[str]) -> dict[str, Any]:
    """reports/metrics.json: the means of the chosen variants and of the static prior."""

    def means(variant: tuple[str, str], *parts: str) -> dict[str, dict[str, float]]:
        return {
            part: {
                metric: round(value, 6)
                for metric, value in variant_means(comparisons, variant, part, metrics).items()
            }
            for part in parts
        }

    return {
        "best": means(choice.best.key, "development", "test"),
        "best_with_mi": means(choice.best_with_mi.key, "test"),
        "static": means(STATIC.key, "test"),
    }


def ranked(table: pd.DataFrame) -> Ranks:
    """Variants by the ranks of their Kendall's tau on the development tasks."""
    shown = table["inputs"].isin(RANKED) | table["predictor"].isin(WITHOUT_INPUTS)
    rows = table[(table["part"] == "development") & shown]
    names = [Variant(*key).title for key in zip(rows["predictor"], rows["inputs"], strict=True)]
    return mean_ranks(rows.assign(variant=names, disorder=-rows["kendall_tau"]), "disorder",
                      by="variant")  # fmt: skip


def main() -> None:
    params = read_params("evaluation")
    meta = MetaDataset.load(DATA / "metadataset")
    predictions = pd.read_parquet(DATA / "predictions" / "predictions.parquet")
    every = judge(meta, predictions, params)
    write_parquet(every, DATA / "evaluation" / "tasks.parquet")
    # A task on which all architectures do alike cannot tell priors apart: left out for all.
    table = every[every["discriminating"]]
    metrics = ["kendall_tau", "log_ratio_of_best", *(f"regret_at_{k}" for k in params["ks"])]
    comparisons = compare_variants(table, metrics, STATIC.key)
    write_parquet(comparisons, DATA / "evaluation" / "comparisons.parquet")
    write_csv(predictor_report(comparisons, metrics), REPORTS / "predictors.csv")
    write_csv(compare_with_control(table, metrics, CONTROL), REPORTS / "mi_control.csv")

    costs = read_params("hyperband")["costs"]
    choice = choose(table, params["select"], costs)
    choice.save()
    n_tasks, n_judging = every["task"].nunique(), table["task"].nunique()
    counts = {"tasks": int(n_tasks), "discriminating_tasks": int(n_judging)}
    text = json.dumps(counts | summary(comparisons, choice, metrics), indent=1)
    write_atomically(REPORTS / "metrics.json", text + "\n")
    shown = comparisons["metric"].isin(["kendall_tau", params["select"]])
    folds = comparisons[(comparisons["part"] == "development") & shown]
    save_figure(differences_figure(folds), REPORTS / "figures" / "predictors.png")
    diagram = critical_difference_figure(ranked(table), "Kendall's tau, development tasks")
    save_figure(diagram, REPORTS / "figures" / "critical_difference.png")
    print(f"{n_judging} of {n_tasks} tasks tell architectures apart;")
    print(f"chosen on the folds by {choice.metric}: {choice.best.title}; "
          f"with MI: {choice.best_with_mi.title}")  # fmt: skip


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from pipeline import evaluation

    evaluation.main()
