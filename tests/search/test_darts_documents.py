"""The examples of docs/seeds.md on DARTS run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

SEEDS = (Path(__file__).parents[2] / "docs" / "seeds.md").read_text("utf-8")
SECTION = re.search(r"^## DARTS\n(.*?)(?=^## |\Z)", SEEDS, flags=re.DOTALL | re.MULTILINE)
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION[1] if SECTION else "", flags=re.DOTALL)


def test_the_documents_own_operation_runs_and_is_a_mixed_operation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(compile(BLOCKS[0], "docs/seeds.md", "exec"), {})
    assert capsys.readouterr().out == "True\n"


def test_the_search_of_the_documents_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = BLOCKS[1].replace("epochs=27", "epochs=2")
    names: dict[str, Any] = {}
    exec(compile(code, "docs/seeds.md", "exec"), names)
    out = capsys.readouterr().out
    assert "edge_0_1" in out
    assert "cell_1_node_3" in out
    assert names["prior"].log_ratio([names["judged"].params])[0] > 0.0
