"""What MLflow is shown of the saved results: an overview, and a run for every predictor and input.

Numbers are those of the reports; nothing is computed anew but means over the tasks of a fold.
"""

from __future__ import annotations

from pipeline.common import DATA, MODELS, REPORTS, read_params  # isort: skip

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
from pipeline.project import settings
from pipeline.variants import REFERENCE, WITHOUT_INPUTS, Arm, arms

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
        arms: that were compared.
        settings: of all stages, by section and name.
        meta: what predictors learned from.
        tasks: a row per fit and task: its metrics.
        comparisons: a row per arm, part and metric: means, intervals, p-values.
        predictions: a row per fit, task and architecture.
        hyperband: a row per search, part, arm and budget.
        best: the arm that was chosen on the folds.
        best_with_mi: the one that was chosen among those that read MI.
        select: the metric by which it was chosen; smaller is better.
    """

    arms: list[Arm]
    settings: dict[str, Any]
    meta: MetaDataset
    tasks: pd.DataFrame
    comparisons: pd.DataFrame
    predictions: pd.DataFrame
    hyperband: pd.DataFrame
    best: str
    best_with_mi: str
    select: str

    @classmethod
    def load(cls) -> Results:
        chosen = json.loads((MODELS / "best.json").read_text("utf-8"))
        return cls(
            arms=arms(read_params("predictors")),
            settings=settings(),
            meta=MetaDataset.load(DATA / "metadataset"),
            tasks=pd.read_parquet(DATA / "evaluation" / "tasks.parquet"),
            comparisons=pd.read_parquet(DATA / "evaluation" / "comparisons.parquet"),
            predictions=pd.read_parquet(DATA / "predictions" / "predictions.parquet"),
            hyperband=pd.read_csv(REPORTS / "hyperband.csv"),
            best=chosen["predictor"].split("/")[-1],
            best_with_mi=chosen["predictor_with_mi"].split("/")[-1],
            select=chosen["selected_by"],
        )

    def values(self, arm: Arm, part: str = "development") -> dict[str, Any]:
        """Metric -> its row of the comparisons."""
        rows = of_arm(self.comparisons, arm)
        return {row["metric"]: row for row in rows[rows["part"] == part].to_dict("records")}


def of_arm(frame: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    return frame[(frame["predictor"] == arm.predictor) & (frame["inputs"] == arm.inputs)]


def title(arm: Arm) -> str:
    return f"{arm.predictor} / {arm.inputs}"


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


def metrics(results: Results, arm: Arm) -> dict[str, float]:
    """Means over tasks, with intervals and p-values: what the UI compares."""
    values: dict[str, Any] = {}
    for part, prefix in (("development", ""), ("test", "test_")):
        for metric, row in results.values(arm, part).items():
            name = f"{prefix}{metric}"
            values |= {name: row["mean"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
            if not pd.isna(row["p_holm"]):  # the reference has none
                values[f"{name}_p_holm"] = row["p_holm"]
    return {name: _rounded(name, value) for name, value in values.items()}


def _rounded(name: str, value: float) -> float:
    """As many digits as the UI's columns show; the reports have no more."""
    return float(f"{value:.3g}" if name.endswith("_p_holm") else f"{value:.6g}")


def curves(results: Results, arm: Arm) -> dict[str, dict[int, float]]:
    """Regret of searches by budget, in full trainings, from where the prior is paid for.

    MLflow counts steps in whole numbers: budgets between them are in reports/hyperband.csv alone.
    """
    lines: dict[str, dict[int, float]] = {}
    for row in of_arm(results.hyperband, arm).dropna(subset=["regret"]).to_dict("records"):
        if float(row["budget"]).is_integer():
            prefix = "test_" if row["part"] == "test" else ""
            line = lines.setdefault(f"{prefix}{row['search']}_regret", {})
            line[int(row["budget"])] = float(row["regret"])
    return lines


def fold_runs(results: Results, arm: Arm) -> list[Run]:
    """One nested run a fold: the means over its tasks."""
    splits = of_arm(results.predictions, arm)[["task", "split"]].drop_duplicates()
    rows = of_arm(results.tasks, arm).merge(splits, on="task")
    columns = [c for c in rows.columns if c == "kendall_tau" or c.startswith(("log_", "regret_"))]
    runs = []
    for split, fold in rows[rows["discriminating"]].groupby("split", sort=True):
        tasks = sorted(fold["task"].unique())
        means = fold[columns].mean()
        runs.append(
            Run(
                name=f"{title(arm)} / {split}",
                description=f"{title(arm)}, means over the {len(tasks)} tasks of {split}, whose "
                f"families it was not fitted on: {', '.join(tasks)}",
                params={"predictor": arm.predictor, "inputs": arm.inputs, "split": split,
                        "n_tasks": len(tasks)},
                # Named apart, so that sorting predictors by a metric does not mix in their folds.
                metrics={f"fold_{name}": _rounded("", value) for name, value in means.items()},
                tags={"stage": "fold"},
            )
        )  # fmt: skip
    return runs


def held_out_tasks(results: Results, arm: Arm) -> pd.DataFrame:
    """A row per held-out task, the mean over the arm's fits."""
    keys = ["part", "task", "family", "discriminating"]
    rows = of_arm(results.tasks, arm)
    columns = [c for c in rows.columns if c == "kendall_tau" or c.startswith(("log_", "regret_"))]
    return rows.groupby(keys, sort=False)[columns].mean().round(4).reset_index()


def arm_run(results: Results, arm: Arm, tags: dict[str, str], note: str) -> Run:
    """The run of one arm."""
    return Run(
        name=title(arm),
        description=arm_description(results, arm) + note,
        params={"predictor": arm.predictor, "inputs": arm.inputs, "control": arm.control,
                **results.settings},
        metrics=metrics(results, arm),
        curves=curves(results, arm),
        tags={**tags, "stage": "predictor", "chosen": str(arm.name == results.best)},
        tables={"held_out_tasks.json": held_out_tasks(results, arm)},
        children=fold_runs(results, arm),
    )  # fmt: skip


def worst_first(results: Results) -> list[Arm]:
    """The arms by the metric that decides, the chosen one last: MLflow lists the newest first."""
    return sorted(
        results.arms,
        key=lambda arm: (arm.name == results.best, -results.values(arm)[results.select]["mean"]),
    )


def overview_run(results: Results, tags: dict[str, str], note: str) -> Run:
    """What concerns all arms, once: figures, tables of the reports, the settings."""
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
    """A row per arm with what decides, the chosen one first."""
    rows = []
    for arm in results.arms:
        folds, test = results.values(arm), results.values(arm, "test")
        rows.append(
            {
                "predictor": arm.predictor,
                "inputs": arm.inputs,
                results.select: folds[results.select]["mean"],
                "kendall_tau": folds["kendall_tau"]["mean"],
                "kendall_tau_p_holm": folds["kendall_tau"]["p_holm"],
                "test_kendall_tau": test["kendall_tau"]["mean"],
                f"test_{results.select}": test[results.select]["mean"],
            }
        )
    table = pd.DataFrame(rows)
    chosen = (table["predictor"] + "__" + table["inputs"]) == results.best
    order = table.assign(_after=~chosen).sort_values(["_after", results.select], kind="stable")
    return order.drop(columns="_after").reset_index(drop=True)


def summary(results: Results) -> str:
    """What came out, in a line."""
    reference = results.values(Arm(*REFERENCE))
    [best] = [arm for arm in results.arms if arm.name == results.best]
    values, test = results.values(best), results.values(best, "test")
    return (
        f"**{title(best)}** did best on the folds: `{results.select}` "
        f"{values[results.select]['mean']:.3f} ({REFERENCE[0]}: "
        f"{reference[results.select]['mean']:.3f}), Kendall's tau "
        f"{values['kendall_tau']['mean']:.3f} ({reference['kendall_tau']['mean']:.3f}), on the "
        f"test tasks {test['kendall_tau']['mean']:.3f}."
    )


def overview_description(results: Results) -> str:
    """All arms in a table, in Markdown."""
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
        f"{REFERENCE[0]}, after Holm. Figures and the reports' tables are this run's artifacts.",
    ]
    return "\n".join(lines)


def arm_description(results: Results, arm: Arm) -> str:
    """One paragraph on what this run is and how it did."""
    what = {
        "uniform": "No prior: every architecture is as probable as any other.",
        "static": "The same prior for every data set: the opponent.",
        "gaussian": "One Gaussian fitted to good architectures, the same for every data set.",
    }.get(arm.predictor, f"Predictor `{arm.predictor}` from `{arm.inputs}` of the task.")
    if arm.control:
        what += " A control: the MI profiles are those of other tasks."
    if arm.name == results.best:
        what = f"**The chosen predictor**, registered as a model. {what}"
    folds, test = results.values(arm), results.values(arm, "test")
    tau, regret = folds["kendall_tau"], folds[results.select]
    text = (
        f"{what}\n\nOn the folds Kendall's tau {tau['mean']:.3f} [{tau['low']:.3f}, "
        f"{tau['high']:.3f}]{_against(tau)}, `{results.select}` {regret['mean']:.3f}"
        f"{_against(regret)}; on the test tasks tau {test['kendall_tau']['mean']:.3f}, "
        f"`{results.select}` {test[results.select]['mean']:.3f}."
    )
    if not arm.control:
        text += f"\n\nFitted on all tasks: `models/fitted/{arm.name}` of the project."
    return text


def _against(row: dict[str, Any]) -> str:
    if pd.isna(row["p_holm"]):
        return ""
    return f" ({row['difference']:+.3f} against {REFERENCE[0]}, p = {row['p_holm']:.2g})"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"


def deserving(results: Results) -> list[str]:
    """Arms whose fitted predictor is worth a copy, the most wanted first.

    The chosen ones, the opponent, and of each other learned predictor the inputs that did best.
    """
    rows = results.comparisons
    rows = rows[(rows["part"] == "development") & (rows["metric"] == results.select)]
    names = [results.best, results.best_with_mi, "__".join(REFERENCE)]
    learned = [arm for arm in results.arms if arm.predictor not in WITHOUT_INPUTS]
    for predictor in dict.fromkeys(arm.predictor for arm in learned):
        kind = [arm for arm in learned if arm.predictor == predictor and not arm.control]
        names.append(min(kind, key=lambda arm: float(of_arm(rows, arm)["mean"].iloc[0])).name)
    return list(dict.fromkeys(names))


@contextmanager
def models(results: Results) -> Iterator[dict[str, Model]]:
    """Arm's name -> its fitted predictor as a pyfunc model, while its packed files are there."""
    from pipeline.mlflow_model import profile_to_json

    profile = results.meta.profile(results.meta.tasks["task"].iloc[0])
    example = pd.DataFrame({"profile": [profile_to_json(profile)]})
    requirements = [_requirement(name) for name in PACKAGES]
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder)
        package = zip_sources(Path("infoprior"), packed / "infoprior.zip")
        made: dict[str, Model] = {}
        size = 0
        for name in deserving(results):
            fitted = MODELS / "fitted" / name
            predictor = zip_folder(fitted, packed / f"{name}.zip")
            size += predictor.stat().st_size + package.stat().st_size
            if made and size > MODEL_BYTES:
                break
            prior = load_predictor(fitted).predict(profile)
            made[name] = Model(
                name=name.replace("__", "-"),
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
