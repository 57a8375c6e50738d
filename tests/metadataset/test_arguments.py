"""Wrong arguments end in the room's own error, which names the argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from infoprior.metadataset import (
    MetaDataset,
    MetaDatasetError,
    chosen_tasks,
    data_card,
    load_metadataset,
    published_task,
    score,
    space_from_dict,
    space_to_dict,
)
from infoprior.tasks import TaskError
from tests.factories import make_metadataset

META = make_metadataset(n_tasks=4, n_architectures=4)
PARTS = {
    name: getattr(META, name)
    for name in ("space", "tasks", "architectures", "curves", "profiles", "probe_curves")
}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: load_metadataset(["mlp"]), "space"),  # type: ignore[arg-type]
        (lambda: load_metadataset(directory=5), "directory"),  # type: ignore[arg-type]
        (lambda: MetaDataset(**{**PARTS, "space": None}), "space"),
        (lambda: MetaDataset(**{**PARTS, "tasks": [1]}), "'tasks'"),
        (lambda: MetaDataset.load(None), "directory"),  # type: ignore[arg-type]
        (lambda: META.save(""), "directory"),
        (lambda: META.subset("made/0"), "tasks"),
        (lambda: META.subset([1, "x"]), "tasks"),  # type: ignore[list-item]
        (lambda: META.profile(["made/0"]), "task"),  # type: ignore[arg-type]
        (lambda: META.shuffle_profiles(-1), "seed"),
        (lambda: META.join(None), "other"),  # type: ignore[arg-type]
        (lambda: chosen_tasks(1.5), "n = 1.5"),  # type: ignore[arg-type]
        (lambda: score(META, float("nan")), "per_unit"),
        (lambda: score(None), "meta"),  # type: ignore[arg-type]
        (lambda: data_card(META, seed=0, versions=[]), "versions"),  # type: ignore[arg-type]
        (lambda: space_to_dict({}), "space"),  # type: ignore[arg-type]
        (lambda: space_from_dict([1], "schema.json"), "schema.json"),
    ],
)
def test_each_is_refused_by_name(call: Callable[[], Any], name: str) -> None:
    with pytest.raises(MetaDatasetError, match=name):
        call()


@pytest.mark.parametrize(("name", "draw"), [(["synthetic/3"], 0), ("synthetic/3", -1), (None, 0)])
def test_a_published_task_needs_a_name_and_a_draw(name: Any, draw: Any) -> None:
    with pytest.raises(TaskError, match=r"name|draw"):
        published_task(name, draw)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MetaDatasetError, match="file/below cannot be written"):
        META.save(tmp_path / "file" / "below")


def test_what_a_diverged_probe_left_is_missing_in_the_joined_rows() -> None:
    profiles = META.profiles.copy()
    diverged = (profiles["task"] == "made/0") & (profiles["architecture"] == "probe-a")
    profiles.loc[diverged, ["mi_xt", "mi_ty"]] = 0.0
    profiles.loc[diverged, "flags"] = "constant,non_finite"
    rows = MetaDataset(**{**PARTS, "profiles": profiles}).rows()
    mine = rows["task"] == "made/0"
    assert rows.loc[mine, "probe-a/0/mi_ty"].isna().all()
    columns = [c for c in rows if c != "probe-a/0/mi_ty" and not str(c).startswith("probe-a/")]
    pd.testing.assert_frame_equal(rows[columns], META.rows()[columns])
