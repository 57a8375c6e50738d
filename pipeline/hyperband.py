"""Stage `hyperband`: Hyperband with and without priors, over recorded curves and with Optuna."""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, MODELS, REPORTS, SHARDS, file_name, groups, label, read_params, workers, write_csv,
    write_parquet,
)  # fmt: skip

import json
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from infoprior.evaluation import RecordedCurves, compare, holm, regret_curve, replay, task_seed
from infoprior.metadataset import MetaDataset
from infoprior.parallel import fingerprint, run_jobs, source_fingerprint
from infoprior.priors import Prior
from infoprior.report import (
    information_plane_figure,
    marginals_figure,
    regret_figure,
    save_figure,
)
from infoprior.spaces import get_space
from infoprior.tasks import Task
from pipeline.arms import CONTROL, REFERENCE, Arm

GROUP = ["predictor", "inputs"]
CODE = ("infoprior.evaluation", "infoprior.priors", "infoprior.training", "infoprior.spaces")


def replay_task(curves: pd.DataFrame, predictions: pd.DataFrame, params: dict) -> pd.DataFrame:
    """Every arm's replayed Hyperband on one task: mean regret over the replays, per budget.

    Once with what the prior costs charged to its budget ("replay"), once as if it were free
    ("replay_free"): what the prior is worth, and whether it is worth its price.
    """
    recorded = RecordedCurves.from_frame(
        curves, max_epochs=params["epochs"], min_gap=params["min_gap"]
    )
    if not recorded.scale.discriminating:
        return pd.DataFrame()
    found = []
    for (predictor, inputs, shuffle), frame in groups(predictions, [*GROUP, "shuffle"]):
        log_ratio = frame.set_index("architecture")["log_ratio"]
        cost = Arm(predictor, inputs).start_cost(params["costs"])
        for search, charged in (("replay", cost), ("replay_free", 0.0)):
            rows = replay(
                recorded,
                log_ratio,
                seeds=params["seeds"],
                budgets=params["budgets"],
                start_cost=charged,
                weight=params["weight"],
                seed=task_seed(params["seed"], recorded.task),
            )
            # The network in hand, as in a live study: a rung's winner is not trained on for free.
            mean = rows.groupby("budget")["regret_in_hand"].mean().rename("regret").reset_index()
            about = {"predictor": predictor, "inputs": inputs, "shuffle": shuffle}
            found.append(label(mean, **about, search=search, task=recorded.task))
    return pd.concat(found, ignore_index=True)


def live_one(
    path: str, space: str, prior: dict | None, seed: int, cost: float, params: dict
) -> list:
    """One Optuna study with HyperbandPruner that trains real networks."""
    import optuna

    from infoprior.evaluation import live_study

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = live_study(
        Task.load(path),
        None if prior is None else Prior.from_dict(prior),
        space=get_space(space),
        base="random",
        weight=params["weight"],
        seed=seed,
        budget_epochs=int(params["live_budget"] * params["epochs"]),
        max_epochs=params["epochs"],
        start_cost=cost,
    )
    return rows.to_dict("records")


def summarize(table: pd.DataFrame, search: str) -> pd.DataFrame:
    """Per arm and budget: mean regret over tasks, and the difference to the static prior."""
    found = []
    for (budget,), frame in groups(table.sort_values("budget", kind="stable"), ["budget"]):
        found.append(compare(frame, "regret", REFERENCE).assign(search=search, budget=budget))
    joined = pd.concat(found, ignore_index=True)
    joined["p_holm"] = holm(joined["p"].to_numpy(np.float64))
    columns = ["search", *GROUP, "budget", "n_tasks", "mean", "low", "high"]
    columns += ["difference", "difference_low", "difference_high", "p", "p_holm"]
    return joined[columns].rename(columns={"mean": "regret"})


def live_tasks(meta: MetaDataset, predictions: pd.DataFrame, params: dict) -> list[str]:
    """The test tasks with the most test rows among those that tell architectures apart."""
    held_out = set(predictions[predictions["split"] == "test"]["task"])
    final = meta.final()
    gap = final.groupby("task")["test_accuracy"].agg(lambda a: a.max() - a.median())
    table = meta.tasks[meta.tasks["task"].isin(held_out)].set_index("task")
    table = table[gap.loc[table.index] > params["min_gap"]]
    table = table.sort_values(["n_test", "n_train"], ascending=False, kind="stable")
    return sorted(table.index[: params["live_tasks"]])


def chosen_arms() -> dict[str, Arm]:
    """Label -> arm: the opponents, the predictor chosen on the folds, the best that reads MI."""
    chosen = json.loads((MODELS / "best.json").read_text("utf-8"))
    found = {"uniform": Arm("uniform", "nothing"), "static": Arm(*REFERENCE)}
    for key in ("predictor", "predictor_with_mi"):
        arm = Arm(*chosen[key].split("/")[-1].split("__"))
        found[f"predicted ({arm.predictor}, {arm.inputs})"] = arm
    return found


def run_live(meta: MetaDataset, predictions: pd.DataFrame, params: dict) -> pd.DataFrame:
    """Uniform, static and predicted priors on held-out tasks; regret on the recorded scale."""
    code = source_fingerprint(*CODE)
    digests = pd.read_parquet(DATA / "tasks" / "tasks.parquet").set_index("task")["digest"]
    jobs, labels = {}, {}
    for task in live_tasks(meta, predictions, params):
        for arm in chosen_arms().values():
            path = DATA / "priors" / file_name(task) / f"{arm.name}.json"
            prior = None if arm.predictor == "uniform" else json.loads(path.read_text("utf-8"))
            for seed in range(params["live_seeds"]):
                source = str(DATA / "tasks" / f"{file_name(task)}.safetensors")
                cost = arm.start_cost(params["costs"])
                settings = {name: params[name] for name in ("weight", "live_budget", "epochs")}
                arguments = (source, meta.space.name, prior, seed, cost, settings)
                key = f"{file_name(task)}.{arm.name}.s{seed}."
                key += fingerprint(digests[task], code, *arguments[1:])
                jobs[key], labels[key] = arguments, (task, arm, seed)
    results = run_jobs(
        live_one, jobs, directory=SHARDS / "live", workers=workers(), description="live studies"
    )
    trials, curves = [], []
    for key, rows in results.items():
        task, arm, seed = labels[key]
        about = {"predictor": arm.predictor, "inputs": arm.inputs, "task": task, "seed": seed}
        frame = pd.DataFrame(rows)
        trials.append(label(frame, **about))
        recorded = RecordedCurves.from_frame(
            meta.curves[meta.curves["task"] == task],
            max_epochs=params["epochs"],
            min_gap=params["min_gap"],
        )
        budgets = [b for b in params["budgets"] if b <= params["live_budget"]]
        curve = regret_curve(frame, [*budgets, params["live_budget"]], scale=recorded.scale)
        curves.append(label(curve.drop_duplicates("budget"), **about))
    write_parquet(pd.concat(trials, ignore_index=True), DATA / "hyperband" / "live_trials.parquet")
    return pd.concat(curves, ignore_index=True)


def main() -> None:
    params = {**read_params("hyperband"), "epochs": read_params("networks")["epochs"]}
    meta = MetaDataset.load(DATA / "metadataset")
    predictions = pd.read_parquet(DATA / "predictions" / "predictions.parquet")
    real = meta.tasks[meta.tasks["kind"] == "real"]
    calls = (
        delayed(replay_task)(
            meta.curves[meta.curves["task"] == task],
            predictions[predictions["task"] == task],
            params,
        )
        for task in real["task"]
    )
    finished = Parallel(n_jobs=workers(), return_as="generator")(calls)
    tables = list(tqdm(finished, total=len(real), desc="replays", unit="task", mininterval=1))
    replayed = pd.concat(tables, ignore_index=True)
    replayed["family"] = replayed["task"].map(real.set_index("task")["family"])
    write_parquet(replayed, DATA / "hyperband" / "replay.parquet")
    live = run_live(meta, predictions, params)
    live["family"] = live["task"].map(real.set_index("task")["family"])
    write_parquet(live, DATA / "hyperband" / "live.parquet")
    parts = [summarize(rows, search) for (search,), rows in groups(replayed, ["search"])]
    report = pd.concat([*parts, summarize(live, "live")], ignore_index=True)
    write_csv(report, REPORTS / "hyperband.csv")
    draw(meta, report, sorted(live["task"].unique())[0])
    print(f"replayed on {replayed.task.nunique()} tasks; live on {sorted(live.task.unique())}")


def draw(meta: MetaDataset, report: pd.DataFrame, example: str) -> None:
    """The figures of the report."""
    arms = chosen_arms()
    shown = {(arm.predictor, arm.inputs): label for label, arm in arms.items()}
    shown[("gaussian", "nothing")] = "Gaussian on the average"
    reader = list(arms.values())[-1]
    control = (reader.predictor, f"{reader.inputs}{CONTROL}")
    shown[control] = f"control ({reader.predictor}, {reader.inputs} with MI of other tasks)"
    figures = REPORTS / "figures"
    save_figure(regret_figure(report, shown), figures / "regret.png")
    save_figure(information_plane_figure(meta.profiles), figures / "information_plane.png")
    folder = DATA / "priors" / file_name(example)
    priors: dict[str, Any] = {
        label: Prior.load(folder / f"{predictor}__{inputs}.json")
        for (predictor, inputs), label in shown.items()
        if not inputs.endswith(CONTROL)
    }
    save_figure(marginals_figure(priors, title=f"Priors for {example}"), figures / "marginals.png")


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from pipeline import hyperband

    hyperband.main()
