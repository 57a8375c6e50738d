"""Rows of one person, household or firm stay in one part, and raw files are refused by name."""

from __future__ import annotations

import dataclasses
import io
import tarfile

import numpy as np
import pytest

from infoprior.tasks import TaskError
from infoprior.tasks._encode import Column, make_task
from infoprior.tasks._packaged.catalogue import PACKAGES
from infoprior.tasks._packaged.entry import Entry
from infoprior.tasks._packaged.raw import read_raw
from infoprior.tasks._split import join_groups
from infoprior.tasks._task import PARTS


def test_joined_groups_are_the_finest_that_hold_both_together():
    rows = np.array([0, 1, 1, 2, 3, 4])
    persons = np.array([0, 0, 1, 2, 2, 3])
    np.testing.assert_array_equal(join_groups(rows, persons), [0, 0, 0, 1, 1, 2])
    np.testing.assert_array_equal(join_groups(rows, np.arange(6)), rows)
    np.testing.assert_array_equal(join_groups(rows, np.zeros(6, dtype=int)), np.zeros(6))


def test_a_task_keeps_each_person_in_one_part():
    rng = np.random.default_rng(0)
    persons = rng.integers(60, size=600)
    columns = [Column("a", rng.normal(size=600)), Column("b", rng.normal(size=600))]
    given = dict(name="t", family="t", source="s", kind="real", columns=columns, seed=0)
    labels = [str(v) for v in rng.integers(2, size=600)]
    task = make_task(**given, labels=labels, groups=[str(p) for p in persons])
    parts = [set(persons[getattr(task, part)]) for part in PARTS]
    assert sum(map(len, parts)) == 60
    loose = make_task(**given, labels=labels)
    assert sum(len(set(persons[getattr(loose, part)])) for part in PARTS) > 100


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `toys` whose tables lie in a tar archive."""
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    table = b'"","size","who","kind"\n"1",2.5,"ann","x"\n"2",NA,"ann","y"\n"3",1,"bob","x"\n'
    with tarfile.open(folder / "all.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("a/b.csv")
        member.size = len(table)
        archive.addfile(member, io.BytesIO(table))
    monkeypatch.syspath_prepend(tmp_path)
    entry = Entry(
        "toys/b", "b", "a/b.csv", header=True, label="kind", drop=("Unnamed: 0",), group="who"
    )
    real = PACKAGES["r"]
    return dataclasses.replace(real, module="toys", entries=(entry,), archive="all.tar.gz")


def test_a_table_in_an_archive_is_read_without_importing_its_package(package):
    raw = read_raw(package.entries[0], package)
    assert raw.labels == ["x", "y", "x"]
    assert raw.groups == ["ann", "ann", "bob"]
    np.testing.assert_array_equal(raw.columns[0].values, [2.5, np.nan, 1])
    assert [c.name for c in raw.columns] == ["size", "who"]
    two = dataclasses.replace(package.entries[0], group=2, keep=("size",))
    assert read_raw(two, package).groups == ["0", "0", "1"]
    assert [c.name for c in read_raw(two, package).columns] == ["size"]


def test_a_missing_file_or_column_is_named(package):
    entry = dataclasses.replace(package.entries[0], label="sort")
    with pytest.raises(TaskError, match=r"toys/b.*no column 'sort'"):
        read_raw(entry, package)
    other = dataclasses.replace(package.entries[0], file="a/c.csv")
    with pytest.raises(TaskError, match=r"a/c\.csv: no such file in pydataset"):
        read_raw(other, dataclasses.replace(package, entries=(other,)))


def test_groups_too_few_for_three_parts_are_said():
    columns = [Column("a", np.random.default_rng(0).normal(size=60))]
    given = dict(name="t", family="t", source="s", kind="real", columns=columns, seed=0)
    labels = ["u", "v"] * 30
    with pytest.raises(TaskError, match="no rows are left for test, since rows that are equal or"):
        make_task(**given, labels=labels, groups=[str(k % 3) for k in range(60)])
    with pytest.raises(TaskError, match=r"class 'u'.*1 distinct rows"):
        make_task(**given, labels=labels, groups=["one"] * 60)
