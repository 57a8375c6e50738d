"""The stage `predictors` on a few published tasks: what it writes, and a second run's bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from infoprior.evaluation import predict_held_out
from infoprior.metadataset import FITTED_FAMILIES, MetaDataset, training_rows
from infoprior.parallel import worker_pool
from infoprior.predictors import load_predictor, make_predictor
from pipeline import predictors, priors
from pipeline.variants import variants

PARAMS = {
    "baselines": ["static"],
    "learned": ["nearest"],
    "inputs": ["nothing", "mi", "mi-shuffled"],
    "shuffles": 2,
    "folds": 2,
    "test_fraction": 0.25,
    "seed": 0,
    "settings": {"bandwidth": 0.2},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    meta = training_rows("mlp", 6)
    real = meta.tasks[meta.tasks["kind"] == "real"]
    fitted = real["family"].isin(FITTED_FAMILIES)
    names = [*real[fitted]["task"].iloc[:12], *real[~fitted]["task"].iloc[:5]]
    names += list(meta.tasks[meta.tasks["kind"] == "synthetic"]["task"])
    meta.subset(names).shared().save(tmp_path / "metadataset")
    for name in ("DATA", "SHARDS"):
        monkeypatch.setattr(predictors, name, tmp_path / name.lower())
    for name in ("DATA", "MODELS"):
        monkeypatch.setattr(priors, name, tmp_path / name.lower())
    monkeypatch.setattr(predictors, "METADATASET", tmp_path / "metadataset")
    for stage in (predictors, priors):
        monkeypatch.setattr(stage, "read_params", lambda section, whole: PARAMS)
    monkeypatch.setattr(predictors, "fan_out", dict)
    monkeypatch.setattr(priors, "pool", lambda: worker_pool(1))
    return tmp_path


def run_both() -> None:
    predictors.main()
    priors.main()


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_variant_is_fitted_on_each_split_and_saved_under_its_name(place: Path) -> None:
    run_both()
    table = pd.read_parquet(place / "data" / "predictions" / "predictions.parquet")
    splits = predictors.splits_of(MetaDataset.load(place / "metadataset"), PARAMS)
    expected = {
        (variant.predictor, variant.inputs, shuffle, refit, split, task)
        for variant in variants(PARAMS)
        for shuffle, refit in variant.fits(2)
        for split, (_, held_out) in splits.items()
        for task in held_out
    }
    columns = ["predictor", "inputs", "shuffle", "refit", "split", "task"]
    assert set(table[columns].itertuples(index=False, name=None)) == expected
    plain = {variant.name: variant for variant in variants(PARAMS) if not variant.is_control}
    assert {p.name for p in (place / "models" / "fitted").iterdir()} == set(plain)
    for name, variant in plain.items():
        predictor = load_predictor(place / "models" / "fitted" / name)
        assert (predictor.name, predictor.inputs) == (variant.predictor, variant.input_names)
    priors = {p.relative_to(place / "data" / "priors").parts for p in place.rglob("priors/*/*")}
    tasks = [task.replace("/", "--") for task in splits["test"][1]]
    assert priors == {(task, f"{name}.json") for task in tasks for name in plain}

    # A second run finds its results, or makes them again: the same bytes.
    outputs = ("data", "models")
    before = {name: files(place / name) for name in outputs}
    run_both()
    assert {name: files(place / name) for name in outputs} == before
    for kept in sorted((place / "shards" / "predictors").iterdir())[::3]:
        kept.unlink()
    run_both()
    assert {name: files(place / name) for name in outputs} == before


def test_another_temperature_fits_nothing_and_gives_what_a_fit_with_it_gives(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_both()
    finished = files(place / "shards")
    warmer = PARAMS | {"settings": {"bandwidth": 0.2, "temperature": 0.7}}
    for stage in (predictors, priors):
        monkeypatch.setattr(stage, "read_params", lambda section, whole: warmer)
    run_both()
    assert files(place / "shards") == finished
    meta = MetaDataset.load(place / "metadataset")
    saved = load_predictor(place / "models" / "fitted" / "nearest__mi")
    anew = make_predictor("nearest", "mi", seed=0, bandwidth=0.2, temperature=0.7).fit(meta)
    profile = meta.profile(meta.tasks["task"].iloc[0])
    assert saved.predict(profile) == anew.predict(profile)
    # The predictions, too, are those of predictors that were fitted with these settings.
    train, held_out = predictors.splits_of(meta, PARAMS)["test"]
    table, _ = predict_held_out(
        lambda: make_predictor("nearest", "mi", seed=0, bandwidth=0.2, temperature=0.7),
        meta, held_out, train,
    )  # fmt: skip
    written = pd.read_parquet(place / "data" / "predictions" / "predictions.parquet")
    rows = written.query("predictor == 'nearest' and inputs == 'mi' and split == 'test'")
    assert rows["log_ratio"].tolist() == table["log_ratio"].tolist()


def test_fitted_models_stay_whole_where_the_stage_is_stopped(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_both()
    before = files(place / "models")
    warmer = PARAMS | {"settings": {"temperature": 0.7}}
    monkeypatch.setattr(priors, "read_params", lambda section, whole: warmer)
    loaded: list[Path] = []

    def stopped_at_the_second(folder: Path) -> Any:
        loaded.append(folder)
        if len(loaded) == 2:
            raise KeyboardInterrupt
        return load_predictor(folder)

    monkeypatch.setattr(priors, "load_predictor", stopped_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        priors.main()
    assert files(place / "models") == before


def test_inputs_that_were_not_read_are_refused_before_anything_is_fitted(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [*PARAMS["inputs"], "inputs", "inputs-shuffled"]
    monkeypatch.setattr(
        predictors, "read_params", lambda section, whole: PARAMS | {"inputs": inputs}
    )
    with pytest.raises(SystemExit, match=r"holds 'inputs', but .* not read for the space mlp"):
        predictors.main()
    assert not (place / "shards").exists()
