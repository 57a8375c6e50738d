"""Stage `predictors`: fit every variant on folds of whole families, and once on everything.

What is kept of the held-out tasks are scores: the settings that act on them, such as the prior's
temperature, belong to the stage `priors`, and another value fits nothing again.
"""

from __future__ import annotations

from pipeline.common import (  # isort: skip
    DATA, SHARDS, code_version, fan_out, read_params, whole_folder, write_parquet,
)  # fmt: skip

import json
from base64 import b64decode
from typing import Any

import pandas as pd

from infoprior.evaluation import held_out_splits
from infoprior.files import write_atomically
from infoprior.fingerprints import fingerprint
from infoprior.metadataset import FITTED_FAMILIES, MetaDataset, space_to_dict
from infoprior.parallel import run_jobs
from infoprior.predictors import INPUTS
from pipeline.fit_jobs import fit_final, fit_one
from pipeline.variants import CONTROL, FITTING, variants

CODE = (
    "pipeline.fit_jobs",
    "infoprior.predictors",
    "infoprior.metadataset",
    "infoprior.evaluation",
    "infoprior.profiles",
    "infoprior.spaces",
    "infoprior.tasks",
)
METADATASET = DATA / "metadataset"


def splits_of(meta: MetaDataset, params: dict) -> dict[str, tuple[list[str], list[str]]]:
    """Name of each split -> (training tasks, held-out tasks), as `held_out_splits` makes them.

    The families that the synthetic tasks were chosen by are never held out for testing; they are
    the folds, so that synthetic tasks know a little of every fold: the mean ranking over all.
    """
    return held_out_splits(
        meta.tasks, params["folds"], params["test_fraction"], params["seed"], keep=FITTED_FAMILIES
    )


def check_inputs(meta: MetaDataset, inputs: list[str]) -> None:
    """What the variants read has to be there, before the first is fitted.

    Raises:
        SystemExit: it is not.
    """
    whole = {"all", f"all{CONTROL}"}  # which leaves the group out where it was not measured
    reading = [n for n in inputs if n not in whole and "inputs" in INPUTS[n.removesuffix(CONTROL)]]
    if reading and meta.input_features().empty:
        raise SystemExit(
            f"predictors.inputs holds {reading[0]!r}, but what inputs say is not read for the "
            f"space {meta.space.name}: leave out {', '.join(reading)} in params.yaml."
        )


def main() -> None:
    params = read_params("predictors", whole=True)
    meta = MetaDataset.load(METADATASET)
    check_inputs(meta, params["inputs"])
    splits, compared = splits_of(meta, params), variants(params)
    settings = {"seed": params["seed"]}
    settings |= {n: params["settings"][n] for n in FITTING if n in params["settings"]}
    code = code_version(*CODE)
    jobs, labels = {}, {}
    for variant in compared:
        for shuffle, refit in variant.fits(params["shuffles"]):
            seeded = settings | {"seed": settings["seed"] + refit}
            for split, (train, held_out) in splits.items():
                arguments = (str(METADATASET), variant, shuffle, train, held_out, seeded)
                key = f"{variant.name}.{split}.{shuffle + 1}.{refit}."
                key += fingerprint(meta.digest, code, variant.name, shuffle, *arguments[3:])
                jobs[key] = arguments
                labels[key] = (*variant.key, shuffle, refit, split)
    results = run_jobs(
        fit_one, jobs, directory=SHARDS / "predictors", description="predictors", **fan_out()
    )
    final = {
        f"{variant.name}.final.{fingerprint(meta.digest, code, variant.name, settings)}": variant
        for variant in compared
        if not variant.is_control
    }
    saved = run_jobs(
        fit_final, {key: (str(METADATASET), variant, settings) for key, variant in final.items()},
        directory=SHARDS / "predictors", description="predictors of all tasks", **fan_out(),
    )  # fmt: skip
    write_scores(meta, results, labels)
    with whole_folder(DATA / "fitted") as folder:
        for key, variant in final.items():
            for name, content in saved[key].items():
                write_atomically(folder / variant.name / name, b64decode(content))
    n_test = len(splits["test"][1])
    print(f"{len(compared)} variants, {len(results)} fits; {n_test} test tasks held out")


def write_scores(meta: MetaDataset, results: dict[str, Any], labels: dict[str, tuple]) -> None:
    """data/scores: a row per fit, held-out task and point, and the points' params."""
    points: dict[str, dict[str, Any]] = meta.points()
    about = {"space": space_to_dict(meta.space), "recorded": list(points)}
    fit = ["predictor", "inputs", "shuffle", "refit", "split"]
    tables = []
    for key, result in results.items():
        points |= result["candidates"]
        columns = dict(zip(fit, labels[key], strict=True))
        tables += [
            pd.DataFrame({**columns, "task": task, "point": result["names"], "score": scores})
            for task, scores in result["scores"].items()
        ]
    with whole_folder(DATA / "scores") as folder:
        write_parquet(pd.concat(tables, ignore_index=True), folder / "scores.parquet")
        text = json.dumps(about | {"points": points}, indent=1) + "\n"
        write_atomically(folder / "points.json", text)


if __name__ == "__main__":
    main()
