"""The example of structural evolution in docs/seeds.md runs as it stands, and its table is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "seeds.md").read_text("utf-8")
SECTION = PAGE.split("## Neuro Exapt", 1)[1].split("\n## ", 1)[0]
BLOCK = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)[0]
ROWS = [line for line in SECTION.splitlines() if line.startswith("| ")]


def test_the_example_prints_a_table_and_saves_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(BLOCK.replace("budget=2", "budget=0.5"), "docs/seeds.md", "exec"), names)
    out = capsys.readouterr().out
    assert re.match(r"\d+ epochs, 0\.\d\d full trainings: \{'0': \d+, '2': \d+\}\n", out)
    assert {"prune", "widen", "kept"} <= set(names["evolution"].events["event"])
    assert "width_before" in out
    assert (tmp_path / "evolution.png").read_bytes().startswith(b"\x89PNG")
    assert (TOP / "docs" / "figures" / "evolution.png").exists()


def test_every_test_and_function_that_the_table_names_is_there() -> None:
    tests = "".join(p.read_text("utf-8") for p in (TOP / "tests/search").glob("test_evolution*.py"))
    named = set(re.findall(r"\b(test_\w+)\b", "\n".join(ROWS))) - {"test_statistics"}
    assert len(named) >= 40
    missing = [name for name in named if f"def {name}(" not in tests]
    assert not missing
    folder = TOP / "infoprior" / "search" / "evolution"
    modules = {path.stem: path.read_text("utf-8") for path in folder.glob("*.py")}
    functions = re.findall(r"`(\w+)\.(\w+)(?:\.(\w+))?`", "\n".join(ROWS))
    functions = [(module, name, method) for module, name, method in functions if module in modules]
    assert len(functions) >= 30
    for module, name, method in functions:
        assert re.search(rf"^(?:(?:def|class) )?{name}\b", modules[module], re.MULTILINE), name
        assert not method or f"def {method}(" in modules[module], method


def test_no_part_of_the_document_is_left_open() -> None:
    assert "not implemented" not in SECTION
    parts = {row.split()[1] for row in ROWS}
    expected = {
        "1.1", "1.2", "1.3", "2.1", "2.2", "3.1", "3.2", "4.1", "4.2", "4.3", "5.1", "5.2", "6.1",
        "6.2", "6.3", "7.1", "7.2", "7.3",
    }  # fmt: skip
    assert expected <= parts
