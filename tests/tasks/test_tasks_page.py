"""docs/tasks.md lists every packaged data set as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from infoprior.tasks import catalogue
from infoprior.tasks.__main__ import CLOSE, OPEN, replace, table, tail
from infoprior.tasks._packaged.catalogue import PACKAGES

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
NO_MORE_DATA = not all(package.installed() for package in PACKAGES.values())
needs_more_data = pytest.mark.skipif(
    NO_MORE_DATA, reason="needs pip install 'infoprior[more-data]'"
)


def _lines() -> list[list[str]]:
    inner = PAGE.read_text(encoding="utf-8").partition(OPEN)[2].partition(CLOSE)[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in inner.split("\n")[3:-1]]


@needs_more_data
def test_names_families_kinds_licences_and_notes_are_those_of_the_catalogue():
    listed = [(line[0], line[1], " | ".join(line[5:])) for line in _lines()]
    assert listed == [(i.name, i.family, tail(i)) for i in catalogue()]


def test_each_package_is_described():
    page = PAGE.read_text(encoding="utf-8").partition(OPEN)[0]
    for package in PACKAGES.values():
        line = next(x for x in page.splitlines() if x.startswith(f"| {package.distribution} |"))
        assert f"| {package.licence} |" in line
        assert f"`{package.extra}`" in line or package.module == "sklearn"


@needs_more_data
@pytest.mark.slow
def test_the_whole_table_is_what_the_command_writes():
    page = PAGE.read_text(encoding="utf-8")
    assert replace(page, table()) == page


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="has no <!-- tasks -->"):
        replace("text", "table")
    assert replace(f"a {OPEN} old {CLOSE} b", "x\\1") == f"a {OPEN}\nx\\1\n{CLOSE} b"
