"""What .ci/run asks of a temporary clone.

`lock`: dvc.lock was made by these sources and parameters. `params`: shrink params.yaml for a tiny
pipeline. `check`: look at what that left.
"""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd

SMALLER = {
    "  published: true ": "  published: false ",
    "  kinds: []   ": "  kinds: [real] ",
    "  limit: 0 ": "  limit: 12 ",
    "  synthetic: 8 ": "  synthetic: 1 ",
    "  max_train: 2000 ": "  max_train: 200 ",
    "  max_test: 5000": "  max_test: 500",
    "  architectures: 48 ": "  architectures: 8 ",
    "  epochs: 27            # rungs": "  epochs: 9  # rungs",
    "  max_rows: 1500 ": "  max_rows: 200 ",
    "  shuffles: 2 ": "  shuffles: 1 ",
    "  folds: 5 ": "  folds: 2 ",
    "  seeds: 30 ": "  seeds: 3 ",
    "  live_tasks: 8": "  live_tasks: 1",
    "  live_budget: 12 ": "  live_budget: 4 ",
    "  budgets: [1, 2, 4]    #": "  budgets: [1, 2]  #",
}


def lock() -> None:
    """A change of code without `make repro` leaves results in git that nobody can reproduce."""
    text = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=True)
    stale = []
    for stage, changes in json.loads(text.stdout).items():
        for change in changes:
            deps = change.get("changed deps", {}) if isinstance(change, dict) else {}
            # What is missing is data, which a clone does not have.
            stale += [f"{stage}: {dep}" for dep, state in deps.items() if state != "deleted"]
    assert not stale, f"run `make repro` and commit dvc.lock and reports/: {stale}"


def params() -> None:
    path = Path("params.yaml")
    text = path.read_text("utf-8")
    for old, new in SMALLER.items():
        assert old in text, (
            f"params.yaml has no {old!r} any more; say in .ci/tiny.py what to shrink"
        )
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def check() -> None:
    predictors = pd.read_csv("reports/predictors.csv")
    assert len(predictors) == 31, f"{len(predictors)} rows in reports/predictors.csv"
    assert predictors["kendall_tau"].between(-1, 1).all()
    hyperband = pd.read_csv("reports/hyperband.csv")
    searches = {"replay", "live", "pruned"}
    assert set(hyperband["search"]) == searches | {f"{name}_free" for name in searches}
    assert {"uniform", "static"} < set(hyperband[hyperband["search"] == "live"]["predictor"])
    strategies = pd.read_csv("reports/strategies.csv")
    shown = {"evolution", "evolution, random surgery", "DARTS, first order", "DARTS, second order"}
    assert shown < set(strategies["strategy"])
    assert strategies[strategies["budget"] == 2]["regret"].notna().sum() >= 8
    assert json.loads(Path("reports/metrics.json").read_text())["best"]["test"]
    best = json.loads(Path("models/best.json").read_text())["predictor"]
    headers = ("predictor.json", "performance.json")
    assert any((Path("models") / best / header).exists() for header in headers)
    with sqlite3.connect("mlruns/mlflow.db") as store:
        finished = dict(
            store.execute(
                "select experiments.name, count(*) from runs "
                "join experiments using (experiment_id) where status = 'FINISHED' group by 1"
            ).fetchall()
        )
        (aliases,) = store.execute("select count(*) from registered_model_aliases").fetchone()
    # The overview, and of each predictor up to two folds and the test tasks.
    assert 31 * 2 < finished["infoprior"] <= 31 * 4 + 1, finished
    # The overview, nine or ten strategies, and of each a task or two.
    assert 9 * 2 < finished["infoprior-strategies-small"] <= 10 * 3 + 1, finished
    assert aliases == 1
    status = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=True)
    changed = json.loads(status.stdout)
    # It looks each time whether MLflow shows the results that lie here.
    assert changed == {"track": ["always changed"]}, changed
    files = subprocess.run(
        ["git", "status", "--porcelain"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    strays = [line for line in files if line.startswith("??")]
    assert not strays, f"untracked files after dvc repro: {strays}"
    print("the tiny pipeline left what it should")


if __name__ == "__main__":
    {"lock": lock, "params": params, "check": check}[sys.argv[1]]()
