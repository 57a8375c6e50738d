"""Wrong arguments end in the room's own error, which names the argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from infoprior.report import (
    ReportError,
    differences_figure,
    information_plane_figure,
    marginals_figure,
    metadataset_figure,
    regret_figure,
    save_figure,
)

ROW = {"predictor": "trees", "inputs": "mi", "metric": "kendall_tau", "difference": 0.1,
       "difference_low": 0.0, "difference_high": 0.2, "p_holm": 0.5}  # fmt: skip
REGRET = {"search": "replay", "predictor": "trees", "inputs": "mi", "budget": 1.0,
          "regret": float("nan"), "low": 0.0, "high": 0.0, "n_tasks": 1}  # fmt: skip


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: metadataset_figure(None), "meta"),  # type: ignore[arg-type]
        (lambda: differences_figure(pd.DataFrame()), "long"),
        (lambda: differences_figure(pd.DataFrame([ROW, ROW])), "one part"),
        (lambda: information_plane_figure(pd.DataFrame({"task": ["a"]})), "profiles"),
        (lambda: marginals_figure([]), "priors"),  # type: ignore[arg-type]
        (lambda: marginals_figure({"a": 1}), "'a'"),  # type: ignore[dict-item]
        (lambda: regret_figure(pd.DataFrame([REGRET]), {}), "no row"),
        (lambda: regret_figure(pd.DataFrame([REGRET]), {"trees": "x"}), "shown"),  # type: ignore[dict-item]
        (lambda: save_figure(None, "x.png"), "figure"),  # type: ignore[arg-type]
    ],
)
def test_each_is_refused_by_name(call: Callable[[], Any], name: str) -> None:
    with pytest.raises(ReportError, match=name):
        call()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot be written"):
        save_figure(Figure(), tmp_path / "file" / "x.png")
