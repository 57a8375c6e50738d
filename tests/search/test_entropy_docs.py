"""The examples of the entropy gradient in docs/seeds.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "seeds.md").read_text("utf-8")
SECTION = PAGE.split("## Entropy gradient", 1)[1].split("\n## ", 1)[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)


def test_the_section_has_two_examples() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "docs/seeds.md", "exec"), {})
    assert re.match(r"\[?0\.\d+", capsys.readouterr().out)


def test_every_test_and_function_that_the_table_names_is_there() -> None:
    top = Path(__file__).parents[2]
    tests = "".join(p.read_text("utf-8") for p in (top / "tests").rglob("test_entropy_*.py"))
    source = (top / "infoprior/search/entropy_gradient.py").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", SECTION))
    assert len(named) >= 10
    assert all(f"def {name}(" in tests for name in named)
    for name in ("decision_entropy", "entropy_slope", "EntropyLinear", "train_locally"):
        assert f"`{name}`" in SECTION
        assert re.search(rf"^(def|class) {name}\b", source, flags=re.MULTILINE)
