"""The control: shuffled profiles keep nothing of a task's own MI."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from infoprior.metadataset import MetaDatasetError
from infoprior.metadataset._shuffle import derangement
from tests.factories import make_metadataset

VALUES = ["mi_xt", "mi_ty", "h_y", "mi_ty_train", "sigma"]


def test_every_task_gets_the_whole_profile_of_another_family() -> None:
    meta = make_metadataset(12, 4)
    shuffled = meta.shuffle_profiles(3)
    family = dict(zip(meta.tasks["task"], meta.tasks["family"], strict=True))
    kind = dict(zip(meta.tasks["task"], meta.tasks["kind"], strict=True))
    own = {t: g[VALUES].to_numpy() for t, g in meta.profiles.groupby("task")}
    given = set()
    for task, group in shuffled.profiles.groupby("task"):
        donors = [t for t, values in own.items() if np.array_equal(values, group[VALUES])]
        assert len(donors) == 1
        assert family[donors[0]] != family[task]
        assert kind[donors[0]] == kind[task]  # whether a task is real stays in its profile
        given.add(donors[0])
    assert given == set(own)
    for table in ("tasks", "curves", "probe_curves", "architectures"):
        pd.testing.assert_frame_equal(getattr(shuffled, table), getattr(meta, table))


def test_what_inputs_say_goes_where_the_layers_go() -> None:
    meta = make_metadataset(12, 4)
    number = np.arange(12.0)
    tasks = meta.tasks.assign(in_mi_mean=number, in_all_gap=-number)
    # Layers that name their task: who gave them is then to be read off.
    names = dict(zip(tasks["task"], number, strict=True))
    named = meta.profiles.assign(mi_ty=meta.profiles["task"].map(names))
    shuffled = replace(meta, tasks=tasks, profiles=named).shuffle_profiles(5)
    giver = shuffled.profiles.groupby("task")["mi_ty"].first()
    said = shuffled.input_features()
    np.testing.assert_array_equal(said["mi_mean"], giver.loc[said.index])
    np.testing.assert_array_equal(said["all_gap"], -giver.loc[said.index])
    assert (said["mi_mean"].to_numpy() != number).all()
    others = [c for c in tasks if not c.startswith("in_")]
    pd.testing.assert_frame_equal(shuffled.tasks[others], tasks[others])


def test_the_seed_decides_and_the_digest_tells() -> None:
    meta = make_metadataset(12, 4)
    assert meta.shuffle_profiles(1).digest == meta.shuffle_profiles(1).digest
    digests = {meta.shuffle_profiles(seed).digest for seed in range(4)} | {meta.digest}
    assert len(digests) == 5


def test_a_kind_of_one_task_is_shuffled_with_others() -> None:
    meta = make_metadataset(12, 4)
    only = meta.tasks["task"] == "made/1"
    kinds = (
        meta.tasks["kind"].where(meta.tasks["kind"] != "synthetic", "real").mask(only, "synthetic")
    )
    shuffled = replace(meta, tasks=meta.tasks.assign(kind=kinds)).shuffle_profiles(0)
    before, after = (m.profiles.set_index("task")["mi_ty"] for m in (meta, shuffled))
    assert not np.array_equal(before["made/1"], after["made/1"])


def test_one_profile_cannot_be_shuffled() -> None:
    meta = make_metadataset(3, 2)
    alone = replace(meta, profiles=meta.profiles[meta.profiles["task"] == "made/1"])
    with pytest.raises(MetaDatasetError, match="needs two tasks"):
        alone.shuffle_profiles(0)


@pytest.mark.parametrize(
    "groups",
    [list("ab"), list("aabb"), list("aaabbc"), list("abcdef"), ["x"] * 5 + ["y"] * 5, list("aab")],
)
def test_derangements(groups: list[str]) -> None:
    n = len(groups)
    seen = set()
    for seed in range(20):
        s = derangement(groups, np.random.default_rng(seed))
        assert sorted(s) == list(range(n))
        assert all(s[i] != i for i in range(n))
        if 2 * max(map(groups.count, groups)) <= n:
            assert all(groups[s[i]] != groups[i] for i in range(n))
        seen.add(tuple(s))
    assert len(seen) > 1 or n == 2
