"""What MLflow is shown of the saved results: an overview, and a run for every predictor and input.

Numbers are those of the reports; nothing is computed anew but means over the tasks of a fold.
"""

from __future__ import annotations

from pipeline.common import DATA, REPORTS, read_params  # isort: skip

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from infoprior.metadataset import MetaDataset
from infoprior.predictors import load_predictor
from infoprior.tracking import Model, Run, View, zip_folder, zip_sources
from pipeline.choice import FITTED, Choice
from pipeline.project import settings
from pipeline.variants import STATIC, WITHOUT_INPUTS, Variant, variants

OVERVIEW = "overview"
TABLES = ("predictors.csv", "mi_control.csv", "hyperband.csv", "regret.csv", "metrics.json")
PACKAGES = ("numpy", "pandas", "optuna", "safetensors", "torch", "mlflow")
"""What a logged model needs beside its own copy of infoprior."""
MODEL_BYTES = 4_500_000
"""Of all models that a run of the pipeline logs; the other fitted predictors are in models/."""


@dataclass(frozen=True)
class Results:
    """What the stages left in the workspace.

    Attributes:
        variants: that were compared.
        settings: of all stages, by section and name.
        meta: what predictors learned from.
        tasks: a row per fit and task: its metrics.
        comparisons: a row per variant, part and metric: means, intervals, p-values.
        predictions: a row per fit, task and architecture.
        hyperband: a row per search, part, variant and budget.
        choice: the variant that was chosen on the folds, and by which metric.
    """

    variants: list[Variant]
    settings: dict[str, Any]
    meta: MetaDataset
    tasks: pd.DataFrame
    comparisons: pd.DataFrame
    predictions: pd.DataFrame
    hyperband: pd.DataFrame
    choice: Choice

    @classmethod
    def load(cls) -> Results:
        return cls(
            variants=variants(read_params("predictors")),
            settings=settings(),
            meta=MetaDataset.load(DATA / "metadataset"),
            tasks=pd.read_parquet(DATA / "evaluation" / "tasks.parquet"),
            comparisons=pd.read_parquet(DATA / "evaluation" / "comparisons.parquet"),
            predictions=pd.read_parquet(DATA / "predictions" / "predictions.parquet"),
            hyperband=pd.read_csv(REPORTS / "hyperband.csv"),
            choice=Choice.load(),
        )

    def values(self, variant: Variant, part: str = "development") -> dict[str, Any]:
        """Metric -> its row of the comparisons."""
        rows = of_variant(self.comparisons, variant)
        return {row["metric"]: row for row in rows[rows["part"] == part].to_dict("records")}


def of_variant(frame: pd.DataFrame, variant: Variant) -> pd.DataFrame:
    return frame[(frame["predictor"] == variant.predictor) & (frame["inputs"] == variant.inputs)]


def view(select: str) -> View:
    """The list of the present runs, which are logged in order, with what decides."""
    return View(
        filter="tags.`infoprior.current` = 'true'",
        columns=[
            f"metrics.{select}",
            "metrics.kendall_tau",
            "metrics.kendall_tau_p_holm",
            "metrics.test_kendall_tau",
            f"metrics.test_{select}",
            "metrics.replay_regret",
            "attributes.Models",
        ],
        bars=[select, "kendall_tau", "test_kendall_tau"],
        lines=["replay_regret", "replay_free_regret", "test_replay_regret"],
    )


def metrics(results: Results, variant: Variant) -> dict[str, float]:
    """Means over tasks, with intervals and p-values: what the UI compares."""
    values: dict[str, Any] = {}
    for part, prefix in (("development", ""), ("test", "test_")):
        for metric, row in results.values(variant, part).items():
            name = f"{prefix}{metric}"
            values |= {name: row["mean"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
            if not pd.isna(row["p_holm"]):  # the reference has none
                values[f"{name}_p_holm"] = row["p_holm"]
    return {name: _rounded(name, value) for name, value in values.items()}


def _rounded(name: str, value: float) -> float:
    """As many digits as the UI's columns show; the reports have no more."""
    return float(f"{value:.3g}" if name.endswith("_p_holm") else f"{value:.6g}")


def curves(results: Results, variant: Variant) -> dict[str, dict[int, float]]:
    """Regret of searches by budget, in full trainings, from where the prior is paid for.

    MLflow counts steps in whole numbers: budgets between them are in reports/hyperband.csv alone.
    """
    lines: dict[str, dict[int, float]] = {}
    for row in of_variant(results.hyperband, variant).dropna(subset=["regret"]).to_dict("records"):
        if float(row["budget"]).is_integer():
            prefix = "test_" if row["part"] == "test" else ""
            line = lines.setdefault(f"{prefix}{row['search']}_regret", {})
            line[int(row["budget"])] = float(row["regret"])
    return lines


def fold_runs(results: Results, variant: Variant) -> list[Run]:
    """One nested run a fold: the means over its tasks."""
    splits = of_variant(results.predictions, variant)[["task", "split"]].drop_duplicates()
    rows = of_variant(results.tasks, variant).merge(splits, on="task")
    columns = [c for c in rows.columns if c == "kendall_tau" or c.startswith(("log_", "regret_"))]
    runs = []
    for split, fold in rows[rows["discriminating"]].groupby("split", sort=True):
        tasks = sorted(fold["task"].unique())
        means = fold[columns].mean()
        runs.append(
            Run(
                name=f"{variant.title} / {split}",
                description=f"{variant.title}, means over the {len(tasks)} tasks of {split}, whose "
                f"families it was not fitted on: {', '.join(tasks)}",
                params={"predictor": variant.predictor, "inputs": variant.inputs, "split": split,
                        "n_tasks": len(tasks)},
                # Named apart, so that sorting predictors by a metric does not mix in their folds.
                metrics={f"fold_{name}": _rounded("", value) for name, value in means.items()},
                tags={"stage": "fold"},
            )
        )  # fmt: skip
    return runs


def held_out_tasks(results: Results, variant: Variant) -> pd.DataFrame:
    """A row per held-out task, the mean over the variant's fits."""
    keys = ["part", "task", "family", "discriminating"]
    rows = of_variant(results.tasks, variant)
    columns = [c for c in rows.columns if c == "kendall_tau" or c.startswith(("log_", "regret_"))]
    return rows.groupby(keys, sort=False)[columns].mean().round(4).reset_index()


def variant_run(results: Results, variant: Variant, tags: dict[str, str], note: str) -> Run:
    """The run of one variant."""
    return Run(
        name=variant.title,
        description=variant_description(results, variant) + note,
        params={"predictor": variant.predictor, "inputs": variant.inputs,
                "control": variant.is_control, **results.settings},
        metrics=metrics(results, variant),
        curves=curves(results, variant),
        tags={**tags, "stage": "predictor", "chosen": str(variant == results.choice.best)},
        tables={"held_out_tasks.json": held_out_tasks(results, variant)},
        children=fold_runs(results, variant),
    )  # fmt: skip


def worst_first(results: Results) -> list[Variant]:
    """Variants by the metric that decides, the chosen one last: MLflow lists the newest first."""
    return sorted(
        results.variants,
        key=lambda variant: (
            variant == results.choice.best,
            -results.values(variant)[results.choice.metric]["mean"],
        ),
    )


def overview_run(results: Results, tags: dict[str, str], note: str) -> Run:
    """What concerns all variants, once: figures, tables of the reports, the settings."""
    return Run(
        name=OVERVIEW,
        description=overview_description(results) + note,
        params=results.settings,
        tags={**tags, "stage": OVERVIEW},
        tables={"predictors.json": overview_table(results)},
        files={
            "figures": figures(),
            "reports": [REPORTS / name for name in TABLES],
            "": [Path("params.yaml")],
        },
    )


def figures() -> list[Path]:
    return sorted((REPORTS / "figures").glob("*.png"))


def overview_table(results: Results) -> pd.DataFrame:
    """A row per variant with what decides, the chosen one first."""
    rows = []
    for variant in results.variants:
        folds, test = results.values(variant), results.values(variant, "test")
        rows.append(
            {
                "predictor": variant.predictor,
                "inputs": variant.inputs,
                results.choice.metric: folds[results.choice.metric]["mean"],
                "kendall_tau": folds["kendall_tau"]["mean"],
                "kendall_tau_p_holm": folds["kendall_tau"]["p_holm"],
                "test_kendall_tau": test["kendall_tau"]["mean"],
                f"test_{results.choice.metric}": test[results.choice.metric]["mean"],
            }
        )
    table = pd.DataFrame(rows)
    best = results.choice.best
    chosen = (table["predictor"] == best.predictor) & (table["inputs"] == best.inputs)
    order = table.assign(_after=~chosen).sort_values(
        ["_after", results.choice.metric], kind="stable"
    )
    return order.drop(columns="_after").reset_index(drop=True)


def summary(results: Results) -> str:
    """What came out, in a line."""
    reference = results.values(STATIC)
    best = results.choice.best
    values, test = results.values(best), results.values(best, "test")
    return (
        f"**{best.title}** did best on the folds: `{results.choice.metric}` "
        f"{values[results.choice.metric]['mean']:.3f} ({STATIC.predictor}: "
        f"{reference[results.choice.metric]['mean']:.3f}), Kendall's tau "
        f"{values['kendall_tau']['mean']:.3f} ({reference['kendall_tau']['mean']:.3f}), on the "
        f"test tasks {test['kendall_tau']['mean']:.3f}."
    )


def overview_description(results: Results) -> str:
    """All variants in a table, in Markdown."""
    table = overview_table(results)
    lines = [
        summary(results),
        "",
        "| " + " | ".join(table.columns) + " |",
        "| " + " | ".join("---" for _ in table.columns) + " |",
    ]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(_shown(value) for value in row) + " |")
    lines += [
        "",
        "Means over held-out development tasks, and over test tasks (`test_...`); p-values against "
        f"{STATIC.predictor}, after Holm. Figures and reports' tables are this run's artifacts.",
    ]
    return "\n".join(lines)


def variant_description(results: Results, variant: Variant) -> str:
    """One paragraph on what this run is and how it did."""
    what = {
        "uniform": "No prior: every architecture is as probable as any other.",
        "static": "The same prior for every data set: the opponent.",
        "gaussian": "One Gaussian fitted to good architectures, the same for every data set.",
    }.get(
        variant.predictor, f"Predictor `{variant.predictor}` from `{variant.inputs}` of the task."
    )
    if variant.is_control:
        what += " A control: the MI of layers and inputs is that of other tasks."
    if variant == results.choice.best:
        what = f"**The chosen predictor**, registered as a model. {what}"
    folds, test = results.values(variant), results.values(variant, "test")
    tau, regret = folds["kendall_tau"], folds[results.choice.metric]
    text = (
        f"{what}\n\nOn the folds Kendall's tau {tau['mean']:.3f} [{tau['low']:.3f}, "
        f"{tau['high']:.3f}]{_against(tau)}, `{results.choice.metric}` {regret['mean']:.3f}"
        f"{_against(regret)}; on the test tasks tau {test['kendall_tau']['mean']:.3f}, "
        f"`{results.choice.metric}` {test[results.choice.metric]['mean']:.3f}."
    )
    if not variant.is_control:
        text += f"\n\nFitted on all tasks: `models/fitted/{variant.name}` of the project."
    return text


def _against(row: dict[str, Any]) -> str:
    if pd.isna(row["p_holm"]):
        return ""
    return f" ({row['difference']:+.3f} against {STATIC.predictor}, p = {row['p_holm']:.2g})"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"


def deserving(results: Results) -> list[Variant]:
    """Arms whose fitted predictor is worth a copy, the most wanted first.

    The chosen ones, the opponent, and of each other learned predictor the inputs that did best.
    """
    rows = results.comparisons
    rows = rows[(rows["part"] == "development") & (rows["metric"] == results.choice.metric)]
    wanted = [results.choice.best, results.choice.best_with_mi, STATIC]
    learned = [variant for variant in results.variants if variant.predictor not in WITHOUT_INPUTS]
    for predictor in dict.fromkeys(variant.predictor for variant in learned):
        kind = [
            variant
            for variant in learned
            if variant.predictor == predictor and not variant.is_control
        ]
        wanted.append(min(kind, key=lambda one: float(of_variant(rows, one)["mean"].iloc[0])))
    return list(dict.fromkeys(wanted))


@contextmanager
def models(results: Results) -> Iterator[dict[Variant, Model]]:
    """Variant -> its fitted predictor as a pyfunc model, while its packed files are there."""
    from pipeline.mlflow_model import profile_to_json

    profile = results.meta.profile(results.meta.tasks["task"].iloc[0])
    example = pd.DataFrame({"profile": [profile_to_json(profile)]})
    requirements = [_requirement(name) for name in PACKAGES]
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder)
        package = zip_sources(Path("infoprior"), packed / "infoprior.zip")
        made: dict[Variant, Model] = {}
        size = 0
        for variant in deserving(results):
            fitted = FITTED / variant.name
            predictor = zip_folder(fitted, packed / f"{variant.name}.zip")
            size += predictor.stat().st_size + package.stat().st_size
            if made and size > MODEL_BYTES:
                break
            prior = load_predictor(fitted).predict(profile)
            made[variant] = Model(
                name=f"{variant.predictor}-{variant.inputs}",
                code=Path(__file__).with_name("mlflow_model.py"),
                artifacts={"predictor": predictor, "package": package},
                example=example,
                output=pd.DataFrame({"prior": [json.dumps(prior.to_dict())]}),
                requirements=requirements,
            )
        yield made


def _requirement(name: str) -> str:
    """A package at the version that is installed, or newer within the major version."""
    number = version(name).split("+")[0]
    return f"{name}>={number},<{int(number.split('.')[0]) + 1}"
