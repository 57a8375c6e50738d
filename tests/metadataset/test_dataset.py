"""The meta-dataset: what it refuses, what its views say, and that files give it back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from infoprior.metadataset import MetaDataset, MetaDatasetError, data_card, score
from infoprior.spaces import SearchSpace, get_space
from tests.factories import make_metadataset

TABLES = ("tasks", "architectures", "curves", "profiles", "probe_curves", "layers")


@pytest.fixture(scope="module")
def meta() -> MetaDataset:
    return make_metadataset(6, 8, seed=1)


def test_a_bad_table_is_named_with_its_column(meta: MetaDataset) -> None:
    def set_to(table: str, column: str, value: object) -> Callable[[], MetaDataset]:
        return lambda: replace(meta, **{table: getattr(meta, table).assign(**{column: value})})

    def renamed(table: str, column: str, value: str) -> Callable[[], MetaDataset]:
        frame = getattr(meta, table).replace({column: {value: f"{value}!"}})
        return lambda: replace(meta, **{table: frame})

    cases: list[tuple[Callable[[], MetaDataset], str]] = [
        (
            lambda: replace(meta, curves=meta.curves.drop(columns="epoch")),
            r"'curves' misses the column\(s\) \['epoch'\]",
        ),
        (
            lambda: replace(meta, architectures=meta.architectures.drop(columns="width")),
            r"'architectures' misses the column\(s\) \['width'\]",
        ),
        (set_to("curves", "validation_accuracy", "0.5"), "'validation_accuracy': expected number"),
        (set_to("curves", "validation_accuracy", np.nan), "'validation_accuracy': nan in row 0"),
        (set_to("curves", "test_accuracy", 1.5), r"'test_accuracy': 1.5 in row 0 lies outside"),
        (set_to("curves", "train_loss", np.inf), "'train_loss': inf in row 0"),
        (set_to("curves", "diverged", 0), "'diverged': expected boolean"),
        (renamed("curves", "task", "made/0"), "'task': 1 unknown task.*'made/0!'"),
        (renamed("curves", "architecture", "a001"), "'architecture': 1 unknown arch.*'a001!'"),
        (set_to("profiles", "mi_xt", np.nan), "'profiles', column 'mi_xt': nan in row 0"),
        (set_to("profiles", "sigma", -1.0), "'sigma': -1.0 in row 0 lies outside"),
        (set_to("profiles", "dead_units", 1.5), "'dead_units': 1.5 in row 0 lies outside"),
        (renamed("profiles", "task", "made/3"), "'profiles', column 'task': 1 unknown"),
        (set_to("tasks", "mf_noise_1", np.inf), "'tasks', column 'mf_noise_1': inf"),
        (set_to("tasks", "task", "made/0"), "'tasks' has the key .task='made/0'. more than once"),
        (set_to("curves", "seed", 0.5), "'seed': expected integer"),
        (set_to("architectures", "width", 3), "architecture 'a000': width = 3 lies outside"),
        (lambda: replace(meta, tasks=[1]), "'tasks' is a list"),  # type: ignore[arg-type]
    ]
    for make, message in cases:
        with pytest.raises(MetaDatasetError, match=message):
            make()


def test_a_repeated_curve_row_is_refused(meta: MetaDataset) -> None:
    twice = pd.concat([meta.curves, meta.curves.iloc[[5]]])
    with pytest.raises(MetaDatasetError, match=r"'curves' has the key .*epoch=6"):
        replace(meta, curves=twice)


def test_points_are_python_scalars_of_the_space(meta: MetaDataset) -> None:
    points = meta.points()
    assert list(points) == [f"a{i:03d}" for i in range(8)]
    assert list(points.values()) == get_space("mlp").design(8, seed=1)
    kinds = {type(value) for point in points.values() for value in point.values()}
    assert kinds == {int, float, str, bool}


def test_final_is_the_mean_over_seeds_of_each_runs_last_epoch(meta: MetaDataset) -> None:
    one = meta.curves[(meta.curves["task"] == "made/2") & (meta.curves["architecture"] == "a003")]
    other = one[one["epoch"] <= 9].assign(seed=1, diverged=True)
    final = replace(meta, curves=pd.concat([meta.curves, other])).final()
    row = final.set_index(["task", "architecture"]).loc[("made/2", "a003")]
    expected = (one["test_accuracy"].iloc[-1] + one["test_accuracy"].iloc[8]) / 2
    assert row["test_accuracy"] == pytest.approx(expected, abs=1e-12)
    assert not row["diverged"]  # one seed of two did
    assert len(final) == 6 * 8


def test_profile_holds_the_task_and_none_of_its_curves(meta: MetaDataset) -> None:
    profile = meta.profile("made/4")
    assert set(profile.layers["task"]) == {"made/4"}
    assert set(profile.curves["architecture"]) == {"probe-a", "probe-b", "probe-c"}
    row = meta.tasks.set_index("task").loc["made/4"]
    assert profile.metafeatures["noise_1"] == row["mf_noise_1"]
    with pytest.raises(MetaDatasetError, match="no task 'made/77'"):
        meta.profile("made/77")
    bare = replace(meta, profiles=meta.profiles[meta.profiles["task"] != "made/4"])
    with pytest.raises(MetaDatasetError, match="'made/4' has no profile"):
        bare.profile("made/4")


def test_subset_keeps_the_tasks_and_every_architecture(meta: MetaDataset) -> None:
    part = meta.subset(["made/1", "made/3"])
    for table in ("tasks", "curves", "profiles", "probe_curves"):
        assert set(getattr(part, table)["task"]) == {"made/1", "made/3"}
    assert len(part.architectures) == 8
    with pytest.raises(MetaDatasetError, match="unknown task"):
        meta.subset(["made/1", "nowhere"])


def test_rows_join_parameters_profile_and_accuracy(meta: MetaDataset) -> None:
    rows = meta.rows()
    assert len(rows) == 6 * 8
    row = rows[(rows["task"] == "made/5") & (rows["architecture"] == "a002")].iloc[0]
    assert row["width"] == meta.points()["a002"]["width"]
    layers = meta.profiles.set_index(["task", "architecture", "layer_index"])
    assert row["probe-b/1/mi_ty"] == layers.loc[("made/5", "probe-b", 1), "mi_ty"]
    last = meta.final().set_index(["task", "architecture"])
    assert row["test_accuracy"] == last.loc[("made/5", "a002"), "test_accuracy"]


def test_save_and_load_give_it_back_with_the_same_bytes(meta: MetaDataset, tmp_path: Path) -> None:
    meta.save(tmp_path / "one")
    loaded = MetaDataset.load(tmp_path / "one")
    assert loaded.space is meta.space
    assert loaded.points() == meta.points()
    assert loaded.digest == meta.digest
    # Rows in another order are the same meta-dataset, to the byte.
    rng = np.random.default_rng(0)
    mixed = {t: getattr(loaded, t).iloc[rng.permutation(len(getattr(loaded, t)))] for t in TABLES}
    again = replace(loaded, **mixed)
    assert again.digest == meta.digest
    again.save(tmp_path / "two")
    names = sorted(os.listdir(tmp_path / "one"))
    assert names == sorted([*(f"{t}.parquet" for t in (*TABLES, "rows")), "schema.json"])
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("table", ["curves", "profiles", "tasks"])
def test_any_changed_value_changes_the_digest(meta: MetaDataset, table: str) -> None:
    column = {"curves": "test_accuracy", "profiles": "mi_xt", "tasks": "mf_noise_2"}[table]
    frame = getattr(meta, table).copy()
    frame.loc[3, column] += 1e-9
    assert replace(meta, **{table: frame}).digest != meta.digest


def test_texts_count_in_the_digest_not_how_they_are_kept(meta: MetaDataset) -> None:
    plain = meta.tasks.assign(note=["a", "b", *[None] * (len(meta.tasks) - 2)])
    kept = replace(meta, tasks=plain)
    assert kept.digest != meta.digest
    as_codes = plain.assign(note=plain["note"].astype("category"))
    assert replace(meta, tasks=as_codes).digest == kept.digest
    for row, value in ((0, "c"), (1, "a"), (0, None), (2, "null")):
        other = plain.copy()
        other.loc[row, "note"] = value
        assert replace(meta, tasks=other).digest != kept.digest


def test_whole_numbers_count_in_the_digest_to_the_last_digit(meta: MetaDataset) -> None:
    def digest(values: list[Any], dtype: Any) -> str:
        rest = [0] * (len(meta.tasks) - len(values))
        note = pd.Series([*values, *rest], index=meta.tasks.index, dtype=dtype)
        return replace(meta, tasks=meta.tasks.assign(note=note)).digest

    large = 2**53
    digests = [digest([large + i], kind) for i in range(4) for kind in ("int64",)]
    digests += [digest([2**63 + i], "uint64") for i in range(2)]
    digests += [digest([-large - i], "Int64") for i in range(1, 3)]
    digests += [digest([large + 1, None], "Int64"), digest([large + 1, 0, None], "Int64")]
    digests += [digest([1], object), digest(["1"], object), digest([True], object)]
    digests += [digest([np.int64(1), "a"], object), digest(["1", "a"], object)]
    digests += [digest([[1]], object), digest(["[1]"], object)]
    digests += [digest([1], complex), digest([1 + 1j], complex)]
    assert len(set(digests)) == len(digests)
    # What float64 holds counts as it did, however it is kept.
    kinds = ("int8", "int64", "uint64", "float32", "float64", "Int64", "Float32")
    assert len({digest([1, 7], kind) for kind in kinds}) == 1


def test_no_name_of_a_column_reads_as_two(meta: MetaDataset) -> None:
    one, two = (
        meta.tasks.assign(**{name: "x" for name in names}) for names in (("za", "zb"), ("za\nzb",))
    )
    assert replace(meta, tasks=one).digest != replace(meta, tasks=two).digest


def test_loading_names_the_file_that_is_wrong(meta: MetaDataset, tmp_path: Path) -> None:
    with pytest.raises(MetaDatasetError, match="holds no finished meta-dataset"):
        MetaDataset.load(tmp_path)
    meta.save(tmp_path)
    curves = tmp_path / "curves.parquet"
    kept = curves.read_bytes()
    meta.curves.drop(columns="epoch").to_parquet(curves)
    with pytest.raises(MetaDatasetError, match=r"curves\.parquet: table 'curves' misses"):
        MetaDataset.load(tmp_path)
    meta.curves.assign(test_accuracy=0.5).to_parquet(curves)
    with pytest.raises(MetaDatasetError, match="do not have the digest"):
        MetaDataset.load(tmp_path)
    curves.write_bytes(kept[:100])
    with pytest.raises(MetaDatasetError, match=r"curves\.parquet cannot be read"):
        MetaDataset.load(tmp_path)
    curves.write_bytes(kept)
    schema = json.loads((tmp_path / "schema.json").read_text())
    (tmp_path / "schema.json").write_text(json.dumps({**schema, "version": 99}))
    with pytest.raises(MetaDatasetError, match="version 99; this infoprior reads version 4"):
        MetaDataset.load(tmp_path)


def test_a_failed_write_leaves_no_half_file(
    meta: MetaDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, data: bytes) -> int:
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        assert os.listdir(tmp_path)
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(MetaDatasetError, match="cannot be written: disk full"):
        meta.save(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_space_of_ones_own_comes_back_from_its_file(tmp_path: Path) -> None:
    space = SearchSpace(
        "own", {"kind": CategoricalDistribution(("x", None)), "rate": FloatDistribution(0.0, 1.0)}
    )
    made = make_metadataset(2, 2)
    architectures = pd.DataFrame(
        {"architecture": ["a000", "a001"], "kind": ["x", None], "rate": [0.25, 1.0]}
    )
    meta = replace(made, space=space, architectures=architectures)
    meta.save(tmp_path)
    loaded = MetaDataset.load(tmp_path)
    assert dict(loaded.space) == dict(space)
    assert loaded.points()["a001"] == {"kind": None, "rate": 1.0}


def test_values_that_a_recipe_does_not_have_may_be_missing(
    meta: MetaDataset, tmp_path: Path
) -> None:
    bare = replace(meta, profiles=meta.profiles.assign(mi_xt_lower=np.nan, sigma=np.nan))
    bare.save(tmp_path)
    assert MetaDataset.load(tmp_path).digest == bare.digest
    assert bare.profile("made/1").layers["sigma"].isna().all()


def test_the_data_card_says_where_information_rises_with_depth(meta: MetaDataset) -> None:
    # I(T;Y) of probe-b jumps at its second layer, that of the others falls with depth.
    profiles = meta.profiles.assign(mi_ty=1.0 - 0.1 * meta.profiles["layer_index"])
    deeper = (profiles["architecture"] == "probe-b") & (profiles["layer_index"] == 1)
    profiles.loc[deeper, "mi_ty"] = 1.5
    profiles["mi_xt"] = 2.0 - profiles["layer_index"]
    card = data_card(replace(meta, profiles=profiles), seed=0, versions={})
    assert "| probe-b | 6 | 6 | 0.50 | 0 |  |" in card
    assert "| probe-c | 6 | 0 |  | 0 |  |" in card
    assert "| probe-a |" not in card  # it has one layer
    assert "| recipes | tabular-1 |" in card
    none = data_card(replace(meta, profiles=profiles.iloc[:0]), seed=0, versions={})
    assert "No probe has two layers to compare." in none


def test_the_data_card_counts_and_tells_no_time(meta: MetaDataset) -> None:
    card = data_card(meta, seed=7, versions={"torch": "2.13.0", "numpy": "2.4.0"})
    assert card == data_card(meta, seed=7, versions={"numpy": "2.4.0", "torch": "2.13.0"})
    for text in (
        "| tasks | 6 in 5 families |",
        "48 of 48 (task, architecture) pairs",
        "- family-2: made/2, made/3",
        "| torch | 2.13.0 |",
        "| seed | 7 |",
        meta.digest,
        "## Known weaknesses",
    ):
        assert text in card


def test_shared_keeps_the_architectures_that_ran_on_every_task(meta: MetaDataset) -> None:
    curves = meta.curves
    absent = (curves["architecture"] == "a002") & (curves["task"] == "made/3")
    shared = replace(meta, curves=curves[~absent]).shared()
    assert "a002" not in set(shared.architectures["architecture"]) | set(
        shared.curves["architecture"]
    )
    assert len(shared.architectures) == len(meta.architectures) - 1
    assert len(shared.profiles) == len(meta.profiles)
    nowhere = curves["architecture"].str[-1].astype(int) % 6 == curves["task"].str[-1].astype(int)
    with pytest.raises(MetaDatasetError, match="No architecture was run on every task"):
        replace(meta, curves=curves[~nowhere & (curves["architecture"] < "a006")]).shared()


def test_join_takes_the_others_rows_for_a_task_that_both_have(meta: MetaDataset) -> None:
    one, two = meta.subset(["made/0", "made/1"]), meta.subset(["made/1", "made/2"])
    changed = replace(two, curves=two.curves.assign(test_accuracy=0.25))
    joined = one.join(changed)
    assert sorted(joined.tasks["task"]) == ["made/0", "made/1", "made/2"]
    final = joined.final().set_index("task")["test_accuracy"]
    assert (final.loc[["made/1", "made/2"]] == 0.25).all()
    assert (final.loc["made/0"] != 0.25).any()
    assert joined.points() == meta.points()
    assert one.join(two).digest == meta.subset(["made/0", "made/1", "made/2"]).digest
    # A machine that rounds otherwise means the same architectures; the first table's points stand.
    rates = two.architectures["learning_rate"]
    off = replace(two, architectures=two.architectures.assign(learning_rate=rates * (1 + 1e-15)))
    assert off.points() != two.points()
    assert one.join(off).points() == meta.points()
    further = replace(two, architectures=off.architectures.assign(learning_rate=rates * 1.00001))
    with pytest.raises(MetaDatasetError, match="'a000' has another point in each"):
        one.join(further)
    other = replace(two, architectures=two.architectures.assign(width=17))
    with pytest.raises(MetaDatasetError, match="'a000' has another point in each"):
        one.join(other)
    with pytest.raises(MetaDatasetError, match="'mlp' and 'mine' cannot be joined"):
        one.join(_of_another_space())
    without = replace(two, tasks=two.tasks.drop(columns="mf_noise_1"))
    with pytest.raises(MetaDatasetError, match="'noise_1'; measure the tasks of both"):
        one.join(without)


def test_the_score_pays_for_every_unit(meta: MetaDataset) -> None:
    space = get_space("thesis")
    sizes = {"a000": (10, 10, 10, 10), "a001": (120, 10, 15, 20)}
    rows = [
        {"architecture": name, **{f"units_{i}": n for i, n in enumerate(units, 1)}}
        for name, units in sizes.items()
    ]
    curves = meta.curves[meta.curves["architecture"].isin(list(sizes))]
    thesis = replace(meta, space=space, architectures=pd.DataFrame(rows), curves=curves)
    table = score(thesis, per_unit=0.001).set_index(["task", "architecture"]).loc["made/0"]
    assert table["units"].to_dict() == {"a000": 40, "a001": 165}
    paid = (table["test_accuracy"] - table["test_score"]).to_dict()
    assert paid == pytest.approx({"a000": 0.040, "a001": 0.165})
    with pytest.raises(MetaDatasetError, match="'mlp' has no parameters units_1"):
        score(meta)


def _of_another_space() -> MetaDataset:
    space = SearchSpace("mine", {"x": FloatDistribution(0.0, 1.0)})
    small = make_metadataset(2, 2, seed=1)
    points = pd.DataFrame({"architecture": ["a000", "a001"], "x": [0.1, 0.9]})
    return replace(small, space=space, architectures=points)
