"""What a performance predictor leaves unread: tasks unlike all that it has learned from."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from infoprior.metadataset import MetaDataset
from infoprior.predictors import Evidence, PerformancePredictor, PredictorWarning, load_predictor
from infoprior.predictors._seen_tasks import SeenTasks
from infoprior.profiles import TaskProfile
from tests.factories import make_metadataset

READ_TOO = "log_classes"
"""The meta-feature that probes' losses are divided by."""
GROUPS = ["accuracy", "metafeatures", "mi"]


@pytest.fixture(scope="module")
def meta() -> MetaDataset:
    return make_metadataset(n_tasks=16, n_architectures=8)


@pytest.fixture(scope="module")
def fitted(meta: MetaDataset) -> PerformancePredictor:
    return PerformancePredictor(rank=3, iterations=5).fit(meta, progress=False)


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
    with pytest.warns(PredictorWarning, match=r"its meta-features lie outside .* \(made/\d+\)"):
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


def test_a_predictor_reads_the_groups_that_it_was_made_for(meta: MetaDataset):
    profile = meta.profile("made/3")
    few = PerformancePredictor("accuracy", rank=3, iterations=5).fit(meta, progress=False)
    assert repr(few.posterior(Evidence(profile))) == "Posterior(given accuracy)"
    none = PerformancePredictor("nothing", rank=3, iterations=5).fit(meta, progress=False)
    np.testing.assert_array_equal(none.scores(profile), none.posterior().mean(of="score"))
    assert none.scores().shape == (8,)
