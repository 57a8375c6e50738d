"""A task end to end: probes trained, read, and described."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from infoprior.profiles import (
    PROBE_CURVE_COLUMNS,
    PROBES,
    PROFILE_COLUMNS,
    RECIPES,
    TaskProfile,
    profile_task,
)
from infoprior.spaces import get_space
from infoprior.tasks import Task


def test_probes_are_different_points_of_the_space() -> None:
    space = get_space("mlp")
    points = [space.validate(params) for params in PROBES.values()]
    assert len(points) == 4
    assert len({p["width"] for p in points}) == 4
    for name in ("depth", "activation", "normalization", "batch_size"):
        assert len({p[name] for p in points}) == 3


def test_a_task_end_to_end(task: Task) -> None:
    profile = profile_task(task, seed=1, epochs=9)
    assert profile.task == "test/three"
    assert list(profile.layers) == list(PROFILE_COLUMNS)
    assert list(profile.curves) == list(PROBE_CURVE_COLUMNS)
    depths = {name: params["depth"] for name, params in PROBES.items()}
    assert profile.layers.groupby("architecture").size().to_dict() == depths
    assert set(profile.layers["epoch"]) == {9}
    assert set(profile.layers["recipe"]) == {RECIPES["tabular"].id}
    assert profile.layers["width"].tolist() == [32, 64, 32, 48, 48, 48, 128, 128]
    assert profile.curves.groupby("architecture").size().to_dict() == dict.fromkeys(PROBES, 9)
    assert all(np.isfinite(v) for v in profile.metafeatures.values())
    # The probes train sanely, and what they know of the label shows.
    last = profile.curves[profile.curves["epoch"] == 9]
    assert (last["validation_accuracy"] > 0.9).all()
    assert (profile.layers["mi_ty"] > 0.7 * profile.layers["h_y"]).all()

    again = profile_task(task, seed=1, epochs=9)
    pd.testing.assert_frame_equal(profile.layers, again.layers, check_exact=True)
    pd.testing.assert_frame_equal(profile.curves, again.curves)


def test_tables_are_checked(task: Task) -> None:
    with pytest.raises(ValueError, match="lacks the columns"):
        TaskProfile("a", {}, pd.DataFrame(), pd.DataFrame())
    with pytest.raises(ValueError, match="epoch"):
        profile_task(task, epochs=0)
