"""Stage `priors`: from the scores of the fitted variants to priors, with settings that act on them.

Nothing is fitted here: another temperature, bandwidth, floor or number of components costs seconds.
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, MODELS, file_name, groups, label, pool, read_params, whole_folder, write_parquet,
)  # fmt: skip

import json
from typing import Any

import pandas as pd
from joblib import delayed
from tqdm import tqdm

from infoprior.evaluation import log_ratio_table
from infoprior.files import write_atomically
from infoprior.metadataset import space_from_dict
from infoprior.predictors import load_predictor, make_predictor
from pipeline.variants import FITTING, Variant

FIT = ["predictor", "inputs", "shuffle", "refit", "split"]


def priors_of_fit(
    fit: tuple[Any, ...], scores: pd.DataFrame, about: dict[str, Any], settings: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """What one fit's priors say of the recorded architectures, and those that are kept, as dicts.

    Args:
        fit: the values of `FIT`.
        scores: its rows: task, point, score.
        about: space, recorded and points, as the stage `predictors` wrote them.
        settings: of the prior, and the seed.
    """
    predictor, inputs, _, refit, split = fit
    variant, points = Variant(predictor, inputs), about["points"]
    names = scores["point"][scores["task"] == scores["task"].iloc[0]]
    by_task = {str(task): rows["score"].to_numpy() for (task,), rows in groups(scores, ["task"])}
    seeded = settings | {"seed": settings["seed"] + refit}
    priors = make_predictor(predictor, variant.input_names, **seeded).priors_of_scores(
        space_from_dict(about["space"], "points.json"), [points[name] for name in names], by_task
    )
    recorded = {name: points[name] for name in about["recorded"]}
    table = label(log_ratio_table(priors, recorded), **dict(zip(FIT, fit, strict=True)))
    kept = split == "test" and not variant.is_control and not refit
    return table, {task: prior.to_dict() for task, prior in priors.items()} if kept else {}


def main() -> None:
    params = read_params("predictors", whole=True)
    settings = {name: v for name, v in params["settings"].items() if name not in FITTING}
    about = json.loads((DATA / "scores" / "points.json").read_text("utf-8"))
    scores = pd.read_parquet(DATA / "scores" / "scores.parquet")
    fits = list(groups(scores, FIT))
    calls = (
        delayed(priors_of_fit)(fit, rows, about, settings | {"seed": params["seed"]})
        for fit, rows in fits
    )
    finished = pool()(calls)
    tables, n_kept = [], 0
    with whole_folder(DATA / "priors") as folder:
        for (fit, _), (table, kept) in zip(
            fits, tqdm(finished, total=len(fits), desc="priors", unit="fit", mininterval=1),
            strict=True,
        ):  # fmt: skip
            tables.append(table)
            for task, prior in kept.items():
                path = folder / file_name(task) / f"{Variant(*fit[:2]).name}.json"
                write_atomically(path, json.dumps(prior, indent=1) + "\n")
            n_kept += len(kept)
    predictions = pd.concat(tables, ignore_index=True)
    columns = [*FIT, "task", "architecture", "log_ratio"]
    write_parquet(predictions[columns], DATA / "predictions" / "predictions.parquet")
    with whole_folder(MODELS / "fitted") as folder:
        for fitted in sorted((DATA / "fitted").iterdir()):
            load_predictor(fitted).with_settings(**settings).save(folder / fitted.name)
    n_priors = predictions.groupby(FIT, sort=False)["task"].nunique().sum()
    print(f"{n_priors} priors of {predictions.task.nunique()} tasks, {n_kept} of them kept")


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from pipeline import priors

    priors.main()
