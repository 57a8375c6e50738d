"""Stage `predictors`: fit every arm on folds of whole families, and once on everything.

What is kept of the held-out tasks are scores: the settings that act on them, such as the prior's
temperature, belong to the stage `priors`, and another value fits nothing again.
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, SHARDS, code_version, fan_out, label, read_params, whole_folder, write_parquet,
)  # fmt: skip

import json
from base64 import b64decode, b64encode
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from infoprior.evaluation import family_folds, hold_out, score_held_out
from infoprior.files import write_atomically
from infoprior.fingerprints import fingerprint
from infoprior.metadataset import FITTED_FAMILIES, MetaDataset, space_to_dict
from infoprior.parallel import run_jobs
from infoprior.predictors import make_predictor
from pipeline.variants import FITTING, Arm, arms

CODE = (
    "pipeline.predictors",
    "infoprior.predictors",
    "infoprior.metadataset",
    "infoprior.evaluation",
    "infoprior.profiles",
    "infoprior.spaces",
    "infoprior.tasks",
)
METADATASET = DATA / "metadataset"


@lru_cache(maxsize=8)
def read_meta(folder: str, shuffle: int) -> MetaDataset:
    meta = MetaDataset.load(folder)
    return meta if shuffle < 0 else meta.shuffle_profiles(shuffle)


def fit_one(
    folder: str, arm: Arm, shuffle: int, train: list[str], held_out: list[str], settings: dict
) -> dict[str, Any]:
    """Fit an arm on some tasks; what it scores, and the held-out tasks' scores.

    Returns:
        "names" of the points that have a score: ids of recorded architectures, and "candidate-<i>";
        "candidates", name -> params; "scores", task -> one score a point.
    """
    import torch

    torch.set_num_threads(1)
    meta = read_meta(folder, shuffle)
    points, scores = score_held_out(
        lambda: make_predictor(arm.predictor, arm.input_names, **settings), meta, held_out, train
    )
    recorded = {json.dumps(point): name for name, point in meta.points().items()}
    names = [recorded.get(json.dumps(point), f"candidate-{i}") for i, point in enumerate(points)]
    known = set(recorded.values())
    return {
        "names": names,
        "candidates": {n: p for n, p in zip(names, points, strict=True) if n not in known},
        "scores": {task: values.tolist() for task, values in scores.items()},
    }


def fit_final(folder: str, arm: Arm, settings: dict) -> dict[str, str]:
    """Fit an arm on every task: the files that it is saved as, each as base64."""
    import torch

    torch.set_num_threads(1)
    predictor = make_predictor(arm.predictor, arm.input_names, **settings)
    predictor.fit(read_meta(folder, -1))
    with TemporaryDirectory() as saved:
        predictor.save(saved)
        return {f.name: b64encode(f.read_bytes()).decode() for f in sorted(Path(saved).iterdir())}


def parts(meta: MetaDataset, params: dict) -> dict[str, tuple[list[str], list[str]]]:
    """Name of each split -> (training tasks, held-out tasks).

    The test families are held out first; the folds cut the other real families. What is chosen is
    chosen on the folds, and the test tasks are predicted once, by predictors fitted on all the
    others. Tasks that are not real help to learn, in every split, and judge nothing. The families
    that the synthetic tasks were chosen by are never held out for testing; they are the folds, so
    that synthetic tasks know a little of every fold: the mean ranking over all of them.
    """
    development, test = hold_out(
        meta.tasks, params["test_fraction"], params["seed"], kinds=("real",), keep=FITTED_FAMILIES
    )
    real = set(meta.tasks["family"][meta.tasks["kind"] == "real"])
    table = meta.tasks[meta.tasks.task.isin(development) & meta.tasks.family.isin(real)]
    folds = family_folds(table, params["folds"], params["seed"])
    found = {
        f"fold-{i}": ([t for t in development if t not in set(fold)], fold)
        for i, fold in enumerate(folds)
    }
    return {**found, "test": (development, test)}


def main() -> None:
    params = read_params("predictors", whole=True)
    meta = MetaDataset.load(METADATASET)
    splits = parts(meta, params)
    settings = {"seed": params["seed"]}
    settings |= {n: params["settings"][n] for n in FITTING if n in params["settings"]}
    code = code_version(*CODE)
    jobs, labels = {}, {}
    for arm in arms(params):
        for shuffle, refit in arm.fits(params["shuffles"]):
            seeded = settings | {"seed": settings["seed"] + refit}
            for split, (train, held_out) in splits.items():
                arguments = (str(METADATASET), arm, shuffle, train, held_out, seeded)
                key = f"{arm.name}.{split}.{shuffle + 1}.{refit}."
                key += fingerprint(meta.digest, code, arm.name, shuffle, *arguments[3:])
                jobs[key] = arguments
                labels[key] = (arm, shuffle, refit, split)
    results = run_jobs(
        fit_one, jobs, directory=SHARDS / "predictors", description="predictors", **fan_out()
    )
    points: dict[str, dict[str, Any]] = meta.points()
    tables = []
    for key, result in results.items():
        arm, shuffle, refit, split = labels[key]
        about = {"shuffle": shuffle, "refit": refit, "split": split}
        points |= result["candidates"]
        for task, scores in result["scores"].items():
            rows = pd.DataFrame({"point": result["names"], "score": scores})
            rows = label(rows, predictor=arm.predictor, inputs=arm.inputs, **about, task=task)
            tables.append(rows)
    first = ["predictor", "inputs", "shuffle", "refit", "split", "task", "point"]
    scores = pd.concat(tables, ignore_index=True)[[*first, "score"]]
    about = {
        "space": space_to_dict(meta.space),
        "recorded": list(meta.points()),
        "points": points,
    }

    fitted = {
        f"{arm.name}.final.{fingerprint(meta.digest, code, arm.name, settings)}": arm
        for arm in arms(params)
        if not arm.control
    }
    saved = run_jobs(
        fit_final, {key: (str(METADATASET), arm, settings) for key, arm in fitted.items()},
        directory=SHARDS / "predictors", description="predictors of all tasks", **fan_out(),
    )  # fmt: skip
    with whole_folder(DATA / "scores") as folder:
        write_parquet(scores, folder / "scores.parquet")
        write_atomically(folder / "points.json", json.dumps(about, indent=1) + "\n")
    with whole_folder(DATA / "fitted") as folder:
        for key, arm in fitted.items():
            for name, content in saved[key].items():
                write_atomically(folder / arm.name / name, b64decode(content))
    n_test = len(splits["test"][1])
    print(f"{len(arms(params))} arms, {len(results)} fits; {n_test} test tasks held out")


if __name__ == "__main__":
    # Under its own name, so that worker processes find its functions.
    from pipeline import predictors

    predictors.main()
