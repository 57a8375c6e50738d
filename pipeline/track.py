"""Stage `track`: log the saved results to MLflow; runs of the same results are not doubled."""

from __future__ import annotations

from pipeline.common import DATA, MODELS, REPORTS, read_params  # isort: skip

import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from infoprior.metadataset import MetaDataset
from infoprior.parallel import fingerprint, write_atomically
from infoprior.predictors import load_predictor
from infoprior.tracking import Model, Run, Tracker
from pipeline.arms import Arm, arms

GROUP = ["predictor", "inputs"]
MLRUNS = Path("mlruns")
RESULTS = (
    DATA / "evaluation" / "tasks.parquet",
    DATA / "evaluation" / "comparisons.parquet",
    DATA / "hyperband" / "replay.parquet",
    DATA / "hyperband" / "live.parquet",
    MODELS / "best.json",
    REPORTS / "predictors.csv",
    REPORTS / "hyperband.csv",
)


def results_hash() -> str:
    """Of every file of results, each by itself: what moves from one to the next changes it."""
    return fingerprint({path.as_posix(): path.read_bytes() for path in RESULTS})


def git_commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def of_arm(frame: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    return frame[(frame["predictor"] == arm.predictor) & (frame["inputs"] == arm.inputs)]


def arm_metrics(arm: Arm, long: pd.DataFrame, hyperband: pd.DataFrame) -> dict[str, float]:
    """Means over tasks, with intervals and p-values: what the UI compares."""
    metrics: dict[str, Any] = {}
    for row in of_arm(long, arm).to_dict("records"):
        name = f"test_{row['metric']}" if row["part"] == "test" else row["metric"]
        metrics |= {name: row["mean"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
        if not pd.isna(row["p_holm"]):  # the reference has none
            metrics[f"{name}_p_holm"] = row["p_holm"]
    for row in of_arm(hyperband, arm).to_dict("records"):
        if not pd.isna(row["regret"]):  # nothing is searched before the prior is paid for
            prefix = "test_" if row["part"] == "test" else ""
            metrics[f"{prefix}{row['search']}_regret_at_budget_{row['budget']:g}"] = row["regret"]
    return {name: float(value) for name, value in metrics.items()}


def fold_runs(arm: Arm, tasks: pd.DataFrame, predictions: pd.DataFrame) -> list[Run]:
    """One nested run a fold: the means over its tasks."""
    splits = of_arm(predictions, arm)[["task", "split"]].drop_duplicates()
    rows = of_arm(tasks, arm).merge(splits, on="task")
    columns = [c for c in rows.columns if c == "kendall_tau" or c.startswith(("log_", "regret_"))]
    runs = []
    for split, part in rows[rows["discriminating"]].groupby("split", sort=True):
        means = part[columns].mean()
        runs.append(
            Run(
                name=f"{arm.predictor} / {arm.inputs} / {split}",
                params={"predictor": arm.predictor, "inputs": arm.inputs, "split": split,
                        "n_tasks": part["task"].nunique()},
                metrics={str(name): float(value) for name, value in means.items()},
                tags={"stage": "fold"},
            )
        )  # fmt: skip
    return runs


def requirement(name: str) -> str:
    """A package at the version that is installed, or newer within the major version."""
    found = version(name).split("+")[0]
    return f"{name}>={found},<{int(found.split('.')[0]) + 1}"


def figures() -> list[Path]:
    return sorted((REPORTS / "figures").glob("*.png"))


def model_of(arm: Arm, meta: MetaDataset) -> Model:
    """The arm fitted on every task, as a pyfunc model."""
    from pipeline.mlflow_model import profile_to_json

    folder = MODELS / "fitted" / arm.name
    profile = meta.profile(meta.tasks["task"].iloc[0])
    prior = load_predictor(folder).predict(profile)
    return Model(
        code=Path(__file__).with_name("mlflow_model.py"),
        artifacts={"predictor": folder},
        example=pd.DataFrame({"profile": [profile_to_json(profile)]}),
        output=pd.DataFrame({"prior": [json.dumps(prior.to_dict())]}),
        requirements=[
            requirement("numpy"),
            requirement("pandas"),
            requirement("optuna"),
            requirement("safetensors"),
            requirement("torch"),
            requirement("mlflow"),
        ],
        packages=[Path("infoprior")],
    )


def main() -> None:
    params, predictor_params = read_params("track"), read_params("predictors")
    results = results_hash()
    meta = MetaDataset.load(DATA / "metadataset")
    tasks = pd.read_parquet(DATA / "evaluation" / "tasks.parquet")
    long = pd.read_parquet(DATA / "evaluation" / "comparisons.parquet")
    predictions = pd.read_parquet(DATA / "predictions" / "predictions.parquet")
    hyperband = pd.read_csv(REPORTS / "hyperband.csv")
    best = json.loads((MODELS / "best.json").read_text("utf-8"))["predictor"].split("/")[-1]

    tracker = Tracker(MLRUNS, params["experiment"])
    logged = tracker.logged(results)
    commit = git_commit()
    tags = {
        "git_commit": commit,
        "mlflow.source.git.commit": commit,
        "mlflow.source.name": "pipeline/track.py",
        "mlflow.source.type": "LOCAL",
        "stage": "predictor",
        "data_hash": meta.digest,
    }
    rows = meta.rows()
    for arm in tqdm(arms(predictor_params), desc="MLflow", unit="run", mininterval=1):
        name = f"{arm.predictor} / {arm.inputs}"
        if name in logged:
            if arm.name == best:
                tracker.register(logged[name], params["model"], params["alias"])
            continue
        run = Run(
            name=name,
            params={"predictor": arm.predictor, "inputs": arm.inputs, "control": arm.control,
                    **_flat(predictor_params)},
            metrics=arm_metrics(arm, long, hyperband),
            tags={**tags, "chosen": str(arm.name == best)},
            tables={
                "held_out_tasks.json": of_arm(tasks, arm).reset_index(drop=True),
                "held_out_predictions.json": of_arm(predictions, arm).reset_index(drop=True),
            },
            files={"figures": figures()},
            children=fold_runs(arm, tasks, predictions),
        )  # fmt: skip
        run_id = tracker.log(
            run,
            results=results,
            dataset=rows,
            dataset_digest=meta.digest,
            model=None if arm.control else model_of(arm, meta),
        )
        if arm.name == best:
            tracker.register(run_id, params["model"], params["alias"])
    tracker.mark_current(results)
    summary = {
        "experiment": params["experiment"],
        "runs": len(arms(predictor_params)),
        "results": results,
        "model": f"{params['model']}@{params['alias']}",
        "best": best,
    }
    write_atomically(REPORTS / "tracked.json", json.dumps(summary, indent=1) + "\n")
    print(f"{len(arms(predictor_params))} runs in mlruns/; `make ui` shows them")


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of the stage that say something about one arm."""
    kept = {name: settings[name] for name in ("seed", "folds", "test_fraction", "shuffles")}
    return {**kept, **{f"settings.{k}": v for k, v in settings["settings"].items()}}


if __name__ == "__main__":
    main()
