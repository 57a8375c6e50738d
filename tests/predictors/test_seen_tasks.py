"""What a performance predictor leaves unread: tasks unlike all that it has learned from."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from infoprior.metadataset import MetaDataset
from infoprior.predictors import (
    INPUTS,
    Evidence,
    PerformancePredictor,
    PredictorError,
    PredictorWarning,
    load_predictor,
    make_predictor,
)
from infoprior.predictors._seen_tasks import SeenTasks
from infoprior.profiles import TaskProfile
from tests.factories import make_tabular

READ_TOO = "log_classes"
"""The meta-feature that probes' losses are divided by."""
GROUPS = ["accuracy", "metafeatures", "mi"]


def strange(profile: TaskProfile) -> TaskProfile:
    """The same with meta-features that no training task comes near."""
    changed = {n: v + (0.0 if n == READ_TOO else 1e6) for n, v in profile.metafeatures.items()}
    return replace(profile, metafeatures=changed)


def test_the_limit_is_the_most_that_a_real_task_is_away_from_other_families():
    x = np.array([[0.0], [1.0], [4.0], [4.5], [90.0]])
    families, real = ["a", "a", "b", "c", "d"], np.array([True, True, True, True, False])
    seen = SeenTasks.of(list("vwxyz"), x, families, real)
    # 0 is 4 from x, 1 is 3 from it, x and y are half apart; z is not real.
    assert seen.limit == 4.0
    assert seen.nearest(np.array([5.0])) == (0.5, "y")
    assert seen.holds(np.array([8.5]))
    assert not seen.holds(np.array([8.51]))
    assert SeenTasks.of(list("vw"), x[:2], ["a", "a"], real[:2]).limit == np.inf


def test_every_training_task_is_inside_and_at_no_distance_from_itself(
    fitted: PerformancePredictor, meta: MetaDataset
):
    table = fitted.novelty(meta.profile("made/3"))
    assert sorted(table["group"]) == GROUPS
    assert not table["outside"].any()
    assert (table["distance"] < 1e-6).all()
    assert (table["nearest"] == "made/3").all()
    assert (table["limit"] > 0.0).all()


def test_what_lies_outside_is_said_once_and_not_read(
    fitted: PerformancePredictor, meta: MetaDataset
):
    known = meta.profile("made/3")
    profile = strange(known)
    with pytest.warns(PredictorWarning, match=r"its meta-features are .* \(made/\d+\)"):
        answer = fitted.posterior(Evidence(profile))
    assert repr(answer) == "Posterior(given accuracy, mi)"
    rest = fitted.posterior(Evidence(known), inputs=("accuracy", "mi")).mean()
    np.testing.assert_array_equal(answer.mean(), rest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(fitted.posterior(Evidence(profile)).mean(), rest)
        assert fitted.novelty(profile).set_index("group")["outside"]["metafeatures"]
        fitted.posterior(Evidence(known))  # of what is inside nothing is said


def test_many_tasks_at_once_are_read_as_one_is(fitted: PerformancePredictor, meta: MetaDataset):
    name = meta.tasks["task"].iloc[3]
    columns = [c for c in meta.tasks if c.startswith("mf_") and c != f"mf_{READ_TOO}"]
    tasks = meta.tasks.copy()
    tasks.loc[3, columns] += 1e6
    outside = replace(meta, tasks=tasks)
    many = fitted.score_tasks(outside, [name, "made/5"])
    with pytest.warns(PredictorWarning, match="meta-features"):
        np.testing.assert_allclose(many[name], fitted.scores(outside.profile(name)))
    np.testing.assert_allclose(many["made/5"], fitted.scores(meta.profile("made/5")))
    assert np.abs(many[name] - fitted.scores(meta.profile(name))).max() > 1e-6


def test_saved_and_loaded_it_knows_what_it_has_seen(
    fitted: PerformancePredictor, meta: MetaDataset, tmp_path
):
    fitted.save(tmp_path)
    loaded = load_predictor(tmp_path)
    assert isinstance(loaded, PerformancePredictor)
    profile = strange(meta.profile("made/3"))
    pd.testing.assert_frame_equal(loaded.novelty(profile), fitted.novelty(profile), rtol=1e-12)


@pytest.mark.parametrize("inputs", ["data", "all"])
def test_saved_and_loaded_it_reads_groups_in_their_order(inputs: str, tmp_path):
    meta = make_tabular(n_tasks=12, n_architectures=6)
    predictor = PerformancePredictor(inputs, rank=2, iterations=2).fit(meta, progress=False)
    assert predictor.inputs == INPUTS[inputs]
    predictor.save(tmp_path)
    profile = meta.profile(meta.tasks["task"].iloc[2])
    np.testing.assert_array_equal(
        load_predictor(tmp_path).scores(profile), predictor.scores(profile)
    )


def test_it_replaces_a_predictor_of_another_format_and_is_replaced(
    fitted: PerformancePredictor, meta: MetaDataset, tmp_path
):
    static = make_predictor("static").fit(meta, progress=False)
    for predictor in (static, fitted, static):
        predictor.save(tmp_path)
        assert load_predictor(tmp_path).name == predictor.name
        assert len(list(tmp_path.iterdir())) == 2


def test_other_processes_get_a_predictor_that_answers(
    fitted: PerformancePredictor, meta: MetaDataset
):
    profile = meta.profile("made/3")
    sent = pickle.loads(pickle.dumps(fitted))  # own bytes, as to a worker; no file
    np.testing.assert_array_equal(sent.scores(profile), fitted.scores(profile))
    with pytest.raises(PredictorError, match="fitted on"):
        sent.with_profiles(meta)


def test_a_group_that_is_not_read_refuses_no_task(meta: MetaDataset):
    few = PerformancePredictor("meta-features", rank=2, iterations=2).fit(meta, progress=False)
    profile = meta.profile("made/3")
    other = replace(profile, layers=profile.layers.assign(recipe="other"))
    np.testing.assert_array_equal(few.scores(other), few.scores(profile))
    with pytest.raises(PredictorError, match="mi of the task 'made/3' is to be read"):
        few.posterior(Evidence(profile), inputs="mi")


def test_inputs_that_no_task_has_are_refused_where_they_are_named(meta: MetaDataset):
    bare = replace(meta, profiles=meta.profiles.iloc[:0], probe_curves=meta.probe_curves.iloc[:0])
    with pytest.raises(PredictorError, match="profiled probe layers"):
        PerformancePredictor("mi", rank=2, iterations=2).fit(bare, progress=False)
    whatever = PerformancePredictor(rank=2, iterations=2).fit(bare, progress=False)
    assert whatever.inputs == ("metafeatures",)
    assert not whatever.needs_probes


def test_a_predictor_reads_the_groups_that_it_was_made_for(meta: MetaDataset):
    profile = meta.profile("made/3")
    few = PerformancePredictor("accuracy", rank=3, iterations=5).fit(meta, progress=False)
    assert repr(few.posterior(Evidence(profile))) == "Posterior(given accuracy)"
    none = PerformancePredictor("nothing", rank=3, iterations=5).fit(meta, progress=False)
    np.testing.assert_array_equal(none.scores(profile), none.posterior().mean(of="score"))
    assert none.scores().shape == (8,)
