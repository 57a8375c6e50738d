"""The predictors that come with the package, and those made from published and own rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infoprior.metadataset import MetaDataset, MetaDatasetError, chosen_tasks, training_rows
from infoprior.predictors import INPUTS, PredictorError, fit_predictor, load_predictor
from infoprior.predictors._fit import REAL_WEIGHT
from infoprior.predictors._storage import SHIPPED
from infoprior.priors import Prior
from pipeline.common import read_params
from pipeline.model_card import model_card
from tests.factories import make_metadataset

TOP = Path(__file__).parents[2]


def own_rows(published: MetaDataset) -> MetaDataset:
    """Six made-up tasks with architectures of their own, the rest as on six published tasks."""
    made = make_metadataset(n_tasks=6, n_architectures=12, seed=3)
    like = published.tasks.head(6).assign(task=made.tasks["task"])
    parts = {n: (t := getattr(made, n)).assign(architecture="own-" + t["architecture"])
             for n in ("architectures", "curves")}  # fmt: skip
    return replace(made, tasks=like, **parts)


def scores_of_published_tasks(predictor, meta: MetaDataset) -> np.ndarray:
    """Shape (3, n): of a real, an enumerated and a synthetic task."""
    names = meta.tasks.drop_duplicates("kind")["task"]
    return np.array([predictor.scores(meta.profile(task)) for task in names])


def test_the_shipped_predictors_are_what_fitting_on_the_published_rows_gives(monkeypatch) -> None:
    monkeypatch.chdir(TOP)
    params = read_params("predictors")
    for shipped in (load_predictor(), load_predictor(static=True)):
        meta = training_rows(shipped.space.name)
        fitted = fit_predictor(
            shipped.name, shipped.inputs, space=shipped.space.name, seed=params["seed"],
            **params["settings"],
        )  # fmt: skip
        assert fitted.prior_settings == shipped.prior_settings
        assert fitted.profiled == shipped.profiled
        here, there = (scores_of_published_tasks(p, meta) for p in (fitted, shipped))
        # Other processors round otherwise.
        assert np.abs(here - there).max() < 0.05
        assert len(meta.points()) == len(shipped.points)
    assert params["settings"]["real_weight"] == REAL_WEIGHT


def test_the_shipped_predictor_is_the_one_that_the_reports_say_was_chosen() -> None:
    tracked = json.loads((TOP / "reports" / "tracked.json").read_text())
    shipped = load_predictor()
    inputs = {groups: name for name, groups in INPUTS.items() if groups}
    inputs[("accuracy", "metafeatures", "mi")] = "all"  # of rows without input profiles
    named = inputs.get(shipped.inputs, "+".join(shipped.inputs) or "nothing")
    assert tracked["best"] == f"{shipped.name}__{named}"


def test_the_model_card_is_of_the_shipped_predictor_and_of_the_reports(monkeypatch) -> None:
    monkeypatch.chdir(TOP)
    shipped = load_predictor()
    card = model_card(shipped, training_rows(shipped.space.name))
    assert (SHIPPED / "MODEL_CARD.md").read_text("utf-8") == card
    reports = pd.read_csv(TOP / "reports" / "predictors.csv").set_index("predictor")
    static = reports.loc["static"]
    (line,) = (line for line in card.splitlines() if line.startswith("| static prior |"))
    assert line.startswith(f"| static prior | {static['kendall_tau']:.2f} [")
    assert f" {static['test_regret_at_4']:.2f} [" in line
    assert "(test " in card


def test_the_static_predictor_answers_without_a_task_and_others_say_what_they_need() -> None:
    static = load_predictor(static=True)
    assert static.inputs == ()
    prior = static.predict()
    assert prior.metadata["task"] == "any"
    assert prior.log_ratio(prior.mode()) > 1.0
    with pytest.raises(
        PredictorError, match=r"^profile: the predictor .* reads metafeatures, inputs"
    ):
        load_predictor().predict()
    with pytest.raises(PredictorError, match=r"^static: "):
        load_predictor("models", static=True)


def test_a_predictor_learns_from_own_rows_alone_or_beside_the_published_ones() -> None:
    own = own_rows(training_rows("mlp"))
    alone = fit_predictor("static", rows=[own], published=False)
    assert alone.points == list(own.points().values())
    expected = Prior.uniform(dict(own.space)).space
    assert alone.predict().space == expected
    published = fit_predictor("static", space="mlp")
    both = fit_predictor("static", rows=[own])
    assert len(both.points) == len(published.points) + len(own.points())
    with pytest.raises(PredictorError, match=r"^rows: there are none"):
        fit_predictor("static", published=False)
    with pytest.raises(MetaDatasetError, match=r"^rows: needs MetaDatasets, got DataFrame"):
        fit_predictor("static", rows=[own.tasks])
    with pytest.raises(PredictorError, match=r"no predictor 'tree'"):
        fit_predictor("tree")


def test_own_rows_of_a_published_task_replace_it() -> None:
    published = training_rows("mlp")
    again = published.subset(list(published.tasks["task"][:40]))
    joined = fit_predictor("static", rows=[again])
    assert np.allclose(joined.scores(), fit_predictor("static", space="mlp").scores())


def test_training_rows_are_the_tasks_that_are_real_and_so_many_synthetic_ones() -> None:
    meta = training_rows("mlp", 5)
    kinds = meta.tasks.groupby("kind")["task"].apply(set)
    assert kinds["synthetic"] == set(chosen_tasks(5))
    assert len(kinds["real"]) > 100
    runs = meta.curves.drop_duplicates(["task", "architecture"])
    assert len(runs) == len(meta.tasks) * len(meta.architectures)
    assert set(training_rows("thesis").tasks["kind"]) <= {"real", "enumerated"}
    with pytest.raises(MetaDatasetError, match="chosen, not 100000"):
        training_rows("mlp", 100_000)
