"""Evidence beside validation curves: training losses, networks' own layers, an Optuna study."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from infoprior import hyperband_study
from infoprior.metadataset import MetaDataset
from infoprior.predictors import Evidence, PerformancePredictor, PredictorError, load_predictor
from infoprior.predictors._layer_results import QUANTITIES, layer_results
from infoprior.spaces import get_space

LAYER = {
    "width": 8, "n": 100, "mi_ty": 0.5, "h_y": 1.0, "mi_xt": 2.0, "effective_rank": 4.0,
    "mi_ty_training_rows": 0.6, "mi_ty_validation_rows": 0.4, "layer_index": 0, "n_validation": 30,
    "sigma": 1.0, "layer": "hidden_1", "recipe": "fast-1", "flags": "", "dead_units": 0.0,
    **dict.fromkeys(("mi_xt_lower", "mi_xt_upper", "mi_ty_train", "mi_ty_test"), 0.5),
    **dict.fromkeys(("mi_ty_validation", "mi_ty_fold_spread", "step_ty"), np.nan),
    "activation_entropy": 0.5,
}  # fmt: skip


def network_layers(meta: MetaDataset, draw: int = 0) -> pd.DataFrame:
    """Of every network of one draw: I(T;Y) of validation rows says exactly how it ends."""
    final = meta.curves[meta.curves["seed"] == draw].groupby(["task", "architecture"]).last()
    rows = []
    for (task, architecture), result in final.iterrows():
        for epoch in (3, 27):
            share = float(result["test_accuracy"])
            rows.append({
                **LAYER, "task": task, "architecture": architecture, "seed": draw, "epoch": epoch,
                "mi_ty_validation_rows": share,
            })  # fmt: skip
    return pd.DataFrame(rows)


def test_a_layer_table_becomes_one_row_a_network():
    layers = pd.DataFrame(
        [
            {**LAYER, "network": 0, "layer_index": 1, "mi_xt": 1.0},
            {**LAYER, "network": 0},
            {**LAYER, "network": 1, "h_y": 0.0, "mi_xt": np.nan, "effective_rank": np.nan},
        ]
    )
    table = layer_results(layers, ["network"])
    assert list(table.columns) == list(QUANTITIES)
    assert table.loc[0, "last_xt"] == np.log1p(1.0)  # of the layer of the highest index
    assert table.loc[0, "memorised"] == pytest.approx(0.2)
    assert table.loc[1, ["memorised", "last_xt", "last_rank"]].eq(0.0).all()
    assert np.isfinite(table.to_numpy()).all()


def test_what_a_networks_own_layers_say_moves_its_posterior(meta: MetaDataset):
    layers = network_layers(meta)
    read = replace(meta, layers=layers)
    predictor = PerformancePredictor(rank=3, iterations=5, layers=True).fit(read, progress=False)
    of_task = layers[(layers["task"] == "made/0") & (layers["epoch"] == 3)]
    alone = predictor.posterior(Evidence(layers=of_task[of_task["architecture"] == "a002"]))
    curves = meta.curves[(meta.curves["task"] == "made/0") & (meta.curves["epoch"] == 1)]
    without = predictor.posterior(Evidence(curves=curves))
    both = predictor.posterior(Evidence(curves=curves, layers=of_task))
    truth = meta.final().set_index(["task", "architecture"])["test_accuracy"]["made/0"]
    errors = [np.abs(p.mean() - truth.to_numpy()).mean() for p in (without, both)]
    assert errors[1] < 0.5 * errors[0]
    assert (both.std() < without.std()).all()
    place = list(truth.index).index("a002")
    assert abs(alone.mean()[place] - truth["a002"]) < 0.05


def test_layers_are_joined_to_the_curves_of_their_network():
    curves = [{"architecture": "a000", "seed": 1, "epoch": 3, "validation_accuracy": 0.5}]
    layers = pd.DataFrame(
        [{**LAYER, "architecture": "a000", "seed": s, "epoch": 3} for s in (1, 2)]
    )
    first, second = Evidence(curves=curves, layers=layers).records
    assert (first.accuracy, first.seed, second.seed) == (0.5, 1, 2)
    assert np.isnan(second.accuracy)
    assert first.layers == second.layers != ()
    with pytest.raises(PredictorError, match="mi_ty_validation_rows"):
        Evidence(layers=layers.drop(columns="mi_ty_validation_rows"))
    with pytest.raises(PredictorError, match="which architecture"):
        Evidence(layers=layers.assign(architecture=""))


def test_layers_that_no_training_task_has_are_not_read(fitted: PerformancePredictor):
    layers = pd.DataFrame([{**LAYER, "architecture": "a000", "epoch": 3}])
    posterior = fitted.posterior(Evidence(layers=layers))
    np.testing.assert_array_equal(posterior.mean(), fitted.posterior().mean())


def test_training_losses_and_layers_are_kept_with_the_predictor(meta: MetaDataset, tmp_path):
    read = replace(meta, layers=network_layers(meta))
    settings = {"rank": 3, "iterations": 2, "layers": True, "training_losses": True}
    fitted = PerformancePredictor(**settings).fit(read, progress=False)
    fitted.save(tmp_path)
    loaded = load_predictor(tmp_path)
    quantities = fitted._fitted.model.auxiliary.quantities
    assert loaded._fitted.model.auxiliary.quantities == quantities
    assert set(quantities) == {"train_loss", *QUANTITIES}
    evidence = Evidence(
        curves=meta.curves[meta.curves["task"] == "made/1"],
        layers=read.layers[read.layers["task"] == "made/1"],
    )
    np.testing.assert_array_equal(
        loaded.posterior(evidence).mean(), fitted.posterior(evidence).mean()
    )
    with pytest.raises(PredictorError, match="layers"):
        PerformancePredictor(layers="yes")


def test_a_training_loss_is_evidence_where_it_was_asked_for(
    meta: MetaDataset, fitted: PerformancePredictor
):
    asked = PerformancePredictor(rank=3, iterations=5, training_losses=True)
    asked.fit(meta, progress=False)

    def score(predictor: PerformancePredictor, loss: float) -> float:
        curves = [{"architecture": "a000", "epoch": 27, "train_loss": loss, "validation_loss": 1.0}]
        return float(predictor.posterior(Evidence(curves=curves)).mean(of="score")[0])

    assert score(asked, 0.4) != score(asked, 1.6)
    assert score(fitted, 0.4) == score(fitted, 1.6)


def study_of(points: list[dict[str, Any]], direction: str = "maximize") -> optuna.Study:
    """One trial of each state that a search leaves behind."""
    study, space = optuna.create_study(direction=direction), dict(get_space("mlp"))
    for point, state in zip(points, ("COMPLETE", "PRUNED", "FAIL"), strict=False):
        study.add_trial(optuna.create_trial(
            state=optuna.trial.TrialState[state], params=point, distributions=space,
            value=0.8 if state == "COMPLETE" else None,
            intermediate_values={1: 0.6, 3: 0.7, 9: float("nan")},
        ))  # fmt: skip
    return study


def test_a_study_says_what_its_curves_say(fitted: PerformancePredictor):
    points = fitted.points[:3]
    study = study_of(points)
    trial = study.ask(dict(get_space("mlp")))
    trial.report(0.5, step=1)
    trial.report(0.4, step=0)
    study.enqueue_trial(points[0])
    curves = [
        {"params": point, "seed": i, "epoch": epoch, "validation_accuracy": value}
        for i, point in enumerate(points) for epoch, value in ((1, 0.6), (3, 0.7))
    ] + [{"params": trial.params, "seed": 3, "epoch": 1, "validation_accuracy": 0.5}]  # fmt: skip
    study.set_user_attr("n_validation", 123)
    evidence = Evidence.of_study(study)
    assert evidence.n_validation == 123
    expected = Evidence(curves=curves, n_validation=123)
    assert [repr(r) for r in evidence.records] == [repr(r) for r in expected.records]
    np.testing.assert_array_equal(
        fitted.posterior(evidence).mean(), fitted.posterior(expected).mean()
    )
    counted = Evidence.of_study(study, epochs=27, n_validation=50)
    assert [(r.seed, r.epoch) for r in counted.records if r.accuracy == 0.8] == [(0, 27)]
    assert counted.n_validation == 50


def test_parameters_that_a_study_does_not_search_are_given(fitted: PerformancePredictor):
    point = fitted.points[0]
    study = optuna.create_study(direction="maximize")
    space = {k: v for k, v in get_space("mlp").items() if k != "dropout"}
    study.enqueue_trial({k: v for k, v in point.items() if k != "dropout"})
    study.ask(space).report(0.9, step=27)
    evidence = Evidence.of_study(study, fixed={"dropout": point["dropout"]})
    assert fitted.posterior(evidence).mean(of="score")[0] != fitted.posterior().mean(of="score")[0]
    assert dict(evidence.records[0].architecture) == point


def test_a_promoted_trial_is_the_network_that_it_continues():
    def train(trial: optuna.Trial) -> float:
        width = trial.suggest_int("width", 1, 64)
        for epoch in range(1, 10):
            trial.report(width / 100 + epoch / 100, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return width / 100

    study = hyperband_study(
        None, name="a", max_resource=9, direction="maximize", storage="memory", seed=0
    )
    study.optimize(train, n_trials=20)
    promoted = [t for t in study.trials if "infoprior:promotes" in t.user_attrs]
    assert promoted
    records = Evidence.of_study(study).records
    seeds = {dict(r.architecture)["width"]: set() for r in records}
    for record in records:
        seeds[dict(record.architecture)["width"]].add(record.seed)
    own = {t.number for t in study.trials} - {t.number for t in promoted}
    assert set.union(*seeds.values()) <= own


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (lambda: optuna.create_study(directions=["maximize", "maximize"]), "one objective"),
        (lambda: optuna.create_study(direction="minimize"), "minimum"),
        (lambda: "study.db", "optuna.Study"),
    ],
)
def test_a_study_that_maximises_no_accuracy_is_refused(study: Any, message: str):
    with pytest.raises(PredictorError, match=message):
        Evidence.of_study(study())


def test_a_value_above_one_is_named_by_trial_and_step():
    study = optuna.create_study(direction="maximize")
    study.ask(dict(get_space("mlp"))).report(71.5, step=3)
    with pytest.raises(PredictorError, match=r"trial 0, step 3"):
        Evidence.of_study(study)


def test_load_predictor_reads_a_performance_predictor_too(
    fitted: PerformancePredictor, meta: MetaDataset, tmp_path
):
    fitted.save(tmp_path / "fitted" / "performance")
    loaded = load_predictor(tmp_path / "fitted" / "performance")
    assert isinstance(loaded, PerformancePredictor)
    evidence = Evidence(meta.profile("made/2"), meta.curves[meta.curves["task"] == "made/2"])
    np.testing.assert_array_equal(
        loaded.posterior(evidence).mean(), fitted.posterior(evidence).mean()
    )
    (tmp_path / "best.json").write_text(json.dumps({"predictor": "fitted/performance"}))
    assert isinstance(load_predictor(tmp_path), PerformancePredictor)
    header = tmp_path / "fitted" / "performance" / "performance.json"
    header.write_text(header.read_text().replace("infoprior performance predictor", "other"))
    with pytest.raises(PredictorError, match="format"):
        load_predictor(tmp_path)
