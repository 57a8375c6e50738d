"""Features, targets and settings: the parts that the predictors are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from infoprior.metadataset import MetaDataset
from infoprior.predictors import (
    INPUTS,
    PredictorError,
    PriorSettings,
    features,
    make_predictor,
)
from infoprior.predictors._features import EARLY_RUNGS, Standardizer, feature_table
from infoprior.predictors._settings import weights_of
from infoprior.predictors._targets import average, normal_scores, targets
from tests.factories import make_metadataset


@pytest.fixture(scope="module")
def meta() -> MetaDataset:
    return make_metadataset(6, 8)


def test_mi_features_are_absolute_and_normalised_by_the_entropy_of_the_labels(
    meta: MetaDataset,
) -> None:
    values = features(meta.profile("made/3"), "mi")
    layers = meta.profiles.set_index(["task", "architecture", "layer_index"])
    row = layers.loc[("made/3", "probe-c", 2)]
    assert values["mi/probe-c/2/tabular-1/ty_over_hy"] == pytest.approx(row["mi_ty"] / row["h_y"])
    assert values["mi/probe-c/2/tabular-1/log_xt"] == pytest.approx(np.log1p(row["mi_xt"]))
    assert len(values) == 2 * 6
    below = meta.profile("made/3")
    below = replace(below, layers=below.layers.assign(mi_xt=-0.5))
    assert features(below, "mi")["mi/probe-a/0/tabular-1/log_xt"] == 0.0


def test_accuracy_features_are_the_rungs_and_no_test_accuracy(meta: MetaDataset) -> None:
    from infoprior.training import RUNGS

    assert RUNGS[:-1] == EARLY_RUNGS
    profile = meta.profile("made/1")
    values = features(profile, "accuracy")
    curve = profile.curves[profile.curves["architecture"] == "probe-b"].set_index("epoch")
    assert values["accuracy/probe-b/epoch_3/train_accuracy"] == curve.loc[3, "train_accuracy"]
    loss = curve.loc[27, "validation_loss"] / profile.metafeatures["log_classes"]
    assert values["accuracy/probe-b/final/validation_loss"] == pytest.approx(np.log1p(loss))
    assert len(values) == 3 * 4 * 4
    other = replace(profile, curves=profile.curves.assign(test_accuracy=0.0))
    assert features(other, "accuracy") == values


def test_one_profile_reads_as_the_whole_table_does(meta: MetaDataset) -> None:
    table = feature_table(meta, INPUTS["all"])
    assert list(table.index) == list(meta.tasks["task"])
    for task in meta.tasks["task"]:
        assert features(meta.profile(task), "all") == table.loc[task].to_dict()


def test_a_diverged_probe_is_missing_not_zero(meta: MetaDataset) -> None:
    profile = meta.profile("made/1")
    flags = np.where(profile.layers["architecture"] == "probe-a", "constant,non_finite", "")
    values = features(replace(profile, layers=profile.layers.assign(flags=flags)), "mi")
    assert np.isnan(values["mi/probe-a/0/tabular-1/log_xt"])
    assert np.isfinite(values["mi/probe-b/0/tabular-1/log_xt"])


def test_standardiser_imputes_the_training_median_and_weighs_groups_alike() -> None:
    train = pd.DataFrame(
        {"mi/a": [1.0, 2.0, 4.0, np.nan], "mi/b": [0.0, 0.0, 0.0, 0.0], "metafeatures/c": [1.0] * 4}
    )
    train.loc[0, "metafeatures/c"] = 5.0
    standardizer = Standardizer.fit(train)
    z = standardizer.transform(train)
    assert np.isfinite(z).all()
    assert z[3, 0] == z[1, 0]  # the median of 1, 2, 4
    np.testing.assert_allclose(z.std(axis=0), [1 / np.sqrt(2), 0.0, 1.0], atol=1e-12)
    far = standardizer.transform(train.assign(**{"mi/b": 7.0, "metafeatures/c": 1e9}))
    assert (far[:, 1] == 0.0).all()  # it never varied: nothing is known of it
    assert (far[:, 2] == 5.0).all()
    with pytest.raises(PredictorError, match="lacks 1 of the 3 features"):
        standardizer.transform(train.drop(columns="mi/a"))


def test_scores_are_normal_quantiles_of_ranks_with_ties_shared() -> None:
    scores = normal_scores(np.array([0.9, 0.5, np.nan, 0.5, -np.inf]))
    expected = norm.ppf((np.array([4.0, 2.5, 2.5, 1.0]) - 0.5) / 4)
    np.testing.assert_allclose(scores[[0, 1, 3, 4]], expected, atol=1e-12)
    assert np.isnan(scores[2])


def test_diverged_rank_lowest_and_labels_are_means_of_validation_and_test(
    meta: MetaDataset,
) -> None:
    last = meta.curves["epoch"] == 27
    first = last & (meta.curves["task"] == "made/0")
    curves = meta.curves.copy()
    curves.loc[first, "validation_accuracy"] = np.linspace(0.1, 0.8, 8)
    curves.loc[first, "test_accuracy"] = [0.95, *np.linspace(0.2, 0.9, 8)[1:]]  # a000: mean 0.525
    curves.loc[first & (curves["architecture"] == "a007"), "diverged"] = True
    scores = targets(replace(meta, curves=curves)).scores[0]
    order = np.argsort(scores)
    # Means: a000 .525, a001 .25, a002 .35, a003 .45, a004 .55, a005 .65, a006 .75, a007 diverged.
    assert list(order) == [7, 1, 2, 3, 0, 4, 5, 6]


def test_average_leaves_out_what_was_not_run() -> None:
    scores = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan]])
    np.testing.assert_allclose(average(scores, np.array([1.0, 3.0])), [2.5, 2.0, 2.0])


def test_real_tasks_can_count_more(meta: MetaDataset) -> None:
    weights = targets(meta, real_weight=10.0).weights
    real = (meta.tasks["kind"] == "real").to_numpy()
    assert weights.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(weights[real] / weights[~real][0], 10.0)


def test_weights_are_a_softmax_of_the_best() -> None:
    scores = np.array([0.0, 1.0, -1.0, 0.5])
    weights = weights_of(scores, PriorSettings(temperature=0.5, components=3))
    expected = np.exp(np.array([0.0, 2.0, -np.inf, 1.0]))
    np.testing.assert_allclose(weights, expected / expected.sum(), atol=1e-15)
    far = weights_of(scores * 1e6, PriorSettings())
    assert np.isfinite(far).all()
    for bad in ({"temperature": 0.0}, {"floor": 0.0}, {"components": 0}, {"bandwidth": -1.0}):
        with pytest.raises(PredictorError, match=next(iter(bad))):
            PriorSettings(**bad)  # type: ignore[arg-type]


def with_inputs(meta: MetaDataset) -> MetaDataset:
    """The same tasks with two statistics of their inputs and the number of inputs."""
    n = len(meta.tasks)
    return replace(meta, tasks=meta.tasks.assign(
        **{"in_all_linear": np.linspace(0.0, 0.5, n),
           "in_all_linear/quantile": np.linspace(0.2, 0.1, n), "in_n_numeric": 9.0}
    ))  # fmt: skip


def test_what_inputs_say_is_a_group_of_its_own_and_their_number_no_part_of_it(
    meta: MetaDataset,
) -> None:
    measured = with_inputs(meta)
    table = feature_table(measured, ["inputs"])
    assert list(table) == ["inputs/all_linear", "inputs/all_linear/quantile"]
    assert features(measured.profile("made/1"), "inputs") == table.loc["made/1"].to_dict()
    assert set(table) < set(feature_table(measured, INPUTS["all"]))


def test_without_input_profiles_all_leaves_the_group_out_and_inputs_alone_is_refused(
    meta: MetaDataset,
) -> None:
    assert not [name for name in feature_table(meta, INPUTS["all"]) if name.startswith("inputs")]
    assert make_predictor("nearest", "all").fit(meta).inputs == ("accuracy", "metafeatures", "mi")
    with pytest.raises(PredictorError, match=r"'inputs', but 6 task.* have no input profile"):
        feature_table(meta, ["inputs"])
    partly = with_inputs(meta)
    tasks = partly.tasks.assign(
        **{c: partly.tasks[c].where(partly.tasks["task"] != "made/2")
           for c in ("in_all_linear", "in_all_linear/quantile")}
    )  # fmt: skip
    with pytest.raises(PredictorError, match=r"have no input profile: \['made/2'\]"):
        feature_table(replace(partly, tasks=tasks), INPUTS["all"])


def test_a_predictor_that_reads_inputs_refuses_a_profile_without(meta: MetaDataset) -> None:
    predictor = make_predictor("nearest", "all").fit(with_inputs(meta))
    assert "inputs" in predictor.inputs
    with pytest.raises(PredictorError, match=r"lacks 2 of the .* features .*'inputs/all_linear'"):
        predictor.scores(meta.profile("made/0"))
