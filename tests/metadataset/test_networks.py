"""Networks' own profiles and what inputs say, in a meta-dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infoprior.metadataset import MetaDataset, MetaDatasetError
from infoprior.profiles import PART_COLUMNS
from tests.factories import make_metadataset


def with_layers(meta: MetaDataset) -> MetaDataset:
    """Two layers of each network of the first two architectures, at two epochs."""
    plain = meta.profiles[meta.profiles["layer_index"] <= 1].iloc[0]
    rows = []
    for task in meta.tasks["task"]:
        for k, architecture in enumerate(("a000", "a001")):
            for epoch in (3, 9):
                for index in range(1 + k):  # the second one is deeper
                    rows.append({
                        **plain, **dict.fromkeys(PART_COLUMNS, 0.25), "task": task,
                        "architecture": architecture, "seed": 0, "epoch": epoch,
                        "layer": f"hidden_{index + 1}", "layer_index": index,
                        "mi_ty": 0.1 * epoch + index, "recipe": "fast-1", "flags": "",
                    })  # fmt: skip
    tasks = meta.tasks.assign(in_mi_mean=0.5, in_all_gap=np.nan)
    return replace(meta, tasks=tasks, layers=pd.DataFrame(rows))


@pytest.fixture(scope="module")
def meta() -> MetaDataset:
    return with_layers(make_metadataset(6, 8, seed=1))


def test_every_network_stands_beside_its_own_layers_and_accuracy(meta: MetaDataset) -> None:
    frame = meta.networks()
    assert len(frame) == 6 * 2
    row = frame[(frame["task"] == "made/2") & (frame["architecture"] == "a001")].iloc[0]
    assert row["layer1_mi_ty"] == pytest.approx(0.9)
    assert row["layer2_mi_ty"] == pytest.approx(1.9)
    assert row["width"] == meta.points()["a001"]["width"]
    ends = meta.final().set_index(["task", "architecture"])
    assert row["test_accuracy"] == ends.loc[("made/2", "a001"), "test_accuracy"]
    shallow = frame[frame["architecture"] == "a000"]
    assert shallow["layer2_mi_ty"].isna().all()


def test_an_earlier_epoch_has_the_curve_of_that_epoch(meta: MetaDataset) -> None:
    frame = meta.networks(3)
    curves = meta.curves.set_index(["task", "architecture", "epoch"])
    row = frame[(frame["task"] == "made/4") & (frame["architecture"] == "a000")].iloc[0]
    at = curves.loc[("made/4", "a000", 3)]
    assert row["validation_accuracy_at"] == at["validation_accuracy"]
    assert row["layer1_mi_ty"] == pytest.approx(0.3)
    with pytest.raises(MetaDatasetError, match=r"epoch 4; there are those of epochs \[3, 9\]"):
        meta.networks(4)


def test_a_layer_that_is_not_finite_has_no_numbers(meta: MetaDataset) -> None:
    first = (meta.layers["task"] == "made/0") & (meta.layers["architecture"] == "a001")
    broken = meta.layers.assign(flags=np.where(first, "non_finite", meta.layers["flags"]))
    frame = replace(meta, layers=broken).networks()
    row = frame[(frame["task"] == "made/0") & (frame["architecture"] == "a001")].iloc[0]
    assert np.isnan(row["layer1_mi_ty"])
    assert row["h_y"] > 0


def test_a_profile_holds_what_the_inputs_say_where_it_was_measured(meta: MetaDataset) -> None:
    inputs = meta.profile("made/1").inputs
    assert inputs["mi_mean"] == 0.5
    assert np.isnan(inputs["all_gap"])  # missing, as in the table
    assert dict(make_metadataset(2, 3).profile("made/1").inputs) == {}


def test_layers_go_through_files_and_subsets(meta: MetaDataset, tmp_path: Path) -> None:
    meta.save(tmp_path / "meta")
    loaded = MetaDataset.load(tmp_path / "meta")
    assert loaded.digest == meta.digest
    pd.testing.assert_frame_equal(loaded.networks(), meta.networks())
    assert set(meta.subset(["made/1"]).layers["task"]) == {"made/1"}
    with pytest.raises(MetaDatasetError, match="'layers', column 'architecture': 1 unknown"):
        replace(meta, layers=meta.layers.replace({"architecture": {"a001": "b"}}))


def test_without_layers_there_are_no_networks() -> None:
    with pytest.raises(MetaDatasetError, match=r"No layer of .* was read"):
        make_metadataset(3, 4).networks()
