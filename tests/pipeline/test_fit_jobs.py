"""One fit of the stage `predictors`: performance predictors learn curves once for all variants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infoprior.evaluation import score_held_out
from infoprior.metadataset import MetaDataset
from infoprior.predictors import make_predictor
from pipeline.fit_jobs import fit_one
from pipeline.variants import Variant
from tests.factories import make_tabular

SETTINGS = {"rank": 2, "iterations": 2, "seed": 0}


@pytest.fixture(scope="module")
def meta() -> MetaDataset:
    return make_tabular(n_tasks=12, n_architectures=6)


def scores(meta: MetaDataset, folder: Path, inputs: str, shuffle: int) -> dict[str, list[float]]:
    names = list(meta.tasks["task"])
    if not folder.exists():
        meta.save(folder)
    variant = Variant("performance", inputs)
    return fit_one(str(folder), variant, shuffle, names[:8], names[8:], SETTINGS)["scores"]


def test_what_is_learned_once_is_what_each_fit_would_learn(meta: MetaDataset, tmp_path: Path):
    names = list(meta.tasks["task"])
    seen = []
    for inputs, shuffle in (("data", -1), ("all", -1), ("data-shuffled", 0), ("nothing", -1)):
        together = scores(meta, tmp_path / "rows", inputs, shuffle)
        groups = Variant("performance", inputs).input_names
        rows = MetaDataset.load(tmp_path / "rows")
        rows = rows if shuffle < 0 else rows.shuffle_profiles(shuffle)
        _, alone = score_held_out(
            lambda groups=groups: make_predictor("performance", groups, **SETTINGS),
            rows, names[8:], names[:8],
        )  # fmt: skip
        for task in names[8:]:
            np.testing.assert_array_equal(together[task], alone[task])
        seen.append(str(together))
    assert len(set(seen)) == 4


def test_other_curves_of_the_same_tasks_are_learned_again(meta: MetaDataset, tmp_path: Path):
    first = scores(meta, tmp_path / "rows", "data", -1)
    curves = meta.curves.assign(test_accuracy=1.0 - meta.curves["test_accuracy"])
    other = scores(replace(meta, curves=curves), tmp_path / "other", "data", -1)
    assert first != other
