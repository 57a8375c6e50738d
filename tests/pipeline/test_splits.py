"""What is learned from and what is judged: the splits of the published tasks."""

from __future__ import annotations

from pathlib import Path

import yaml

from infoprior.metadataset import FITTED_FAMILIES, chosen_tasks, training_rows
from pipeline.predictors import splits_of

TOP = Path(__file__).parents[2]
PARAMS = yaml.safe_load((TOP / "params.yaml").read_text())


def test_no_test_family_was_seen_by_the_choice_of_synthetic_tasks() -> None:
    meta = training_rows("mlp", 20)
    families = meta.tasks.set_index("task")["family"]
    splits = splits_of(meta, PARAMS["predictors"])
    development, test = splits["test"]
    real = set(meta.tasks["family"][meta.tasks["kind"] == "real"])
    assert set(families[test]) | set(FITTED_FAMILIES) == real
    assert not set(families[test]) & set(FITTED_FAMILIES)
    assert len(test) > 30
    assert set(development) | set(test) == set(families.index)
    folds = [set(held) for name, (_, held) in splits.items() if name != "test"]
    assert set().union(*folds) <= set(development)
    assert sum(map(len, folds)) == len(set().union(*folds))


def test_tasks_that_are_measured_here_are_not_the_published_ones() -> None:
    params = PARAMS["tasks"]
    first = params["synthetic_from"]
    here = {f"synthetic/{i}" for i in range(first, first + params["synthetic"])}
    assert not here & set(chosen_tasks())
    indices = {int(name.removeprefix("synthetic/")) for name in chosen_tasks()}
    assert max(indices) < 7200  # as params.yaml says
    assert not indices & set(range(1000, 1200))
