"""Stage `hyperband`: Hyperband with and without priors, over recorded curves and with Optuna.

Each search is reported twice: with what the prior costs (probes, meta-features, MI) charged to its
budget, and as if it were free. The first says whether a prior is worth its price, the second what
it knows.
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, MODELS, REPORTS, SHARDS, code_version, file_name, groups, label, pool, read_params,
    workers, write_csv, write_parquet,
)  # fmt: skip

import json
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from tqdm import tqdm

from infoprior.evaluation import RecordedCurves, compare, holm, regret_curve, replay, task_seed
from infoprior.metadataset import MetaDataset, published_task
from infoprior.parallel import fingerprint, run_jobs
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
TASK_FILE = ".safetensors"
CODE = (
    "pipeline.hyperband",
    "infoprior.evaluation",
    "infoprior.priors",
    "infoprior.training",
    "infoprior.spaces",
)


def replay_task(curves: pd.DataFrame, predictions: pd.DataFrame, params: dict) -> pd.DataFrame:
    """Every arm's replayed Hyperband on one task: mean regret over the replays, per budget.

    NaN where a budget leaves nothing for the search.
    """
    recorded = RecordedCurves.from_frame(
        curves, max_epochs=params["epochs"], min_gap=params["min_gap"]
    )
    if not recorded.scale.discriminating:
        return pd.DataFrame()
    fits = [*GROUP, "shuffle", "refit"]
    searches, in_hand = [], []
    for (*fit, split), frame in groups(predictions, [*fits, "split"]):
        predictor, inputs, *_ = fit
        cost = Arm(predictor, inputs).start_cost(params["costs"])
        rows = replay(
            recorded,
            dict(zip(frame["architecture"], frame["log_ratio"], strict=True)),
            seeds=params["seeds"],
            budgets=params["budgets"],
            start_cost=[cost, 0.0],
            weight=params["weight"],
            seed=task_seed(params["seed"], recorded.task),
        )
        part = "test" if split == "test" else "development"
        searches += [(*fit, part, name, recorded.task) for name in ("replay", "replay_free")]
        # The network in hand, as in a live study: a rung's winner is not trained on for free.
        in_hand.append(rows["regret_in_hand"].to_numpy())
    columns = [*fits, "part", "search", "task"]
    budgets = np.asarray(params["budgets"], dtype=np.float64)
    shape = len(searches), params["seeds"], len(budgets)
    which, _, budget = np.indices(shape).reshape(3, -1)
    table = pd.DataFrame(
        {"search": which, "budget": budgets[budget], "regret": np.concatenate(in_hand)}
    )
    mean = table.groupby(["search", "budget"], as_index=False)["regret"].mean()
    about = pd.DataFrame(searches, columns=columns).iloc[mean.pop("search")]
    return pd.concat([mean, about.reset_index(drop=True)], axis=1)


def live_one(
    source: str, space: str, prior: dict | None, seed: int, cost: float, params: dict
) -> list:
    """One Optuna study with HyperbandPruner that trains real networks.

    source: the file of a task that was measured here, or the name of a published one.
    """
    import optuna

    from infoprior.evaluation import live_study

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = live_study(
        Task.load(source) if source.endswith(TASK_FILE) else published_task(source),
        None if prior is None else Prior.from_dict(prior),
        space=get_space(space),
        base_sampler="random",
        weight=params["weight"],
        seed=seed,
        # Every search gets the same number of epochs; what came before is charged afterwards.
        budget_epochs=int((params["live_budget"] + cost) * params["epochs"]),
        max_epochs=params["epochs"],
        start_cost=cost,
    )
    return rows.to_dict("records")


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Per search, part, arm and budget: mean regret over tasks, and the difference to static.

    Where a budget leaves an arm nothing to search with, its row is empty and it is not tested.
    Holm's correction is over all tests of a search and part.
    """
    columns = ["search", "part", *GROUP, "budget", "n_tasks", "mean", "low", "high"]
    columns += ["difference", "difference_low", "difference_high", "p", "p_holm"]
    parts = []
    for (search, part), rows in groups(table, ["search", "part"]):
        found = []
        for (budget,), frame in groups(rows.sort_values("budget", kind="stable"), ["budget"]):
            without = frame.groupby(GROUP, sort=False)["regret"].transform(lambda r: r.isna().any())
            compared = compare(frame[~without], "regret", REFERENCE)
            idle = frame.loc[without, GROUP].drop_duplicates()
            found.append(label(pd.concat([compared, idle]), budget=budget))
        joined = pd.concat(found, ignore_index=True)
        joined["p_holm"] = holm(joined["p"].to_numpy(np.float64))
        parts.append(label(joined, search=search, part=part))
    return pd.concat(parts, ignore_index=True)[columns].rename(columns={"mean": "regret"})


def live_tasks(meta: MetaDataset, predictions: pd.DataFrame, params: dict) -> list[str]:
    """The test tasks with the most test rows among those that tell architectures apart."""
    held_out = set(predictions[predictions["split"] == "test"]["task"])
    final = meta.final()
    gap = final.groupby("task")["test_accuracy"].agg(lambda a: a.max() - a.median())
    table = meta.tasks[meta.tasks["task"].isin(held_out)].set_index("task")
    table = table[gap.loc[table.index] > params["min_gap"]]
    table = table.sort_values(["n_test", "n_train"], ascending=False, kind="stable")
    return sorted(table.index[: params["live_tasks"]])


def _arm_named(key: str) -> tuple[str, str]:
    """(predictor, inputs) that the evaluation chose, under a key of models/best.json."""
    chosen = json.loads((MODELS / "best.json").read_text("utf-8"))[key]
    predictor, inputs = chosen.split("/")[-1].split("__")
    return predictor, inputs


def chosen_arms() -> dict[str, Arm]:
    """Label -> arm: the opponents, the predictor chosen on the folds, the best that reads MI."""
    found = {"uniform": Arm("uniform", "nothing"), "static": Arm(*REFERENCE)}
    for key in ("predictor", "predictor_with_mi"):
        arm = Arm(*_arm_named(key))
        if arm not in found.values():
            found[f"predicted ({arm.predictor}, {arm.inputs})"] = arm
    return found


def digest_of(task: str, measured: dict[str, str]) -> str:
    """Of the rows that a live study trains on."""
    return measured[task] if task in measured else published_task(task).digest


def run_live(meta: MetaDataset, predictions: pd.DataFrame, params: dict) -> pd.DataFrame:
    """Uniform, static and predicted priors on held-out tasks; regret on the recorded scale."""
    code = code_version(*CODE)
    table = pd.read_parquet(DATA / "tasks" / "tasks.parquet")
    measured = dict(zip(table["task"], table["digest"], strict=True))
    jobs, labels = {}, {}
    for task in live_tasks(meta, predictions, params):
        for arm in chosen_arms().values():
            path = DATA / "priors" / file_name(task) / f"{arm.name}.json"
            prior = None if arm.predictor == "uniform" else json.loads(path.read_text("utf-8"))
            for seed in range(params["live_seeds"]):
                source = task
                if task in measured:
                    source = str(DATA / "tasks" / f"{file_name(task)}{TASK_FILE}")
                cost = arm.start_cost(params["costs"])
                settings = {name: params[name] for name in ("weight", "live_budget", "epochs")}
                arguments = (source, meta.space.name, prior, seed, cost, settings)
                key = f"{file_name(task)}.{arm.name}.s{seed}."
                key += fingerprint(digest_of(task, measured), code, *arguments[1:])
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
        cost = arm.start_cost(params["costs"])
        budgets = [b for b in params["budgets"] if b <= params["live_budget"]]
        for search, charged in (("live", cost), ("live_free", 0.0)):
            rows_at = frame.assign(cost=frame["cost"] - cost + charged)
            curve = regret_curve(rows_at, budgets, scale=recorded.scale)
            curves.append(label(curve, **about, search=search, part="test"))
    write_parquet(pd.concat(trials, ignore_index=True), DATA / "hyperband" / "live_trials.parquet")
    return pd.concat(curves, ignore_index=True)


def main() -> None:
    params = {**read_params("hyperband"), "epochs": read_params("networks")["epochs"]}
    meta = MetaDataset.load(DATA / "metadataset")
    predictions = pd.read_parquet(DATA / "predictions" / "predictions.parquet")
    real = meta.tasks[meta.tasks["kind"] == "real"]
    curves = dict(iter(meta.curves.groupby("task", sort=False)))
    predicted = dict(iter(predictions.groupby("task", sort=False)))
    calls = (delayed(replay_task)(curves[t], predicted[t], params) for t in real["task"])
    finished = pool()(calls)
    tables = list(tqdm(finished, total=len(real), desc="replays", unit="task", mininterval=1))
    replayed = pd.concat(tables, ignore_index=True)
    replayed["family"] = replayed["task"].map(real.set_index("task")["family"])
    write_parquet(replayed, DATA / "hyperband" / "replay.parquet")
    live = run_live(meta, predictions, params)
    live["family"] = live["task"].map(real.set_index("task")["family"])
    write_parquet(live, DATA / "hyperband" / "live.parquet")
    report = summarize(pd.concat([replayed, live], ignore_index=True))
    write_csv(report, REPORTS / "hyperband.csv")
    draw(meta, report, sorted(live["task"].unique())[0])
    print(f"replayed on {replayed.task.nunique()} tasks; live on {sorted(live.task.unique())}")


def draw(meta: MetaDataset, report: pd.DataFrame, example: str) -> None:
    """The figures of the report, and the curves that `dvc plots` draws."""
    shown = {(arm.predictor, arm.inputs): name for name, arm in chosen_arms().items()}
    shown[("gaussian", "nothing")] = "Gaussian on the average"
    predictor, inputs = _arm_named("predictor_with_mi")
    control = (predictor, f"{inputs}{CONTROL}")
    shown[control] = f"control ({predictor}, {inputs} with MI of other tasks)"
    figures = REPORTS / "figures"
    test = report[report["part"] == "test"]
    save_figure(regret_figure(test, shown), figures / "regret.png")
    save_figure(information_plane_figure(meta.profiles), figures / "information_plane.png")
    folder = DATA / "priors" / file_name(example)
    priors: dict[str, Any] = {
        name: Prior.load(folder / f"{predictor}__{inputs}.json")
        for (predictor, inputs), name in shown.items()
        if not inputs.endswith(CONTROL)
    }
    save_figure(marginals_figure(priors, title=f"Priors for {example}"), figures / "marginals.png")

    columns = {
        "uniform": ("uniform", "nothing"),
        "static": REFERENCE,
        "gaussian": ("gaussian", "nothing"),
        "predicted": _arm_named("predictor"),
        "predicted_with_mi": _arm_named("predictor_with_mi"),
        "control": control,
    }
    replayed = test[test["search"] == "replay"].set_index([*GROUP, "budget"])["regret"].sort_index()
    write_csv(regret_curves(replayed, columns), REPORTS / "regret.csv")


def regret_curves(replayed: pd.Series, columns: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """What `dvc plots` draws, a row a point: prior, budget, regret.

    A prior that is not paid for yet has no regret, and no row: drawn as an empty cell it would
    stand at 0, the best there is.

    Args:
        replayed: mean regret by predictor, inputs and budget; NaN where nothing was searched.
        columns: name of the prior -> predictor, inputs.
    """
    parts = [
        replayed.loc[arm].rename_axis("budget").rename("regret").reset_index().assign(prior=name)
        for name, arm in columns.items()
    ]
    return pd.concat(parts, ignore_index=True).dropna()[["prior", "budget", "regret"]]


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from pipeline import hyperband

    hyperband.main()
