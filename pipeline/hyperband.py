"""Stage `hyperband`: Hyperband with and without priors, over recorded curves and with Optuna.

Each search is reported twice: with what the prior costs (probes, meta-features, MI) charged to its
budget, and as if it were free. The first says whether a prior is worth its price, the second what
it knows.
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, REPORTS, file_name, pool, read_params, write_csv, write_parquet,
)  # fmt: skip

import pandas as pd
from joblib import delayed
from tqdm import tqdm

from infoprior.evaluation import (
    regret_curves,
    replay_task,
    summarize_searches,
    tasks_for_live_studies,
)
from infoprior.metadataset import MetaDataset
from infoprior.priors import Prior
from infoprior.report import (
    information_plane_figure,
    marginals_figure,
    regret_figure,
    save_figure,
)
from pipeline.choice import Choice
from pipeline.live_jobs import search_live
from pipeline.variants import GAUSSIAN, STATIC, UNIFORM, Variant


def replay_all(meta: MetaDataset, predictions: pd.DataFrame, params: dict) -> pd.DataFrame:
    """Every variant's regret in replays over the curves of every real task."""
    real = meta.tasks[meta.tasks["kind"] == "real"]["task"]
    curves = dict(iter(meta.curves.groupby("task", sort=False)))
    predicted = dict(iter(predictions.groupby("task", sort=False)))
    keys = predictions[["predictor", "inputs"]].drop_duplicates().itertuples(index=False)
    costs = {tuple(key): Variant(*key).start_cost(params["costs"]) for key in keys}
    names = ("epochs", "seeds", "budgets", "weight", "seed", "min_gap")
    settings = {name: params[name] for name in names}
    calls = (delayed(replay_task)(curves[t], predicted[t], costs, **settings) for t in real)
    tables = tqdm(pool()(calls), total=len(real), desc="replays", unit="task", mininterval=1)
    return pd.concat(tables, ignore_index=True)


def draw(meta: MetaDataset, report: pd.DataFrame, choice: Choice, example: str) -> None:
    """The figures of the report, and the curves that `dvc plots` draws."""
    figures, reader = REPORTS / "figures", choice.best_with_mi
    priors = choice.searched() | {"Gaussian on the average": GAUSSIAN}
    control = f"control ({reader.predictor}, {reader.inputs} with MI of other tasks)"
    shown = priors | {control: reader.control}
    labels = {variant.key: label for label, variant in shown.items()}
    save_figure(regret_figure(report[report["part"] == "test"], labels), figures / "regret.png")
    save_figure(information_plane_figure(meta.profiles), figures / "information_plane.png")
    folder = DATA / "priors" / file_name(example)
    loaded = {label: Prior.load(folder / f"{v.name}.json") for label, v in priors.items()}
    save_figure(marginals_figure(loaded, title=f"Priors for {example}"), figures / "marginals.png")
    columns = {
        "uniform": UNIFORM, "static": STATIC, "gaussian": GAUSSIAN, "predicted": choice.best,
        "predicted_with_mi": reader, "control": reader.control,
    }  # fmt: skip
    keys = {name: variant.key for name, variant in columns.items()}
    write_csv(regret_curves(report, keys), REPORTS / "regret.csv")


def main() -> None:
    params = {**read_params("hyperband"), "epochs": read_params("networks")["epochs"]}
    meta, choice = MetaDataset.load(DATA / "metadataset"), Choice.load()
    predictions = pd.read_parquet(DATA / "predictions" / "predictions.parquet")
    held_out = set(predictions[predictions["split"] == "test"]["task"])
    chosen = tasks_for_live_studies(
        meta.tasks, meta.final(), sorted(held_out), params["live_tasks"], params["min_gap"]
    )
    family = meta.tasks.set_index("task")["family"]
    parts = []
    for name, table in (
        ("replay", replay_all(meta, predictions, params)),
        ("live", search_live(meta, chosen, choice, params)),
    ):
        parts.append(table.assign(family=table["task"].map(family)))
        write_parquet(parts[-1], DATA / "hyperband" / f"{name}.parquet")
    report = summarize_searches(pd.concat(parts, ignore_index=True), STATIC.key)
    write_csv(report, REPORTS / "hyperband.csv")
    draw(meta, report, choice, chosen[0])
    print(f"replayed on {parts[0]['task'].nunique()} tasks; live on {chosen}")


if __name__ == "__main__":
    main()
