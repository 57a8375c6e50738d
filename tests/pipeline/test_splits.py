"""What is learned from and what is judged: the splits of the published tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infoprior.metadataset import FITTED_FAMILIES, chosen_tasks
from pipeline import metadataset
from pipeline.predictors import parts

TOP = Path(__file__).parents[2]
PARAMS = yaml.safe_load((TOP / "params.yaml").read_text())


def test_no_test_family_was_seen_by_the_choice_of_synthetic_tasks() -> None:
    meta = metadataset.published("mlp", 20)
    families = meta.tasks.set_index("task")["family"]
    splits = parts(meta, PARAMS["predictors"])
    development, test = splits["test"]
    real = set(meta.tasks["family"][meta.tasks["kind"] == "real"])
    assert set(families[test]) | set(FITTED_FAMILIES) == real
    assert not set(families[test]) & set(FITTED_FAMILIES)
    assert len(test) > 30
    assert set(development) | set(test) == set(families.index)
    folds = [set(held) for name, (_, held) in splits.items() if name != "test"]
    assert set().union(*folds) <= set(development)
    assert sum(map(len, folds)) == len(set().union(*folds))


def test_chosen_tasks_that_are_not_published_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadataset, "chosen_tasks", lambda n: ["synthetic/5000001"])
    with pytest.raises(SystemExit, match=r"1 chosen tasks \(synthetic/5000001, \.\.\.\)"):
        metadataset.published("mlp", 1)


def test_tasks_that_are_measured_here_are_not_the_published_ones() -> None:
    params = PARAMS["tasks"]
    first = params["synthetic_from"]
    here = {f"synthetic/{i}" for i in range(first, first + params["synthetic"])}
    assert not here & set(chosen_tasks())
    indices = {int(name.removeprefix("synthetic/")) for name in chosen_tasks()}
    assert max(indices) < 7200  # as params.yaml says
    assert not indices & set(range(1000, 1200))
